#include "fanout/track_log.h"

#include <cassert>
#include <utility>

namespace vigie::fanout {

namespace {
constexpr int kEvictedPerUnit = 3;
}

TrackLog::TrackLog(TrackLogLimits limits) : limits_(limits), ring_(64) {}

const LogEntry* TrackLog::find(uint64_t number) const {
  if (number < first_ || number - first_ >= count_) return nullptr;
  return &at(number - first_);
}

void TrackLog::append(LogEntry entry, uint64_t wanted) {
  assert(count_ == 0 || entry.number == next_number());
  if (count_ == ring_.size()) grow();
  if (count_ > 0) at(count_ - 1).derived = nullptr;
  const uint64_t number = entry.number;
  const MonoTime now = entry.unit.unit().last_arrival;
  bytes_ += entry.unit.unit().payload.size();
  entry.keyframe = entry.unit.unit().keyframe;
  if (entry.keyframe) {
    keyframe_ = number;
    if (count_ > 0 && second_keyframe_ == 0) {
      second_keyframe_ = number;
      oldest_gop_ended_ = now;
    }
  }
  ring_[(head_ + count_) & (ring_.size() - 1)] = std::move(entry);
  if (count_++ == 0) {
    first_ = number;
    oldest_gop_began_ = now;
  }

  // Little by little: what goes is what the next units need, and a whole GOP at once is more than the allocator's caches
  // take.
  for (int i = 0; i < kEvictedPerUnit && second_keyframe_ != 0 && !keeps_oldest_gop(now, wanted); ++i) pop_front();
  // The byte cap is absolute, but the newest unit always stays: it is about to be sent.
  while (bytes_ > limits_.bytes && count_ > 1) pop_front();
}

bool TrackLog::keeps_oldest_gop(MonoTime now, uint64_t wanted) const {
  const bool few = next_number() - second_keyframe_ < limits_.probe_units;
  if (few && now - oldest_gop_began_ <= limits_.probe_age) return true;
  return wanted < second_keyframe_ && now - oldest_gop_ended_ <= limits_.keep_for;
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
  if (++first_ == second_keyframe_) begin_oldest_gop();
}

void TrackLog::begin_oldest_gop() {
  oldest_gop_began_ = oldest_gop_ended_;
  second_keyframe_ = 0;
  for (uint64_t number = first_ + 1; number <= keyframe_ && second_keyframe_ == 0; ++number) {
    const LogEntry& entry = *find(number);
    if (!entry.keyframe) continue;
    second_keyframe_ = number;
    oldest_gop_ended_ = entry.unit.unit().last_arrival;
  }
}

void TrackLog::grow() {
  std::vector<LogEntry> larger(ring_.size() * 2);
  for (size_t i = 0; i < count_; ++i) larger[i] = std::move(ring_[(head_ + i) & (ring_.size() - 1)]);
  ring_ = std::move(larger);
  head_ = 0;
}

}  // namespace vigie::fanout
