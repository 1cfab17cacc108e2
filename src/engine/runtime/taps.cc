// What hosts take of decoded pictures: taps and snapshots.
#include <utility>

#include "codec/frame_pool.h"
#include "codec/jpeg.h"
#include "runtime/engine_impl.h"

namespace vigie::runtime {
namespace {

constexpr int kJpegQuality = 90;
constexpr size_t kMaxQueuedFrames = 64;
constexpr double kMaxFps = 1000;

Status check_options(const TapOptions& options) {
  if (options.width == 1 || options.width > codec::kMaxSide) {
    return make_error(Code::invalid_argument, "width",
                      std::to_string(options.width) + " was given; 0 (full size) and 2 to " +
                          std::to_string(codec::kMaxSide) + " are possible");
  }
  if (!(options.queue.fps >= 0 && options.queue.fps <= kMaxFps)) {
    return make_error(Code::invalid_argument, "fps",
                      std::to_string(options.queue.fps) + " was given; 0 (all) to 1000 are possible");
  }
  if (options.queue.frames < 1 || options.queue.frames > kMaxQueuedFrames) {
    return make_error(Code::invalid_argument, "queue",
                      std::to_string(options.queue.frames) + " was given; 1 to 64 frames are possible");
  }
  return {};
}

}  // namespace

std::optional<Nanos> capture_error_bound(const Frame& frame, std::optional<Nanos> camera_clock_error) {
  if (frame.clock_quality != ClockQuality::reported) {
    return std::chrono::abs(frame.arrival_wall - frame.capture_time) + kLongestDelay;
  }
  if (!camera_clock_error) return std::nullopt;
  return std::chrono::abs(*camera_clock_error) + kReportDrift + kReportTransit;
}

Result<std::shared_ptr<FrameTap>> Engine::Impl::tap_frames(const TapOptions& options) {
  if (Status sound = check_options(options); !sound.ok()) return std::move(sound).error();
  const auto found = viewing_->find(options.camera, options.stream);
  if (!found.ok()) return found.error();
  return open_tap(*found, options);
}

Result<std::shared_ptr<FrameTap>> Engine::Impl::open_tap(const Viewing::Found& found, const TapOptions& options) {
  const std::shared_ptr<StreamPipeline>& pipeline = found.pipeline;
  const Error gone = make_error(Code::closed, "engine", "the engine was closed");
  auto queue = std::make_shared<FrameQueue>(options.queue);
  Status status;
  const bool ran = pipeline->loop().run_blocking([&] {
    const std::shared_ptr<Outlet> outlet = pipeline->outlet(found.version);
    status = outlet ? outlet->may_publish()
                    : Status(make_error(Code::not_found, options.camera, "the camera has no such version"));
    if (!status.ok()) return;
    // Detaching belongs to the feeding shard; the queue stays alive until it is done.
    queue->on_close = [pipeline, outlet, weak = std::weak_ptr<FrameQueue>(queue)] {
      pipeline->loop().post([pipeline, outlet, queue = weak.lock()] { pipeline->remove_frames(*outlet, queue.get()); });
    };
    // Known before it is fed: close() ends every tap it finds, and must find this one.
    if (!taps_->add(queue)) {
      status = gone;
      return;
    }
    status = pipeline->add_frames(outlet, queue);
    if (!status.ok()) taps_->remove(*queue);
  });
  if (!ran) return gone;
  if (!status.ok()) return std::move(status).error();
  return std::make_shared<FrameTap>(std::move(queue), options.width, taps_);
}

Result<Snapshot> Engine::Impl::snapshot(const std::string& camera, const std::string& stream, WaitLimit timeout) {
  if (timeout < WaitLimit(0)) {
    return make_error(Code::invalid_argument, "timeout", "a snapshot does not wait for ever; 0 or more is possible");
  }
  const auto found = viewing_->find(camera, stream);
  if (!found.ok()) return found.error();
  const MonoTime until = clock_.now_mono() + timeout;
  const auto tap = open_tap(*found, {.camera = camera, .stream = stream, .width = 0, .queue = {.frames = 1, .fps = 0}});
  if (!tap.ok()) return tap.error();
  while (true) {
    const auto left = std::chrono::duration_cast<WaitLimit>(until - clock_.now_mono());
    const auto lease = (*tap)->next_blocking(std::max(left, WaitLimit(0)));
    if (!lease.ok()) {
      if (lease.error().code != Code::timed_out) return lease.error();
      return make_error(Code::timed_out, camera,
                        "no picture could be shown within " + std::to_string(timeout.count()) + " ms");
    }
    const Frame& frame = lease->frame();
    auto jpeg = codec::encode_jpeg(frame, kJpegQuality);
    if (!jpeg.ok()) return std::move(jpeg).error();
    std::optional<Nanos> clock_error;
    StreamPipeline& pipeline = *found->pipeline;
    if (!pipeline.loop().run_blocking([&] { clock_error = pipeline.camera_clock_error(); })) {
      return make_error(Code::closed, "engine", "the engine was closed");
    }
    // A policy that came while it was encoded has the last word.
    if (!(*tap)->in_force(*lease)) continue;
    return Snapshot{.jpeg = std::move(jpeg).value(),
                    .width = frame.format.width,
                    .height = frame.format.height,
                    .capture_time = frame.capture_time,
                    .arrival_time = frame.arrival_wall,
                    .clock_quality = frame.clock_quality,
                    .error_bound = capture_error_bound(frame, clock_error),
                    .provenance = lease->provenance_ref()};
  }
}

}  // namespace vigie::runtime
