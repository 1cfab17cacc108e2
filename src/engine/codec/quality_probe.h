#pragma once
// Now and then decodes what an encoder made, to see what is left of the picture. Included by this folder's .cc files alone.
#include <cstdint>
#include <memory>
#include <optional>

#include "base/ref.h"
#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/quantiser_control.h"
#include "media/frame.h"
#include "media/parameter_sets.h"

namespace vigie::codec {

// Thread: the encoder's.
class QualityProbe {
 public:
  explicit QualityProbe(Ref<const ParameterSets> sets) : sets_(std::move(sets)) {}

  // Each picture in turn, with what it was coded from; SSIM of luma when one was measured. `wanted`: a measurement begins
  // with the next IDR picture. A GOP that ends too early is followed by another try, with its last picture.
  std::optional<double> follow(const EncodedPicture& picture, const Frame& frame, bool wanted);

 private:
  std::optional<double> compare(const EncodedPicture& picture, const Frame& frame);

  Ref<const ParameterSets> sets_;
  std::unique_ptr<Decoder> decoder_;  // while a measurement is on
  uint64_t number_ = 0;               // of the picture behind its IDR picture
  uint64_t settled_ = QuantiserControl::kSettled;
};

}  // namespace vigie::codec
