#include "mask/publish_gate.h"

#include <utility>

namespace vigie::mask {
namespace {

// Why a decision cannot stand as it is; empty when it can.
std::string_view missing_part(const PrivacyDecision& decision) {
  switch (decision.state) {
    case PrivacyState::clear_by_decision:
      return decision.reason.empty() ? "the policy says clear but gives no reason" : "";
    case PrivacyState::masked:
      return decision.mask_revision == 0 && decision.version_revision == 0
                 ? "the policy says masked but names no mask revision"
                 : "";
    case PrivacyState::masked_at_source:
      return decision.mask_revision == 0 || decision.proof_epoch == 0
                 ? "the policy says masked at the source, and there is nothing to prove it by"
                 : "";
    case PrivacyState::covered: return decision.reason.empty() ? "the policy says covered but gives no reason" : "";
    case PrivacyState::withheld: break;
  }
  return "";
}

}  // namespace

PublishGate::PublishGate()
    : provenance_(provenance_of({}, PrivacyState::withheld, "")),
      why_withheld_("no policy decision has been taken for this camera") {}

bool PublishGate::decide(const PrivacyDecision& decision) {
  PrivacyDecision next = decision;
  if (const std::string_view missing = missing_part(decision); !missing.empty()) {
    why_withheld_ = missing;
    next = {.state = PrivacyState::withheld, .policy_revision = decision.policy_revision, .reason = why_withheld_};
  } else if (decision.state == PrivacyState::withheld) {
    why_withheld_ = decision.reason.empty() ? "the policy has no privacy decision for this camera" : decision.reason;
  }
  // The words that say why something is withheld or clear change nothing of the picture.
  const bool changed = !next.same_picture(decision_);
  decision_ = std::move(next);
  provenance_ = provenance_of(decision_, decision_.state, decision_.reason);
  if (changed) ++epoch_;
  return changed;
}

PublishedUnit PublishGate::publish_clear(Ref<const AccessUnit> unit) {
  if (provenance_->state != PrivacyState::clear_by_decision || !unit) {
    ++withheld_units_;
    return {};
  }
  return PublishedUnit(std::move(unit), provenance_);
}

PublishedUnit PublishGate::publish_verified(Ref<const AccessUnit> unit, const SourceProof& proof) {
  const bool proved = provenance_->state == PrivacyState::masked_at_source && unit &&
                      proof.epoch() == decision_.proof_epoch && unit->pts >= proof.from() &&
                      unit->last_arrival <= proof.until();
  if (!proved) {
    ++withheld_units_;
    return {};
  }
  return PublishedUnit(std::move(unit), provenance_);
}

// A masked decision also lets out a covered picture (in doubt the lane covers), never the other way round. Decoded
// pictures of a camera that masks itself are filled by the lane all the same.
bool PublishGate::accepts(const Provenance& filled_as, uint64_t epoch) {
  if (epoch != epoch_) {
    ++stale_units_;
    return false;
  }
  const bool hides_places =
      provenance_->state == PrivacyState::masked || provenance_->state == PrivacyState::masked_at_source;
  const bool fits = hides_places || provenance_->state == filled_as.state;
  const bool masked = filled_as.state == PrivacyState::masked || filled_as.state == PrivacyState::covered;
  if (!fits || !masked || filled_as.mask_revision != provenance_->mask_revision ||
      filled_as.version_revision != provenance_->version_revision) {
    ++withheld_units_;
    return false;
  }
  return true;
}

PublishedUnit PublishGate::publish_masked(const MaskedUnit& unit) {
  if (!accepts(*unit.provenance(), unit.epoch())) return {};
  return PublishedUnit(unit.unit(), unit.provenance());
}

PublishedFrame PublishGate::publish_clear(Ref<const Frame> frame, uint64_t epoch) {
  if (provenance_->state != PrivacyState::clear_by_decision || epoch != epoch_) {
    ++stale_units_;
    return {};
  }
  return PublishedFrame(std::move(frame), provenance_);
}

PublishedFrame PublishGate::publish_masked(const LaneFrame& frame) {
  if (!accepts(*frame.provenance, frame.epoch)) return {};
  return PublishedFrame(frame.filled.frame(), frame.provenance);
}

Status PublishGate::may_publish() const {
  if (provenance_->state != PrivacyState::withheld) return {};
  return make_error(Code::withheld, "", why_withheld_);
}

}  // namespace vigie::mask
