#pragma once
// From the policy's words about a camera to the decision that its gates and lanes get.
#include <cstdint>
#include <memory>

#include "mask/privacy_decision.h"
#include "policy/snapshot.h"

namespace vigie::runtime {

// Of the camera's own form (`version` null), or of one with further masks. A camera that is to be masked and has no mask
// set is covered (M-1), one without a decision withheld.
std::shared_ptr<const mask::PrivacyDecision> privacy_decision(const policy::CameraPolicy& camera,
                                                              const policy::MaskVersionPolicy* version,
                                                              uint64_t policy_revision);

}  // namespace vigie::runtime
