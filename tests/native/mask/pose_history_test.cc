#include "mask/pose_history.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "mask/dome_support.h"

namespace vigie::mask {
namespace {

using test::wall;
constexpr auto kIdle = PoseState::idle, kMoving = PoseState::moving;

Pose pose(double at, double pan, PoseState state = kMoving, double tilt = -20, double hfov = 40) {
  return {pan, tilt, hfov, wall(at), state};
}

PoseHistory history_of(const std::vector<Pose>& poses) {
  PoseHistory history;
  for (const Pose& p : poses) {
    const Status status = history.push(p);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().text());
  }
  return history;
}

TEST(PoseHistory, RefusesWhatIsNoPose) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const struct {
    const char* name;
    Pose pose;
    const char* where;
  } cases[] = {
      {"pan is no number", pose(2, nan), "pan_deg"},
      {"pan has no end", pose(2, inf), "pan_deg"},
      {"tilt is no number", pose(2, 0, kIdle, nan), "tilt_deg"},
      {"tilt beyond a half turn", pose(2, 0, kIdle, -181), "tilt_deg"},
      {"hfov is no number", pose(2, 0, kIdle, 0, nan), "hfov_deg"},
      {"hfov too small", pose(2, 0, kIdle, 0, 0.05), "hfov_deg"},
      {"hfov too large", pose(2, 0, kIdle, 0, 171), "hfov_deg"},
      {"before the newest", pose(0.9, 0), "at"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    PoseHistory history = history_of({pose(1, 10, kIdle)});
    const Status status = history.push(c.pose);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::invalid_argument);
    EXPECT_EQ(status.error().where, c.where);
    EXPECT_FALSE(status.error().what.empty());
    EXPECT_NEAR(history.at(wall(1), {}).pan_deg, 10, 1e-9) << "the history stays as it was";
  }
}

struct Case {
  const char* name;
  std::vector<Pose> poses;
  double capture;
  const char* reason;  // "" = a box
  double pan = 0, pan_error = 0;
};

