// Which lanes fit: by estimate first, then by what they really cost.
#include "mask/lane_budget.h"

#include <gtest/gtest.h>

namespace vigie::mask {
namespace {

constexpr double kFullHd = 1920.0 * 1080 * 25;

TEST(LaneBudget, LanesFitUntilTheUsableShareIsGivenOut) {
  LaneBudget budget(2);
  uint64_t fitted = 0;
  while (budget.reserve(fitted, kFullHd, true).ok() && fitted < 100) ++fitted;
  const auto usage = budget.usage();
  EXPECT_EQ(usage.lanes, fitted);
  EXPECT_LE(usage.used, usage.usable);
  EXPECT_GT(usage.used + usage.used / static_cast<double>(fitted), usage.usable) << "not one more";
  const Status refused = budget.reserve(1000, kFullHd, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::admission_refused);
  EXPECT_NE(refused.error().what.find("of 1.70"), std::string::npos) << refused.error().what;
  EXPECT_TRUE(budget.reserve(1000, kFullHd / 40, true).ok()) << "a small stream still fits";
}

TEST(LaneBudget, TheFirstLaneAlwaysRuns) {
  LaneBudget budget(0.1);
  EXPECT_TRUE(budget.reserve(1, kFullHd, true).ok());
  EXPECT_FALSE(budget.reserve(2, kFullHd, true).ok());
  budget.release(1);
  EXPECT_TRUE(budget.reserve(2, kFullHd, true).ok());
}

TEST(LaneBudget, MeasuredCostTakesTheEstimatesPlace) {
  LaneBudget budget(1);
  ASSERT_TRUE(budget.reserve(1, kFullHd, true).ok());
  const double estimated = budget.usage().used;
  budget.measured(1, estimated / 4, false, kFullHd, kFullHd);
  EXPECT_DOUBLE_EQ(budget.usage().used, estimated / 4);
  // And the next one is thought to be cheaper.
  ASSERT_TRUE(budget.reserve(2, kFullHd, true).ok());
  EXPECT_LT(budget.usage().used - estimated / 4, estimated);
}

TEST(LaneBudget, AnotherFormOfAnAwakeLaneCostsNoDecoder) {
  LaneBudget budget(4);
  ASSERT_TRUE(budget.reserve(1, kFullHd, true).ok());
  const double first = budget.usage().used;
  ASSERT_TRUE(budget.reserve(1, kFullHd, false).ok());
  EXPECT_LT(budget.usage().used, 2 * first);
  EXPECT_EQ(budget.usage().lanes, 1u);
}

TEST(LaneBudget, NothingFitsBesideALateLane) {
  LaneBudget budget(16);
  ASSERT_TRUE(budget.reserve(1, kFullHd, true).ok());
  budget.measured(1, 0.2, true, kFullHd, kFullHd / 2);
  const Status refused = budget.reserve(2, kFullHd, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("late already"), std::string::npos);
  budget.measured(1, 0.2, false, kFullHd, kFullHd);
  EXPECT_TRUE(budget.reserve(2, kFullHd, true).ok());
}

TEST(LaneBudget, WhoIsUnknownIsNotCounted) {
  LaneBudget budget(1);
  budget.measured(9, 0.9, true, kFullHd, kFullHd);
  EXPECT_EQ(budget.usage().lanes, 0u);
  EXPECT_EQ(budget.usage().used, 0.0);
}

}  // namespace
}  // namespace vigie::mask
