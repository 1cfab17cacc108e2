#pragma once
// Plain counters: one thread writes, any thread reads, no lock and no locked instruction.
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace vigie {

// A number that only grows. Thread: add from its one writer, value from any.
class Counter {
 public:
  void add(uint64_t by = 1) { value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// A number that goes up and down. Thread: as Counter.
class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t by) { set(value() + by); }
  // Keeps the larger of the two.
  void raise_to(int64_t value) {
    if (value > this->value()) set(value);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Durations in buckets, four per doubling, from 1 us to over an hour: a quantile is at most 25 % too high.
// Thread: as Counter.
class DurationHistogram {
 public:
  static constexpr size_t kBuckets = 4 * 32;

  void record(Nanos duration) {
    buckets_[bucket_of(duration)].add();
    count_.add();
    sum_ns_.add(duration.count() > 0 ? static_cast<uint64_t>(duration.count()) : 0);
    longest_ns_.raise_to(duration.count());
  }
  uint64_t count() const { return count_.value(); }
  Nanos sum() const { return Nanos(static_cast<int64_t>(sum_ns_.value())); }
  Nanos longest() const { return Nanos(longest_ns_.value()); }
  uint64_t bucket(size_t index) const { return buckets_[index].value(); }
  // The upper edge of a bucket.
  static Nanos upper_edge(size_t index);
  // The smallest bucket edge that at least `q` (0 to 1) of the durations do not exceed; 0 when nothing was recorded.
  Nanos quantile(double q) const;
  static size_t bucket_of(Nanos duration);

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter count_;
  Counter sum_ns_;
  Gauge longest_ns_;
};

}  // namespace vigie
