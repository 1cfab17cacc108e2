#pragma once
// Which quantiser an encoder works with: RateGuard's, fed with what QualityGuard wants. Included by this folder's .cc files.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "codec/encoder.h"
#include "codec/quality_guard.h"
#include "codec/rate_guard.h"

namespace vigie::codec {

// Thread: the encoder's.
class QuantiserControl {
 public:
  // SSIM of one picture rises over the first dozen behind an IDR picture, and then stays.
  static constexpr uint64_t kSettled = 12;

  // `steps_per_halving`: of the quantiser, about, for half of the encoder's bits.
  QuantiserControl(const EncoderOptions& options, double steps_per_halving)
      : rate_(options.quality, options.bitrate_cap_bps, options.fps, steps_per_halving),
        quality_(options.quality, options.finest_quality, options.coarsest_quality, options.likeness),
        measures_(options.likeness > 0),
        pause_(std::llround(kMeasureEvery * options.fps)) {}

  int quantiser() const { return rate_.quantiser(); }
  EncoderQuality quality() const { return {.quantiser = rate_.quantiser(), .likeness = likeness_}; }
  void set_cap(uint32_t bps) { rate_.set_cap(bps); }
  // As RateGuard::move.
  bool move(bool keyframe) { return rate_.move(keyframe); }

  void on_picture(size_t bytes, bool keyframe) {
    rate_.on_picture(bytes, keyframe);
    ++since_measured_;
  }
  // Somebody should say how like its source a picture is, kSettled behind its IDR picture or the last of its GOP.
  bool wants_likeness() const { return measures_ && (quality_.moving() || since_measured_ >= pause_); }
  void on_likeness(double likeness) {
    likeness_ = likeness;
    since_measured_ = 0;
    // What the cap demands says nothing of what the picture needs.
    if (rate_.quantiser() == quality_.quantiser()) quality_.on_measured(likeness);
    rate_.set_wanted(quality_.quantiser());
  }

 private:
  static constexpr double kMeasureEvery = 30;  // seconds, once the quantiser has found its place

  RateGuard rate_;
  QualityGuard quality_;
  bool measures_;
  int64_t pause_, since_measured_ = 0;  // pictures
  std::optional<double> likeness_;
};

}  // namespace vigie::codec
