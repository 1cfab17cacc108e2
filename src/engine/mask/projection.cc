#include "mask/projection.h"

#include <cmath>
#include <numbers>

namespace vigie::mask {
namespace {

constexpr double kRadian = std::numbers::pi / 180;
constexpr double kInFront = 1e-9;

Rotation after(const Rotation& second, const Rotation& first) {
  Rotation both;
  for (size_t i = 0; i < 3; ++i) both.rows[i] = first.inverse(second.rows[i]);
  return both;
}

Rotation panned(double degrees) {
  const double c = std::cos(degrees * kRadian), s = std::sin(degrees * kRadian);
  return {{{{c, 0, -s}, {0, 1, 0}, {s, 0, c}}}};
}

Rotation tilted(double degrees) {
  const double c = std::cos(degrees * kRadian), s = std::sin(degrees * kRadian);
  return {{{{1, 0, 0}, {0, c, -s}, {0, s, c}}}};
}

Rotation rolled(double degrees) {
  const double c = std::cos(degrees * kRadian), s = std::sin(degrees * kRadian);
  return {{{{c, -s, 0}, {s, c, 0}, {0, 0, 1}}}};
}

}  // namespace

Vec3 direction_of(double pan_deg, double tilt_deg) {
  const double flat = std::cos(tilt_deg * kRadian);
  return {std::sin(pan_deg * kRadian) * flat, std::sin(tilt_deg * kRadian), std::cos(pan_deg * kRadian) * flat};
}

policy::MaskPoint pan_tilt_of(const Vec3& direction) {
  return {std::atan2(direction.x, direction.z) / kRadian,
          std::atan2(direction.y, std::hypot(direction.x, direction.z)) / kRadian};
}

Rotation camera_of(double pan_deg, double tilt_deg, double mount_roll_deg, double mount_tilt_deg) {
  const Rotation mount = after(rolled(mount_roll_deg), tilted(mount_tilt_deg));
  return after(tilted(tilt_deg), after(panned(pan_deg), mount));
}

Projection::Projection(const Rotation& camera, double hfov_deg, double aspect)
    : camera_(camera), tan_h_(std::tan(hfov_deg / 2 * kRadian)), tan_v_(tan_h_ / aspect) {}

std::optional<policy::MaskPoint> Projection::to_picture(policy::MaskPoint world) const {
  const Vec3 v = camera_(direction_of(world.x, world.y));
  if (v.z < kInFront) return std::nullopt;
  return policy::MaskPoint{(v.x / v.z / tan_h_ + 1) / 2, (1 - v.y / v.z / tan_v_) / 2};
}

policy::MaskPoint Projection::to_world(policy::MaskPoint picture) const {
  return pan_tilt_of(camera_.inverse({(2 * picture.x - 1) * tan_h_, (1 - 2 * picture.y) * tan_v_, 1}));
}

}  // namespace vigie::mask
