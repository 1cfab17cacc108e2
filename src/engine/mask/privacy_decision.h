#pragma once
// What the policy in force says of one published form of a camera's pictures.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ref.h"
#include "media/published_unit.h"
#include "policy/snapshot.h"

namespace vigie::mask {

// `clear_by_decision` needs a reason, `masked` at least one revision number, `masked_at_source` a mask revision and a
// number for its proofs; anything incomplete counts as withheld.
struct PrivacyDecision {
  PrivacyState state = PrivacyState::withheld;
  uint64_t policy_revision = 0;
  std::string reason;  // clear: why it may be shown; covered and withheld: why not
  uint64_t mask_revision = 0;
  uint64_t version_revision = 0;
  std::vector<policy::MaskRegion> regions;  // the camera's own, then the version's
  std::optional<policy::DomePolicy> dome;   // it turns: world regions follow its pose
  std::string title;                        // first line of a card
  uint64_t proof_epoch = 0;                 // masked_at_source: only a SourceProof of this number counts

  // Whether two decisions let out the same pixels.
  bool same_picture(const PrivacyDecision& other) const {
    return state == other.state && mask_revision == other.mask_revision && version_revision == other.version_revision &&
           regions == other.regions && dome == other.dome && (state != PrivacyState::covered || reason == other.reason);
  }
};

// What a picture says of itself that is shown as `state` under this decision, and why it is.
inline Ref<const Provenance> provenance_of(const PrivacyDecision& decision, PrivacyState state,
                                           std::string_view reason) {
  auto provenance = make_ref<Provenance>();
  provenance->state = state;
  provenance->policy_revision = decision.policy_revision;
  provenance->mask_revision = decision.mask_revision;
  provenance->version_revision = decision.version_revision;
  provenance->reason = reason;
  return provenance;
}

}  // namespace vigie::mask
