#pragma once
// Who is there and who may see what, as of one policy revision: the shards' view of the engine.
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ref.h"
#include "policy/snapshot.h"
#include "runtime/stream_pipeline.h"

namespace vigie::runtime {

// Immutable once published; shared by all shards and the host's threads.
struct Directory : RefCounted<Directory> {
  struct Camera {
    const policy::CameraPolicy* policy = nullptr;
    // In the order of the policy's streams; the first is the default. Null while a stream is being replaced.
    std::vector<std::shared_ptr<StreamPipeline>> streams;
  };
  // Kept by the directories after it for as long as neither the cameras of the policy nor their pipelines change.
  struct Cameras {
    uint64_t generation = 0;  // of the pipelines
    std::unordered_map<std::string_view, Camera> all;
    std::vector<const Camera*> by_name;  // all of them, in the order of their names
  };
  struct Agent {
    const policy::AgentPolicy* policy = nullptr;
    uint64_t password_since = 0;  // revision that gave the present password
  };

  Ref<const policy::PolicySnapshot> snapshot;  // never null
  // Both clocks when it came into force.
  WallTime wall{};
  MonoTime mono{};
  std::shared_ptr<const Cameras> cameras;  // never null; of the snapshot's list
  std::unordered_map<std::string_view, Agent> agents;
  std::unordered_map<std::string_view, const policy::ListenerPolicy*> listeners;

  const Camera* camera(std::string_view name) const {
    const auto found = cameras->all.find(name);
    return found == cameras->all.end() ? nullptr : &found->second;
  }
};

std::string_view name_of(const Directory::Camera* camera);

using PipelineMap = std::map<StreamKey, std::shared_ptr<StreamPipeline>>;
// `generation`: another one whenever pipelines came or went. `before`: the directory it replaces, to know whose password has
// changed; may be null.
Ref<const Directory> make_directory(Ref<const policy::PolicySnapshot> snapshot, const PipelineMap& pipelines,
                                    uint64_t generation, const Directory* before, const Clock& clock);

}  // namespace vigie::runtime
