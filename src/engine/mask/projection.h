#pragma once
// Directions to picture coordinates and back, for one exact pose: steps 1 to 6 of the projection in the requirements.
#include <array>
#include <optional>

#include "policy/snapshot.h"

namespace vigie::mask {

// A direction or a point of space. World: x to the right of north, y up, z north (pan 0, tilt 0). Camera: x to the right
// and y up in the picture, z along the lens.
struct Vec3 {
  double x = 0, y = 0, z = 0;
};
inline Vec3 operator+(const Vec3& a, const Vec3& b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(const Vec3& a, const Vec3& b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator*(double k, const Vec3& a) { return {k * a.x, k * a.y, k * a.z}; }
inline double dot(const Vec3& a, const Vec3& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// A rotation, by rows.
struct Rotation {
  std::array<Vec3, 3> rows;
  Vec3 operator()(const Vec3& v) const { return {dot(rows[0], v), dot(rows[1], v), dot(rows[2], v)}; }
  Vec3 inverse(const Vec3& v) const { return v.x * rows[0] + v.y * rows[1] + v.z * rows[2]; }
};

// The unit vector of a direction. Units: degrees.
Vec3 direction_of(double pan_deg, double tilt_deg);
// Pan -180..180 and tilt -90..90, degrees, of a vector of any length but 0.
policy::MaskPoint pan_tilt_of(const Vec3& direction);

// World to camera. The mount turns the world first: a dome with mount_tilt looks so much higher at pan 0, tilt 0, and
// one with mount_roll is turned clockwise about that lens axis, as seen from behind it.
Rotation camera_of(double pan_deg, double tilt_deg, double mount_roll_deg, double mount_tilt_deg);

// One exact pose of a camera without lens distortion.
class Projection {
 public:
  // `aspect` is the picture's width over its height, as displayed. Not checked: that it is positive and the field of
  // view within 0 to 180 degrees.
  Projection(const Rotation& camera, double hfov_deg, double aspect);

  // Picture coordinates (0..1 inside, top left 0,0) of a direction in degrees, or nothing when it is not in front.
  std::optional<policy::MaskPoint> to_picture(policy::MaskPoint world) const;
  // The direction that is seen at a place of the picture, inside or not.
  policy::MaskPoint to_world(policy::MaskPoint picture) const;

 private:
  Rotation camera_;
  double tan_h_, tan_v_;  // of half the fields of view
};

}  // namespace vigie::mask
