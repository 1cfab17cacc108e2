#pragma once
// An embedding host's end of a tap: decoded, masked frames; a slow host loses frames with a count and delays nobody.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "media/published_frame.h"
#include "runtime/waitable.h"

namespace vigie::runtime {

struct FrameQueueLimits {
  size_t frames = 2;  // waiting; a new one takes the oldest one's place
  double fps = 0;     // at most; 0: all
};

struct FrameQueueStats {
  uint64_t offered = 0;  // that the rate let through
  uint64_t taken = 0;
  uint64_t dropped = 0;  // the host was slow, or the masks changed before it came
  uint64_t thinned = 0;  // beyond the rate it asked for
};

struct QueuedFrame {
  PublishedFrame frame;
  uint64_t generation = 0;  // grows whenever what was queued or taken before may no longer be shown
};

// Ownership: shared by the host's handle and the outlet that feeds it.
class FrameQueue {
 public:
  explicit FrameQueue(FrameQueueLimits limits) : limits_(limits) {}

  // --- the feeding shard's side
  void put(const PublishedFrame& frame);
  // What is queued was filled under masks that are no longer in force.
  void drop_queued();
  // Nothing more will come, because of `reason`; what is queued is dropped. Thread: any.
  void end(const Error& reason);

  // --- the host's side. Thread: any.
  // Errors: timed_out; closed or the reason once nothing more will come.
  Result<QueuedFrame> next_blocking(WaitLimit limit);
  // Whether a frame of that generation may still be handed out.
  bool in_force(uint64_t generation) const;
  int fd() const { return waitable_.fd(); }
  // Ends it from the host's side; runs `on_close` once.
  void close();
  FrameQueueStats stats() const;
  // Set before the queue is shared.
  std::function<void()> on_close;

 private:
  bool too_soon(Ticks90k pts);

  const FrameQueueLimits limits_;
  mutable Waitable waitable_;
  std::deque<PublishedFrame> frames_;  // from here on under waitable_'s lock
  std::optional<Ticks90k> next_due_;
  std::optional<Error> ended_;
  uint64_t generation_ = 0;
  bool closed_by_host_ = false;
  FrameQueueStats stats_;
};

}  // namespace vigie::runtime
