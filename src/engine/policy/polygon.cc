#include "policy/polygon.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

namespace vigie::policy {
namespace {

using Points = std::span<const MaskPoint>;

// Two coordinates apart by less mean the same place.
constexpr double kSame = 1e-12;

std::string text_of(const MaskPoint& point) {
  char text[64];
  std::snprintf(text, sizeof text, "(%.6g, %.6g)", point.x, point.y);
  return text;
}

std::string named(Points points, size_t index) {
  return "point " + std::to_string(index) + " " + text_of(points[index]);
}

bool inside(const MaskPoint& point, MaskSpace space) {
  if (space == MaskSpace::picture) return point.x >= 0 && point.x <= 1 && point.y >= 0 && point.y <= 1;
  return point.x >= -360 && point.x <= 360 && point.y >= -90 && point.y <= 90;
}

std::string outside_text(const MaskPoint& point, MaskSpace space) {
  return "found " + text_of(point) +
         (space == MaskSpace::picture
              ? ", outside the picture; right would be x and y from 0 to 1"
              : ", which is no direction; right would be pan from -360 to 360 and tilt from -90 to 90");
}

bool same(const MaskPoint& a, const MaskPoint& b) { return std::abs(a.x - b.x) < kSame && std::abs(a.y - b.y) < kSame; }

// Twice the area of the triangle; its sign says on which side of a -> b the point c is.
double side(const MaskPoint& a, const MaskPoint& b, const MaskPoint& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

bool within_box(const MaskPoint& a, const MaskPoint& b, const MaskPoint& p) {
  return std::min(a.x, b.x) <= p.x && p.x <= std::max(a.x, b.x) && std::min(a.y, b.y) <= p.y &&
         p.y <= std::max(a.y, b.y);
}

bool boxes_apart(const MaskPoint& a, const MaskPoint& b, const MaskPoint& c, const MaskPoint& d) {
  return std::max(a.x, b.x) < std::min(c.x, d.x) || std::max(c.x, d.x) < std::min(a.x, b.x) ||
         std::max(a.y, b.y) < std::min(c.y, d.y) || std::max(c.y, d.y) < std::min(a.y, b.y);
}

// Whether two edges without a common point of the list have a place in common.
bool meet(const MaskPoint& a, const MaskPoint& b, const MaskPoint& c, const MaskPoint& d) {
  if (boxes_apart(a, b, c, d)) return false;
  const double c_side = side(a, b, c), d_side = side(a, b, d), a_side = side(c, d, a), b_side = side(c, d, b);
  const auto opposite = [](double one, double other) { return (one < 0 && other > 0) || (one > 0 && other < 0); };
  if (opposite(c_side, d_side) && opposite(a_side, b_side)) return true;
  return (c_side == 0 && within_box(a, b, c)) || (d_side == 0 && within_box(a, b, d)) ||
         (a_side == 0 && within_box(c, d, a)) || (b_side == 0 && within_box(c, d, b));
}

// Whether the edge to `b` and the one from it lie over each other.
bool turns_back(const MaskPoint& a, const MaskPoint& b, const MaskPoint& c) {
  return side(a, b, c) == 0 && (b.x - a.x) * (c.x - b.x) + (b.y - a.y) * (c.y - b.y) < 0;
}

bool on_one_line(Points points) {
  const auto far = std::max_element(points.begin(), points.end(), [&](const MaskPoint& a, const MaskPoint& b) {
    return std::hypot(a.x - points[0].x, a.y - points[0].y) < std::hypot(b.x - points[0].x, b.y - points[0].y);
  });
  return std::all_of(points.begin(), points.end(),
                     [&](const MaskPoint& point) { return std::abs(side(points[0], *far, point)) < kSame; });
}

struct Fault {
  size_t index;
  std::string what;
};

std::optional<Fault> fault_of_points(Points points, MaskSpace space) {
  for (size_t i = 0; i < points.size(); ++i) {
    if (!inside(points[i], space)) return Fault{i, outside_text(points[i], space)};  // not a number is not inside
  }
  for (size_t i = 1; i < points.size(); ++i) {
    if (same(points[i - 1], points[i])) {
      return Fault{i, "the same place as " + named(points, i - 1) + "; right would be to leave one of them out"};
    }
  }
  if (same(points.front(), points.back())) {
    return Fault{points.size() - 1, "the same place as " + named(points, 0) +
                                        "; right would be to leave it out, as the last edge leads back by itself"};
  }
  return std::nullopt;
}

std::optional<Fault> fault_of_edges(Points points) {
  const size_t count = points.size();
  const auto end_of = [&](size_t edge) { return (edge + 1) % count; };
  const auto edge_text = [&](size_t edge) {
    return "the edge from " + named(points, edge) + " to " + named(points, end_of(edge));
  };
  for (size_t i = 0; i < count; ++i) {
    const size_t next = end_of(i);
    if (turns_back(points[i], points[next], points[end_of(next)])) {
      return Fault{next, edge_text(next) + " runs back over " + edge_text(i) + "; right would be to leave one out"};
    }
    for (size_t j = i + 2; j < count; ++j) {
      if (i == 0 && j == count - 1) continue;  // neighbours, over the end of the list
      if (!meet(points[i], points[next], points[j], points[end_of(j)])) continue;
      return Fault{j, edge_text(j) + " crosses or touches " + edge_text(i) +
                          "; right would be points in the order in which they stand around the place"};
    }
  }
  return std::nullopt;
}

}  // namespace

Status check_simple_polygon(std::span<const MaskPoint> points, MaskSpace space, const std::string& where) {
  if (points.size() < 3) {
    return make_error(Code::policy_field, where,
                      "found " + std::to_string(points.size()) + " points; right would be at least 3");
  }
  std::optional<Fault> fault = fault_of_points(points, space);
  if (!fault && on_one_line(points)) {
    return make_error(Code::policy_field, where, "all on one line, which hides nothing; right would be a polygon");
  }
  if (!fault) fault = fault_of_edges(points);
  if (!fault) return {};
  return make_error(Code::policy_field, where + "/" + std::to_string(fault->index), std::move(fault->what));
}

}  // namespace vigie::policy
