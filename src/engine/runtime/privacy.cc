#include "runtime/privacy.h"

namespace vigie::runtime {
namespace {

void add_set(const policy::MaskSetPolicy& set, mask::PrivacyDecision& decision) {
  decision.regions.insert(decision.regions.end(), set.regions.begin(), set.regions.end());
}

}  // namespace

std::shared_ptr<const mask::PrivacyDecision> privacy_decision(const policy::CameraPolicy& camera,
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
      decision->state = PrivacyState::masked;
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

}  // namespace vigie::runtime
