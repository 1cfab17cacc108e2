// Units of a dome wait for its pose, in order and not for long.
#include "runtime/pose_wait.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/clock.h"

namespace vigie::runtime {
namespace {

class PoseWaitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loop = net::EventLoop::make({.name = "test", .clock = &clock});
    ASSERT_TRUE(loop.ok());
    loop_ = std::move(loop).value();
    wait_ = std::make_unique<PoseWait>(
        *loop_, [this](const Ref<const AccessUnit>& unit) { passed_.push_back(unit->pts.count()); });
  }
  void TearDown() override { wait_.reset(); }
  static WallTime at(int64_t ms) {
    return WallTime{std::chrono::seconds(1'700'000'000)} + std::chrono::milliseconds(ms);
  }
  void push(int64_t ms) {
    auto unit = make_ref<AccessUnit>();
    unit->pts = Ticks90k{ms};
    unit->capture_time = at(ms);
    wait_->push(unit);
  }
  void pass(Nanos time) {
    clock.advance(time);
    loop_->run_once(0ms);
  }

  ManualClock clock;
  std::unique_ptr<net::EventLoop> loop_;
  std::unique_ptr<PoseWait> wait_;
  std::vector<int64_t> passed_;
};

using Numbers = std::vector<int64_t>;

TEST_F(PoseWaitTest, APoseAtOrAfterThePictureSettlesIt) {
  for (const int64_t ms : {0, 40, 80}) push(ms);
  EXPECT_TRUE(passed_.empty());
  wait_->on_pose(at(40));
  EXPECT_EQ(passed_, (Numbers{0, 40}));
  wait_->on_pose(at(20));
  EXPECT_EQ(passed_, (Numbers{0, 40})) << "an older one settles nothing more";
  wait_->on_pose(at(200));
  push(120);
  EXPECT_EQ(passed_, (Numbers{0, 40, 80, 120}));
}

TEST_F(PoseWaitTest, WithoutAPoseItWaitsSoLongAndNoLonger) {
  push(0);
  pass(PoseWait::kLongest / 2);
  push(40);
  EXPECT_TRUE(passed_.empty());
  pass(PoseWait::kLongest / 2);
  EXPECT_EQ(passed_, (Numbers{0}));
  pass(PoseWait::kLongest / 2);
  EXPECT_EQ(passed_, (Numbers{0, 40}));
}

// M-10: a report every 100 ms, up to 400 ms late, some lost. A picture that goes without costs max_speed times its age.
TEST_F(PoseWaitTest, OneLostReportAndTheNextAsLateAsMayBeStillSettle) {
  push(1);
  pass(599ms);
  EXPECT_TRUE(passed_.empty());
  wait_->on_pose(at(200));
  EXPECT_EQ(passed_, (Numbers{1}));
}

TEST_F(PoseWaitTest, AFlushLetsAllGoInOrder) {
  for (const int64_t ms : {0, 40, 80}) push(ms);
  wait_->flush();
  EXPECT_EQ(passed_, (Numbers{0, 40, 80}));
  pass(PoseWait::kLongest);
  EXPECT_EQ(passed_.size(), 3u);
}

}  // namespace
}  // namespace vigie::runtime
