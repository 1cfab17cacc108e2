#include "runtime/rate_meter.h"

#include <gtest/gtest.h>

namespace vigie::runtime {
namespace {

TEST(RateMeter, MeasuresWhatArrivesNotWhatIsDeclared) {
  RateMeter meter;
  const MonoTime start{1000s};
  EXPECT_EQ(meter.rates(start).units_per_second, 0);
  for (int i = 0; i < 21 * 5; ++i) meter.add(start + i * (1000000000ns / 21), 1000);
  const auto rates = meter.rates(start + 5s);
  EXPECT_NEAR(rates.units_per_second, 21, 0.3);
  EXPECT_NEAR(rates.bits_per_second, 21 * 8000, 3000);
}

TEST(RateMeter, FallsToZeroWhenNothingComes) {
  RateMeter meter;
  const MonoTime start{1000s};
  for (int i = 0; i < 25 * 3; ++i) meter.add(start + i * 40ms, 1000);
  EXPECT_GT(meter.rates(start + 4s).units_per_second, 10);
  EXPECT_EQ(meter.rates(start + 20s).units_per_second, 0);
  for (int i = 0; i < 50; ++i) meter.add(start + 30s + i * 40ms, 1000);
  EXPECT_NEAR(meter.rates(start + 32s).units_per_second, 50 / 10.0, 0.2) << "old slots of the ring do not count again";
}

}  // namespace
}  // namespace vigie::runtime
