#include "mask/lane_version.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "mask/card.h"

namespace vigie::mask {
namespace {

constexpr Ticks90k kSecond{90000};
// The source's keyframes are followed where they are at least this far apart; an all-intra source would make every
// picture of ours an IDR picture, at ten times the bits.
constexpr Ticks90k kShortestGop = kSecond;
constexpr Ticks90k kLongestGop = 10 * kSecond;
constexpr uint32_t kLeastBitsPerSecond = 256'000;
constexpr size_t kCardLines = 4;
constexpr double kOtherFps = 1.25;
// SSIM of luma to be kept (L-15 asks for 0.97). Above the 0.98 that is promised, for that is a mean over whole GOPs, and
// their first pictures lose more than the one that is measured.
constexpr double kLikeness = 0.982;

// 4 Mbit/s at 1080p25.
uint32_t usual_bits_per_second(const FrameFormat& format, double fps) {
  const double bits = 4e6 * (static_cast<double>(format.width) * format.height / (1920.0 * 1080.0)) * (fps / 25.0);
  return std::max(kLeastBitsPerSecond, static_cast<uint32_t>(bits));
}

// "2026-11-26 16:04:05 UTC"
std::string utc_seconds(WallTime time) {
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), length};
}

// Decoded pictures of a camera that masks itself are filled here all the same; coded ones leave without a lane.
bool hides_places(PrivacyState state) {
  return state == PrivacyState::masked || state == PrivacyState::masked_at_source;
}

Ticks90k shown_at(const AccessUnit& unit) { return unit.pts + unit.presentation_offset; }

void set_times(Frame& frame, const AccessUnit& unit) {
  frame.pts = shown_at(unit);
  frame.clock_quality = unit.clock_quality;
  frame.capture_time = unit.capture_time;
  frame.last_arrival = unit.last_arrival;
  frame.arrival_wall = unit.arrival_wall;
}

}  // namespace

void SourceRate::add(const AccessUnit& unit) {
  if (!began_ || unit.pts < *began_) {
    began_ = unit.pts;
    units_ = bytes_ = 0;
    return;
  }
  ++units_;
  bytes_ += unit.payload.size();
  const auto past = static_cast<double>((unit.pts - *began_).count()) / 90000.0;  // seconds
  if (past <= 0) return;
  // Of the first few units alone, then of whole windows: what one window's jitter does is gone with the next. A window ends
  // with a keyframe, so that each has its share of those.
  const bool whole = past >= kWindow && (unit.keyframe || past >= kLongestWindow);
  if (!measured_ || whole) {
    units_per_second_ = std::clamp(static_cast<double>(units_) / past, kSlowest, kFastest);
  }
  if (!whole) return;
  bits_per_second_ = static_cast<uint32_t>(std::min(static_cast<double>(bytes_) * 8.0 / past, 1e9));
  measured_ = true;
  began_ = unit.pts;
  units_ = bytes_ = 0;
}

void LaneVersion::set(LaneOrder order) {
  const bool other = !order_.decision || order.epoch != order_.epoch;
  if (!order.units) sleep();
  if (order.units && !order_.units) force_idr_ = true;
  order_ = std::move(order);
  card_frame_at_.reset();  // whoever has just come to take frames has not seen the card
  if (!other) return;
  shape_.reset();
  if (hides_places(order_.decision->state)) shape_.emplace(*order_.decision);
  state_ = PrivacyState::withheld;
  reason_.clear();
  card_.reset();
  force_idr_ = true;
}

void LaneVersion::sleep() {
  encoder_.reset();
  force_idr_ = true;
}

void LaneVersion::enter(PrivacyState state, std::string_view reason, Turn& turn) {
  if (state_ == state && reason_ == reason) return;
  state_ = state;
  reason_ = reason;
  card_.reset();
  stamp_ = {provenance_of(*order_.decision, state, reason), order_.epoch};
  force_idr_ = true;
  turn.results.on_lane_state(id_, order_.epoch, state, reason);
}

