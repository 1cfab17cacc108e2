#include "runtime/privacy.h"

#include <algorithm>
#include <vector>

namespace vigie::runtime {
namespace {

void add_set(const policy::MaskSetPolicy& set, mask::PrivacyDecision& decision) {
  decision.regions.insert(decision.regions.end(), set.regions.begin(), set.regions.end());
}

}  // namespace

std::shared_ptr<mask::PrivacyDecision> privacy_decision(const policy::CameraPolicy& camera,
                                                        const policy::MaskVersionPolicy* version,
                                                        uint64_t policy_revision) {
  auto decision = std::make_shared<mask::PrivacyDecision>();
  decision->policy_revision = policy_revision;
  decision->reason = camera.privacy_reason;
  decision->dome = camera.dome;
  decision->title = camera.title.empty() ? camera.name : camera.title;
  switch (camera.privacy) {
    case policy::Privacy::withheld: return decision;
    case policy::Privacy::clear: decision->state = PrivacyState::clear_by_decision; break;
    case policy::Privacy::masked:
    case policy::Privacy::masked_at_source:
      if (!camera.masks) {
        decision->state = PrivacyState::covered;
        decision->reason = "no mask set is there for this camera";
        return decision;
      }
      decision->state =
          camera.privacy == policy::Privacy::masked ? PrivacyState::masked : PrivacyState::masked_at_source;
      decision->mask_revision = camera.masks->revision;
      add_set(*camera.masks, *decision);
      break;
  }
  if (version) {
    decision->state = PrivacyState::masked;
    decision->version_revision = version->masks.revision;
    add_set(version->masks, *decision);
  }
  return decision;
}

std::shared_ptr<const mask::SceneOrder> scene_order(const policy::CameraPolicy& camera) {
  if (camera.dome) return nullptr;
  std::vector<const policy::MaskSetPolicy*> sets;
  if (camera.masks) {
    sets.push_back(&*camera.masks);
  } else {
    for (const policy::MaskVersionPolicy& version : camera.versions) sets.push_back(&version.masks);
  }
  auto order = std::make_shared<mask::SceneOrder>();
  bool watched = false;
  for (const policy::MaskSetPolicy* set : sets) {
    watched = watched || set->scene_watch;
    order->mask_revision = std::max(order->mask_revision, set->revision);
    order->hidden.insert(order->hidden.end(), set->regions.begin(), set->regions.end());
    if (order->approved.empty()) order->approved = set->scene_reference;
  }
  if (!watched || order->hidden.empty()) return nullptr;
  return order;
}

}  // namespace vigie::runtime
