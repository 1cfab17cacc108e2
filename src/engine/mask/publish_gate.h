#pragma once
// The publish gate: the only maker of PublishedUnit. One decision for every exit, closed when in doubt.
#include <cstdint>
#include <string>

#include "base/ref.h"
#include "base/result.h"
#include "media/published_unit.h"

namespace vigie::mask {

// What the policy snapshot says of one camera's private places.
struct PrivacyDecision {
  PrivacyState state = PrivacyState::withheld;
  uint64_t policy_revision = 0;
  std::string reason;  // for clear: why it may be shown; must not be empty
};

// Thread: the stream's home shard.
class PublishGate {
 public:
  // Starts withheld: nothing passes before a decision.
  PublishGate();

  // Takes a new decision. A decision that is not complete (clear without a reason, masked without a lane that masks)
  // counts as withheld. Returns true when units of the former decision must leave every log (the state changed).
  bool decide(const PrivacyDecision& decision);

  // The unit as something that may leave the engine, or an empty PublishedUnit when it is withheld.
  // `unit` is passed on untouched; only a clear decision lets it through here.
  PublishedUnit publish_clear(Ref<const AccessUnit> unit);

  PrivacyState state() const { return provenance_->state; }
  // ok when pictures may leave; else why not, in words a viewer may read.
  Status may_publish() const;
  uint64_t withheld_units() const { return withheld_units_; }

 private:
  Ref<const Provenance> provenance_;
  std::string why_withheld_;
  uint64_t withheld_units_ = 0;
};

}  // namespace vigie::mask