// The one copy of a decoded picture.
Result<Ref<Frame>> LaneVersion::copy(const codec::DecodedPicture& picture, const AccessUnit& unit, Turn& turn) const {
  Ref<Frame> frame = turn.frames.make(picture.format);
  if (Status copied = picture.copy_to(*frame); !copied.ok()) return std::move(copied).error();
  set_times(*frame, unit);
  return frame;
}

Result<FilledFrame> LaneVersion::filled(const codec::DecodedPicture& picture, const AccessUnit& unit,
                                        std::span<const Layer> layers, Turn& turn) const {
  const MonoTime began = turn.clock.now_mono();
  auto frame = copy(picture, unit, turn);
  if (!frame.ok()) return std::move(frame).error();
  auto filled = Painter::fill(std::move(frame).value(), layers, any_revision());
  turn.mask_time += turn.clock.now_mono() - began;
  return filled;
}

uint64_t LaneVersion::any_revision() const {
  return std::max(order_.decision->mask_revision, order_.decision->version_revision);
}

void LaneVersion::show(const codec::DecodedPicture& picture, const AccessUnit& unit, const PoseHistory& poses,
                       Turn& turn) {
  if (!order_.decision || !wanted()) return;
  format_ = picture.format;
  const PrivacyDecision& decision = *order_.decision;
  switch (decision.state) {
    case PrivacyState::withheld: return;
    case PrivacyState::covered: return cover(decision.reason, unit, turn);
    case PrivacyState::clear_by_decision:
      if (!order_.frames) return;
      if (auto frame = copy(picture, unit, turn); frame.ok()) {
        turn.results.on_clear_frame(id_, order_.epoch, std::move(frame).value());
      }
      return;
    case PrivacyState::masked:
    case PrivacyState::masked_at_source: break;
  }
  if (!turn.doubt.empty()) return cover(turn.doubt, unit, turn);
  const MonoTime began = turn.clock.now_mono();
  const MaskShape::Answer answer = shape_->look(situation_of(picture, unit), &poses);
  turn.mask_time += turn.clock.now_mono() - began;
  if (answer.whole_picture) return cover(answer.reason, unit, turn);
  const Result<FilledFrame> frame = filled(picture, unit, answer.layers, turn);
  if (!frame.ok()) return cover("the picture cannot be masked: " + frame.error().text(), unit, turn);
  enter(PrivacyState::masked, "", turn);
  if (answer.changed) force_idr_ = true;
  give_frame(*frame, turn);
  give_unit(*frame, unit, turn);
}

void LaneVersion::give_frame(const FilledFrame& picture, Turn& turn) {
  if (order_.frames) turn.results.on_lane_frame(id_, {picture, stamp_.provenance, stamp_.epoch});
}

void LaneVersion::give_unit(const FilledFrame& picture, const AccessUnit& unit, Turn& turn) {
  if (!order_.units) return;
  if (Status coded = code(picture, unit, turn); !coded.ok()) {
    // Without an encoder there is no way to tell viewers anything: they get nothing.
    turn.results.on_lane_state(id_, order_.epoch, PrivacyState::withheld, coded.error().text());
    sleep();
  }
}

bool LaneVersion::idr_due(const AccessUnit& unit) const {
  if (force_idr_ || !last_idr_) return true;
  const Ticks90k since = shown_at(unit) - *last_idr_;
  return since < Ticks90k{0} || since >= kLongestGop || (unit.keyframe && since >= kShortestGop);
}

