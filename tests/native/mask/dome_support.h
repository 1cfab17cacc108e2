#pragma once
// A simulated dome for the tests of masks that follow one (M-10): a true trajectory, the reports that a noisy link makes
// of it, and the projection of single points written out step by step, apart from the engine's.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <optional>
#include <random>
#include <vector>

#include "mask/pose.h"
#include "mask/pose_history.h"
#include "mask/projector.h"

namespace vigie::mask::test {

using policy::MaskPoint;

inline constexpr double kRad = std::numbers::pi / 180;
inline WallTime wall(double seconds) { return WallTime(Nanos(std::llround(seconds * 1e9))); }

using Region = std::vector<MaskPoint>;
inline constexpr double kAspect = 16.0 / 9;

inline Region rectangle(double left, double bottom, double width, double height) {
  return {{left, bottom}, {left + width, bottom}, {left + width, bottom + height}, {left, bottom + height}};
}

struct TruePose {
  double pan = 0, tilt = 0, hfov = 60;
};

// Steps 1 to 5 and the mount, one point, with angles in degrees. Nothing when it is behind.
inline std::optional<MaskPoint> true_picture(MaskPoint world, const TruePose& pose, double aspect,
                                             double mount_roll = 0, double mount_tilt = 0) {
  double x = std::cos(world.y * kRad) * std::sin(world.x * kRad), y = std::sin(world.y * kRad);
  double z = std::cos(world.y * kRad) * std::cos(world.x * kRad);
  const auto turn = [](double& a, double& b, double degrees) {
    const double c = std::cos(degrees * kRad), s = std::sin(degrees * kRad), old = a;
    a = a * c - b * s;
    b = old * s + b * c;
  };
  turn(y, z, mount_tilt);
  turn(x, y, mount_roll);
  turn(x, z, pose.pan);
  turn(y, z, pose.tilt);
  if (z < 1e-6) return std::nullopt;
  const double half_width = std::tan(pose.hfov / 2 * kRad);
  return MaskPoint{0.5 + x / z / half_width / 2, 0.5 - y / z / half_width * aspect / 2};
}

inline bool in_picture(const MaskPoint& p) { return p.x >= 0 && p.x <= 1 && p.y >= 0 && p.y <= 1; }

inline bool inside(const std::vector<MaskPoint>& polygon, const MaskPoint& p) {
  bool odd = false;
  for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const MaskPoint &a = polygon[i], &b = polygon[j];
    if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x) odd = !odd;
  }
  return odd;
}

inline bool hidden(const PicturePolygons& polygons, const MaskPoint& p) {
  return std::any_of(polygons.begin(), polygons.end(), [&](const auto& polygon) { return inside(polygon, p); });
}

// Units: degrees a second, seconds.
struct Sweep {
  double pan_width = 0, tilt_width = 0, zoom_width = 0,
         period = 8;  // zoom_width: of the logarithm of the field of view
  TruePose middle{0, -20, 40};

  TruePose at(double t) const {
    const double phase = 2 * std::numbers::pi * t / period;
    return {middle.pan + pan_width * std::sin(phase), middle.tilt + tilt_width * std::sin(phase * 0.7 + 1),
            middle.hfov * std::exp(zoom_width * std::sin(phase * 0.6 + 2))};
  }
};

struct Noise {
  double position_deg = 0.2, zoom_share = 0.02;
  double latency_s = 0.4, dropped = 0.2, period_s = 0.1;
};

struct Report {
  Pose pose;
  double arrives = 0;
};

// What the dome says of the first `until` seconds, in order of arrival (one link, so nothing overtakes).
inline std::vector<Report> reports_of(const Sweep& sweep, const Noise& noise, PoseState state, double until,
                                      std::mt19937_64& random) {
  std::uniform_real_distribution<double> share(-1, 1), chance(0, 1);
  std::vector<Report> reports;
  // A table's error is the same whenever the zoom is: smooth, within its bound.
  const double table = std::numbers::pi * share(random);
  double arrived = 0;
  for (double t = 0; t < until; t += noise.period_s) {
    const TruePose truth = sweep.at(t);
    if (chance(random) < noise.dropped) continue;
    Report report;
    report.pose = {truth.pan + noise.position_deg * share(random), truth.tilt + noise.position_deg * share(random),
                   truth.hfov / (1 + noise.zoom_share * std::sin(3 * std::log(truth.hfov) + table)), wall(t), state};
    arrived = std::max(arrived, t + noise.latency_s * chance(random));
    report.arrives = arrived;
    reports.push_back(report);
  }
  return reports;
}

}  // namespace vigie::mask::test
