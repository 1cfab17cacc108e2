#pragma once
// Keeps a constant quantiser under a cap of bits a second, by moving it. Included by this folder's .cc files alone.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace vigie::codec {

// It moves at keyframes, where a new one costs nothing, and in the middle of a GOP only when a second's worth of bits has
// gone out above the cap.
class RateGuard {
 public:
  // `steps_per_halving`: of the quantiser, roughly, for half the bits.
  RateGuard(int wanted, uint32_t cap_bps, double fps, double steps_per_halving)
      : wanted_(wanted), quantiser_(wanted), cap_(cap_bps), fps_(fps), steps_per_halving_(steps_per_halving) {}

  int quantiser() const { return quantiser_; }
  void set_cap(uint32_t cap_bps) { cap_ = cap_bps; }
  // Taken over at the next keyframe, as far as the cap allows.
  void set_wanted(int wanted) { wanted_ = wanted; }

  // A picture went out.
  void on_picture(size_t bytes, bool keyframe) {
    if (keyframe) gop_bits_ = gop_pictures_ = 0;
    const double bits = static_cast<double>(bytes) * 8;
    gop_bits_ += bits;
    gop_pictures_ += 1;
    above_ = cap_ == 0 ? 0 : std::max(0.0, above_ + bits - cap_ / fps_);
  }

  // Takes the quantiser for the next picture, which is to be a keyframe or not; true when it is another one.
  bool move(bool keyframe) {
    if (gop_pictures_ == 0) return false;
    if (cap_ == 0) return keyframe && std::exchange(quantiser_, wanted_) != wanted_;
    const bool burst = above_ > cap_;
    if (!keyframe && !burst) return false;
    const double rate = gop_bits_ / gop_pictures_ * fps_;
    int next = quantiser_;
    if (rate > cap_ || burst) {
      next +=
          std::clamp(static_cast<int>(std::ceil(steps_per_halving_ * std::log2(rate / cap_))), burst ? 3 : 1, kMaxStep);
    } else {
      // Half of the way: where a step costs more bits than it should, the next GOP is not over the cap again.
      const int room = static_cast<int>(std::floor(steps_per_halving_ / 2 * std::log2(cap_ * kRoom / rate)));
      if (room > 0) next -= std::min(room, kMaxStep);
    }
    next = std::clamp(next, wanted_, std::max(wanted_, kCoarsest));
    if (burst) above_ = 0;
    if (next == quantiser_) return false;
    quantiser_ = next;
    return true;
  }

 private:
  static constexpr double kRoom = 0.85;
  static constexpr int kMaxStep = 8;
  static constexpr int kCoarsest = 46;

  int wanted_;
  int quantiser_;
  double cap_;
  double fps_;
  double steps_per_halving_;
  double gop_bits_ = 0, gop_pictures_ = 0;
  double above_ = 0;  // bits gone out above the cap and not yet made up for
};

}  // namespace vigie::codec
