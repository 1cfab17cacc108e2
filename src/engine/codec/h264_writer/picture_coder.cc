#include "codec/h264_writer/picture_coder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace vigie::codec::h264_writer {
namespace {

constexpr uint32_t kIntraInP = 5;   // where intra types of mb_type begin in P slices
constexpr uint32_t kRawType = 25;   // I_PCM
constexpr size_t kMostBits = 3200;  // of a macroblock (A.3.1); raw samples take less
constexpr size_t kReserved = 4096;  // bytes, more than a macroblock can take before it is given up

// The sum of absolute differences of 8 x 8 samples that is not worth a look at its coefficients, where the quantiser's step
// doubles with each six: a mean of about a quarter of a step.
constexpr double kSmall = 10;
constexpr uint32_t kFarShare = 4;  // of that sum, what a single sample may be off by
// Of a macroblock, in such sums: from here on motion is searched for; from there on nobody looks whether it could be skipped.
constexpr uint32_t kWorthASearch = 2, kHopeless = 64;
constexpr int kSteps = 16;

// Table 9-4: codeNum of coded_block_pattern of an Inter macroblock.
constexpr std::array<uint8_t, 48> kInterPattern = [] {
  constexpr std::array<uint8_t, 48> kByNumber{0,  16, 1,  2,  4,  8,  32, 3,  5,  10, 12, 15, 47, 7,  11, 13,
                                              14, 6,  9,  31, 35, 37, 42, 44, 33, 34, 36, 40, 39, 43, 45, 46,
                                              17, 18, 20, 24, 19, 21, 26, 28, 23, 27, 29, 30, 22, 25, 38, 41};
  std::array<uint8_t, 48> numbers{};
  for (uint8_t i = 0; i < 48; ++i) numbers[kByNumber[i]] = i;
  return numbers;
}();

constexpr size_t side_of(size_t plane) { return plane == 0 ? 16 : 8; }

}  // namespace

CodedPlanes::CodedPlanes(uint32_t across, uint32_t down)
    : samples{std::vector<uint8_t>(size_t{across} * down * 256), std::vector<uint8_t>(size_t{across} * down * 64),
              std::vector<uint8_t>(size_t{across} * down * 64)},
      stride{size_t{across} * 16, size_t{across} * 8, size_t{across} * 8} {}

PictureCoder::PictureCoder(uint32_t across, uint32_t down)
    : across_(across),
      down_(down),
      planes_{CodedPlanes(across, down), CodedPlanes(across, down)},
      planes_differ_(size_t{across} * down, 1),
      motion_(across, down),
      counts_(across, down),
      quantisers_(Quantiser::kFinest) {}

void PictureCoder::code(const Frame& frame, bool intra, int qp, BitPacker& packer) {
  intra_ = intra;
  quantisers_ = Quantisers(qp);
  small_ = static_cast<uint32_t>(kSmall * std::exp2(qp / 6.0));
  packer_ = &packer;
  newest_ ^= 1;
  run_ = 0;
  Place place;
  for (place.y = 0; place.y < down_; ++place.y) {
    for (place.x = 0; place.x < across_; ++place.x) {
      packer.reserve(kReserved);
      take_source(frame, place);
      if (intra) {
        uint32_t difference = 0;
        const LumaMode mode = choose_luma(place, difference);
        code_intra(place, mode);
      } else {
        code_inter(place);
      }
    }
  }
  if (run_ > 0) packer.ue(run_);
}

// At the right and lower edges a macroblock may reach beyond the frame: its last samples are repeated there.
void PictureCoder::take_source(const Frame& frame, Place& place) {
  const bool whole = (place.x + 1) * 16 <= frame.format.width && (place.y + 1) * 16 <= frame.format.height;
  for (size_t plane = 0; plane < 3; ++plane) {
    const auto side = static_cast<uint32_t>(side_of(plane));
    const uint32_t left = place.x * side, top = place.y * side;
    if (whole) {
      place.source[plane] = {frame.row(plane, top) + left, frame.stride[plane]};
      continue;
    }
    uint8_t* out = plane == 0 ? edge_luma_.data() : edge_chroma_[plane - 1].data();
    place.source[plane] = {out, side};
    for (uint32_t y = 0; y < side; ++y, out += side) {
      const uint8_t* row = frame.row(plane, std::min(top + y, frame.plane_height(plane) - 1));
      for (uint32_t x = 0; x < side; ++x) out[x] = row[std::min(left + x, frame.plane_width(plane) - 1)];
    }
  }
}

