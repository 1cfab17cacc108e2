#include "mask/spans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include "heap_count.h"

namespace vigie::mask {
namespace {

using Polygon = std::vector<policy::MaskPoint>;
using Map = std::vector<std::vector<bool>>;  // [y][x]

Map map_of(const RowSpans& spans) {
  Map map(spans.height(), std::vector<bool>(spans.width()));
  for (uint32_t y = 0; y < spans.height(); ++y) {
    uint32_t at = 0;
    for (const Span& span : spans.row(y)) {
      EXPECT_LT(span.begin, span.end);
      EXPECT_TRUE(span.begin > at || (span.begin == 0 && at == 0)) << "sorted and apart";
      EXPECT_LE(span.end, spans.width());
      for (at = span.begin; at < span.end; ++at) map[y][at] = true;
    }
  }
  return map;
}

RowSpans spans_of(const std::vector<Polygon>& polygons, uint32_t width, uint32_t height, Widening by = {}) {
  SpanBuilder builder;
  for (const Polygon& polygon : polygons) builder.add_polygon(polygon);
  builder.widen(by.x, by.y);
  return builder.build(width, height);
}

// Corners round a centre at growing angles: never crosses itself.
Polygon random_star(std::mt19937& random, size_t corners, double reach) {
  std::uniform_real_distribution<double> centre(-0.2, 1.2), radius(0.02, reach), part(0, 1);
  const double x = centre(random), y = centre(random);
  Polygon polygon;
  for (size_t i = 0; i < corners; ++i) {
    const double angle = 2 * std::numbers::pi * (static_cast<double>(i) + part(random)) / static_cast<double>(corners);
    const double r = radius(random);
    polygon.push_back({x + r * std::cos(angle), y + r * std::sin(angle)});
  }
  return polygon;
}

Polygon random_corners(std::mt19937& random, size_t corners) {
  std::uniform_real_distribution<double> anywhere(-0.5, 1.5);
  Polygon polygon(corners);
  for (auto& point : polygon) point = {anywhere(random), anywhere(random)};
  return polygon;
}

// Winding number of the polygon about a point, by summed angles: another way than the builder's.
bool is_inside(const Polygon& polygon, double x, double y, double width, double height) {
  double turned = 0;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const auto &a = polygon[i], &b = polygon[(i + 1) % polygon.size()];
    const double ax = a.x * width - x, ay = a.y * height - y, bx = b.x * width - x, by = b.y * height - y;
    turned += std::atan2(ax * by - ay * bx, ax * bx + ay * by);
  }
  return std::abs(turned) > std::numbers::pi;
}

// Whether the closed segment meets the closed square of `side` at (left, top), a hair larger.
bool meets(double x0, double y0, double x1, double y1, double left, double top, double side) {
  double from = 0, to = 1;
  const auto clip = [&](double start, double step, double low, double high) {
    if (step == 0) return low <= start && start <= high;
    double a = (low - start) / step, b = (high - start) / step;
    if (a > b) std::swap(a, b);
    from = std::max(from, a);
    to = std::min(to, b);
    return from <= to;
  };
  constexpr double kHair = 1e-7;
  return clip(x0, x1 - x0, left - kHair, left + side + kHair) && clip(y0, y1 - y0, top - kHair, top + side + kHair);
}

bool touches_block(const Polygon& polygon, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
  if (is_inside(polygon, x + 1.0, y + 1.0, width, height)) return true;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const auto &a = polygon[i], &b = polygon[(i + 1) % polygon.size()];
    if (meets(a.x * width, a.y * height, b.x * width, b.y * height, x, y, 2)) return true;
  }
  return false;
}

// No private sample is missed (8 x 8 points a sample), and nothing is hidden that no polygon touches.
void expect_contained(const Polygon& polygon, uint32_t width, uint32_t height) {
  const Map map = map_of(spans_of({polygon}, width, height));
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      if (map[y][x]) {
        ASSERT_TRUE(touches_block(polygon, x & ~1U, y & ~1U, width, height)) << "hidden for nothing: " << x << "," << y;
        continue;
      }
      for (int i = 0; i < 64; ++i) {
        const double px = x + (i % 8 + 0.5) / 8, py = y + (i / 8 + 0.5) / 8;
        ASSERT_FALSE(is_inside(polygon, px, py, width, height)) << "shown: " << x << "," << y;
      }
    }
  }
}

TEST(Spans, HideAllOfAPolygonAndNoMore) {
  std::mt19937 random(5);
  for (int n = 0; n < 40; ++n) {
    SCOPED_TRACE(n);
    const Polygon polygon = n % 3 == 0 ? random_corners(random, 3 + n % 5) : random_star(random, 3 + n % 12, 0.7);
    expect_contained(polygon, 18 + 2 * (n % 5), 16);
  }
}

