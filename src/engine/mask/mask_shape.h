#pragma once
// Which pixels of one picture are to be filled: a decision's regions at the picture's own size, time and pose.
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "mask/painter.h"
#include "mask/picture_situation.h"
#include "mask/pose_history.h"
#include "mask/privacy_decision.h"
#include "mask/projector.h"
#include "mask/spans.h"

namespace vigie::mask {

// Fixed regions are drawn once and kept until the format or the set of regions in force changes; world regions are
// drawn anew for every picture. Thread: one at a time.
class MaskShape {
 public:
  explicit MaskShape(const PrivacyDecision& decision);

  struct Answer {
    bool whole_picture = false;
    std::string_view reason;        // why, where whole_picture; static text
    std::span<const Layer> layers;  // until the next call
    bool changed = false;           // other regions are in force than for the picture before: a date has come
  };
  Answer look(const PictureSituation& picture, const PoseHistory* poses);

 private:
  struct Painted {  // the regions of one colour
    uint32_t rgb = 0;
    std::vector<const policy::MaskRegion*> fixed, world;
    SpanBuilder builder;
    RowSpans spans;
  };
  bool choose_regions(WallTime now);
  void draw(Painted& painted, const PictureSituation& picture);
  void project(Painted& painted, const PoseEstimate& pose, const PictureSituation& picture);

  std::vector<policy::MaskRegion> regions_;
  std::optional<policy::DomePolicy> dome_;
  std::vector<bool> in_force_;
  std::vector<Painted> painted_;
  RowSpans nothing_;  // where no region is in force
  std::vector<Layer> layers_;
  Projector projector_;
  std::vector<std::vector<policy::MaskPoint>> polygons_;  // scratch
  std::optional<PictureSituation> drawn_for_;
};

}  // namespace vigie::mask
