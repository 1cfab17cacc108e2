#pragma once
// Chooses the coarsest quantiser that still keeps the picture. Included by this folder's .cc files, and by tests.
#include <algorithm>
#include <cstdint>

namespace vigie::codec {

// How much likeness a quantiser leaves differs from scene to scene by more than its whole useful range, so it is measured.
class QualityGuard {
 public:
  static constexpr int kCoarser = 3, kFiner = 2;  // steps; finer by one where less than kNear is missing
  static constexpr double kNear = 0.001;
  // A coarser one is tried where there is more likeness to spare than a step was seen to cost.
  static constexpr double kSpare = 0.0015;
  static constexpr uint32_t kRetryAfter = 20;  // measurements until one that failed is tried again

  // Quantisers: the first one, and those that it may move between. `target`: SSIM of luma to be kept.
  QualityGuard(int first, int finest, int coarsest, double target)
      : finest_(std::min(first, finest)),
        coarsest_(std::max(first, coarsest)),
        ceiling_(coarsest_),
        quantiser_(first),
        target_(target) {}

  int quantiser() const { return quantiser_; }
  // It has just moved: measure again soon.
  bool moving() const { return moving_; }

  // What the quantiser in force leaves.
  void on_measured(double likeness) {
    moving_ = false;
    if (ceiling_ < coarsest_ && ++since_failure_ >= kRetryAfter) ceiling_ = coarsest_;
    int next = quantiser_;
    if (likeness < target_) {
      next = std::max(finest_, quantiser_ - (likeness < target_ - kNear ? kFiner : 1));
      ceiling_ = next;
      since_failure_ = 0;
    } else if (likeness > target_ + kSpare) {
      next = std::min(ceiling_, quantiser_ + kCoarser);
    }
    moving_ = next != quantiser_;
    quantiser_ = next;
  }

 private:
  int finest_, coarsest_, ceiling_, quantiser_;
  double target_;
  bool moving_ = true;
  uint32_t since_failure_ = 0;
};

}  // namespace vigie::codec
