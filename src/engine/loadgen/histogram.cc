#include "loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace vigie::loadgen {

size_t LatencyHistogram::bucket_of(int64_t ns) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(ns, 0));
  if (value < kSub) return static_cast<size_t>(value);
  const auto shift = static_cast<size_t>(std::bit_width(value)) - 6;
  return std::min(kSub * (shift + 1) + static_cast<size_t>(value >> shift) - kSub, kBuckets - 1);
}

int64_t LatencyHistogram::upper_edge(size_t bucket) {
  if (bucket < kSub) return static_cast<int64_t>(bucket);
  const size_t shift = bucket / kSub - 1;
  return static_cast<int64_t>(((uint64_t{bucket % kSub} + kSub + 1) << shift) - 1);
}

void LatencyHistogram::record(int64_t ns) {
  if (ns < 0) {
    ++negatives_;
    ns = 0;
  }
  ++buckets_[bucket_of(ns)];
  ++count_;
  sum_ += static_cast<double>(ns);
  min_ = std::min(min_, ns);
  max_ = std::max(max_, ns);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  negatives_ += other.negatives_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

int64_t LatencyHistogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(upper_edge(i), max_);
  }
  return max_;
}

}  // namespace vigie::loadgen
