#include "runtime/directory.h"

#include <algorithm>
#include <utility>

namespace vigie::runtime {

std::string_view name_of(const Directory::Camera* camera) { return camera->policy->name; }

Ref<const Directory> make_directory(Ref<const policy::PolicySnapshot> snapshot, const PipelineMap& pipelines,
                                    const Directory* before, const Clock& clock) {
  auto directory = make_ref<Directory>();
  directory->wall = clock.now_wall();
  directory->mono = clock.now_mono();
  directory->cameras.reserve(snapshot->cameras.size());
  directory->by_name.reserve(snapshot->cameras.size());
  directory->agents.reserve(snapshot->agents.size());
  for (const policy::CameraPolicy& camera : snapshot->cameras) {
    Directory::Camera& entry = directory->cameras[camera.name];
    entry.policy = &camera;
    entry.streams.reserve(camera.streams.size());
    for (const policy::StreamPolicy& stream : camera.streams) {
      const auto found = pipelines.find({camera.name, stream.name});
      entry.streams.push_back(found == pipelines.end() ? nullptr : found->second);
    }
  }
  for (const auto& [name, entry] : directory->cameras) directory->by_name.push_back(&entry);
  std::ranges::sort(directory->by_name, {}, &name_of);
  for (const policy::AgentPolicy& agent : snapshot->agents) {
    Directory::Agent& entry = directory->agents[agent.name];
    entry.policy = &agent;
    entry.password_since = snapshot->revision;
    if (!before) continue;
    const auto old = before->agents.find(agent.name);
    const bool same = old != before->agents.end() && old->second.policy->password == agent.password;
    if (same) entry.password_since = old->second.password_since;
  }
  for (const policy::ListenerPolicy& listener : snapshot->listeners) directory->listeners[listener.name] = &listener;
  directory->snapshot = std::move(snapshot);
  return directory;
}

}  // namespace vigie::runtime