void PictureCoder::code_inter(Place& place) {
  Search search = search_of(place);
  const Vector of_skipped = motion_.of_skipped(place.x, place.y, search.expected);
  Found best;
  bool taken = false;  // residual_ is that of of_skipped
  if (search.inside(of_skipped)) {
    const Difference off = difference_16x16(place.source[0], search.at(of_skipped));
    best = {of_skipped, off.sum, off.sum};
    predict_from_before(place, of_skipped);
    if (is_small(place, off.worst)) return skip(place, of_skipped);
    if (off.sum < kHopeless * small_) {
      residual_.take_luma(place.source[0], place.prediction[0], quantisers_.luma, false);
      taken = true;
      if (residual_.luma_groups() == 0) {
        residual_.take_chroma(place.source, place.prediction, quantisers_.chroma);
        if (residual_.pattern() == 0) return skip(place, of_skipped);
      }
    }
  }
  if (best.difference > kWorthASearch * small_) {
    for (const Vector& vector : motion_.likely(place.x, place.y)) try_vector(search, vector, small_ / 64, best);
    try_vector(search, search.expected, small_ / 64, best);
    refine(search, small_ / 64, kSteps, best);
    uint32_t difference = 0;
    const LumaMode mode = choose_luma(place, difference);
    if (difference < best.difference) return code_intra(place, mode);
  }
  if (!taken || best.vector != of_skipped) {
    predict_from_before(place, best.vector);
    residual_.take_luma(place.source[0], place.prediction[0], quantisers_.luma, false);
  }
  residual_.take_chroma(place.source, place.prediction, quantisers_.chroma);
  if (residual_.pattern() == 0 && best.vector == of_skipped) return skip(place, of_skipped);
  begin_macroblock();
  const BitPacker::Mark start = packer_->mark();
  packer_->ue(0);  // mb_type P_L0_16x16
  packer_->se((best.vector.x - search.expected.x) * 4);
  packer_->se((best.vector.y - search.expected.y) * 4);
  packer_->ue(kInterPattern[residual_.pattern()]);
  if (residual_.pattern() != 0) packer_->se(0);  // mb_qp_delta
  motion_.set(place.x, place.y, best.vector);
  residual_.write(*packer_, counts_, place.x, place.y);
  if (!too_long(place, start)) rebuild(place);
}

// choose_luma's prediction is taken.
void PictureCoder::code_intra(Place& place, LumaMode mode) {
  const ChromaMode chroma = choose_chroma(place);
  place.prediction = {Samples{luma_prediction_.data(), 16}, Samples{chroma_prediction_[0].data(), 8},
                      Samples{chroma_prediction_[1].data(), 8}};
  residual_.take_luma(place.source[0], place.prediction[0], quantisers_.luma, true);
  residual_.take_chroma(place.source, place.prediction, quantisers_.chroma);
  motion_.set_intra(place.x, place.y);
  begin_macroblock();
  const BitPacker::Mark start = packer_->mark();
  packer_->ue((intra_ ? 0 : kIntraInP) + 1 + static_cast<uint32_t>(mode) + 4 * residual_.chroma_kind() +
              (residual_.luma_groups() != 0 ? 12 : 0));
  packer_->ue(static_cast<uint32_t>(chroma));
  packer_->se(0);  // mb_qp_delta
  residual_.write(*packer_, counts_, place.x, place.y);
  if (!too_long(place, start)) rebuild(place);
}

bool PictureCoder::too_long(const Place& place, const BitPacker::Mark& start) {
  if (packer_->bit_count() - start.bit_count() <= kMostBits) return false;
  packer_->back_to(start);
  code_raw(place);
  return true;
}

void PictureCoder::code_raw(const Place& place) {
  motion_.set_intra(place.x, place.y);
  planes_differ(place) = 1;
  packer_->ue((intra_ ? 0 : kIntraInP) + kRawType);
  packer_->align_with_zeros();
  CodedPlanes& made = planes_[newest_];
  for (size_t plane = 0; plane < 3; ++plane) {
    const size_t side = side_of(plane);
    for (size_t y = 0; y < side; ++y) {
      const uint8_t* row = place.source[plane].at + y * place.source[plane].stride;
      packer_->raw({row, side});
      std::memcpy(made.at(plane, place.x * side, place.y * side + y), row, side);
    }
  }
  LevelCounts::Macroblock& counts = counts_.at(place.x, place.y);
  counts.luma.fill(16);
  for (auto& plane : counts.chroma) plane.fill(16);
}

// The prediction is the picture.
void PictureCoder::skip(const Place& place, Vector vector) {
  ++run_;
  motion_.set(place.x, place.y, vector);
  counts_.at(place.x, place.y) = {};
  uint8_t& differs = planes_differ(place);
  const bool stays = vector == Vector{};
  // Most macroblocks of most pictures: what was made before the last picture is still there, and the same.
  if (stays && differs == 0) return;
  differs = stays ? 0 : 1;
  CodedPlanes& made = planes_[newest_];
  copy_16x16(place.prediction[0], made.at(0, place.x * 16, place.y * 16), made.stride[0]);
  for (size_t plane = 1; plane < 3; ++plane) {
    copy_8x8(place.prediction[plane], made.at(plane, place.x * 8, place.y * 8), made.stride[plane]);
  }
}

