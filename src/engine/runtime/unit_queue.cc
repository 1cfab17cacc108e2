#include "runtime/unit_queue.h"

#include <utility>

namespace vigie::runtime {

void UnitQueue::attach(const std::shared_ptr<fanout::Hub>& hub, size_t shard_index, fanout::Start start) {
  subscription_ = hub->subscribe(shard_index, *this, start);
  on_unit();
}

void UnitQueue::detach() { subscription_.reset(); }

void UnitQueue::on_unit() {
  if (!subscription_) return;
  while (const fanout::LogEntry* entry = subscription_->peek()) {
    put(*entry);
    subscription_->advance();
  }
}

void UnitQueue::put(const fanout::LogEntry& entry) {
  const std::lock_guard lock(waitable_.mutex());
  if (ended_) return;
  ++stats_.offered;
  const AccessUnit& unit = entry.unit.unit();
  if (waiting_keyframe_ && unit.keyframe) {
    drop_queued(DropReason::consumer_slow);
    waiting_keyframe_ = false;
  }
  const bool full = units_.size() >= limits_.units || bytes_ + unit.payload.size() > limits_.bytes;
  if (waiting_keyframe_ || (full && !units_.empty())) {
    waiting_keyframe_ = true;
    ++dropped(DropReason::consumer_slow);
    return;
  }
  bytes_ += unit.payload.size();
  units_.push_back({entry.number, entry.unit});
  waitable_.set_ready(true);
}

void UnitQueue::drop_queued(DropReason reason) {
  dropped(reason) += units_.size();
  units_.clear();
  bytes_ = 0;
}

void UnitQueue::on_log_emptied(const fanout::Draining& /*draining*/) {
  if (subscription_) subscription_->wait_for_keyframe();
  const std::lock_guard lock(waitable_.mutex());
  drop_queued(DropReason::log_evicted);
  waitable_.set_ready(ended_.has_value());
}

void UnitQueue::on_hub_closed(const Error& reason) { end(reason); }

Result<QueuedUnit> UnitQueue::next_blocking(WaitLimit limit) {
  std::unique_lock lock(waitable_.mutex());
  if (!waitable_.wait_blocking(lock, limit)) return make_error(Code::timed_out, "subscription", "no unit");
  if (units_.empty()) return *ended_;
  QueuedUnit unit = std::move(units_.front());
  units_.pop_front();
  bytes_ -= unit.unit.unit().payload.size();
  ++stats_.taken;
  waitable_.set_ready(!units_.empty() || ended_);
  return unit;
}

void UnitQueue::end(const Error& reason) {
  const std::lock_guard lock(waitable_.mutex());
  if (ended_) return;
  ended_ = reason;
  drop_queued(DropReason::log_evicted);
  waitable_.set_ready(true);
}

void UnitQueue::close() {
  end(make_error(Code::closed, "subscription", "closed by its owner"));
  {
    const std::lock_guard lock(waitable_.mutex());
    if (std::exchange(closed_by_host_, true)) return;
  }
  if (on_close) on_close();
}

UnitQueueStats UnitQueue::stats() const {
  const std::lock_guard lock(waitable_.mutex());
  return stats_;
}

}  // namespace vigie::runtime
