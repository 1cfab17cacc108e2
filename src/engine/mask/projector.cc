#include "mask/projector.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace vigie::mask {
namespace {

using policy::MaskPoint;

constexpr double kRadian = std::numbers::pi / 180;
constexpr double kPieceDeg = 1;
// Small enough that a tile lies well within a half space, where a flat picture of it exists.
constexpr double kTileDeg = 60, kTileOverlapDeg = 0.1;
constexpr double kBeyond = 1.5;      // the view's planes are so much further out than its edges
constexpr double kInFront = 1e-3;    // step 3's e; at 170 degrees and any sensible aspect a corner is at 0.008
constexpr double kRounding = 1e-7;   // radians, added to every bow
constexpr double kLeastDepth = 0.1;  // of a sweep as seen from its own middle

MaskPoint along(const MaskPoint& from, const MaskPoint& to, double share) {
  return {std::lerp(from.x, to.x, share), std::lerp(from.y, to.y, share)};
}
Vec3 along(const Vec3& from, const Vec3& to, double share) { return from + share * (to - from); }

// Cuts a polygon to where `depth`, which is linear, is not negative (Sutherland and Hodgman). A polygon that is not
// convex may fall into parts joined along the cut; those joints have no area.
template <class Point, class Depth>
void clip(std::vector<Point>& polygon, std::vector<Point>& scratch, Depth depth) {
  scratch.clear();
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Point& from = polygon[i];
    const Point& to = polygon[i + 1 == polygon.size() ? 0 : i + 1];
    const double a = depth(from), b = depth(to);
    if (a >= 0) scratch.push_back(from);
    if ((a >= 0) != (b >= 0)) scratch.push_back(along(from, to, a / (a - b)));
  }
  polygon.swap(scratch);
}

double turn(const MaskPoint& o, const MaskPoint& a, const MaskPoint& b) {
  return (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);
}

