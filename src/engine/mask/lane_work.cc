#include "mask/lane_work.h"

#include <algorithm>
#include <utility>

namespace vigie::mask {

LaneWork::LaneWork(const Clock& clock, codec::FramePool& frames, LaneLimits limits)
    : clock_(clock), frames_(frames), limits_(limits) {}

LaneWork::~LaneWork() = default;

void LaneWork::order(uint32_t version, LaneOrder order) {
  versions_.try_emplace(version, version).first->second.set(std::move(order));
}

void LaneWork::discontinuity() {
  missed("the camera was connected anew");
  scene_.interrupted();
}

void LaneWork::missed(std::string_view why) {
  forget_pictures();
  broken_ = true;
  broken_reason_ = why;
  broken_since_.reset();
}

void LaneWork::forget_pictures() {
  if (decoder_) decoder_->flush();
  in_decoder_.fill(nullptr);
}

void LaneWork::sleep() {
  discontinuity();
  decoder_.reset();
  for (auto& [id, version] : versions_) version.sleep();
}

std::string_view LaneWork::encoder() const {
  for (const auto& [id, version] : versions_) {
    if (!version.encoder().empty()) return version.encoder();
  }
  return {};
}

codec::EncoderQuality LaneWork::quality() const {
  for (const auto& [id, version] : versions_) {
    if (!version.encoder().empty()) return version.quality();
  }
  return {};
}

void LaneWork::take(const Ref<const AccessUnit>& unit, bool show, LaneResults& results) {
  ++counters_.units_in;
  source_rate_.add(*unit);
  show_ = show;
  Turn turn{.clock = clock_, .frames = frames_, .rate = source_rate_, .results = results, .encoder = limits_.encoder};
  turn_ = &turn;
  if (decodable(*unit)) {
    decode(unit);
  } else {
    ++counters_.damaged_units;
  }
  if (broken_) {
    if (!broken_since_) broken_since_ = unit->pts;
    const bool late = unit->pts - *broken_since_ >= limits_.card_after;
    for (auto& [id, version] : versions_) {
      if (show && (late || version.covered_by_decision())) version.cover(broken_reason_, *unit, turn);
    }
  }
  turn_ = nullptr;
  counters_.mask_time += turn.mask_time;
  counters_.encode_time += turn.encode_time;
  counters_.coded_units += turn.coded;
  counters_.coded_pixels += turn.coded_pixels;
}

// M-4: decoders hide damage, so what is known to be missing decides, not what the decoder says. From there on nothing
// counts until a keyframe that is whole.
bool LaneWork::decodable(const AccessUnit& unit) {
  const bool jumped = unit.codec == Codec::h264 && !continuity_.follows(unit);
  const bool lost = unit.gap || unit.damaged || jumped;
  if (unit.keyframe && !unit.damaged) {
    if (lost || broken_) forget_pictures();
    broken_ = false;  // broken_since_ stays until a picture has come of it: it may not be decodable either
    return true;
  }
  if (lost && !broken_) {
    lose(unit.damaged ? "parts of a picture are missing" : "pictures are missing", unit);
  }
  return !broken_;
}

void LaneWork::lose(std::string_view reason, const AccessUnit& unit) {
  const Ticks90k since = broken_since_.value_or(unit.pts);
  missed(reason);
  broken_since_ = since;
}

void LaneWork::decode(const Ref<const AccessUnit>& unit) {
  const MonoTime began = clock_.now_mono();
  shown_time_ = Nanos{0};
  const bool other_sets = decoder_sets_ != unit->parameter_sets && unit->keyframe &&
                          (!decoder_sets_ || decoder_sets_->revision != unit->parameter_sets->revision);
  if (!decoder_ || decoder_codec_ != unit->codec || other_sets) {
    auto made = codec::Decoder::make(unit->codec, unit->parameter_sets);
    if (!made.ok()) {
      ++counters_.decoder_faults;
      decoder_.reset();
      return lose("the pictures cannot be decoded: " + made.error().text(), *unit);
    }
    decoder_ = std::move(made).value();
    decoder_codec_ = unit->codec;
    in_decoder_.fill(nullptr);
  }
  decoder_sets_ = unit->parameter_sets;
  const uint64_t tag = next_tag_++;
  in_decoder_[tag % kInDecoder] = unit;
  corrupt_ = false;
  const Status decoded = decoder_->decode(*unit, tag, *this);
  counters_.decode_time += clock_.now_mono() - began - shown_time_;
  if (decoded.ok() && !corrupt_) return;
  ++counters_.decoder_faults;
  lose(decoded.ok() ? "the decoder found damage" : "the decoder refused a picture", *unit);
}

void LaneWork::on_picture(const codec::DecodedPicture& picture) {
  const Ref<const AccessUnit> unit = std::move(in_decoder_[picture.tag % kInDecoder]);
  in_decoder_[picture.tag % kInDecoder] = nullptr;
  corrupt_ = corrupt_ || picture.corrupt;
  if (corrupt_ || broken_ || !unit) return;
  broken_since_.reset();
  ++counters_.pictures;
  counters_.decoded_pixels += uint64_t{picture.format.width} * picture.format.height;
  const MonoTime began = clock_.now_mono();
  if (scene_.due(*unit)) look_at_scene(picture, *unit);
  turn_->doubt = scene_.covers() ? kCameraMoved : std::string_view{};
  for (auto& [id, version] : versions_) {
    if (show_) version.show(picture, *unit, poses_, *turn_);
  }
  shown_time_ += clock_.now_mono() - began;
}

// Before anything is filled; also of a picture that is not shown, so that the first one that is has been judged.
void LaneWork::look_at_scene(const codec::DecodedPicture& picture, const AccessUnit& unit) {
  const MonoTime began = clock_.now_mono();
  const Ref<Frame> frame = frames_.make(picture.format);
  if (!picture.copy_to(*frame).ok()) return;  // nor can it be filled
  scene_.look(*frame, situation_of(picture, unit), unit.pts);
  turn_->mask_time += clock_.now_mono() - began;
  turn_->results.on_scene(scene_.report());
}

}  // namespace vigie::mask
