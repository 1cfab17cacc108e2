#include "mask/source_check.h"

#include <utility>

namespace vigie::mask {

SourceCheck::SourceCheck(const Clock& clock, codec::FramePool& frames, std::vector<policy::MaskRegion> regions,
                         uint64_t epoch, Nanos life)
    : clock_(clock), frames_(frames), opaque_(std::move(regions)), epoch_(epoch), life_(life) {}

SourceCheck::~SourceCheck() = default;

SourceVerdict SourceCheck::look(const AccessUnit& keyframe) {
  const MonoTime began = clock_.now_mono();
  following_ = false;
  looking_ = true;
  const Status decoded = decode(keyframe, true);
  if (decoder_) decoder_->flush();
  if (fault_.empty() && !decoded.ok()) {
    fault_ = "the camera's own mask cannot be checked: " + decoded.error().text();
  } else if (fault_.empty() && seen_ == 0) {
    fault_ = "the camera's own mask cannot be checked: a keyframe without a picture";
  }
  ++counters_.keyframes;
  counters_.time += clock_.now_mono() - began;
  SourceVerdict verdict;
  if (std::exchange(scene_seen_, false)) verdict.scene = scene_.report();
  if (fault_.empty()) {
    verdict.proof = SourceProof(epoch_, keyframe.pts, keyframe.last_arrival + life_);
  } else {
    ++counters_.faults;
    verdict.fault = std::exchange(fault_, {});
  }
  return verdict;
}

// Decoded a second time, because the first left nothing behind to go on from: decoders hold pictures back until they are
// drained, and a verdict shall not wait for that.
void SourceCheck::begin_group(const AccessUnit& keyframe) {
  const MonoTime began = clock_.now_mono();
  looking_ = false;
  following_ = decode(keyframe, false).ok();
  looking_ = true;
  counters_.time += clock_.now_mono() - began;
}

SourceVerdict SourceCheck::follow(const AccessUnit& unit) {
  if (!following_) return {};
  const MonoTime began = clock_.now_mono();
  following_ = decode(unit, false).ok();
  counters_.time += clock_.now_mono() - began;
  if (fault_.empty()) return {};
  ++counters_.faults;
  following_ = false;
  SourceVerdict verdict;
  verdict.fault = std::exchange(fault_, {});
  return verdict;
}

Status SourceCheck::decode(const AccessUnit& unit, bool drain) {
  fault_.clear();
  seen_ = 0;
  if (!unit.parameter_sets) return make_error(Code::parameter_sets, "source check", "none are known");
  const uint64_t sets = unit.parameter_sets->revision;
  if (!decoder_ || decoder_codec_ != unit.codec || decoder_sets_ != sets) {
    auto made = codec::Decoder::make(unit.codec, unit.parameter_sets);
    if (!made.ok()) {
      decoder_.reset();
      return std::move(made).error();
    }
    decoder_ = std::move(made).value();
    decoder_codec_ = unit.codec;
    decoder_sets_ = sets;
  }
  unit_ = &unit;
  Status status = decoder_->decode(unit, 0, *this);
  if (status.ok() && drain) status = decoder_->drain(*this);
  unit_ = nullptr;
  return status;
}

void SourceCheck::on_picture(const codec::DecodedPicture& picture) {
  if (!looking_) return;
  ++seen_;
  ++counters_.pictures;
  if (fault_.empty()) judge(picture);
}

void SourceCheck::judge(const codec::DecodedPicture& picture) {
  // Damage on the way shows what the camera has masked all the same; only a keyframe must be whole, to prove anything.
  if (picture.corrupt) {
    if (!following_) fault_ = "the camera's own mask cannot be checked: the decoder found damage";
    return;
  }
  const Ref<Frame> frame = frames_.make(picture.format);
  if (Status copied = picture.copy_to(*frame); !copied.ok()) {
    fault_ = "the camera's own mask cannot be checked: " + copied.error().text();
    return;
  }
  const PictureSituation situation = situation_of(picture, *unit_);
  if (auto fault = opaque_.fault(*frame, situation)) fault_ = std::move(*fault);
  if (!following_ && scene_.due(*unit_)) {
    scene_.look(*frame, situation, unit_->pts);
    scene_seen_ = true;
  }
  if (fault_.empty() && scene_.covers()) fault_ = kCameraMoved;
}

}  // namespace vigie::mask
