#include "policy/mask_area.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace vigie::policy {
namespace {

std::vector<MaskPoint> box(double left, double top, double right, double bottom) {
  return {{left, top}, {right, top}, {right, bottom}, {left, bottom}};
}

MaskRegion region(std::vector<MaskPoint> points, std::optional<int> from = {}, std::optional<int> until = {}) {
  MaskRegion made{.name = "r", .points = std::move(points)};
  if (from) made.from = WallTime{std::chrono::seconds(*from)};
  if (until) made.until = WallTime{std::chrono::seconds(*until)};
  return made;
}

MaskRegion world(std::vector<MaskPoint> points) {
  MaskRegion made = region(std::move(points));
  made.space = MaskSpace::world;
  return made;
}

bool less(std::vector<MaskRegion> before, std::vector<MaskRegion> after) {
  return region_left_open({.regions = std::move(before)}, {.regions = std::move(after)}).has_value();
}

TEST(MaskArea, Table) {
  const auto whole = box(0, 0, 1, 1);
  const auto square = box(0.2, 0.2, 0.6, 0.6);
  const struct {
    const char* name;
    std::vector<MaskRegion> before, after;
    bool less;
  } kCases[] = {
      {"nothing and nothing", {}, {}, false},
      {"the first region", {}, {region(square)}, false},
      {"the last region gone", {region(square)}, {}, true},
      {"the same", {region(square)}, {region(square)}, false},
      {"the other way round", {region(square)}, {region({square.rbegin(), square.rend()})}, false},
      {"from another point on", {region(square)}, {region({square[2], square[3], square[0], square[1]})}, false},
      {"a point more on an edge",
       {region({{0.1, 0.1}, {0.7, 0.3}, {0.2, 0.8}})},
       {region({{0.1, 0.1}, {0.4, 0.2}, {0.7, 0.3}, {0.2, 0.8}})},
       false},
      {"a little larger", {region(square)}, {region(box(0.19999, 0.2, 0.6, 0.60001))}, false},
      {"a pixel and a half smaller", {region(square)}, {region(box(0.2015, 0.2, 0.6, 0.6))}, true},
      {"cut in two", {region(square)}, {region(box(0.2, 0.2, 0.37, 0.6)), region(box(0.37, 0.2, 0.6, 0.6))}, false},
      {"cut in two with a gap",
       {region(square)},
       {region(box(0.2, 0.2, 0.37, 0.6)), region(box(0.3725, 0.2, 0.6, 0.6))},
       true},
      {"two made one", {region(box(0, 0, 0.3, 1)), region(box(0.2, 0, 1, 1))}, {region(whole)}, false},
      {"a hair gone", {region({{0.5, 0.1}, {0.50001, 0.1}, {0.50001, 0.9}})}, {region(square)}, true},
      {"a hair that lies flat gone", {region({{0.1, 0.5}, {0.9, 0.5}, {0.9, 0.50001}})}, {}, true},
      {"moved", {region(square)}, {region(box(0.3, 0.2, 0.7, 0.6))}, true},
      {"a notch",
       {region(square)},
       {region({{0.2, 0.2}, {0.6, 0.2}, {0.6, 0.6}, {0.45, 0.6}, {0.4, 0.3}, {0.35, 0.6}, {0.2, 0.6}})},
       true},
      {"along the borders of the picture",
       {region(whole)},
       {region(box(0, 0, 1, 0.5)), region(box(0, 0.5, 1, 1))},
       false},
      {"to world space", {region(box(0, 0, 1, 1))}, {world(box(-180, -90, 180, 90))}, true},
      {"pan seen from the other side", {world(box(350, 0, 360, 10))}, {world(box(-10, 0, 0, 10))}, false},
      {"over the north", {world(box(-10, 0, 10, 10))}, {world(box(350, 0, 360, 10)), world(box(0, 0, 10, 10))}, false},
      {"half of it", {world(box(-10, 0, 10, 10))}, {world(box(350, 0, 360, 10))}, true},
      {"all around", {world(box(-10, -90, 10, 90))}, {world(box(0, -90, 360, 90))}, false},
      {"ends earlier", {region(square, {}, 20)}, {region(square, {}, 19)}, true},
      {"gets an end", {region(square)}, {region(square, {}, 20)}, true},
      {"begins later", {region(square, 10, 20)}, {region(square, 11, 20)}, true},
      {"begins earlier and ends later", {region(square, 10, 20)}, {region(square, 9, 21)}, false},
      {"taken over by the next", {region(square, 10, 20)}, {region(square, 5, 15), region(whole, 15, 25)}, false},
      {"taken over too late", {region(square, 10, 20)}, {region(square, 5, 14), region(whole, 15, 25)}, true},
      {"another place before it begins",
       {region(square, 10, 20)},
       {region(square, 10, 20), region(whole, {}, 5)},
       false},
      {"together only for a time",
       {region(square, 10, 20)},
       {region(box(0.2, 0.2, 0.4, 0.6)), region(box(0.4, 0.2, 0.6, 0.6), {}, 18)},
       true},
      {"two of one place, one stays", {region(square, 10, 20), region(square)}, {region(square)}, false},
  };
  for (const auto& test_case : kCases) {
    SCOPED_TRACE(test_case.name);
    EXPECT_EQ(less(test_case.before, test_case.after), test_case.less);
  }
}

TEST(MaskArea, SaysWhichRegion) {
  MaskSetPolicy before{.regions = {region(box(0, 0, 0.2, 0.2)), region(box(0.5, 0.5, 0.7, 0.7))}};
  before.regions[0].name = "stays";
  before.regions[1].name = "goes";
  EXPECT_EQ(region_left_open(before, {.regions = {region(box(0, 0, 0.5, 0.5))}}), "goes");
}

// Where a point is, by the number of edges to its right; written otherwise than the code under test.
bool contains(const std::vector<MaskPoint>& polygon, double x, double y) {
  bool inside = false;
  for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const MaskPoint &a = polygon[i], &b = polygon[j];
    if ((a.y > y) != (b.y > y) && x < (b.x - a.x) * (y - a.y) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}

// How far a point is from the nearest edge.
double distance_to_edges(const std::vector<MaskPoint>& polygon, double x, double y) {
  double least = 10;
  for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const MaskPoint &a = polygon[j], &b = polygon[i];
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double along = std::clamp(((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy), 0.0, 1.0);
    least = std::min(least, std::hypot(x - a.x - along * dx, y - a.y - along * dy));
  }
  return least;
}

// Samples places at random: one that was hidden and is more than a cell away from everything hidden now must be found;
// where every old place is hidden now nothing may be found, unless some edge is too near to tell.
TEST(MaskArea, AgreesWithPlacesTriedAtRandom) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> place(0, 1), small(-0.2, 0.2);
  const auto triangle = [&] {
    const double x = place(random), y = place(random);
    const auto near = [&](double at) { return std::clamp(at + small(random), 0.0, 1.0); };
    return std::vector<MaskPoint>{{near(x), near(y)}, {near(x), near(y)}, {near(x), near(y)}};
  };
  constexpr double kCell = 1.5 / 1024;  // a cell's diagonal
  int found = 0, not_found = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<MaskRegion> before = {region(triangle()), region(triangle())}, after;
    // Grown about its middle, or by another region, or not: so that every outcome is common.
    for (const MaskRegion& old : before) {
      const double factor = round % 3 == 0 ? 0.9 : 1.2;
      double x = 0, y = 0;
      for (const MaskPoint& p : old.points) x += p.x / 3, y += p.y / 3;
      MaskRegion grown = old;
      for (MaskPoint& p : grown.points) p = {x + (p.x - x) * factor, y + (p.y - y) * factor};
      after.push_back(std::move(grown));
    }
    if (round % 3 == 1) after.erase(after.begin());
    bool certain = false;
    for (int i = 0; i < 2000 && !certain; ++i) {
      const double x = place(random), y = place(random);
      const auto holds = [&](const MaskRegion& r) { return contains(r.points, x, y); };
      const auto far = [&](const MaskRegion& r) { return distance_to_edges(r.points, x, y) > kCell; };
      certain = std::any_of(before.begin(), before.end(), holds) && std::none_of(after.begin(), after.end(), holds) &&
                std::all_of(after.begin(), after.end(), far);
    }
    const bool reported = less(before, after);
    ASSERT_TRUE(reported || !certain) << round;
    ASSERT_FALSE(reported && round % 3 == 2) << round;  // all of it grown
    ++(reported ? found : not_found);
  }
  EXPECT_GT(found, 100);
  EXPECT_GT(not_found, 99);
}

