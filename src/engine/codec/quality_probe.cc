#include "codec/quality_probe.h"

#include <algorithm>
#include <utility>

#include "codec/libav.h"
#include "codec/likeness.h"

namespace vigie::codec {
namespace {

class Comparison final : public PictureSink {
 public:
  explicit Comparison(const Frame& frame) : frame_(frame) {}
  void on_picture(const DecodedPicture& picture) override {
    const AVFrame& decoded = *picture.decoded;
    const PlaneView coded{.samples = decoded.data[0],
                          .stride = static_cast<size_t>(decoded.linesize[0]),
                          .width = picture.format.width,
                          .height = picture.format.height};
    likeness = plane_ssim(plane_of(frame_, 0), coded, FlatWindows::left_out);
  }
  std::optional<double> likeness;

 private:
  const Frame& frame_;
};

class Nothing final : public PictureSink {
 public:
  void on_picture(const DecodedPicture& /*picture*/) override {}
};

Ref<AccessUnit> unit_of(const EncodedPicture& picture, const Ref<const ParameterSets>& sets) {
  auto unit = make_ref<AccessUnit>();
  unit->codec = Codec::h264;
  unit->keyframe = picture.keyframe;
  unit->parameter_sets = sets;
  unit->payload = picture.payload;
  unit->nals = picture.nals;
  return unit;
}

}  // namespace

std::optional<double> QualityProbe::follow(const EncodedPicture& picture, const Frame& frame, bool wanted) {
  if (picture.keyframe) {
    if (decoder_) settled_ = std::max<uint64_t>(number_, 1) - 1;
    decoder_.reset();
    number_ = 0;
    if (wanted) {
      auto made = Decoder::make(Codec::h264, sets_);
      if (made.ok()) decoder_ = std::move(made).value();
    }
  }
  if (!decoder_) return std::nullopt;
  return compare(picture, frame);
}

std::optional<double> QualityProbe::compare(const EncodedPicture& picture, const Frame& frame) {
  const Ref<AccessUnit> unit = unit_of(picture, sets_);
  if (number_++ < settled_) {
    Nothing nothing;
    if (!decoder_->decode(*unit, number_, nothing).ok()) decoder_.reset();
    return std::nullopt;
  }
  Comparison comparison(frame);
  (void)decoder_->decode(*unit, number_, comparison);
  decoder_.reset();
  settled_ = QuantiserControl::kSettled;
  return comparison.likeness;
}

}  // namespace vigie::codec