// Makes the encoder where there is none that fits the picture and the source's rate.
Status LaneVersion::fit_encoder(const FilledFrame& picture, const AccessUnit& unit, Turn& turn) {
  const FrameFormat& format = picture.frame()->format;
  const double fps = turn.rate.units_per_second();
  // Never more than the source, once it is known what that is (0: not yet). MJPEG says nothing of what H.264 needs.
  const uint32_t measured =
      unit.codec == Codec::mjpeg ? usual_bits_per_second(format, fps) : turn.rate.bits_per_second();
  const uint32_t cap = measured != 0 ? std::max(measured, kLeastBitsPerSecond) : 0;
  // The rate of pictures stands in the SPS.
  const bool other_fps = fps > encoder_fps_ * kOtherFps || fps * kOtherFps < encoder_fps_;
  if (encoder_ && encoder_->format() == format && !(other_fps && idr_due(unit))) {
    encoder_->set_bitrate_cap(cap);
    return {};
  }
  codec::EncoderOptions options;
  options.encoder = turn.encoder;
  options.format = format;
  options.fps = fps;
  options.gop_units = static_cast<uint32_t>(fps * static_cast<double>(kLongestGop.count()) / 90000.0) + 1;
  options.bitrate_cap_bps = cap;
  options.likeness = kLikeness;
  auto made = MaskedEncoder::make(options);
  if (!made.ok()) return std::move(made).error();
  encoder_ = std::move(made).value();
  encoder_fps_ = fps;
  force_idr_ = true;
  // Encoders number their IDR pictures from 0, and two that follow one another must differ (7.4.3, idr_pic_id).
  const bool collides = last_was_idr_ && idr_pictures_ % 2 == 1;
  idr_pictures_ = 0;
  if (!collides) return {};
  idr_pictures_ = 1;
  return encoder_->spend_idr(picture);
}

Status LaneVersion::code(const FilledFrame& picture, const AccessUnit& unit, Turn& turn) {
  const MonoTime began = turn.clock.now_mono();
  if (Status fits = fit_encoder(picture, unit, turn); !fits.ok()) return fits;
  const bool idr = idr_due(unit);
  const bool repeats = !idr && card_ && picture.frame() == card_->frame();
  auto coded = repeats ? encoder_->repeat(picture, unit, stamp_) : encoder_->encode(picture, unit, stamp_, idr);
  turn.encode_time += turn.clock.now_mono() - began;
  if (!coded.ok()) return std::move(coded).error();
  last_was_idr_ = coded->unit()->keyframe;
  if (last_was_idr_) {
    ++idr_pictures_;
    last_idr_ = shown_at(unit);
  }
  force_idr_ = false;
  ++turn.coded;
  turn.coded_pixels += uint64_t{picture.frame()->format.width} * picture.frame()->format.height;
  turn.results.on_lane_unit(id_, std::move(coded).value());
  return {};
}

Result<FilledFrame> LaneVersion::make_card(std::string_view reason, const FrameFormat& format, const AccessUnit& unit,
                                           Turn& turn) const {
  Ref<Frame> frame = turn.frames.make(format);
  set_times(*frame, unit);
  const std::string since = "since " + utc_seconds(unit.arrival_wall);
  const std::array<std::string_view, kCardLines> lines{order_.decision->title, "PICTURE COVERED", reason, since};
  return Painter::cover(std::move(frame), lines, any_revision());
}

void LaneVersion::cover(std::string_view reason, const AccessUnit& unit, Turn& turn) {
  if (!order_.decision || !wanted()) return;
  const PrivacyState decided = order_.decision->state;
  if (!hides_places(decided) && decided != PrivacyState::covered) return;
  if (decided == PrivacyState::covered) reason = order_.decision->reason;
  if (!format_ && unit.parameter_sets) {
    FrameFormat format;
    format.width = unit.parameter_sets->width & ~1U;
    format.height = unit.parameter_sets->height & ~1U;
    if (format.width != 0 && format.height != 0) format_ = format;
  }
  if (!format_) return;
  enter(PrivacyState::covered, reason, turn);
  if (!card_ || card_->frame()->format != *format_) {
    auto card = make_card(reason, *format_, unit, turn);
    if (!card.ok()) return;
    card_ = std::move(card).value();
    card_frame_at_.reset();
    force_idr_ = true;
  }
  // A picture that stands still: whoever takes frames needs no more than a sign of life.
  if (!card_frame_at_ || shown_at(unit) - *card_frame_at_ >= kSecond) {
    card_frame_at_ = shown_at(unit);
    give_frame(*card_, turn);
  }
  give_unit(*card_, unit, turn);
}

}  // namespace vigie::mask
