#include "fanout/track_log.h"

#include <gtest/gtest.h>

#include "fanout/units.h"

namespace vigie::fanout {
namespace {

class TrackLogTest : public ::testing::Test {
 protected:
  void add(TrackLog& log, bool keyframe, size_t bytes = 100, uint64_t wanted = TrackLog::kNobodyWaits) {
    at_ += 40ms;
    log.append({log.next_number(), test::publish({keyframe, bytes, at_}), {}, nullptr}, wanted);
  }
  MonoTime at_{1000s};
  const Ref<const ParameterSets> sets_ = make_ref<ParameterSets>();
};

TEST_F(TrackLogTest, NumbersWithoutHolesAndFindsByNumber) {
  TrackLog log({});
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.newest(), nullptr);
  EXPECT_EQ(log.newest_keyframe(), 0U);
  for (int i = 0; i < 200; ++i) add(log, i % 50 == 0);
  EXPECT_EQ(log.next_number(), 201U);
  EXPECT_EQ(log.newest_keyframe(), 151U);
  for (uint64_t n = log.first_number(); n < log.next_number(); ++n) {
    ASSERT_NE(log.find(n), nullptr);
    EXPECT_EQ(log.find(n)->number, n);
  }
  EXPECT_EQ(log.find(log.first_number() - 1), nullptr);
  EXPECT_EQ(log.find(log.next_number()), nullptr);
}

TEST_F(TrackLogTest, KeepsTheLastGopAndTheOneThatSomebodyIsIn) {
  TrackLog log({.bytes = size_t{1} << 20, .keep_for = 1s, .probe_units = 1});
  for (int i = 0; i < 100; ++i) add(log, i % 50 == 0);
  EXPECT_EQ(log.first_number(), 51U);
  add(log, true, 100, 51);
  EXPECT_EQ(log.newest_keyframe(), 101U);
  EXPECT_EQ(log.first_number(), 51U);
  for (int i = 0; i < 25; ++i) add(log, false, 100, 60);
  EXPECT_EQ(log.first_number(), 51U) << "1 s after its end";
  add(log, false, 100, 60);
  EXPECT_EQ(log.first_number(), 54U) << "nobody is waited for longer; a few at a time";
  for (int i = 0; i < 16; ++i) add(log, false, 100, 60);
  EXPECT_EQ(log.first_number(), 101U);
  for (int i = 0; i < 500; ++i) add(log, false);
  EXPECT_EQ(log.first_number(), 101U) << "the whole of the last GOP stays, however old";
  add(log, true, 100, 643);
  EXPECT_EQ(log.first_number(), 101U) << "... until a newer one begins and nobody is in it";
  add(log, true, 100, 644);
  EXPECT_EQ(log.first_number(), 104U);
}

TEST_F(TrackLogTest, ManyShortGopsEndOneByOne) {
  TrackLog log({.bytes = size_t{1} << 20, .keep_for = 400ms, .probe_units = 5});
  for (int i = 0; i < 100; ++i) add(log, true);
  EXPECT_EQ(log.first_number(), 96U);
  for (int i = 0; i < 9; ++i) add(log, true, 100, 98);
  EXPECT_EQ(log.first_number(), 98U);
  for (int i = 0; i < 11; ++i) add(log, true, 100, 98);
  EXPECT_EQ(log.first_number(), 109U) << "ten whose end is 400 ms old at most, and the newest";
}

TEST_F(TrackLogTest, ProbingPlayersBeginWhereEnoughUnitsFollow) {
  TrackLog log({.keep_for = 100ms, .probe_units = 20, .probe_age = 5s});
  EXPECT_EQ(log.probe_keyframe(), 0U);
  for (int i = 0; i < 51; ++i) add(log, i % 50 == 0);
  EXPECT_EQ(log.probe_keyframe(), 1U) << "one unit since the newest keyframe";
  for (int i = 0; i < 18; ++i) add(log, false);
  EXPECT_EQ(log.probe_keyframe(), 1U) << "19";
  add(log, false);
  EXPECT_EQ(log.probe_keyframe(), 51U) << "20";
  EXPECT_EQ(log.first_number(), 4U) << "nobody needs the former GOP any more";
}

TEST_F(TrackLogTest, FfmpegNeverWaitsForMore) {
  // It gives out the first unit of H.264 when it has seen 28 more.
  TrackLog log({});
  for (int i = 0; i < 200; ++i) {
    add(log, i % 50 == 0);
    if (i >= 28) {
      EXPECT_GT(log.next_number() - log.probe_keyframe(), 28U) << i;
    }
  }
}

TEST_F(TrackLogTest, ProbingPlayersAreGivenNothingOldNorBroken) {
  TrackLog log({.keep_for = 100ms, .probe_units = 20, .probe_age = 2s});
  for (int i = 0; i < 51; ++i) add(log, i % 50 == 0);
  EXPECT_EQ(log.probe_keyframe(), 1U);
  add(log, false);
  EXPECT_EQ(log.probe_keyframe(), 51U) << "the former keyframe is more than 2 s old now";

  for (const bool sets : {true, false}) {
    TrackLog broken({});
    for (int i = 0; i < 12; ++i) {
      at_ += 40ms;
      const Ref<AccessUnit> unit = test::make_unit({i % 5 == 0, 100, at_});
      if (sets && i >= 5) unit->parameter_sets = sets_;
      if (!sets && i == 7) unit->gap = true;
      broken.append({broken.next_number(), test::publish(unit), {}, nullptr});
    }
    EXPECT_EQ(broken.probe_keyframe(), sets ? 6U : 11U)
        << (sets ? "the size changed at 6" : "something is missing at 8");
  }
}

TEST_F(TrackLogTest, TheByteCapCutsIntoAVeryLongGop) {
  TrackLog log({.bytes = 1000, .keep_for = 1s});
  add(log, true);
  for (int i = 0; i < 30; ++i) add(log, false);
  EXPECT_EQ(log.payload_bytes(), 1000U);
  EXPECT_EQ(log.size(), 10U);
  EXPECT_EQ(log.newest_keyframe(), 0U) << "nobody can start decoding here";
  add(log, true, 5000);
  EXPECT_EQ(log.size(), 1U) << "a unit larger than the cap is still sent";
  EXPECT_EQ(log.newest_keyframe(), log.newest()->number);
}

TEST_F(TrackLogTest, DropAllKeepsTheNumbering) {
  TrackLog log({});
  for (int i = 0; i < 5; ++i) add(log, i == 0);
  log.drop_all();
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.payload_bytes(), 0U);
  EXPECT_EQ(log.newest_keyframe(), 0U);
  EXPECT_EQ(log.next_number(), 6U);
  add(log, true);
  EXPECT_EQ(log.newest()->number, 6U);
}

TEST_F(TrackLogTest, OnlyTheNewestUnitKeepsItsDerivedForm) {
  struct Train : Derived {};
  TrackLog log({.bytes = size_t{1} << 20, .keep_for = 10s});
  for (int i = 0; i < 10; ++i) {
    at_ += 40ms;
    log.append({log.next_number(), test::publish({i == 0, 100, at_}), {}, Ref<const Derived>::adopt(new Train)});
  }
  for (uint64_t n = 1; n <= 10; ++n) EXPECT_EQ(static_cast<bool>(log.find(n)->derived), n == 10) << n;
}

}  // namespace
}  // namespace vigie::fanout
