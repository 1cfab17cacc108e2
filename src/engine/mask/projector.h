#pragma once
// World regions to picture polygons that hide them for every pose that an estimate allows: steps 1 to 8.
//
// How. A point that is inside the region as seen from one pose of the box and outside as seen from another has been
// crossed by the region's outline on the way. So what must be hidden is the region as seen from the middle of the box,
// and whatever the outline sweeps over the box. The outline is cut into pieces of at most 1 degree along the true edge,
// straight in (pan, tilt); each piece's sweep lies in the convex hull of its two ends as seen from the box's four
// corners, but for a bow of at most (pan_error^2 + tilt_error^2) / 2 + 1.23 / 8 * length^2 radians, by which the hull
// is widened; and zooming draws every point along its ray, so the hull at both ends of the zoom holds the rest. Hulls
// are made and clipped as cones in space, before projection.
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "mask/pose.h"
#include "mask/projection.h"
#include "policy/snapshot.h"

namespace vigie::mask {

// Each polygon is filled by itself, and what is hidden is their union (never even-odd across polygons).
using PicturePolygons = std::vector<std::vector<policy::MaskPoint>>;

// Holds scratch memory, so that a picture costs no allocation once sizes have been seen.
// Thread: one at a time.
class Projector {
 public:
  // Replaces `polygons` by picture polygons (0..1 of the picture, some way beyond it) whose union contains the region
  // as seen from every pose of the estimate; none when it is out of sight.
  // Parameters: `world` is a simple polygon in degrees of pan and tilt, each edge the shorter way round in pan; of
  // `dome` only the mount is read; `aspect` is the displayed picture's width over its height.
  // Hides the whole picture when the estimate says so, and when something cannot be bounded: less than three points or
  // one that is no direction, an outline that goes round a pole, an estimate or an aspect that is not sensible, a pose
  // box of more than some 45 degrees.
  void project_region(std::span<const policy::MaskPoint> world, const PoseEstimate& estimate, double aspect,
                      const policy::DomePolicy& dome, PicturePolygons& polygons);

 private:
  // A point of the outline as seen from the four corners of the pose box.
  using Seen = std::array<Vec3, 4>;

  bool set_up(const PoseEstimate& estimate, double aspect, const policy::DomePolicy& dome);
  bool unroll(std::span<const policy::MaskPoint> world);
  void add_middle(PicturePolygons& polygons);
  void add_tile(const Vec3& centre, PicturePolygons& polygons);
  bool add_outline(PicturePolygons& polygons);
  bool add_sweep(const Seen& from, const Seen& to, double bow, PicturePolygons& polygons);
  bool out_of_sight(const Seen& from, const Seen& to, double bow) const;
  void clip_to_view();
  Seen seen(const policy::MaskPoint& world) const;
  policy::MaskPoint picture_point(double x, double y) const { return {(x + 1) / 2, (1 - y * aspect_) / 2}; }

  Rotation middle_{};
  std::array<Rotation, 4> corners_{};
  std::array<Vec3, 4> sides_{};  // planes of the view at its widest, and some way beyond it; inside is positive
  double bow_ = 0;               // of the pose box, radians
  double aspect_ = 1;
  double scale_ = 1, scale_min_ = 1, scale_max_ = 1;  // 1 / tan(hfov / 2)

  std::vector<policy::MaskPoint> outline_;  // unrolled in pan
  std::vector<policy::MaskPoint> tile_, flat_, hull_;
  std::vector<Vec3> cone_, cone_scratch_;
  PicturePolygons spare_;
};

}  // namespace vigie::mask
