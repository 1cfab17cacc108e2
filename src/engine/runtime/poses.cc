// Where domes look, as a host tells it: every stream of a camera sees through the same optics.
#include <utility>
#include <vector>

#include "runtime/engine_impl.h"

namespace vigie::runtime {

Status Engine::Impl::for_each_stream_of(const std::string& camera, const std::function<Status(StreamPipeline&)>& step) {
  const Ref<const Directory> directory = viewing_->directory();
  const Directory::Camera* found = directory->camera(camera);
  if (!found) return make_error(Code::not_found, camera, "no camera has this name");
  Status first;
  for (const auto& pipeline : found->streams) {
    if (!pipeline) continue;  // being replaced
    Status status;
    pipeline->loop().run_blocking([&] { status = step(*pipeline); });
    if (!status.ok() && first.ok()) first = std::move(status);
  }
  return first;
}

Status Engine::Impl::push_pose(const std::string& camera, const mask::Pose& pose) {
  return for_each_stream_of(camera, [&](StreamPipeline& pipeline) { return pipeline.push_pose(pose); });
}

// Kept for streams that are yet to come, too: a doubt is about the dome (M-3), whatever a policy makes of its streams.
Status Engine::Impl::set_doubt(const std::string& camera, mask::PoseDoubt doubt) {
  if (!viewing_->directory()->camera(camera)) {
    return make_error(Code::not_found, camera, "no camera has this name");
  }
  {
    const std::lock_guard lock(doubts_mutex_);
    if (doubt == mask::PoseDoubt::none) {
      doubts_.erase(camera);
    } else {
      doubts_[camera] = doubt;
    }
  }
  const auto step = [&](StreamPipeline& pipeline) -> Status {
    tell_doubt(pipeline);
    return {};
  };
  // At once, and again when no policy is on its way into force: it may have made streams just before the doubt was noted.
  if (Status told = for_each_stream_of(camera, step); !told.ok()) return told;
  const std::lock_guard lock(control_mutex_);
  if (closed_) return make_error(Code::closed, "engine", "the engine was closed");
  return for_each_stream_of(camera, step);
}

void Engine::Impl::tell_doubt(StreamPipeline& pipeline) {
  mask::PoseDoubt doubt = mask::PoseDoubt::none;
  {
    const std::lock_guard lock(doubts_mutex_);
    if (const auto found = doubts_.find(pipeline.key().camera); found != doubts_.end()) doubt = found->second;
  }
  if (doubt == mask::PoseDoubt::none) {
    pipeline.trust_pose();
  } else {
    pipeline.distrust_pose(doubt);
  }
}

}  // namespace vigie::runtime
