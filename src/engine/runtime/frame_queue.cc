#include "runtime/frame_queue.h"

#include <utility>

namespace vigie::runtime {

// Frames are due at even distances of media time, so that 10 of 25 a second come as evenly as they can.
bool FrameQueue::too_soon(Ticks90k pts) {
  if (limits_.fps <= 0) return false;
  const Ticks90k interval{static_cast<int64_t>(90000.0 / limits_.fps)};
  if (next_due_ && pts < *next_due_ && *next_due_ - pts <= interval) return true;
  const bool on_course = next_due_ && pts >= *next_due_ && pts - *next_due_ < interval;
  next_due_ = (on_course ? *next_due_ : pts) + interval;
  return false;
}

void FrameQueue::put(const PublishedFrame& frame) {
  PublishedFrame oldest;  // dies outside the lock
  const std::lock_guard lock(waitable_.mutex());
  if (ended_) return;
  if (too_soon(frame.frame().pts)) {
    ++stats_.thinned;
    return;
  }
  ++stats_.offered;
  if (frames_.size() >= limits_.frames) {
    oldest = std::move(frames_.front());
    frames_.pop_front();
    ++stats_.dropped;
  }
  frames_.push_back(frame);
  waitable_.set_ready(true);
}

void FrameQueue::drop_queued() {
  const std::lock_guard lock(waitable_.mutex());
  stats_.dropped += frames_.size();
  frames_.clear();
  ++generation_;
  waitable_.set_ready(ended_.has_value());
}

void FrameQueue::end(const Error& reason) {
  const std::lock_guard lock(waitable_.mutex());
  if (ended_) return;
  ended_ = reason;
  stats_.dropped += frames_.size();
  frames_.clear();
  ++generation_;
  waitable_.set_ready(true);
}

Result<QueuedFrame> FrameQueue::next_blocking(WaitLimit limit) {
  std::unique_lock lock(waitable_.mutex());
  if (!waitable_.wait_blocking(lock, limit)) return make_error(Code::timed_out, "tap", "no frame");
  if (frames_.empty()) return *ended_;
  QueuedFrame taken{std::move(frames_.front()), generation_};
  frames_.pop_front();
  ++stats_.taken;
  waitable_.set_ready(!frames_.empty() || ended_);
  return taken;
}

bool FrameQueue::in_force(uint64_t generation) const {
  const std::lock_guard lock(waitable_.mutex());
  return generation == generation_;
}

void FrameQueue::close() {
  end(make_error(Code::closed, "tap", "closed by its owner"));
  {
    const std::lock_guard lock(waitable_.mutex());
    if (std::exchange(closed_by_host_, true)) return;
  }
  if (on_close) on_close();
}

FrameQueueStats FrameQueue::stats() const {
  const std::lock_guard lock(waitable_.mutex());
  return stats_;
}

}  // namespace vigie::runtime
