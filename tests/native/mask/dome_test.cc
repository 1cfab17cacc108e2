// M-10: what a simulated dome with a noisy link shows of its private places, poses and projection together.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "mask/dome_support.h"
#include "mask/pose_history.h"
#include "mask/projector.h"

namespace vigie::mask {
namespace {

using policy::MaskPoint;
using test::kAspect;
using test::rectangle;
using test::Region;
using test::TruePose;

struct Count {
  size_t pictures = 0, whole = 0, points = 0, leaked = 0;
};

// One dome for `until` seconds at 25 pictures a second, each masked by what has arrived `wait` seconds after it.
void watch(const test::Sweep& sweep, const policy::DomePolicy& policy, double wait, uint64_t seed, double until,
           Count& count) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> share(0, 1);
  const auto reports = test::reports_of(sweep, {}, PoseState::moving, until, random);
  const Region regions[] = {rectangle(-12, -28, 9, 14), rectangle(15, -30, 5, 5), {{-40, -50}, {-20, -45}, {-35, -10}}};
  PoseHistory history;
  Projector projector;
  PicturePolygons polygons;
  size_t next = 0;
  for (double t = 1; t < until - 1; t += 0.04) {
    for (; next < reports.size() && reports[next].arrives <= t + wait; ++next) {
      ASSERT_TRUE(history.push(reports[next].pose).ok());
    }
    const PoseEstimate estimate = history.at(test::wall(t), policy);
    const TruePose truth = sweep.at(t);
    ++count.pictures;
    if (estimate.whole_picture) ++count.whole;
    for (const Region& region : regions) {
      projector.project_region(region, estimate, kAspect, policy, polygons);
      for (int i = 0; i < 20; ++i) {
        // Half of them on the very edge, where a leak would begin.
        const size_t corner = static_cast<size_t>(share(random) * static_cast<double>(region.size()));
        const MaskPoint &a = region[corner], &b = region[(corner + 1) % region.size()],
                        &c = region[(corner + 2) % region.size()];
        const double u = share(random), v = i % 2 == 0 ? 0.001 : share(random) * (1 - u);
        const MaskPoint world{a.x + u * (b.x - a.x) + v * (c.x - a.x), a.y + u * (b.y - a.y) + v * (c.y - a.y)};
        const auto seen = test::true_picture(world, truth, kAspect);
        if (!test::inside(region, world) || !seen || !test::in_picture(*seen)) continue;
        ++count.points;
        if (!test::hidden(polygons, *seen)) ++count.leaked;
      }
    }
  }
}

TEST(Dome, SweepingWithNoiseItShowsNothingPrivate) {
  const policy::DomePolicy policy{.calibration_error = 0.2, .zoom_error = 0.02, .max_speed = 30};
  const struct {
    const char* name;
    test::Sweep sweep;
    double wait;
    double most_whole;  // share of pictures that may be hidden wholly: else the test would prove nothing
  } cases[] = {
      {"slow, at once", {.pan_width = 8, .tilt_width = 4, .period = 10}, 0, 0.6},
      {"slow, after 0.6 s", {.pan_width = 8, .tilt_width = 4, .zoom_width = 0.2, .period = 10}, 0.6, 0.05},
      {"fast, after 0.6 s", {.pan_width = 32, .tilt_width = 12, .zoom_width = 0.5, .period = 7}, 0.6, 0.05},
      {"too fast, after 0.6 s", {.pan_width = 60, .tilt_width = 12, .period = 7}, 0.6, 0.95},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    Count count;
    for (uint64_t seed = 1; seed <= 12; ++seed) watch(c.sweep, policy, c.wait, seed, 12, count);
    std::printf("%-22s %zu pictures, %.1f %% whole, %zu private points in sight, %zu shown\n", c.name, count.pictures,
                100.0 * static_cast<double>(count.whole) / static_cast<double>(count.pictures), count.points,
                count.leaked);
    EXPECT_GT(count.points, 10'000U);
    EXPECT_EQ(count.leaked, 0U);
    EXPECT_LT(static_cast<double>(count.whole), c.most_whole * static_cast<double>(count.pictures));
  }
}

double area_of(const Region& polygon) {
  double twice = 0;
  for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    twice += polygon[j].x * polygon[i].y - polygon[i].x * polygon[j].y;
  }
  return std::abs(twice) / 2;
}

// The region's outline in the picture, finely.
Region outline(const Region& region, const TruePose& pose) {
  Region points;
  for (size_t i = 0; i < region.size(); ++i) {
    const MaskPoint &a = region[i], &b = region[(i + 1) % region.size()];
    for (int k = 0; k < 8; ++k) {
      const double share = k / 8.0;
      points.push_back(*test::true_picture({std::lerp(a.x, b.x, share), std::lerp(a.y, b.y, share)}, pose, kAspect));
    }
  }
  return points;
}

// Area of the union, by a grid over its bounds.
template <class Inside>
double area_where(const PicturePolygons& bounds, Inside inside) {
  MaskPoint low{1, 1}, high{0, 0};
  for (const auto& polygon : bounds) {
    for (const MaskPoint& p : polygon) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
  }
  constexpr int kGrid = 100;
  int count = 0;
  for (int i = 0; i < kGrid; ++i) {
    for (int k = 0; k < kGrid; ++k) {
      if (inside(MaskPoint{std::lerp(low.x, high.x, (i + 0.5) / kGrid), std::lerp(low.y, high.y, (k + 0.5) / kGrid)}))
        ++count;
    }
  }
  return (high.x - low.x) * (high.y - low.y) * count / (kGrid * kGrid);
}

// The dome stands still, its noise is M-10's and the policy's calibration error is that noise. Of any mask that holds
// for the whole pose box some excess cannot be avoided: the corners of the box give it, and it is printed beside ours.
// M-10's 15 % is held from about 14 x 14 degrees on; below, +-0.2 degrees and 2 % of zoom alone come to more.
TEST(Dome, WhenStillTheExcessIsSmall) {
  const policy::DomePolicy policy{.calibration_error = 0.2, .zoom_error = 0.02};
  const struct {
    const char* name;
    Region region;  // the dome looks to pan 0, tilt -20
    double hfov;
    double most;           // excess over the true area
    double most_needless;  // excess over what the box makes needful
  } cases[] = {
      {"window 5 x 5, hfov 30", rectangle(-2.5, -22.5, 5, 5), 30, 0.34, 0.03},
      {"window 5 x 5, hfov 60", rectangle(-2.5, -22.5, 5, 5), 60, 0.34, 0.03},
      {"window 5 x 5, hfov 30, aside", rectangle(6, -20, 5, 5), 30, 0.35, 0.03},
      {"house 10 x 10, hfov 40", rectangle(-5, -25, 10, 10), 40, 0.18, 0.03},
      {"house 14 x 14, hfov 45", rectangle(-7, -27, 14, 14), 45, 0.15, 0.03},
      {"front 20 x 12, hfov 45", rectangle(-10, -26, 20, 12), 45, 0.15, 0.03},
      {"front 25 x 15, hfov 60", rectangle(-20, -28, 25, 15), 60, 0.15, 0.03},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const test::Sweep still{.middle = {0, -20, c.hfov}};
    double true_area = 0, hidden_area = 0, needful_area = 0;
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      std::mt19937_64 random(seed);
      PoseHistory history;
      for (const auto& report : test::reports_of(still, {}, PoseState::idle, 4, random)) {
        ASSERT_TRUE(history.push(report.pose).ok());
      }
      const PoseEstimate estimate = history.at(test::wall(2.05), policy);
      ASSERT_FALSE(estimate.whole_picture);
      Projector projector;
      PicturePolygons polygons;
      projector.project_region(c.region, estimate, kAspect, policy, polygons);
      PicturePolygons needful;
      for (const double pan : {-1, 0, 1}) {
        for (const double tilt : {-1, 0, 1}) {
          for (const double hfov : {estimate.hfov_min_deg, estimate.hfov_deg, estimate.hfov_max_deg}) {
            needful.push_back(outline(c.region, {estimate.pan_deg + pan * estimate.pan_error_deg,
                                                 estimate.tilt_deg + tilt * estimate.tilt_error_deg, hfov}));
          }
        }
      }
      true_area += area_of(outline(c.region, {0, -20, c.hfov}));
      hidden_area += area_where(polygons, [&](const MaskPoint& p) { return test::hidden(polygons, p); });
      needful_area += area_where(polygons, [&](const MaskPoint& p) { return test::hidden(needful, p); });
    }
    std::printf("%-30s excess %.1f %% of the region, needful %.1f %%\n", c.name, 100 * (hidden_area / true_area - 1),
                100 * (needful_area / true_area - 1));
    EXPECT_LE(hidden_area / true_area - 1, c.most);
    EXPECT_LE(hidden_area / needful_area - 1, c.most_needless);
    EXPECT_GE(hidden_area, needful_area);
  }
}

}  // namespace
}  // namespace vigie::mask
