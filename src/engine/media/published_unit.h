#pragma once
// The only form in which coded pictures reach fan-out and sinks. Made by mask/publish_gate and nobody else.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ref.h"
#include "media/access_unit.h"

namespace vigie::mask {
class PublishGate;
}

namespace vigie {

// What the engine did about private places in a picture (design section 3, Masks).
enum class PrivacyState : uint8_t {
  withheld = 0,           // no decision: nothing is ever published in this state
  clear_by_decision = 1,  // passed on untouched because the policy says why it may be
  masked = 2,             // private places filled
  covered = 3,            // full-frame card
  masked_at_source = 4,   // passed on untouched while the camera proves that it hides the private places itself
};
std::string_view privacy_state_name(PrivacyState state);

// Why this picture may be seen: the decision that let it out, shared by all units that it let out.
struct Provenance : RefCounted<Provenance> {
  PrivacyState state = PrivacyState::withheld;
  uint64_t policy_revision = 0;
  uint64_t mask_revision = 0;     // of the camera's own mask set; 0 = none
  uint64_t version_revision = 0;  // of the extra set of "camera@version"; 0 = none
  std::string reason;             // clear: why it may be, as the policy has it; covered: why it is
};

// An access unit that passed the gate. A cheap value (two references).
class PublishedUnit {
 public:
  PublishedUnit() = default;  // empty: carries nothing
  const AccessUnit& unit() const { return *unit_; }
  const Provenance& provenance() const { return *provenance_; }
  const Ref<const AccessUnit>& ref() const { return unit_; }
  explicit operator bool() const { return static_cast<bool>(unit_); }

 private:
  friend class mask::PublishGate;
  PublishedUnit(Ref<const AccessUnit> unit, Ref<const Provenance> provenance)
      : unit_(std::move(unit)), provenance_(std::move(provenance)) {}
  Ref<const AccessUnit> unit_;
  Ref<const Provenance> provenance_;
};

}  // namespace vigie
