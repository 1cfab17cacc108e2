#pragma once
// What lets pictures of a camera that masks them itself out: a keyframe was looked at, and the masks were in it.
#include <cstdint>

#include "base/time.h"

namespace vigie::mask {

// Made by SourceCheck and nobody else. A cheap value.
class SourceProof {
 public:
  // The decision that was checked: PrivacyDecision::proof_epoch.
  uint64_t epoch() const { return epoch_; }
  // The keyframe's media time: nothing older is proved.
  Ticks90k from() const { return from_; }
  // Units that arrive later need another proof.
  MonoTime until() const { return until_; }

 private:
  friend class SourceCheck;
  SourceProof(uint64_t epoch, Ticks90k from, MonoTime until) : epoch_(epoch), from_(from), until_(until) {}
  uint64_t epoch_;
  Ticks90k from_;
  MonoTime until_;
};

}  // namespace vigie::mask
