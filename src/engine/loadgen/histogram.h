#pragma once
// Latencies in logarithmic buckets, 32 per doubling: a quantile is at most 3.2 % too high, the maximum is exact.
#include <array>
#include <cstddef>
#include <cstdint>

namespace vigie::loadgen {

// Units: nanoseconds. Negative values are counted as 0 and apart (`negatives`): the two ends share one clock, so a
// negative latency is a fault of the measurement and must show.
// Thread: one owner.
class LatencyHistogram {
 public:
  void record(int64_t ns);
  void merge(const LatencyHistogram& other);
  void clear() { *this = LatencyHistogram(); }
  uint64_t count() const { return count_; }
  uint64_t negatives() const { return negatives_; }
  int64_t max() const { return max_; }
  int64_t min() const { return count_ ? min_ : 0; }
  double mean() const { return count_ ? sum_ / static_cast<double>(count_) : 0; }
  // The upper edge of the bucket that holds the value which a share `q` (0 to 1) does not exceed, never above max().
  int64_t quantile(double q) const;

  static size_t bucket_of(int64_t ns);
  static int64_t upper_edge(size_t bucket);

 private:
  static constexpr size_t kSub = 32;
  static constexpr size_t kBuckets = kSub * 60;
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t negatives_ = 0;
  int64_t min_ = INT64_MAX;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace vigie::loadgen
