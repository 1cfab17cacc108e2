#pragma once
// A numbered ring of published units with a last-GOP index: one per hub and shard.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "fanout/log_entry.h"

namespace vigie::fanout {

struct TrackLogLimits {
  size_t bytes = size_t{16} << 20;  // payload bytes kept; beyond it the oldest go, the last GOP's head included
  Nanos keep_for = 1500ms;          // a GOP that somebody has not got through yet stays this long after its end
  uint32_t probe_units = 30;        // so many units, from a keyframe on, are kept for newcomers (see probe_keyframe)
  Nanos probe_age = 5s;             // ... while that keyframe is no older than this
};

// Thread: one shard.
class TrackLog {
 public:
  explicit TrackLog(TrackLogLimits limits);

  // Takes a unit that follows the newest one (number = last + 1, or any number when empty), then evicts what is over
  // the limits: the oldest units beyond `bytes`, and, a few at a time, GOPs before the newest one that are needed neither for
  // `probe_units` nor, within `keep_for` of their end, by a consumer: `wanted` is the lowest number any of them still
  // waits for. Only the newest unit may keep its derived form.
  void append(LogEntry entry, uint64_t wanted = kNobodyWaits);
  static constexpr uint64_t kNobodyWaits = UINT64_MAX;
  // Drops every unit, keeping the numbering (mask change, withdrawal).
  void drop_all();

  bool empty() const { return count_ == 0; }
  uint64_t first_number() const { return first_; }
  uint64_t next_number() const { return first_ + count_; }
  // nullptr when the number is not (or no longer, or not yet) in the log.
  const LogEntry* find(uint64_t number) const;
  const LogEntry* newest() const { return count_ ? &at(count_ - 1) : nullptr; }
  // Number of the newest keyframe still in the log, 0 when there is none.
  uint64_t newest_keyframe() const { return keyframe_ >= first_ && count_ ? keyframe_ : 0; }
  // Where a player that looks at a stream before it shows it should begin: the newest keyframe followed by
  // `probe_units` units, else the earliest there is. From it on nothing is missing, nothing but the newest GOP is older
  // than `probe_age`, and the parameter sets stay the same. 0 when there is none.
  uint64_t probe_keyframe() const;
  size_t payload_bytes() const { return bytes_; }
  size_t size() const { return count_; }

 private:
  const LogEntry& at(size_t index) const { return ring_[(head_ + index) & (ring_.size() - 1)]; }
  bool keeps_oldest_gop(MonoTime now, uint64_t wanted) const;
  void begin_oldest_gop();
  void pop_front();
  void grow();

  TrackLogLimits limits_;
  std::vector<LogEntry> ring_;  // power of two
  size_t head_ = 0;
  size_t count_ = 0;
  uint64_t first_ = 1;
  uint64_t keyframe_ = 0;         // the newest's number
  uint64_t second_keyframe_ = 0;  // number of the first one after the oldest unit: there the oldest GOP ends; 0 = none
  MonoTime oldest_gop_began_{};   // arrivals of the oldest GOP's first unit and of second_keyframe_
  MonoTime oldest_gop_ended_{};
  size_t bytes_ = 0;
};

}  // namespace vigie::fanout
