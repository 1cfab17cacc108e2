#include "mask/publish_gate.h"

#include <utility>

namespace vigie::mask {
namespace {

Ref<const Provenance> make_provenance(PrivacyState state, uint64_t policy_revision, std::string reason) {
  auto provenance = make_ref<Provenance>();
  provenance->state = state;
  provenance->policy_revision = policy_revision;
  provenance->reason = std::move(reason);
  return provenance;
}

}  // namespace

PublishGate::PublishGate()
    : provenance_(make_provenance(PrivacyState::withheld, 0, "")),
      why_withheld_("no policy decision has been taken for this camera") {}

bool PublishGate::decide(const PrivacyDecision& decision) {
  PrivacyState state = PrivacyState::withheld;
  switch (decision.state) {
    case PrivacyState::clear_by_decision:
      if (decision.reason.empty()) {
        why_withheld_ = "the policy says clear but gives no reason";
      } else {
        state = PrivacyState::clear_by_decision;
      }
      break;
    case PrivacyState::masked:
    case PrivacyState::covered: why_withheld_ = "the policy wants masks, and no lane here can draw them"; break;
    case PrivacyState::withheld:
      why_withheld_ = decision.reason.empty() ? "the policy has no privacy decision for this camera" : decision.reason;
      break;
  }
  const bool changed = state != provenance_->state;
  provenance_ = make_provenance(state, decision.policy_revision, decision.reason);
  return changed;
}

PublishedUnit PublishGate::publish_clear(Ref<const AccessUnit> unit) {
  if (provenance_->state != PrivacyState::clear_by_decision || !unit) {
    ++withheld_units_;
    return {};
  }
  return PublishedUnit(std::move(unit), provenance_);
}

Status PublishGate::may_publish() const {
  if (provenance_->state != PrivacyState::withheld) return {};
  return make_error(Code::withheld, "", why_withheld_);
}

}  // namespace vigie::mask
