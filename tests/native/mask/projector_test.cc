#include "mask/projector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "heap_count.h"
#include "mask/dome_support.h"

namespace vigie::mask {
namespace {

using policy::MaskPoint;
using test::kAspect;
using test::rectangle;
using test::Region;
using test::TruePose;

PoseEstimate estimate(double pan, double tilt, double hfov, double error = 0, double zoom_error = 0) {
  return {false, {}, pan, tilt, hfov, error, error, hfov * (1 - zoom_error), hfov * (1 + zoom_error)};
}

PicturePolygons project(const Region& region, const PoseEstimate& at, const policy::DomePolicy& dome = {},
                        double aspect = kAspect) {
  Projector projector;
  PicturePolygons polygons;
  projector.project_region(region, at, aspect, dome, polygons);
  return polygons;
}

bool is_whole(const PicturePolygons& polygons) {
  return polygons.size() == 1 && polygons[0] == Region{{0, 0}, {1, 0}, {1, 1}, {0, 1}};
}

TEST(Projector, WhatItCannotBoundIsTheWholePicture) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Region flat = rectangle(-5, -5, 10, 10);
  PoseEstimate asked = estimate(0, 0, 40);
  asked.whole_picture = true;
  PoseEstimate odd_zoom = estimate(0, 0, 40);
  odd_zoom.hfov_min_deg = 41;
  const struct {
    const char* name;
    Region region;
    PoseEstimate estimate;
    double aspect = kAspect;
  } cases[] = {
      {"asked for", flat, asked},
      {"no estimate", flat, PoseEstimate{}},
      {"two points", {{0, 0}, {1, 1}}, estimate(180, 0, 40)},
      {"a point that is no number", {{0, 0}, {nan, 1}, {1, 1}}, estimate(180, 0, 40)},
      {"a point above the zenith", {{0, 0}, {1, 91}, {1, 1}}, estimate(180, 0, 40)},
      {"round a pole", {{0, -70}, {120, -70}, {240, -70}}, estimate(0, 30, 40)},
      {"a whole turn between two points", {{-180, -90}, {180, -90}, {180, -60}, {-180, -60}}, estimate(0, 30, 40)},
      {"pan is no number", flat, estimate(nan, 0, 40)},
      {"error is no number", flat, estimate(180, 0, 40, nan)},
      {"a box too large to bound", flat, estimate(60, 0, 40, 60)},
      {"zoom box without its middle", flat, odd_zoom},
      {"too wide", flat, estimate(180, 0, 171)},
      {"no aspect", flat, estimate(180, 0, 40), 0},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_TRUE(is_whole(project(c.region, c.estimate, {}, c.aspect)));
  }
}

// Step 3 and its kin: what is hidden at the picture's centre and corners.
TEST(Projector, ClipsInSpace) {
  const Region wall = rectangle(-85, -89, 170, 178), west = rectangle(-180, -60, 100, 100);
  const struct {
    const char* name;
    Region region;
    TruePose pose;
    bool centre, left, right;  // hidden there, at half height
  } cases[] = {
      {"ahead", rectangle(-5, -5, 10, 10), {0, 0, 40}, true, false, false},
      {"behind", rectangle(-5, -5, 10, 10), {180, 0, 40}, false, false, false},
      {"beside", rectangle(80, -5, 20, 10), {0, 0, 40}, false, false, false},
      {"the view is inside the region", wall, {10, 5, 40}, true, true, true},
      {"the view is inside, the region reaches behind", rectangle(-89, -89, 178, 120), {0, -60, 60}, true, true, true},
      {"the region reaches in from behind", west, {-70, 0, 60}, false, true, false},
      {"half of the view, edge through the middle", rectangle(0, -80, 160, 160), {-1, 0, 60}, false, false, true},
      {"across the seam", {{170, -5}, {-170, -5}, {-170, 5}, {170, 5}}, {180, 0, 60}, true, false, false},
      {"nadir", rectangle(-60, -90, 120, 30), {0, -75, 50}, true, false, false},
      {"looking down past the pole", rectangle(100, -90, 160, 20), {0, -90, 30}, false, false, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const PicturePolygons polygons = project(c.region, estimate(c.pose.pan, c.pose.tilt, c.pose.hfov));
    EXPECT_EQ(test::hidden(polygons, {0.501, 0.499}), c.centre);
    EXPECT_EQ(test::hidden(polygons, {0.01, 0.499}), c.left);
    EXPECT_EQ(test::hidden(polygons, {0.99, 0.499}), c.right);
    for (const auto& polygon : polygons) {
      EXPECT_GE(polygon.size(), 3U);
      for (const MaskPoint& p : polygon) EXPECT_LT(std::max(std::abs(p.x), std::abs(p.y)), 2) << "some way beyond";
    }
  }
  EXPECT_TRUE(project(rectangle(-5, -5, 10, 10), estimate(180, 0, 40)).empty());
}

// Now and then a large rectangle, else a star round a middle: simple, seldom convex.
Region random_region(std::mt19937_64& random) {
  std::uniform_real_distribution<double> share(0, 1);
  if (share(random) < 0.2) {
    const double bottom = -90 + 60 * share(random);
    return rectangle(300 * share(random) - 150, bottom, 60 + 119 * share(random), (85 - bottom) * share(random));
  }
  const double pan = 360 * share(random) - 180, tilt = 150 * share(random) - 90,
               size = 2 + 60 * share(random) * share(random);
  const int corners = 3 + static_cast<int>(share(random) * 6);
  Region region;
  for (int i = 0; i < corners; ++i) {
    const double angle = 2 * std::numbers::pi * (i + 0.7 * share(random)) / corners,
                 radius = size * (0.2 + 0.8 * share(random));
    region.push_back({std::remainder(pan + radius * std::cos(angle), 360),
                      std::clamp(tilt + radius * std::sin(angle), -90.0, 90.0)});
  }
  return region;
}

bool in_region(const Region& region, MaskPoint p) {
  Region unrolled;
  for (const MaskPoint& corner : region) {
    const double from = unrolled.empty() ? corner.x : unrolled.back().x;
    unrolled.push_back({from + std::remainder(corner.x - from, 360), corner.y});
  }
  for (const double turn : {-360.0, 0.0, 360.0}) {
    if (test::inside(unrolled, {p.x + turn, p.y})) return true;
  }
  return false;
}

// For any pose of the box, whatever lies in the region is hidden.
TEST(Projector, ContainsTheRegionForEveryPoseOfTheBox) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> share(0, 1), sign(-1, 1);
  size_t checked = 0, shown = 0, wholes = 0;
  for (int round = 0; round < 1500; ++round) {
    const Region region = random_region(random);
    const double error = 20 * std::pow(share(random), 4), zoom = 0.3 * share(random) * share(random);
    const policy::DomePolicy dome{.mount_roll = 10 * sign(random), .mount_tilt = 10 * sign(random)};
    PoseEstimate at =
        estimate(region[0].x + 30 * sign(random), std::clamp(region[0].y + 25 * sign(random), -95.0, 60.0),
                 3 + 90 * share(random), error, zoom);
    at.tilt_error_deg *= share(random);
    const PicturePolygons polygons = project(region, at, dome);
    if (is_whole(polygons)) ++wholes;
    for (int i = 0; i < 200; ++i) {
      const auto within = [&](double half) {
        return i % 2 == 0 ? half * sign(random) : std::copysign(half, sign(random));
      };
      const TruePose truth{at.pan_deg + within(at.pan_error_deg), at.tilt_deg + within(at.tilt_error_deg),
                           at.hfov_deg * (1 + within(zoom))};
      const Projection view(camera_of(truth.pan, truth.tilt, dome.mount_roll, dome.mount_tilt), truth.hfov, kAspect);
      const MaskPoint picture{share(random), share(random)};
      const MaskPoint world = view.to_world(picture);
      const auto seen = test::true_picture(world, truth, kAspect, dome.mount_roll, dome.mount_tilt);
      ASSERT_TRUE(seen);
      if (in_region(region, world)) {
        ++checked;
        ASSERT_TRUE(test::hidden(polygons, *seen)) << "round " << round << ": " << world.x << " " << world.y;
      } else if (!test::hidden(polygons, *seen)) {
        ++shown;
      }
    }
  }
  EXPECT_GT(checked, 15'000U);
  EXPECT_GT(shown, 50'000U) << "hiding everything would be no proof";
  EXPECT_LT(wholes, 50U);
}

// An edge of constant tilt is bent in the picture (step 7): points just inside it, exact pose, tele.
TEST(Projector, FollowsBentEdges) {
  const Region roof = rectangle(-40, -60, 80, 20);
  for (double pan = -39.9; pan < 40; pan += 0.37) {
    const TruePose pose{pan, -40, 3};
    const PicturePolygons polygons = project(roof, estimate(pose.pan, pose.tilt, pose.hfov));
    for (const double aside : {-1.0, -0.3, 0.0, 0.6, 1.1}) {
      const auto below = test::true_picture({pan + aside, -40.001}, pose, kAspect);
      const auto above = test::true_picture({pan + aside, -39.97}, pose, kAspect);
      ASSERT_TRUE(below && above);
      EXPECT_TRUE(std::abs(pan + aside) >= 40 || test::hidden(polygons, *below)) << pan + aside;
      EXPECT_FALSE(test::hidden(polygons, *above)) << pan + aside;
    }
  }
}

TEST(Projector, AllocatesNothingOnceItHasSeenASize) {
  if (!kHeapIsCounted) GTEST_SKIP() << "the sanitizer's heap is not counted";
  Projector projector;
  PicturePolygons polygons;
  const Region region = rectangle(-20, -30, 40, 15), other = rectangle(-70, -80, 140, 150);
  const auto sweep = [&] {
    for (double pan = -60; pan <= 60; pan += 1) {
      projector.project_region(region, estimate(pan, -20, 50, 1, 0.02), kAspect, {}, polygons);
      projector.project_region(other, estimate(pan, -20, 50, 1, 0.02), kAspect, {}, polygons);
    }
  };
  sweep();
  const uint64_t before = heap_calls();
  sweep();
  EXPECT_EQ(heap_calls(), before);
}

}  // namespace
}  // namespace vigie::mask
