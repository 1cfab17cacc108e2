#include "runtime/frame_tap.h"

#include <algorithm>

#include "base/clock.h"

namespace vigie::runtime {
namespace {

// Of scaled frames, for reuse.
constexpr size_t kCachedBytes = size_t{8} << 20;

void add(FrameQueueStats& sum, const FrameQueueStats& more) {
  sum.offered += more.offered;
  sum.taken += more.taken;
  sum.dropped += more.dropped;
  sum.thinned += more.thinned;
}

// The picture at this width, its shape kept as near as even sides allow.
FrameFormat scaled(const FrameFormat& full, uint32_t width) {
  FrameFormat format = full;
  format.width = std::max(2U, width & ~1U);
  const uint64_t height = (uint64_t{full.height} * format.width + full.width) / (uint64_t{2} * full.width) * 2;
  format.height = std::max(2U, static_cast<uint32_t>(height));
  return format;
}

}  // namespace

bool TapLedger::add(const std::shared_ptr<FrameQueue>& queue) {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  open_.push_back(queue);
  return true;
}

void TapLedger::remove(const FrameQueue& queue) {
  std::shared_ptr<FrameQueue> removed;  // dies outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(open_, &queue, &std::shared_ptr<FrameQueue>::get);
  if (found == open_.end()) return;
  removed = std::move(*found);
  open_.erase(found);
  runtime::add(closed_, removed->stats());
}

void TapLedger::end(const Error& reason) {
  std::vector<std::shared_ptr<FrameQueue>> open;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    open = open_;
  }
  for (const auto& queue : open) {
    queue->end(reason);
    queue->close();
  }
}

TapTotals TapLedger::totals() const {
  TapTotals totals;
  const std::lock_guard lock(mutex_);
  totals.open = open_.size();
  totals.frames_leased = leased.load(std::memory_order_relaxed);
  totals.frames = closed_;
  for (const auto& queue : open_) runtime::add(totals.frames, queue->stats());
  return totals;
}

bool LeaseCount::take(size_t limit) {
  size_t held = held_.load(std::memory_order_relaxed);
  do {
    if (held >= limit) return false;
  } while (!held_.compare_exchange_weak(held, held + 1, std::memory_order_relaxed));
  ledger_->leased.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void LeaseCount::give_back() {
  held_.fetch_sub(1, std::memory_order_relaxed);
  ledger_->leased.fetch_sub(1, std::memory_order_relaxed);
}

FrameTap::FrameTap(std::shared_ptr<FrameQueue> queue, uint32_t width, std::shared_ptr<TapLedger> ledger)
    : queue_(std::move(queue)),
      ledger_(std::move(ledger)),
      leases_(std::make_shared<LeaseCount>(ledger_)),
      width_(width),
      pool_(kCachedBytes) {}

FrameTap::~FrameTap() { close(); }

void FrameTap::close() {
  queue_->close();
  ledger_->remove(*queue_);
}

Result<FrameLease> FrameTap::next_blocking(WaitLimit limit) {
  const Clock& clock = system_clock();
  const MonoTime until = clock.now_mono() + limit;
  const Error too_many = make_error(
      Code::limit_exceeded, "tap", std::to_string(kMaxLeases) + " frames of this tap are held; give some of them back");
  while (true) {
    if (leases_->held() >= kMaxLeases) return too_many;
    auto taken = queue_->next_blocking(limit);
    if (!taken.ok()) return std::move(taken).error();
    auto fitted = fit(taken->frame.ref());
    if (!fitted.ok()) return std::move(fitted).error();
    if (queue_->in_force(taken->generation)) {
      if (!leases_->take(kMaxLeases)) return too_many;  // other threads were faster
      return FrameLease(std::move(fitted).value(), *taken, leases_);
    }
    if (limit.count() >= 0) {
      limit = std::max(WaitLimit(0), std::chrono::duration_cast<WaitLimit>(until - clock.now_mono()));
    }
  }
}

Result<Ref<const Frame>> FrameTap::fit(const Ref<const Frame>& frame) {
  if (width_ == 0 || width_ >= frame->format.width) return frame;
  const std::lock_guard lock(scale_mutex_);
  Ref<Frame> out = pool_.make(scaled(frame->format, width_));
  if (Status done = scaler_.scale(*frame, *out); !done.ok()) return std::move(done).error();
  return Ref<const Frame>(std::move(out));
}

}  // namespace vigie::runtime