TEST(Spans, OddShapes) {
  const struct {
    const char* name;
    Polygon polygon;
  } cases[] = {
      {"sliver between sample centres", {{0.101, 0.1}, {0.102, 0.9}, {0.1021, 0.9}}},
      {"lying sliver", {{0.1, 0.301}, {0.9, 0.3011}, {0.9, 0.3012}}},
      {"smaller than a sample", {{0.51, 0.51}, {0.512, 0.51}, {0.511, 0.511}}},
      {"corner of the picture alone", {{-0.5, -0.5}, {0.01, -0.5}, {0.01, 0.01}, {-0.5, 0.01}}},
      {"round the whole picture", {{-2, -3}, {4, -3}, {4, 5}, {-2, 5}}},
      {"the whole picture", {{0, 0}, {1, 0}, {1, 1}, {0, 1}}},
      {"exactly on samples' sides", {{0.25, 0.25}, {0.75, 0.25}, {0.75, 0.75}, {0.25, 0.75}}},
      {"through the picture, corners outside", {{-1, 0.4}, {2, 0.45}, {2, 0.55}, {-1, 0.5}}},
      {"a notch that reaches outside", {{0.1, -0.2}, {0.9, -0.2}, {0.9, 0.8}, {0.5, -0.1}, {0.1, 0.8}}},
      {"repeated corners", {{0.2, 0.2}, {0.2, 0.2}, {0.6, 0.2}, {0.6, 0.2}, {0.4, 0.6}}},
      {"a figure of eight", {{0.1, 0.1}, {0.9, 0.9}, {0.9, 0.1}, {0.1, 0.9}}},
      {"a line", {{0.1, 0.1}, {0.8, 0.7}, {0.1, 0.1}}},
      {"very far corners", {{-900'000, 0.4}, {900'000, 0.5}, {900'000, 0.6}, {-900'000, 0.5}}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    expect_contained(c.polygon, 24, 16);
    Polygon reversed(c.polygon.rbegin(), c.polygon.rend());
    EXPECT_EQ(spans_of({reversed}, 24, 16), spans_of({c.polygon}, 24, 16));
    EXPECT_GT(spans_of({c.polygon}, 24, 16).area(), 0U);
  }
}

TEST(Spans, WhatLiesOutsideHidesNothing) {
  const struct {
    const char* name;
    Polygon polygon;
  } cases[] = {
      {"left", {{-0.5, 0.1}, {-0.1, 0.1}, {-0.1, 0.9}}},           {"right", {{1.0, 0.1}, {1.5, 0.1}, {1.2, 0.9}}},
      {"above", {{0.1, -0.5}, {0.9, -0.5}, {0.5, -0.01}}},         {"below", {{0.1, 1.0}, {0.9, 1.0}, {0.5, 1.5}}},
      {"past a corner", {{-0.5, 0.4}, {0.4, -0.5}, {-0.5, -0.5}}}, {"no corner", {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(spans_of({c.polygon}, 64, 48, {16, 16}).area(), 0U);
  }
}

TEST(Spans, WholePicture) {
  const RowSpans whole = RowSpans::whole(32, 24);
  EXPECT_TRUE(whole.covers_all());
  EXPECT_EQ(whole.area(), 32U * 24U);
  EXPECT_EQ(spans_of({{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}, 32, 24), whole);
  EXPECT_FALSE(spans_of({{{0, 0}, {0.9, 0}, {0.9, 1}, {0, 1}}}, 32, 24).covers_all());
  EXPECT_TRUE(whole.contains(31, 23));
  EXPECT_FALSE(whole.contains(32, 23));
  EXPECT_FALSE(whole.contains(31, 24));
}

TEST(Spans, CornersThatAreNoNumbersHideAll) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinite = std::numeric_limits<double>::infinity();
  for (const policy::MaskPoint& bad :
       {policy::MaskPoint{kNan, 0.5}, {0.5, kInfinite}, {-1e7, 0.5}, {0.5, -kInfinite}}) {
    EXPECT_EQ(spans_of({{{0.1, 0.1}, {0.2, 0.1}, bad}}, 130, 24), RowSpans::whole(130, 24));
  }
}

TEST(Spans, UnionOfPolygons) {
  std::mt19937 random(11);
  for (int n = 0; n < 20; ++n) {
    SCOPED_TRACE(n);
    const std::vector<Polygon> polygons{random_star(random, 5, 0.5), random_star(random, 9, 0.5),
                                        random_star(random, 3, 0.5)};
    Map expected(48, std::vector<bool>(64));
    for (const Polygon& polygon : polygons) {
      const Map one = map_of(spans_of({polygon}, 64, 48));
      for (uint32_t y = 0; y < 48; ++y) {
        for (uint32_t x = 0; x < 64; ++x) expected[y][x] = expected[y][x] || one[y][x];
      }
    }
    EXPECT_EQ(map_of(spans_of(polygons, 64, 48)), expected);
  }
  // One inside the other, wound the other way, makes no hole.
  const Polygon outer{{0.1, 0.1}, {0.9, 0.1}, {0.9, 0.9}, {0.1, 0.9}};
  const Polygon inner{{0.3, 0.3}, {0.3, 0.7}, {0.7, 0.7}, {0.7, 0.3}};
  EXPECT_EQ(spans_of({outer, inner}, 64, 48), spans_of({outer}, 64, 48));
}

Map dilated(const Map& map, int dx, int dy) {
  const int height = static_cast<int>(map.size()), width = static_cast<int>(map[0].size());
  Map wide(map.size(), std::vector<bool>(map[0].size()));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      if (!map[y][x]) continue;
      for (int v = std::max(0, y - dy); v <= std::min(height - 1, y + dy); ++v) {
        for (int u = std::max(0, x - dx); u <= std::min(width - 1, x + dx); ++u) wide[v][u] = true;
      }
    }
  }
  return wide;
}

TEST(Spans, WidenByARectangle) {
  std::mt19937 random(3);
  const Widening cases[] = {{16, 16}, {36, 36}, {36, 72}, {2, 0}, {0, 2}, {1, 3}, {150, 4}, {1000, 1000}};
  for (const Widening& by : cases) {
    for (int n = 0; n < 2; ++n) {
      SCOPED_TRACE(testing::Message() << by.x << "x" << by.y << " " << n);
      const std::vector<Polygon> polygons{random_star(random, 4, 0.1), random_star(random, 7, 0.2)};
      const Map narrow = map_of(spans_of(polygons, 202, 60));
      const Map wide = dilated(narrow, static_cast<int>(by.x + by.x % 2), static_cast<int>(by.y + by.y % 2));
      EXPECT_EQ(map_of(spans_of(polygons, 202, 60, by)), wide);
    }
  }
}

TEST(Spans, EvenColumnsAndEqualRowPairs) {
  std::mt19937 random(8);
  for (int n = 0; n < 20; ++n) {
    const RowSpans spans = spans_of({random_star(random, 11, 0.6)}, 130, 62);
    for (uint32_t y = 0; y < 62; ++y) {
      for (const Span& span : spans.row(y)) EXPECT_EQ((span.begin | span.end) % 2, 0U);
      EXPECT_TRUE(std::ranges::equal(spans.row(y), spans.row(y ^ 1)));
    }
    const Map map = map_of(spans);
    uint64_t area = 0;
    for (uint32_t y = 0; y < 62; ++y) {
      for (uint32_t x = 0; x < 130; ++x) {
        area += map[y][x] ? 1 : 0;
        ASSERT_EQ(spans.contains(x, y), map[y][x]);
      }
    }
    EXPECT_EQ(spans.area(), area);
  }
}

TEST(Spans, WideningForASource) {
  EXPECT_EQ(widening_for(Codec::h264, false), (Widening{16, 16}));
  EXPECT_EQ(widening_for(Codec::h264, true), (Widening{16, 32}));
  EXPECT_EQ(widening_for(Codec::mjpeg, false), (Widening{16, 16}));
  EXPECT_EQ(widening_for(Codec::h265, false), (Widening{36, 36}));
  EXPECT_EQ(widening_for(Codec::h265, true), (Widening{36, 72}));
}

TEST(SpanBuilder, IsUsedAgainWithoutAllocating) {
  std::mt19937 random(4);
  std::vector<Polygon> polygons(8);
  for (Polygon& polygon : polygons) polygon = random_star(random, 100, 0.3);
  SpanBuilder builder;
  RowSpans spans;
  const auto build = [&] {
    builder.clear();
    for (const Polygon& polygon : polygons) builder.add_polygon(polygon);
    builder.widen(16, 16);
    builder.build(640, 360, spans);
  };
  build();
  const RowSpans first = spans;
  const auto before = heap_calls();
  build();
  EXPECT_EQ(heap_calls(), before);
  EXPECT_EQ(spans, first);
  builder.clear();
  builder.build(640, 360, spans);
  EXPECT_EQ(spans.area(), 0U);
}

TEST(SpanBuilder, BuildsSeveralSizes) {
  SpanBuilder builder;
  builder.add_polygon(Polygon{{0.5, 0.5}, {1, 0.5}, {1, 1}, {0.5, 1}});
  EXPECT_EQ(builder.build(640, 360).area(), 320U * 180U);
  EXPECT_EQ(builder.build(64, 36).area(), 32U * 18U);
  EXPECT_EQ(builder.build(0, 0).area(), 0U);
}

}  // namespace
}  // namespace vigie::mask