void PictureCoder::begin_macroblock() {
  if (!intra_) packer_->ue(std::exchange(run_, 0));
}

void PictureCoder::rebuild(const Place& place) {
  planes_differ(place) = 1;
  CodedPlanes& made = planes_[newest_];
  residual_.rebuild(place.prediction, quantisers_,
                    {made.at(0, place.x * 16, place.y * 16), made.at(1, place.x * 8, place.y * 8),
                     made.at(2, place.x * 8, place.y * 8)},
                    made.stride);
}

// Of the mode that is least off, whose prediction is left in luma_prediction_.
LumaMode PictureCoder::choose_luma(const Place& place, uint32_t& difference) {
  LumaMode best = LumaMode::dc;
  difference = UINT32_MAX;
  for (const LumaMode mode : {LumaMode::dc, LumaMode::vertical, LumaMode::horizontal}) {
    if (!predict_16x16(beside(place, 0), mode, tried_.data())) continue;
    const uint32_t off = difference_16x16(place.source[0], {tried_.data(), 16}).sum;
    if (off >= difference) continue;
    difference = off;
    best = mode;
    std::swap(tried_, luma_prediction_);
  }
  return best;
}

// Its prediction is left in chroma_prediction_.
ChromaMode PictureCoder::choose_chroma(const Place& place) {
  ChromaMode best = ChromaMode::dc;
  uint32_t least = UINT32_MAX;
  for (const ChromaMode mode : {ChromaMode::dc, ChromaMode::horizontal, ChromaMode::vertical}) {
    uint32_t off = 0;
    bool possible = true;
    for (size_t plane = 1; plane < 3 && possible; ++plane) {
      possible = predict_8x8(beside(place, plane), mode, tried_.data());
      if (possible) off += difference_8x8(place.source[plane], {tried_.data(), 8});
    }
    if (!possible || off >= least) continue;
    least = off;
    best = mode;
  }
  for (size_t plane = 1; plane < 3; ++plane) {
    predict_8x8(beside(place, plane), best, chroma_prediction_[plane - 1].data());
  }
  return best;
}

bool PictureCoder::is_small(const Place& place, uint32_t worst_of_luma) const {
  if (worst_of_luma >= small_ || difference_8x8(place.source[1], place.prediction[1]) >= small_ ||
      difference_8x8(place.source[2], place.prediction[2]) >= small_) {
    return false;
  }
  // Small in the sum, and yet there may be a lamp in it.
  const auto most = static_cast<uint8_t>(std::min(small_ / kFarShare, 255U));
  return !any_far(place.source[0], place.prediction[0], 16, most) &&
         !any_far(place.source[1], place.prediction[1], 8, most) &&
         !any_far(place.source[2], place.prediction[2], 8, most);
}

void PictureCoder::predict_from_before(Place& place, Vector vector) {
  const CodedPlanes& before = planes_[newest_ ^ 1];
  const size_t x = place.x * 16 + static_cast<size_t>(vector.x), y = place.y * 16 + static_cast<size_t>(vector.y);
  place.prediction[0] = {before.at(0, x, y), before.stride[0]};
  const bool across = x % 2 != 0, down = y % 2 != 0;
  for (size_t plane = 1; plane < 3; ++plane) {
    place.prediction[plane] = {before.at(plane, x / 2, y / 2), before.stride[plane]};
    if (!across && !down) continue;
    uint8_t* out = chroma_prediction_[plane - 1].data();
    halfway_8x8(place.prediction[plane], across, down, out);
    place.prediction[plane] = {out, 8};
  }
}

Search PictureCoder::search_of(const Place& place) const {
  const CodedPlanes& before = planes_[newest_ ^ 1];
  return {.source = place.source[0],
          .reference = before.at(0, 0, 0),
          .stride = before.stride[0],
          .x = static_cast<int>(place.x) * 16,
          .y = static_cast<int>(place.y) * 16,
          .width = static_cast<int>(across_) * 16,
          .height = static_cast<int>(down_) * 16,
          .expected = motion_.expected(place.x, place.y)};
}

Beside PictureCoder::beside(const Place& place, size_t plane) const {
  const size_t side = side_of(plane);
  const CodedPlanes& made = planes_[newest_];
  return {{made.at(plane, place.x * side, place.y * side), made.stride[plane]}, place.y > 0, place.x > 0};
}

}  // namespace vigie::codec::h264_writer
