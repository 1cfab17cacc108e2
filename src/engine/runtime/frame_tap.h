#pragma once
// A tap: decoded, masked frames for an embedding host, at the size and rate that it wants. What a frame costs beyond the
// lane's own work (scaling) is paid on the host's thread.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "base/result.h"
#include "codec/frame_pool.h"
#include "codec/scale.h"
#include "media/frame.h"
#include "media/published_unit.h"
#include "runtime/api.h"
#include "runtime/frame_queue.h"
#include "runtime/waitable.h"

namespace vigie::runtime {

struct TapOptions {
  std::string camera;  // or "camera@version"
  std::string stream;  // empty: the camera's first
  uint32_t width = 0;  // of the frames, in pixels; rounded to even; 0, or more than there are: as the camera sends them
  FrameQueueLimits queue;
};

struct TapTotals {
  size_t open = 0;           // taps
  size_t frames_leased = 0;  // held by the host now
  FrameQueueStats frames;    // of all taps, closed ones too
};

// All taps of one engine: who must be told that it ends, and what they have done in all.
// Ownership: shared by the engine, its taps and their leases, so that these may go last. Thread: any.
class TapLedger {
 public:
  // False once end() has run.
  bool add(const std::shared_ptr<FrameQueue>& queue);
  // Its counts stay in the totals.
  void remove(const FrameQueue& queue);
  // Closes every tap because of `reason`, and any that would still come.
  void end(const Error& reason);
  TapTotals totals() const;
  std::atomic<size_t> leased{0};

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<FrameQueue>> open_;
  FrameQueueStats closed_;
  bool ended_ = false;
};

// The leases of one tap.
class LeaseCount {
 public:
  explicit LeaseCount(std::shared_ptr<TapLedger> ledger) : ledger_(std::move(ledger)) {}
  size_t held() const { return held_.load(std::memory_order_relaxed); }
  // False where `limit` leases are held already.
  bool take(size_t limit);
  void give_back();

 private:
  const std::shared_ptr<TapLedger> ledger_;
  std::atomic<size_t> held_{0};
};

// One frame that a host holds. Move-only; gives the lease back when it dies, on any thread, after the engine too.
class FrameLease {
 public:
  FrameLease(Ref<const Frame> frame, const QueuedFrame& taken, std::shared_ptr<LeaseCount> count)
      : frame_(std::move(frame)),
        provenance_(taken.frame.provenance_ref()),
        generation_(taken.generation),
        count_(std::move(count)) {}
  FrameLease(FrameLease&&) = default;
  FrameLease& operator=(FrameLease&& other) noexcept {
    std::swap(frame_, other.frame_);
    std::swap(provenance_, other.provenance_);
    std::swap(generation_, other.generation_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~FrameLease() {
    if (count_) count_->give_back();
  }

  const Frame& frame() const { return *frame_; }
  const Provenance& provenance() const { return *provenance_; }
  const Ref<const Provenance>& provenance_ref() const { return provenance_; }
  uint64_t generation() const { return generation_; }

 private:
  Ref<const Frame> frame_;
  Ref<const Provenance> provenance_;
  uint64_t generation_;
  std::shared_ptr<LeaseCount> count_;  // has been taken for this lease
};

// Ownership: by the host, shared; the tap ends with the last copy. Outlives the engine.
// Thread: every method from any thread, several at once.
class VIGIE_API FrameTap {
 public:
  // A host that keeps frames keeps megabytes each.
  static constexpr size_t kMaxLeases = 8;

  // `queue` is in `ledger`.
  FrameTap(std::shared_ptr<FrameQueue> queue, uint32_t width, std::shared_ptr<TapLedger> ledger);
  ~FrameTap();
  FrameTap(const FrameTap&) = delete;
  FrameTap& operator=(const FrameTap&) = delete;

  // The next frame, scaled here. What was filled under masks that a policy has replaced meanwhile is not given out.
  // Errors: timed_out; limit_exceeded while kMaxLeases frames of this tap are held; closed, withheld or not_found once
  // nothing more will come.
  Result<FrameLease> next_blocking(WaitLimit limit);
  // Whether no policy has changed what may be seen since the frame was taken.
  bool in_force(const FrameLease& lease) const { return queue_->in_force(lease.generation()); }
  int fd() const { return queue_->fd(); }
  // Ends it; who waits in next_blocking() gets `closed`. Leases stay valid.
  void close();
  FrameQueueStats stats() const { return queue_->stats(); }
  size_t frames_leased() const { return leases_->held(); }

 private:
  Result<Ref<const Frame>> fit(const Ref<const Frame>& frame);

  const std::shared_ptr<FrameQueue> queue_;
  const std::shared_ptr<TapLedger> ledger_;
  const std::shared_ptr<LeaseCount> leases_;
  const uint32_t width_;
  std::mutex scale_mutex_;  // for what follows
  codec::Scaler scaler_;
  codec::FramePool pool_;
};

}  // namespace vigie::runtime
