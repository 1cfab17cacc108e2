#include "mask/lane.h"

#include <utility>

namespace vigie::mask {

void ClearLane::push(Ref<const AccessUnit> unit) {
  if (PublishedUnit published = gate_.publish_clear(std::move(unit))) output_.on_published(std::move(published));
}

}  // namespace vigie::mask