// The policy of these: calibration 0.5, max_speed 30, ages 0.3 and 2 s.
TEST(PoseHistory, BoxOrWhole) {
  const Case cases[] = {
      {"nothing said", {}, 1, "no pose yet"},
      {"before the first", {pose(1, 0)}, 0.99, "no pose before this picture"},
      {"at the first", {pose(1, 7)}, 1, "", 7, 0.5},
      {"idle on both sides", {pose(1, 7, kIdle), pose(2.5, 7.4, kIdle)}, 1.75, "", 7.2, 0.7},
      {"idle on both sides, too far apart",
       {pose(1, 7, kIdle), pose(3.1, 7, kIdle)},
       2,
       "the camera's position is too old"},
      {"idle twice, not at one place", {pose(1, 7, kIdle), pose(1.2, 8.2, kIdle)}, 1.1, "", 7.6, 2.9},
      {"moving evenly", {pose(1, 10), pose(1.2, 12)}, 1.1, "", 11, 2.5},
      {"the nearer report rules", {pose(1, 10), pose(1.2, 10)}, 1.02, "", 10, 1.1},
      {"at top speed no other path is left", {pose(1, 10), pose(1.2, 17)}, 1.1, "", 13.5, 0},
      {"the short way over the seam", {pose(1, 179), pose(1.2, -179)}, 1.1, "", 180, 2.5},
      {"faster than allowed", {pose(1, 10), pose(1.2, 17.5)}, 1.1, "the camera is moving too fast"},
      {"faster than allowed, then nothing", {pose(1, 10), pose(1.2, 17.5)}, 1.25, "the camera is moving too fast"},
      {"the last says moving", {pose(1, 10)}, 1.25, "", 10, 8},
      {"the last says moving, long ago", {pose(1, 10)}, 1.31, "the camera's position is too old"},
      {"the last says idle: it may have started since", {pose(1, 10, kIdle)}, 1.5, "", 10, 15.5},
      {"the last says idle, too long ago to follow", {pose(1, 10, kIdle)}, 2.01, "the camera's position is too old"},
      {"moving, reports far apart", {pose(1, 10), pose(1.7, 10)}, 1.35, "the camera's position is too old"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const PoseEstimate estimate = history_of(c.poses).at(wall(c.capture), {});
    EXPECT_EQ(estimate.reason, c.reason);
    EXPECT_EQ(estimate.whole_picture, *c.reason != 0);
    if (estimate.whole_picture) continue;
    EXPECT_NEAR(estimate.pan_deg, c.pan, 1e-6);
    EXPECT_NEAR(estimate.pan_error_deg, c.pan_error, 1e-6);
    EXPECT_GE(estimate.tilt_error_deg, 0.5 - 1e-9);
    EXPECT_LE(estimate.hfov_min_deg, estimate.hfov_deg);
    EXPECT_GE(estimate.hfov_max_deg, estimate.hfov_deg);
  }
}

// A tap of the joystick between two idle reports, early or late: no even drift may be assumed.
TEST(PoseHistory, ASmallMoveBetweenIdleReportsIsCovered) {
  const PoseHistory history = history_of({pose(1, 6.6, kIdle), pose(2, 7.4, kIdle)});
  for (const double capture : {1.02, 1.5, 1.98}) {
    const PoseEstimate estimate = history.at(wall(capture), {});
    for (const double truth : {6.1, 7.9}) EXPECT_LE(std::abs(truth - estimate.pan_deg), estimate.pan_error_deg + 1e-9);
  }
}

// M-2: a dome that cannot turn fast keeps its idle pose for the two seconds, and not longer.
TEST(PoseHistory, IdleAgeIsTheLimitOfASlowDome) {
  const policy::DomePolicy slow{.max_speed = 3};
  const PoseHistory history = history_of({pose(1, 10, kIdle, -20, 10)});
  EXPECT_NEAR(history.at(wall(2.99), slow).pan_error_deg, 0.5 + 3 * 1.99, 1e-6);
  EXPECT_EQ(history.at(wall(3.01), slow).reason, "the camera's position is too old");
}

TEST(PoseHistory, ZoomIsBlendedByFocalLength) {
  const PoseHistory still = history_of({pose(1, 0, kIdle, 0, 40), pose(2, 0, kIdle, 0, 40)});
  const PoseEstimate estimate = still.at(wall(1.5), {});
  EXPECT_NEAR(estimate.hfov_min_deg, 40 * 0.98, 1e-9);
  EXPECT_NEAR(estimate.hfov_max_deg, 40 * 1.02, 1e-9);

  const PoseHistory zooming = history_of({pose(1, 0, kMoving, 0, 40), pose(1.2, 0, kMoving, 0, 30)});
  const PoseEstimate half = zooming.at(wall(1.1), {});
  const double geometric_mean = std::sqrt(std::tan(20 * test::kRad) * std::tan(15 * test::kRad));
  EXPECT_NEAR(half.hfov_deg, 2 * std::atan(geometric_mean) / test::kRad, 0.05);
  EXPECT_LT(half.hfov_min_deg, 33);
  EXPECT_GT(half.hfov_max_deg, 36.5);

  const PoseHistory jump = history_of({pose(1, 0, kMoving, 0, 60), pose(1.1, 0, kMoving, 0, 20)});
  EXPECT_EQ(jump.at(wall(1.05), {}).reason, "the camera is moving too fast");
  const PoseHistory wide = history_of({pose(1, 0, kMoving, 0, 160)});
  EXPECT_EQ(wide.at(wall(1.29), {}).reason, "the camera's field of view is not known well enough");
}

TEST(PoseHistory, ADoubtHidesEverythingUntilConfirmed) {
  for (const PoseDoubt doubt : {PoseDoubt::unknown, PoseDoubt::reboot, PoseDoubt::homing, PoseDoubt::e_flip,
                                PoseDoubt::digital_zoom, PoseDoubt::bounds_changed}) {
    SCOPED_TRACE(doubt_text(doubt));
    PoseHistory history = history_of({pose(1, 0, kIdle)});
    if (doubt == PoseDoubt::unknown) {
      EXPECT_TRUE(history.push(pose(1.1, 0, PoseState::unknown)).ok());
    } else {
      history.invalidate(doubt);
    }
    EXPECT_EQ(history.at(wall(1), {}).reason, doubt_text(doubt));
    EXPECT_TRUE(history.push(pose(2, 0, kIdle)).ok());
    EXPECT_EQ(history.at(wall(2), {}).reason, doubt_text(doubt)) << "reports alone do not lift it";
    history.confirm();
    EXPECT_EQ(history.at(wall(2), {}).reason, "no pose yet") << "what was said in doubt does not count";
    EXPECT_TRUE(history.push(pose(3, 0, kIdle)).ok());
    EXPECT_FALSE(history.at(wall(3), {}).whole_picture);
  }
}

TEST(PoseHistory, KeepsTenSecondsAndABoundedNumber) {
  PoseHistory history;
  for (int i = 0; i <= 200; ++i) ASSERT_TRUE(history.push(pose(i * 0.1, 0, kIdle)).ok());
  EXPECT_TRUE(history.at(wall(9.95), {}).whole_picture);
  EXPECT_FALSE(history.at(wall(10.05), {}).whole_picture);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(history.push(pose(21 + i * 0.001, i, kIdle)).ok());
  EXPECT_TRUE(history.at(wall(21.742), {}).whole_picture) << "256 reports are kept";
  EXPECT_EQ(history.at(wall(21.999), {}).pan_deg, 999);
  EXPECT_TRUE(history.settled(wall(21.999)));
  EXPECT_FALSE(history.settled(wall(22)));
  EXPECT_FALSE(PoseHistory().settled(wall(0)));
}

}  // namespace
}  // namespace vigie::mask
