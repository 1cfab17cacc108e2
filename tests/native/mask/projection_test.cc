#include "mask/projection.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "mask/dome_support.h"

namespace vigie::mask {
namespace {

using policy::MaskPoint;
using test::kRad;

double angle_between(const MaskPoint& a, const MaskPoint& b) {
  const Vec3 u = direction_of(a.x, a.y), v = direction_of(b.x, b.y);
  const Vec3 c = cross(u, v);
  return std::atan2(std::sqrt(dot(c, c)), dot(u, v));
}

Projection projection(double pan, double tilt, double hfov, double roll = 0, double mount_tilt = 0) {
  return {camera_of(pan, tilt, roll, mount_tilt), hfov, 16.0 / 9};
}

TEST(Projection, KnownPlaces) {
  const double edge = std::atan(std::tan(30 * kRad) * 9 / 16) / kRad;  // half the vertical field of view
  const struct {
    const char* name;
    Projection projection;
    MaskPoint world, picture;
  } cases[] = {
      {"straight ahead", projection(0, 0, 60), {0, 0}, {0.5, 0.5}},
      {"right edge", projection(0, 0, 60), {30, 0}, {1, 0.5}},
      {"upper edge", projection(0, 0, 60), {0, edge}, {0.5, 0}},
      {"panned across the seam", projection(179, 0, 60), {-151, 0}, {1, 0.5}},
      {"tilted down", projection(40, -50, 60), {40, -50 - edge}, {0.5, 1}},
      {"nadir, top of the picture ahead", projection(90, -90, 60), {90, -90 + edge}, {0.5, 0}},
      {"mount tilt looks higher", projection(0, 0, 60, 0, 10), {0, 10}, {0.5, 0.5}},
      {"mount roll clockwise: the sky leans left", projection(0, 0, 60, 90), {0, 30}, {0, 0.5}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto seen = c.projection.to_picture(c.world);
    ASSERT_TRUE(seen);
    EXPECT_NEAR(seen->x, c.picture.x, 1e-12);
    EXPECT_NEAR(seen->y, c.picture.y, 1e-12);
  }
  EXPECT_FALSE(projection(0, 0, 60).to_picture({180, 0})) << "behind";
  EXPECT_FALSE(projection(0, 0, 60).to_picture({90, 0})) << "beside";
}

TEST(Projection, RoundTripLosesLessThanAMicroradian) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> pan(-180, 180), tilt(-90, 90), hfov(0.5, 120), mount(-15, 15),
      place(-0.2, 1.2);
  double worst = 0;
  for (int i = 0; i < 100'000; ++i) {
    const test::TruePose pose{pan(random), tilt(random), hfov(random)};
    const double roll = mount(random), lean = mount(random);
    const Projection there = projection(pose.pan, pose.tilt, pose.hfov, roll, lean);
    const MaskPoint picture{place(random), place(random)};
    const MaskPoint world = there.to_world(picture);
    const auto back = there.to_picture(world);
    ASSERT_TRUE(back);
    worst = std::max(worst, angle_between(world, there.to_world(*back)));
    ASSERT_NEAR(back->x, picture.x, 1e-6 / (pose.hfov * kRad));
    const auto truth = test::true_picture(world, pose, 16.0 / 9, roll, lean);
    ASSERT_TRUE(truth);
    ASSERT_NEAR(truth->x, back->x, 1e-8);
    ASSERT_NEAR(truth->y, back->y, 1e-8);
  }
  EXPECT_LT(worst, 1e-6) << "M-14";
}

// A mask drawn over the picture at tele hides the same part of the world at wide (M-14).
TEST(Projection, DrawnAtTeleItLandsThereAtWide) {
  for (const double tilt : {-60.0, -30.0, -5.0, 20.0}) {
    const Projection tele = projection(100, tilt, 5), wide = projection(92, tilt + 4, 60);
    const MaskPoint drawn[] = {{0.2, 0.2}, {0.8, 0.2}, {0.8, 0.8}, {0.2, 0.8}};
    for (size_t i = 0; i < 4; ++i) {
      const MaskPoint &from = drawn[i], &to = drawn[(i + 1) % 4];
      const MaskPoint a = tele.to_world(from), b = tele.to_world(to);
      for (double share = 0; share < 1; share += 0.05) {
        const MaskPoint on_edge = tele.to_world({std::lerp(from.x, to.x, share), std::lerp(from.y, to.y, share)});
        const MaskPoint stored{std::lerp(a.x, b.x, share), std::lerp(a.y, b.y, share)};  // straight in pan and tilt
        const auto seen = wide.to_picture(stored);
        ASSERT_TRUE(seen);
        EXPECT_LT(angle_between(wide.to_world(*seen), on_edge) / kRad, 0.3);
      }
    }
  }
}

}  // namespace
}  // namespace vigie::mask
