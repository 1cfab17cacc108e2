#include "base/metrics.h"

#include <algorithm>
#include <cmath>

namespace vigie {
namespace {
constexpr int64_t kStepNs = 250;  // the first bucket ends at four steps = 1 us
}

size_t DurationHistogram::bucket_of(Nanos duration) {
  if (duration.count() <= 4 * kStepNs) return 0;
  const auto below = static_cast<uint64_t>((duration.count() - 1) / kStepNs);  // whole steps strictly below
  const auto doublings = static_cast<size_t>(std::bit_width(below)) - 3;
  const auto quarter = static_cast<size_t>(below >> doublings) - 3;  // 1 to 4: the next edge up
  return std::min(4 * doublings + quarter, kBuckets - 1);
}

Nanos DurationHistogram::upper_edge(size_t index) {
  return Nanos(kStepNs * (static_cast<int64_t>(4 + index % 4) << (index / 4)));
}

Nanos DurationHistogram::quantile(double q) const {
  uint64_t total = 0;
  for (const Counter& bucket : buckets_) total += bucket.value();
  if (total == 0) return Nanos{0};
  const auto wanted = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(total))));
  uint64_t seen = 0;
  for (size_t i = 0; i + 1 < kBuckets; ++i) {
    seen += buckets_[i].value();
    if (seen >= wanted) return std::min(upper_edge(i), longest());
  }
  return longest();
}

}  // namespace vigie
