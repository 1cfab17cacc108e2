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
  if (entry.unit.unit().keyframe) {
    keyframe_ = entry.number;
    if (second_keyframe_ == 0 && count_ > 0) second_keyframe_ = entry.number;
  }
  ring_[(head_ + count_) & (ring_.size() - 1)] = std::move(entry);
  ++count_;

  while (second_keyframe_ != 0 && !wants_oldest_gop(now)) {
    for (const uint64_t end = second_keyframe_; first_ < end;) pop_front();
  }
  // The byte cap is absolute, but the newest unit always stays: it is about to be sent.
  while (bytes_ > limits_.bytes && count_ > 1) pop_front();
}

bool TrackLog::wants_oldest_gop(MonoTime now) const {
  const MonoTime ended = find(second_keyframe_)->unit.unit().last_arrival;
  if (now - ended <= limits_.keep_for) return true;
  return next_number() - second_keyframe_ < limits_.probe_units &&
         now - at(0).unit.unit().last_arrival <= limits_.probe_age;
}

uint64_t TrackLog::probe_keyframe() const {
  const uint64_t newest_key = newest_keyframe();
  if (newest_key == 0) return 0;
  const AccessUnit& like = find(newest_key)->unit.unit();
  const MonoTime oldest_arrival = newest()->unit.unit().last_arrival - limits_.probe_age;
  uint64_t found = newest_key;
  for (uint64_t number = newest_key; number >= first_; --number) {
    const AccessUnit& unit = find(number)->unit.unit();
    if (unit.parameter_sets != like.parameter_sets || unit.damaged || unit.last_arrival < oldest_arrival) break;
    if (unit.keyframe) found = number;
    if (next_number() - found >= limits_.probe_units || unit.gap) break;
  }
  return found;
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
  if (++first_ == second_keyframe_) find_second_keyframe();
}

// Every unit is looked at once in its life here.
void TrackLog::find_second_keyframe() {
  for (uint64_t number = first_ + 1; number <= keyframe_; ++number) {
    if (!find(number)->unit.unit().keyframe) continue;
    second_keyframe_ = number;
    return;
  }
  second_keyframe_ = 0;
}

void TrackLog::grow() {
  std::vector<LogEntry> larger(ring_.size() * 2);
  for (size_t i = 0; i < count_; ++i) larger[i] = std::move(ring_[(head_ + i) & (ring_.size() - 1)]);
  ring_ = std::move(larger);
  head_ = 0;
}

}  // namespace vigie::fanout
