#include "mask/scene_keeper.h"

#include <utility>

namespace vigie::mask {

std::string_view scene_origin_name(SceneReport::Origin origin) {
  switch (origin) {
    case SceneReport::Origin::off: return "off";
    case SceneReport::Origin::learning: return "learning";
    case SceneReport::Origin::learned: return "learned";
    case SceneReport::Origin::approved: break;
  }
  return "approved";
}

void SceneKeeper::set(std::shared_ptr<const SceneOrder> order) {
  const bool same_masks =
      order && order_ && order->mask_revision == order_->mask_revision && order->hidden == order_->hidden;
  order_ = std::move(order);
  if (!order_) {
    restart();
    report_ = {};
    return;
  }
  if (same_masks && report_.reference) {
    // Not approved, or not any more, or the very one that was learned here.
    const bool known = order_->approved == *report_.reference;
    if (known) report_.origin = SceneReport::Origin::approved;
    if (known || order_->approved.empty()) return;
  }
  if (same_masks && order_->approved.empty()) return;
  restart();
  report_ = {.origin = SceneReport::Origin::learning, .mask_revision = order_->mask_revision};
  // What policy lets through can be read; the engine has tried it before.
  auto approved = SceneReference::from_bytes(order_->approved);
  if (approved.ok()) adopt(std::move(approved).value(), SceneReport::Origin::approved);
}

void SceneKeeper::restart() {
  candidate_.reset();
  reference_.reset();
  watch_.reset();
  looked_last_.reset();
}

void SceneKeeper::adopt(SceneReference reference, SceneReport::Origin origin) {
  candidate_.reset();
  report_.origin = origin;
  report_.reference = std::make_shared<const std::vector<uint8_t>>(reference.to_bytes());
  watch_.emplace(reference);
  reference_ = std::move(reference);
}

bool SceneKeeper::due(const AccessUnit& unit) const {
  if (!order_ || !unit.keyframe) return false;
  return !looked_last_ || unit.pts < *looked_last_ || unit.pts - *looked_last_ >= kInterval;
}

void SceneKeeper::look(const Frame& frame, const PictureSituation& picture, Ticks90k at) {
  looked_last_ = at;
  const SmallPicture small = shrink(frame);
  if (!watch_) learn(small, picture);
  if (watch_) report_.verdict = watch_->look(small);
}

void SceneKeeper::learn(const SmallPicture& small, const PictureSituation& picture) {
  if (candidate_ && SceneWatch(*candidate_).look(small).kind == Verdict::Kind::same) {
    return adopt(std::move(*candidate_), SceneReport::Origin::learned);
  }
  candidate_.reset();
  SpanBuilder builder;
  for (const policy::MaskRegion& region : order_->hidden) builder.add_polygon(region.points);
  const Widening widening = widening_for(picture.codec, picture.interlaced);
  builder.widen(widening.x, widening.y);
  auto made = SceneReference::make(small, builder.build(picture.format.width, picture.format.height));
  if (made.ok()) candidate_ = std::move(made).value();
}

void SceneKeeper::interrupted() {
  looked_last_.reset();
  if (reference_ && !covers()) watch_.emplace(*reference_);
}

}  // namespace vigie::mask
