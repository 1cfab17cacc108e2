#include "mask/mask_shape.h"

#include <algorithm>

namespace vigie::mask {
MaskShape::MaskShape(const PrivacyDecision& decision)
    : regions_(decision.regions), dome_(decision.dome), in_force_(regions_.size()) {}

// Sorts the regions in force by colour. True when they are others than before.
bool MaskShape::choose_regions(WallTime now) {
  bool others = false;
  for (size_t i = 0; i < regions_.size(); ++i) {
    const bool counts = in_force(regions_[i], now);
    others = others || counts != in_force_[i];
    in_force_[i] = counts;
  }
  if (drawn_for_ && !others) return false;
  const bool first = !drawn_for_;
  painted_.clear();
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (!in_force_[i]) continue;
    const policy::MaskRegion& region = regions_[i];
    auto painted = std::ranges::find(painted_, region.fill_rgb, &Painted::rgb);
    if (painted == painted_.end()) {
      painted = painted_.emplace(painted_.end());
      painted->rgb = region.fill_rgb;
    }
    (region.space == policy::MaskSpace::world ? painted->world : painted->fixed).push_back(&region);
  }
  drawn_for_.reset();
  return !first;
}

void MaskShape::draw(Painted& painted, const PictureSituation& picture) {
  const Widening widening = widening_for(picture.codec, picture.interlaced);
  painted.builder.widen(widening.x, widening.y);
  painted.builder.build(picture.format.width, picture.format.height, painted.spans);
}

void MaskShape::project(Painted& painted, const PoseEstimate& pose, const PictureSituation& picture) {
  painted.builder.clear();
  for (const policy::MaskRegion* region : painted.fixed) painted.builder.add_polygon(region->points);
  const double sar = picture.format.sar_width != 0 && picture.format.sar_height != 0
                         ? static_cast<double>(picture.format.sar_width) / picture.format.sar_height
                         : 1.0;
  const double aspect = sar * picture.format.width / picture.format.height;
  for (const policy::MaskRegion* region : painted.world) {
    projector_.project_region(region->points, pose, aspect, *dome_, polygons_);
    for (const auto& polygon : polygons_) painted.builder.add_polygon(polygon);
  }
  draw(painted, picture);
}

MaskShape::Answer MaskShape::look(const PictureSituation& picture, const PoseHistory* poses) {
  Answer answer;
  answer.changed = choose_regions(picture.arrival);
  const bool follows = std::ranges::any_of(painted_, [](const Painted& painted) { return !painted.world.empty(); });
  if (follows) {
    // Validation refuses world regions without a dome; without either we know nothing.
    if (!dome_ || !poses) {
      answer.whole_picture = true;
      answer.reason = "no pose of this camera is known";
      return answer;
    }
    // A pose says where the dome looked at its time: of use only to a picture whose time is known.
    if (!picture.capture_time_known) {
      answer.whole_picture = true;
      answer.reason = "the time of the pictures is not known";
      return answer;
    }
    const PoseEstimate pose = poses->at(picture.capture_time, *dome_);
    if (pose.whole_picture) {
      answer.whole_picture = true;
      answer.reason = pose.reason;
      return answer;
    }
    for (Painted& painted : painted_) {
      if (!painted.world.empty()) project(painted, pose, picture);
    }
  }
  const bool redraw = !drawn_for_ || !same_grid(*drawn_for_, picture);
  for (Painted& painted : painted_) {
    if (!redraw || !painted.world.empty()) continue;
    painted.builder.clear();
    for (const policy::MaskRegion* region : painted.fixed) painted.builder.add_polygon(region->points);
    draw(painted, picture);
  }
  drawn_for_ = picture;
  layers_.clear();
  for (const Painted& painted : painted_) {
    layers_.push_back({&painted.spans, fill_colour(painted.rgb, picture.format)});
  }
  if (layers_.empty()) {
    if (redraw) nothing_ = SpanBuilder().build(picture.format.width, picture.format.height);
    layers_.push_back({&nothing_, {}});
  }
  answer.layers = layers_;
  return answer;
}

}  // namespace vigie::mask
