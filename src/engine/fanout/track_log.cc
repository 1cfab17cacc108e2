#include "fanout/track_log.h"

#include <cassert>
#include <utility>

namespace vigie::fanout {

TrackLog::TrackLog(TrackLogLimits limits) : limits_(limits), ring_(64) {}

const LogEntry* TrackLog::find(uint64_t number) const {
  if (number < first_ || number - first_ >= count_) return nullptr;
  return &at(number - first_);
}

void TrackLog::append(LogEntry entry) {
  if (count_ == 0) first_ = entry.number;
  assert(entry.number == next_number());
  if (count_ == ring_.size()) grow();
  if (count_ > 0) at(count_ - 1).derived = nullptr;
  const MonoTime now = entry.unit.unit().last_arrival;
  bytes_ += entry.unit.unit().payload.size();
  if (entry.unit.unit().keyframe) keyframe_ = entry.number;
  ring_[(head_ + count_) & (ring_.size() - 1)] = std::move(entry);
  ++count_;

  // What lies before the newest keyframe serves only sessions that lag; it goes by age.
  while (first_ < keyframe_ && at(0).unit.unit().last_arrival + limits_.keep_for < now) pop_front();
  // The byte cap is absolute, but the newest unit always stays: it is about to be sent.
  while (bytes_ > limits_.bytes && count_ > 1) pop_front();
}

void TrackLog::drop_all() {
  const uint64_t next = next_number();
  while (count_) pop_front();
  first_ = next;
}

void TrackLog::pop_front() {
  LogEntry& oldest = ring_[head_];
  bytes_ -= oldest.unit.unit().payload.size();
  oldest = LogEntry{};
  head_ = (head_ + 1) & (ring_.size() - 1);
  --count_;
  ++first_;
}

void TrackLog::grow() {
  std::vector<LogEntry> larger(ring_.size() * 2);
  for (size_t i = 0; i < count_; ++i) larger[i] = std::move(ring_[(head_ + i) & (ring_.size() - 1)]);
  ring_ = std::move(larger);
  head_ = 0;
}

}  // namespace vigie::fanout
