// What the table of tests/contract cannot say: numbers that JSON does not have, and many polygons at random.
#include "policy/polygon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>

namespace vigie::policy {
namespace {

TEST(Polygon, RefusesWhatIsNoNumber) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const MaskSpace space : {MaskSpace::picture, MaskSpace::world}) {
      const MaskPoint points[] = {{0, 0}, {1, 0}, {1, bad}};
      const Status status = check_simple_polygon(points, space, "/p");
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().where, "/p/2");
    }
  }
}

// Points around a centre in the order of their angles, each at its own distance: simple, whatever the distances.
std::vector<MaskPoint> star(std::mt19937& random, size_t count) {
  std::uniform_real_distribution<double> part(0.1, 0.9), distance(0.05, 0.49);
  std::vector<MaskPoint> points;
  for (size_t i = 0; i < count; ++i) {
    const double angle = 2 * std::numbers::pi * (static_cast<double>(i) + part(random)) / static_cast<double>(count);
    const double away = distance(random);
    points.push_back({0.5 + away * std::cos(angle), 0.5 + away * std::sin(angle)});
  }
  return points;
}

TEST(Polygon, TakesStarsInEitherDirectionFromAnyPointOn) {
  std::mt19937 random(1);
  for (size_t round = 0; round < 2000; ++round) {
    auto points = star(random, 4 + round % 61);
    std::rotate(points.begin(), points.begin() + static_cast<ptrdiff_t>(round % points.size()), points.end());
    if (round % 2) std::reverse(points.begin(), points.end());
    const Status status = check_simple_polygon(points, MaskSpace::picture, "/p");
    ASSERT_TRUE(status.ok()) << round << ": " << status.error().text();
  }
}

// Written otherwise on purpose: solves for the place where two edges meet.
bool edges_cross(const std::vector<MaskPoint>& points) {
  const size_t count = points.size();
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = i + 2; j < count; ++j) {
      if ((j + 1) % count == i) continue;
      const MaskPoint a = points[i], b = points[i + 1], c = points[j], d = points[(j + 1) % count];
      const double slope = (b.x - a.x) * (d.y - c.y) - (b.y - a.y) * (d.x - c.x);
      if (slope == 0) continue;
      const double s = ((c.x - a.x) * (d.y - c.y) - (c.y - a.y) * (d.x - c.x)) / slope;
      const double t = ((c.x - a.x) * (b.y - a.y) - (c.y - a.y) * (b.x - a.x)) / slope;
      if (s >= 0 && s <= 1 && t >= 0 && t <= 1) return true;
    }
  }
  return false;
}

TEST(Polygon, RefusesExactlyTheCrossedOnes) {
  std::mt19937 random(2);
  std::uniform_real_distribution<double> place(0, 1);
  size_t refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::vector<MaskPoint> points(4 + static_cast<size_t>(round) % 4);
    for (MaskPoint& point : points) point = {place(random), place(random)};
    const Status status = check_simple_polygon(points, MaskSpace::picture, "/p");
    ASSERT_EQ(status.ok(), !edges_cross(points)) << round;
    refused += status.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_LT(refused, 4900u);
}

}  // namespace
}  // namespace vigie::policy
