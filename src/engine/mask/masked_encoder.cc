#include "mask/masked_encoder.h"

#include <utility>

#include "mask/privacy_sei.h"

namespace vigie::mask {
namespace {

bool is_parameter_set(ByteSpan nal) {
  const uint8_t type = h264_nal_type(nal[0]);
  return type == h264::kSps || type == h264::kPps;
}

}  // namespace

Result<std::unique_ptr<MaskedEncoder>> MaskedEncoder::make(const codec::EncoderOptions& options) {
  auto encoder = codec::Encoder::make(options);
  if (!encoder.ok()) return std::move(encoder).error();
  return std::unique_ptr<MaskedEncoder>(new MaskedEncoder(std::move(encoder).value(), options.format));
}

MaskedEncoder::MaskedEncoder(std::unique_ptr<codec::Encoder> encoder, const FrameFormat& format)
    : encoder_(std::move(encoder)), format_(format) {
  renew_parameter_sets();
}

void MaskedEncoder::renew_parameter_sets() {
  auto sets = make_ref<ParameterSets>();
  sets->codec = Codec::h264;
  sets->revision = 1;
  sets->sps = {encoder_->sps()};
  sets->pps = {encoder_->pps()};
  sets->width = format_.width;
  sets->height = format_.height;
  PictureFacts& picture = sets->picture;
  picture.profile_idc = encoder_->sps().at(1);
  picture.level_idc = encoder_->sps().at(3);
  picture.coded_width = (format_.width + 15) & ~15U;
  picture.coded_height = (format_.height + 15) & ~15U;
  picture.reordered_pictures = 0;
  picture.full_range = format_.colour.full_range;
  picture.colour_primaries = format_.colour.primaries;
  picture.transfer_characteristics = format_.colour.transfer;
  picture.matrix_coefficients = format_.colour.matrix;
  picture.sar_width = format_.sar_width;
  picture.sar_height = format_.sar_height;
  parameter_sets_ = std::move(sets);
  skip_ = codec::SkipPictures::make(encoder_->sps(), encoder_->pps());
}

MaskedUnit MaskedEncoder::make_unit(ByteSpan payload, std::span<const NalSpan> nals, bool keyframe,
                                    const AccessUnit& source, const LaneStamp& stamp) {
  sei_.clear();
  append_privacy_sei(*stamp.provenance, sei_);
  auto unit = make_ref<AccessUnit>();
  unit->codec = Codec::h264;
  unit->keyframe = keyframe;
  unit->clock_quality = source.clock_quality;
  unit->parameter_sets = parameter_sets_;
  unit->pts = source.pts + source.presentation_offset;
  unit->capture_time = source.capture_time;
  unit->first_arrival = source.first_arrival;
  unit->last_arrival = source.last_arrival;
  unit->arrival_wall = source.arrival_wall;
  unit->payload = Buffer::make_heap(payload.size() + kStartCode.size() + sei_.size());
  // 7.4.1.2.3: SEI stands behind the parameter sets and before the first slice.
  bool marked = false;
  for (const NalSpan& span : nals) {
    const ByteSpan nal = payload.subspan(span.offset, span.size);
    if (!marked && !is_parameter_set(nal)) {
      append_nal(unit->payload, unit->nals, sei_);
      marked = true;
    }
    append_nal(unit->payload, unit->nals, nal);
  }
  return MaskedUnit(std::move(unit), stamp.provenance, stamp.epoch);
}

Result<MaskedUnit> MaskedEncoder::encode(const FilledFrame& picture, const AccessUnit& source, const LaneStamp& stamp,
                                         bool force_idr) {
  auto coded = encoder_->encode(*picture.frame(), force_idr);
  if (!coded.ok()) return std::move(coded).error();
  since_idr_ = coded->keyframe ? 0 : since_idr_ + 1;
  return make_unit(coded->payload.bytes(), {coded->nals.begin(), coded->nals.size()}, coded->keyframe, source, stamp);
}

Status MaskedEncoder::spend_idr(const FilledFrame& picture) {
  auto coded = encoder_->encode(*picture.frame(), true);
  if (!coded.ok()) return std::move(coded).error();
  return {};
}

Result<MaskedUnit> MaskedEncoder::repeat(const FilledFrame& picture, const AccessUnit& source, const LaneStamp& stamp) {
  if (!skip_) return encode(picture, source, stamp, false);
  ++since_idr_;
  skipped_.clear();
  skip_->append(since_idr_, skipped_);
  const NalSpan whole{0, static_cast<uint32_t>(skipped_.size())};
  return make_unit(skipped_, {&whole, 1}, false, source, stamp);
}

}  // namespace vigie::mask
