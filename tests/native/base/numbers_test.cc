// Rings, metrics, random numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/spsc_ring.h"

namespace vigie {
namespace {

TEST(SpscRing, IsBoundedAndKeepsOrder) {
  SpscRing<int> ring(3);
  EXPECT_EQ(ring.capacity(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.try_push(int{i}));
  EXPECT_FALSE(ring.try_push(4));
  EXPECT_EQ(ring.size(), 4U);
  EXPECT_EQ(ring.try_pop(), 0);
  EXPECT_TRUE(ring.try_push(4));
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(ring.try_pop(), i);
  EXPECT_FALSE(ring.try_pop());
  EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, DestroysWhatIsLeftAndLeavesARefusedValueAlone) {
  const auto guard = std::make_shared<int>(1);
  {
    SpscRing<std::shared_ptr<int>> ring(2);
    EXPECT_TRUE(ring.try_push(std::shared_ptr<int>(guard)));
    EXPECT_TRUE(ring.try_push(std::shared_ptr<int>(guard)));
    std::shared_ptr<int> third = guard;
    EXPECT_FALSE(ring.try_push(std::move(third)));
    EXPECT_EQ(third, guard);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(guard.use_count(), 4);
    (void)ring.try_pop();
  }
  EXPECT_EQ(guard.use_count(), 1);
}

TEST(SpscRing, TwoThreadsLoseAndInventNothing) {
  constexpr uint64_t kCount = 200000;
  SpscRing<std::unique_ptr<uint64_t>> ring(64);
  std::thread producer([&] {
    for (uint64_t i = 0; i < kCount; ++i) {
      auto item = std::make_unique<uint64_t>(i);
      while (!ring.try_push(std::move(item))) std::this_thread::yield();
    }
  });
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kCount;) {
    if (const auto item = ring.try_pop()) {
      wrong += **item == i ? 0 : 1;
      ++i;
    } else {
      std::this_thread::yield();
    }
  }
  producer.join();
  EXPECT_EQ(wrong, 0U);
}

TEST(Metrics, CountersAreReadWhileWritten) {
  Counter counter;
  Gauge gauge;
  std::thread writer([&] {
    for (int i = 0; i < 100000; ++i) {
      counter.add();
      gauge.raise_to(i);
    }
  });
  uint64_t last = 0;
  bool fell = false;
  while (last < 100000) {
    const uint64_t now = counter.value();
    fell = fell || now < last;
    last = now;
  }
  writer.join();
  EXPECT_FALSE(fell);
  EXPECT_EQ(gauge.value(), 99999);
  gauge.add(-100000);
  EXPECT_EQ(gauge.value(), -1);
}

TEST(DurationHistogram, EveryDurationLiesInItsBucket) {
  for (int64_t ns = 1; ns < int64_t{3700} * 1'000'000'000; ns = ns * 9 / 8 + 1) {
    const size_t bucket = DurationHistogram::bucket_of(Nanos(ns));
    EXPECT_LE(ns, DurationHistogram::upper_edge(bucket).count());
    if (bucket > 0) {
      EXPECT_GT(ns, DurationHistogram::upper_edge(bucket - 1).count());
    }
  }
  for (size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
    EXPECT_EQ(DurationHistogram::bucket_of(DurationHistogram::upper_edge(i)), i);
  }
  EXPECT_EQ(DurationHistogram::bucket_of(-5ns), 0U);
  EXPECT_EQ(DurationHistogram::bucket_of(Nanos(INT64_MAX)), DurationHistogram::kBuckets - 1);
}

TEST(DurationHistogram, QuantilesAreAtMostAQuarterTooHigh) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0ns);
  for (int i = 1; i <= 1000; ++i) histogram.record(i * 1ms);
  for (const double q : {0.01, 0.5, 0.99, 1.0}) {
    const auto exact = static_cast<double>(Nanos(1ms).count()) * 1000 * q;
    const auto got = static_cast<double>(histogram.quantile(q).count());
    EXPECT_GE(got, exact);
    EXPECT_LE(got, exact * 1.25);
  }
  EXPECT_EQ(histogram.quantile(1.0), 1s);
  EXPECT_EQ(histogram.longest(), 1s);
  EXPECT_EQ(histogram.count(), 1000U);
}

TEST(FastRandom, RepeatsFromASeedAndDiffersBetweenSeeds) {
  FastRandom a(7);
  FastRandom b(7);
  FastRandom c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    differs = differs || value != c.next();
  }
  EXPECT_TRUE(differs);
  EXPECT_NE(FastRandom().next(), FastRandom().next());
}

TEST(FastRandom, StaysInRangeAndReachesAllOfIt) {
  FastRandom random(1);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random.below(10);
    ASSERT_LT(value, 10U);
    seen.insert(value);
    const double unit = random.unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
    ASSERT_LT(random.below(uint64_t{1} << 40), uint64_t{1} << 40);
  }
  EXPECT_EQ(seen.size(), 10U);
  EXPECT_EQ(random.below(0), 0U);
  int hits = 0;
  for (int i = 0; i < 10000; ++i) hits += random.chance(0.25) ? 1 : 0;
  EXPECT_NEAR(hits, 2500, 250);
}

TEST(SecureRandom, HexIsTwoDigitsAByte) {
  EXPECT_EQ(random_hex(12).size(), 24u);
  EXPECT_NE(random_hex(12), random_hex(12));
  constexpr uint8_t kBytes[] = {0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(hex_text(kBytes), "000fa5ff");
}

TEST(SecureRandom, FillsAllOfIt) {
  std::array<uint8_t, 4096> bytes{};
  secure_random(bytes);
  EXPECT_LT(std::count(bytes.begin(), bytes.end(), uint8_t{0}), 64);
  EXPECT_NE(secure_random_u64(), secure_random_u64());
}

}  // namespace
}  // namespace vigie