// Convex hull of `points`, which are sorted by it, into `hull` (Andrew's chain).
void convex_hull(std::vector<MaskPoint>& points, std::vector<MaskPoint>& hull) {
  hull.clear();
  std::sort(points.begin(), points.end(),
            [](const MaskPoint& a, const MaskPoint& b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
  const auto chain = [&hull](size_t least, const MaskPoint& point) {
    while (hull.size() >= least + 2 && turn(hull[hull.size() - 2], hull.back(), point) <= 0) hull.pop_back();
    hull.push_back(point);
  };
  for (const MaskPoint& point : points) chain(0, point);
  const size_t lower = hull.size() - 1;
  for (size_t i = points.size() - 1; i-- > 0;) chain(lower, points[i]);
  hull.pop_back();
}

// Two unit vectors across `axis` (a unit vector) and each other.
std::pair<Vec3, Vec3> across(const Vec3& axis) {
  const Vec3 helper = std::abs(axis.x) < 0.7 ? Vec3{1, 0, 0} : Vec3{0, 1, 0};
  const Vec3 side = cross(axis, helper);
  const Vec3 first = (1 / std::sqrt(dot(side, side))) * side;
  return {first, cross(axis, first)};
}

// Calls `each` with the points of an edge, but for its start, no more than kPieceDeg apart, straight in (pan, tilt).
template <class Each>
void walk_edge(const MaskPoint& from, const MaskPoint& to, Each each) {
  const double length = std::hypot(to.x - from.x, to.y - from.y);
  const auto pieces = static_cast<size_t>(std::max(1.0, std::ceil(length / kPieceDeg)));
  for (size_t i = 1; i <= pieces; ++i) {
    each(along(from, to, static_cast<double>(i) / static_cast<double>(pieces)));
  }
}

std::vector<MaskPoint>& add_polygon(PicturePolygons& polygons, PicturePolygons& spare) {
  if (spare.empty()) return polygons.emplace_back();
  polygons.push_back(std::move(spare.back()));
  spare.pop_back();
  return polygons.back();
}

void give_back(PicturePolygons& polygons, PicturePolygons& spare) {
  // From the last to the first, so that each place gets its own memory again.
  for (; !polygons.empty(); polygons.pop_back()) {
    polygons.back().clear();
    spare.push_back(std::move(polygons.back()));
  }
}

}  // namespace

void Projector::project_region(std::span<const MaskPoint> world, const PoseEstimate& estimate, double aspect,
                               const policy::DomePolicy& dome, PicturePolygons& polygons) {
  give_back(polygons, spare_);
  if (set_up(estimate, aspect, dome) && unroll(world)) {
    add_middle(polygons);
    if (add_outline(polygons)) return;
  }
  give_back(polygons, spare_);
  auto& whole = add_polygon(polygons, spare_);
  whole.assign({{0, 0}, {1, 0}, {1, 1}, {0, 1}});
}

bool Projector::set_up(const PoseEstimate& estimate, double aspect, const policy::DomePolicy& dome) {
  const PoseEstimate& e = estimate;
  if (e.whole_picture || !(aspect >= 0.1 && aspect <= 10)) return false;
  if (!(e.hfov_min_deg > 0 && e.hfov_min_deg <= e.hfov_deg && e.hfov_deg <= e.hfov_max_deg && e.hfov_max_deg <= 170)) {
    return false;
  }
  if (!(e.pan_error_deg >= 0 && e.tilt_error_deg >= 0 && e.pan_error_deg <= 90 && e.tilt_error_deg <= 90)) return false;
  if (!std::isfinite(e.pan_deg + e.tilt_deg + dome.mount_roll + dome.mount_tilt)) return false;
  const auto rotation = [&](double pan_sign, double tilt_sign) {
    return camera_of(e.pan_deg + pan_sign * e.pan_error_deg, e.tilt_deg + tilt_sign * e.tilt_error_deg, dome.mount_roll,
                     dome.mount_tilt);
  };
  middle_ = rotation(0, 0);
  corners_ = {rotation(-1, -1), rotation(-1, 1), rotation(1, 1), rotation(1, -1)};
  const double pan_error = e.pan_error_deg * kRadian, tilt_error = e.tilt_error_deg * kRadian;
  bow_ = (pan_error * pan_error + tilt_error * tilt_error) / 2 + kRounding;
  aspect_ = aspect;
  const auto scale = [](double hfov_deg) { return 1 / std::tan(hfov_deg / 2 * kRadian); };
  scale_ = scale(e.hfov_deg);
  scale_min_ = scale(e.hfov_max_deg);
  scale_max_ = scale(e.hfov_min_deg);
  const double wide = kBeyond / scale_min_, high = wide / aspect;
  sides_ = {Vec3{1, 0, wide}, Vec3{-1, 0, wide}, Vec3{0, 1, high}, Vec3{0, -1, high}};
  return true;
}

// Takes the region's outline, each edge the shorter way round in pan.
bool Projector::unroll(std::span<const MaskPoint> world) {
  outline_.clear();
  if (world.size() < 3) return false;
  double pan = world[0].x, previous = pan;
  for (const MaskPoint& point : world) {
    if (!std::isfinite(point.x) || !(std::abs(point.y) <= 90)) return false;
    const double step = point.x - previous;
    if (std::abs(step) >= 360) return false;  // a whole turn, which the shorter way would make nothing of
    pan += std::remainder(step, 360);
    previous = point.x;
    outline_.push_back({pan, point.y});
  }
  return std::abs(pan - outline_[0].x) < 180;  // else it closes only round a pole
}

// The region as seen from the middle of the box, in tiles.
void Projector::add_middle(PicturePolygons& polygons) {
  MaskPoint low = outline_[0], high = outline_[0];
  for (const MaskPoint& point : outline_) {
    low = {std::min(low.x, point.x), std::min(low.y, point.y)};
    high = {std::max(high.x, point.x), std::max(high.y, point.y)};
  }
  const double columns = std::max(1.0, std::ceil((high.x - low.x) / kTileDeg));
  const double rows = std::max(1.0, std::ceil((high.y - low.y) / kTileDeg));
  for (double column = 0; column < columns; ++column) {
    for (double row = 0; row < rows; ++row) {
      const double left = std::lerp(low.x, high.x, column / columns) - kTileOverlapDeg;
      const double right = std::lerp(low.x, high.x, (column + 1) / columns) + kTileOverlapDeg;
      const double bottom = std::lerp(low.y, high.y, row / rows) - kTileOverlapDeg;
      const double top = std::lerp(low.y, high.y, (row + 1) / rows) + kTileOverlapDeg;
      tile_ = outline_;
      clip(tile_, flat_, [=](const MaskPoint& p) { return p.x - left; });
      clip(tile_, flat_, [=](const MaskPoint& p) { return right - p.x; });
      clip(tile_, flat_, [=](const MaskPoint& p) { return p.y - bottom; });
      clip(tile_, flat_, [=](const MaskPoint& p) { return top - p.y; });
      if (tile_.size() >= 3) add_tile(middle_(direction_of((left + right) / 2, (bottom + top) / 2)), polygons);
    }
  }
}

// Adds tile_, of which `centre` is about the middle, as seen from the middle of the box.
void Projector::add_tile(const Vec3& centre, PicturePolygons& polygons) {
  cone_.clear();
  for (size_t i = 0; i < tile_.size(); ++i) {
    walk_edge(tile_[i], tile_[(i + 1) % tile_.size()], [&](const MaskPoint& point) {
      const Vec3 v = middle_(direction_of(point.x, point.y));
      cone_.push_back((1 / dot(v, centre)) * v);  // all in one plane, where straight cuts are exact
    });
  }
  clip_to_view();
  if (cone_.size() < 3) return;
  auto& polygon = add_polygon(polygons, spare_);
  for (const Vec3& v : cone_) polygon.push_back(picture_point(scale_ * v.x / v.z, scale_ * v.y / v.z));
}

void Projector::clip_to_view() {
  clip(cone_, cone_scratch_, [](const Vec3& v) { return v.z - kInFront; });
  for (const Vec3& side : sides_) {
    clip(cone_, cone_scratch_, [&side](const Vec3& v) { return dot(side, v); });
  }
}

Projector::Seen Projector::seen(const MaskPoint& world) const {
  const Vec3 direction = direction_of(world.x, world.y);
  return {corners_[0](direction), corners_[1](direction), corners_[2](direction), corners_[3](direction)};
}

// What the outline sweeps over the box. False when some of it cannot be bounded.
bool Projector::add_outline(PicturePolygons& polygons) {
  MaskPoint from = outline_.back();
  Seen from_seen = seen(from);
  bool bounded = true;
  for (const MaskPoint& corner : outline_) {
    const MaskPoint start = from;
    walk_edge(start, corner, [&](const MaskPoint& to) {
      const Seen to_seen = seen(to);
      const double length = std::hypot(to.x - from.x, to.y - from.y) * kRadian;
      bounded = bounded && add_sweep(from_seen, to_seen, bow_ + 1.23 / 8 * length * length, polygons);
      from = to;
      from_seen = to_seen;
    });
  }
  return bounded;
}

bool Projector::out_of_sight(const Seen& from, const Seen& to, double bow) const {
  return std::any_of(sides_.begin(), sides_.end(), [&](const Vec3& side) {
    const auto outside = [&, least = -bow * std::sqrt(dot(side, side))](const Vec3& v) { return dot(side, v) < least; };
    return std::all_of(from.begin(), from.end(), outside) && std::all_of(to.begin(), to.end(), outside);
  });
}

bool Projector::add_sweep(const Seen& from, const Seen& to, double bow, PicturePolygons& polygons) {
  if (out_of_sight(from, to, bow)) return true;
  Vec3 centre{};
  for (const Vec3& v : from) centre = centre + v;
  for (const Vec3& v : to) centre = centre + v;
  centre = (1 / std::sqrt(std::max(dot(centre, centre), 1e-12))) * centre;
  const auto [right, up] = across(centre);

  // The plane that touches the sphere in the middle of the sweep: convex there is convex as a cone.
  flat_.clear();
  double depth = 1, radius = 0;
  const auto add = [&, right = right, up = up](const Vec3& v) {
    const double w = dot(v, centre);
    depth = std::min(depth, w);
    flat_.push_back({dot(v, right) / w, dot(v, up) / w});
    radius = std::max(radius, std::hypot(flat_.back().x, flat_.back().y));
  };
  std::for_each(from.begin(), from.end(), add);
  std::for_each(to.begin(), to.end(), add);
  if (depth - bow < kLeastDepth) return false;
  const double margin = bow * std::sqrt(1 + radius * radius) / (depth - bow);
  for (size_t i = flat_.size(); i-- > 0;) {
    const MaskPoint p = flat_[i];
    flat_[i] = {p.x - margin, p.y - margin};
    flat_.insert(flat_.end(),
                 {{p.x - margin, p.y + margin}, {p.x + margin, p.y - margin}, {p.x + margin, p.y + margin}});
  }
  convex_hull(flat_, hull_);

  cone_.clear();
  for (const MaskPoint& p : hull_) cone_.push_back(centre + p.x * right + p.y * up);
  clip_to_view();
  if (cone_.size() < 3) return true;
  flat_.clear();
  for (const Vec3& v : cone_) {
    flat_.push_back(picture_point(scale_min_ * v.x / v.z, scale_min_ * v.y / v.z));
    flat_.push_back(picture_point(scale_max_ * v.x / v.z, scale_max_ * v.y / v.z));
  }
  convex_hull(flat_, hull_);
  if (hull_.size() >= 3) add_polygon(polygons, spare_).assign(hull_.begin(), hull_.end());
  return true;
}

}  // namespace vigie::mask
