#pragma once
// The publish gate: the only maker of PublishedUnit and PublishedFrame. One decision for every exit, closed when in doubt.
#include <cstdint>
#include <string>

#include "base/ref.h"
#include "base/result.h"
#include "mask/masked_unit.h"
#include "mask/privacy_decision.h"
#include "mask/source_proof.h"
#include "media/published_frame.h"
#include "media/published_unit.h"

namespace vigie::mask {

// One for every published form of a stream.
// Thread: the stream's home shard.
class PublishGate {
 public:
  // Starts withheld: nothing passes before a decision.
  PublishGate();

  // Takes a new decision. One that is not complete (clear without a reason, masked without a mask revision, covered
  // without a reason, masked at the source without a mask revision or a number for proofs) counts as withheld. Returns true when units of the former decision must leave every log: what they
  // show may differ from what is to be shown. Lanes then fill under a new epoch, and what was filled before is refused.
  bool decide(const PrivacyDecision& decision);

  // The unit as something that may leave the engine, or an empty PublishedUnit when it may not (counted).
  // `publish_clear` passes it on untouched, and only under a clear decision; `publish_masked` takes what a lane filled
  // and coded under this very decision; `publish_verified` passes on untouched what a camera masked itself, only under
  // such a decision and while `proof` counts for this unit.
  PublishedUnit publish_clear(Ref<const AccessUnit> unit);
  PublishedUnit publish_verified(Ref<const AccessUnit> unit, const SourceProof& proof);
  PublishedUnit publish_masked(const MaskedUnit& unit);
  // The same for decoded pictures.
  PublishedFrame publish_clear(Ref<const Frame> frame, uint64_t epoch);
  PublishedFrame publish_masked(const LaneFrame& frame);

  PrivacyState state() const { return provenance_->state; }
  // Number of the decision, for lanes; grows with every change of what may be seen.
  uint64_t epoch() const { return epoch_; }
  const Ref<const Provenance>& provenance() const { return provenance_; }
  // ok when pictures may leave; else why not, in words a viewer may read.
  Status may_publish() const;
  uint64_t withheld_units() const { return withheld_units_; }
  // Filled under an earlier decision and therefore refused.
  uint64_t stale_units() const { return stale_units_; }

 private:
  bool accepts(const Provenance& filled_as, uint64_t epoch);

  Ref<const Provenance> provenance_;
  PrivacyDecision decision_;
  std::string why_withheld_;
  uint64_t epoch_ = 0;
  uint64_t withheld_units_ = 0;
  uint64_t stale_units_ = 0;
};

}  // namespace vigie::mask
