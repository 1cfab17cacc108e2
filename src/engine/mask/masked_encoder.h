#pragma once
// From filled pictures to coded ones: the encoder behind the painter, and the mark that says what was filled.
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/ref.h"
#include "base/result.h"
#include "codec/encoder.h"
#include "codec/skip_picture.h"
#include "mask/masked_unit.h"
#include "mask/painter.h"
#include "media/access_unit.h"

namespace vigie::mask {

// Under which decision a picture was filled.
struct LaneStamp {
  Ref<const Provenance> provenance;
  uint64_t epoch = 0;
};

// Codes only FilledFrames, so that a MaskedUnit proves that a painter had the picture.
// Thread: one at a time.
class MaskedEncoder {
 public:
  // Errors: those of codec::Encoder::make.
  static Result<std::unique_ptr<MaskedEncoder>> make(const codec::EncoderOptions& options);

  // One picture in, one access unit out: H.264 with parameter sets in each IDR unit, its privacy mark in front of its
  // slices, and the times of `source`, the access unit that it was decoded from.
  Result<MaskedUnit> encode(const FilledFrame& picture, const AccessUnit& source, const LaneStamp& stamp,
                            bool force_idr);
  // The picture coded last once more, at the time of `source` and without coding it: every macroblock is skipped.
  // `picture` must be that picture; it is coded where the encoder's streams leave no other way. The next call of encode()
  // must force an IDR.
  Result<MaskedUnit> repeat(const FilledFrame& picture, const AccessUnit& source, const LaneStamp& stamp);

  // Codes an IDR picture that nobody gets, so that the next one has another idr_pic_id.
  Status spend_idr(const FilledFrame& picture);

  const FrameFormat& format() const { return format_; }
  std::string_view name() const { return encoder_->name(); }
  void set_bitrate_cap(uint32_t bps) { encoder_->set_bitrate_cap(bps); }
  codec::EncoderQuality quality() const { return encoder_->quality(); }

 private:
  MaskedEncoder(std::unique_ptr<codec::Encoder> encoder, const FrameFormat& format);
  MaskedUnit make_unit(ByteSpan payload, std::span<const NalSpan> nals, bool keyframe, const AccessUnit& source,
                       const LaneStamp& stamp);
  void renew_parameter_sets();

  std::unique_ptr<codec::Encoder> encoder_;
  FrameFormat format_;
  Ref<const ParameterSets> parameter_sets_;
  std::unique_ptr<codec::SkipPictures> skip_;  // null: the encoder's streams cannot be continued by hand
  uint32_t since_idr_ = 0;                     // pictures
  std::vector<uint8_t> sei_;                   // scratch
  std::vector<uint8_t> skipped_;               // scratch
};

}  // namespace vigie::mask