// Taken away in steps too small to see one by one, it is seen before a cell is gone.
TEST(MaskArea, SmallStepsAddUp) {
  double right = 0.6;
  int steps = 0;
  while (!less({region(box(0.2, 0.2, right, 0.6))}, {region(box(0.2, 0.2, right - 0.0001, 0.6))})) {
    right -= 0.0001;
    ASSERT_LT(++steps, 11);
  }
}

TEST(MaskArea, LargeSetsWithManyDatesEnd) {
  MaskSetPolicy before, after;
  for (int r = 0; r < 32; ++r) {
    std::vector<MaskPoint> comb;
    for (int i = 0; i < 128; ++i) comb.push_back({i / 128.0, i % 2 ? 0.0 : 0.9});
    comb.push_back({0.999, 1.0});
    comb.push_back({0.0, 1.0});
    before.regions.push_back(region(comb, r, r + 300));
    std::rotate(comb.begin(), comb.begin() + 7, comb.end());  // the same place, in other words
    after.regions.push_back(region(comb, r, r + 301));
  }
  EXPECT_FALSE(region_left_open(before, after).has_value());
  after.regions[30].until = after.regions[31].until = WallTime{330s};  // a second less than the last one before
  EXPECT_TRUE(region_left_open(before, after).has_value());
}

}  // namespace
}  // namespace vigie::policy
