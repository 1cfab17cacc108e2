#pragma once
// From the policy's words about a camera to the decision that its gates and lanes get.
#include <cstdint>
#include <memory>

#include "mask/privacy_decision.h"
#include "mask/scene_keeper.h"
#include "policy/snapshot.h"

namespace vigie::runtime {

// Of the camera's own form (`version` null), or of one with further masks. A camera that is to be masked and has no mask
// set is covered (M-1), one without a decision withheld.
// The number of proofs is left to whoever has them made.
std::shared_ptr<mask::PrivacyDecision> privacy_decision(const policy::CameraPolicy& camera,
                                                        const policy::MaskVersionPolicy* version,
                                                        uint64_t policy_revision);

// What the camera's lanes watch its view by: its own mask set, or where it has none those of its versions. Null where
// nothing is watched: it turns, has no region in picture space, or policy says so.
std::shared_ptr<const mask::SceneOrder> scene_order(const policy::CameraPolicy& camera);

}  // namespace vigie::runtime
