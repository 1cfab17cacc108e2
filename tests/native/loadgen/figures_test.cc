// Stamps and histograms.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "loadgen/histogram.h"
#include "loadgen/stamp.h"

namespace vigie::loadgen {
namespace {

TEST(Stamp, RoundTripsWithoutBytesThatNeedEscaping) {
  const UnitStamp stamps[] = {{0, 0, 0, 0},
                              {7, 1, 123'456'789'012, 123'456'999'999},
                              {UINT32_MAX, (uint64_t{1} << 48) - 1, INT64_MAX, INT64_MAX}};
  for (const UnitStamp& stamp : stamps) {
    std::vector<uint8_t> bytes(10 + kStampBytes + 5, 0x11);
    write_stamp(bytes.data() + 10, stamp);
    for (const uint8_t byte : bytes) EXPECT_TRUE(byte != 0x00 && byte != 0xff);
    const auto found = find_stamp(bytes);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->camera, stamp.camera);
    EXPECT_EQ(found->unit, stamp.unit);
    EXPECT_EQ(found->first_ns, stamp.first_ns);
    EXPECT_EQ(found->last_ns, stamp.last_ns);
  }
}

TEST(Stamp, IsNotFoundWhenCutDamagedOrTooFarIn) {
  std::vector<uint8_t> bytes(kStampBytes);
  write_stamp(bytes.data(), {1, 2, 3, 4});
  EXPECT_FALSE(find_stamp(ByteSpan(bytes).first(kStampBytes - 1)));
  std::vector<uint8_t> damaged = bytes;
  damaged[20] = 'x';
  EXPECT_FALSE(find_stamp(damaged));
  std::vector<uint8_t> far(kStampSearchBytes + kStampBytes, 0x22);
  std::copy(bytes.begin(), bytes.end(), far.begin() + kStampSearchBytes);
  EXPECT_FALSE(find_stamp(far));
  EXPECT_FALSE(find_stamp({}));
}

TEST(Trailer, IsReadOnlyAtTheVeryEnd) {
  std::vector<uint8_t> bytes(3 + kTrailerBytes, 0x33);
  write_trailer(bytes.data() + 3, {42, 1'000'000'007});
  const auto found = read_trailer(bytes);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->unit, 42u);
  EXPECT_EQ(found->last_ns, 1'000'000'007);
  bytes.push_back(0x33);
  EXPECT_FALSE(read_trailer(bytes));
  EXPECT_FALSE(read_trailer(ByteSpan(bytes).first(5)));
}

TEST(Histogram, QuantilesAreAtMostOneBucketTooHigh) {
  LatencyHistogram histogram;
  for (int64_t i = 1; i <= 10'000; ++i) histogram.record(i * 1000);
  EXPECT_EQ(histogram.count(), 10'000u);
  EXPECT_EQ(histogram.max(), 10'000'000);
  EXPECT_EQ(histogram.min(), 1000);
  EXPECT_NEAR(histogram.mean(), 5'000'500, 1);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const double exact = q * 10'000 * 1000;
    EXPECT_GE(static_cast<double>(histogram.quantile(q)), exact) << q;
    EXPECT_LE(static_cast<double>(histogram.quantile(q)), exact * 1.033) << q;
  }
}

TEST(Histogram, EveryValueLiesInItsBucket) {
  FastRandom random(7);
  for (int i = 0; i < 100'000; ++i) {
    const auto value = static_cast<int64_t>(random.next() >> (8 + random.below(50)));
    const size_t bucket = LatencyHistogram::bucket_of(value);
    EXPECT_LE(value, LatencyHistogram::upper_edge(bucket));
    EXPECT_TRUE(bucket == 0 || value > LatencyHistogram::upper_edge(bucket - 1));
  }
}

TEST(Histogram, NegativesShowAndMergeAdds) {
  LatencyHistogram a, b;
  a.record(-5);
  b.record(100);
  a.merge(b);
  EXPECT_EQ(a.count(), 2u);
  EXPECT_EQ(a.negatives(), 1u);
  EXPECT_EQ(a.max(), 100);
  EXPECT_EQ(a.quantile(0.5), 0);
  EXPECT_EQ(LatencyHistogram().quantile(0.99), 0);
}

}  // namespace
}  // namespace vigie::loadgen
