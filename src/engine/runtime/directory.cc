#include "runtime/directory.h"

#include <algorithm>
#include <utility>

namespace vigie::runtime {

std::string_view name_of(const Directory::Camera* camera) { return camera->policy->name; }

namespace {

std::shared_ptr<const Directory::Cameras> make_cameras(const policy::PolicySnapshot& snapshot,
                                                       const PipelineMap& pipelines, uint64_t generation) {
  auto cameras = std::make_shared<Directory::Cameras>();
  cameras->generation = generation;
  cameras->all.reserve(snapshot.cameras.size());
  cameras->by_name.reserve(snapshot.cameras.size());
  for (const policy::CameraPolicy& camera : snapshot.cameras) {
    Directory::Camera& entry = cameras->all[camera.name];
    entry.policy = &camera;
    entry.streams.reserve(camera.streams.size());
    for (const policy::StreamPolicy& stream : camera.streams) {
      const auto found = pipelines.find({camera.name, stream.name});
      entry.streams.push_back(found == pipelines.end() ? nullptr : found->second);
    }
  }
  for (const auto& [name, entry] : cameras->all) cameras->by_name.push_back(&entry);
  std::ranges::sort(cameras->by_name, {}, &name_of);
  return cameras;
}

}  // namespace

Ref<const Directory> make_directory(Ref<const policy::PolicySnapshot> snapshot, const PipelineMap& pipelines,
                                    uint64_t generation, const Directory* before, const Clock& clock) {
  auto directory = make_ref<Directory>();
  directory->wall = clock.now_wall();
  directory->mono = clock.now_mono();
  const bool same =
      before && before->cameras->generation == generation && before->snapshot->cameras.shares(snapshot->cameras);
  directory->cameras = same ? before->cameras : make_cameras(*snapshot, pipelines, generation);
  directory->agents.reserve(snapshot->agents.size());
  for (const policy::AgentPolicy& agent : snapshot->agents) {
    Directory::Agent& entry = directory->agents[agent.name];
    entry.policy = &agent;
    entry.password_since = snapshot->revision;
    if (!before) continue;
    const auto old = before->agents.find(agent.name);
    const bool kept = old != before->agents.end() && old->second.policy->password == agent.password;
    if (kept) entry.password_since = old->second.password_since;
  }
  for (const policy::ListenerPolicy& listener : snapshot->listeners) directory->listeners[listener.name] = &listener;
  directory->snapshot = std::move(snapshot);
  return directory;
}

}  // namespace vigie::runtime
