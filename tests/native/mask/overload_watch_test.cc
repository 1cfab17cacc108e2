#include "mask/overload_watch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vigie::mask {
namespace {

struct Second {
  uint64_t offered, left_out;
};

// What is told at each second, "." where nothing is.
std::string told(OverloadWatch& watch, const std::vector<Second>& seconds) {
  std::string all;
  for (const Second& second : seconds) {
    const auto report = watch.add(1, second.offered, second.left_out);
    all += report ? std::string(overload_name(report->state)) + " " : ".";
  }
  return all;
}

std::vector<Second> many(size_t count, Second second) { return std::vector<Second>(count, second); }

TEST(OverloadWatch, SaysNothingWhileAllIsShown) {
  OverloadWatch watch;
  EXPECT_EQ(told(watch, many(30, {25, 0})), std::string(30, '.'));
}

TEST(OverloadWatch, LateIsToldAtOnceAndTheEndAfterTenSeconds) {
  OverloadWatch watch;
  EXPECT_EQ(told(watch, {{25, 0}, {25, 3}, {25, 0}, {25, 8}}), ".late ..");
  EXPECT_EQ(told(watch, many(12, {25, 0})), ".........in_time ..");
}

TEST(OverloadWatch, BelowTheFloorOnlyOverTenSeconds) {
  OverloadWatch watch;
  EXPECT_EQ(told(watch, many(9, {25, 20})), "late ........");
  EXPECT_EQ(told(watch, many(2, {25, 20})), "below_floor .");
  EXPECT_EQ(told(watch, many(20, {25, 13})), ".late ..................") << "12 a second are no good, but lawful";
}

TEST(OverloadWatch, ASlowSourceIsNotTheLanesFault) {
  OverloadWatch watch;
  EXPECT_EQ(told(watch, many(20, {4, 0})), std::string(20, '.'));
  EXPECT_EQ(told(watch, many(20, {4, 1})), "late ...................") << "below the floor it was before";
}

TEST(OverloadWatch, FiguresAreOfTheWholeWindow) {
  OverloadWatch watch;
  EXPECT_FALSE(watch.add(1, 25, 0));
  const auto report = watch.add(1.5, 50, 30);
  ASSERT_TRUE(report);
  EXPECT_DOUBLE_EQ(report->offered_fps, 30);
  EXPECT_DOUBLE_EQ(report->shown_fps, 18);
}

TEST(OverloadWatch, SleepEndsIt) {
  OverloadWatch watch;
  EXPECT_FALSE(watch.reset());
  EXPECT_EQ(told(watch, {{25, 20}}), "late ");
  const auto report = watch.reset();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->state, Overload::in_time);
  EXPECT_EQ(told(watch, many(12, {25, 0})), std::string(12, '.'));
}

}  // namespace
}  // namespace vigie::mask
