#pragma once
// Whether a source's marker bit can be believed to end an access unit (F1, F2, F3).
#include <cstdint>

namespace vigie::rtp {

// Quick trust, slow forgiveness. A unit is evidence when it had exactly one marker, on its last packet, behind picture
// data, and the packet after it (none lost in between) began another unit. Two such units in a row prove the marker,
// so an honest camera's third unit already leaves with its last packet. A marker inside a unit is a lie: the proof
// falls, and each run that ends in a lie doubles what the next proof needs (16, 32 … 4096 units).
class MarkerProof {
 public:
  bool proven() const { return run_ >= needed_; }
  // A unit ended where its marker said.
  void on_honest_unit() {
    if (run_ < needed_) ++run_;
  }
  // A unit ended without a marker on its last packet (F2); loss must not be reported here.
  void on_silent_unit() { run_ = 0; }
  // A marker was set inside a unit (F3). Returns true when this took a proof away.
  bool on_lie() {
    const bool demoted = proven();
    if (needed_ < kFirstPenalty) {
      needed_ = kFirstPenalty;
    } else if (run_ > 0) {  // further lies in the same breath count once
      needed_ = needed_ * 2 < kMaxPenalty ? needed_ * 2 : kMaxPenalty;
    }
    run_ = 0;
    return demoted;
  }

 private:
  static constexpr uint32_t kFirstPenalty = 16, kMaxPenalty = 4096;
  uint32_t run_ = 0;
  uint32_t needed_ = 2;
};

}  // namespace vigie::rtp
