#include "rtp/h265_sps.h"

#include <algorithm>
#include <array>

#include "base/rbsp.h"
#include "rtp/vui.h"

namespace vigie::rtp {
namespace {

constexpr uint32_t kMaxSide = 16384;
constexpr uint32_t kMaxDpbPictures = 16;

// profile_tier_level(1, max_sub_layers_minus1), 7.3.3.
void read_profile_tier_level(BitReader& r, unsigned sub_layers_minus1, PictureFacts& picture) {
  r.skip(3);  // general_profile_space, general_tier_flag
  picture.profile_idc = static_cast<uint8_t>(r.bits(5));
  r.skip(32 + 48);  // compatibility, constraint and reserved flags
  picture.level_idc = static_cast<uint8_t>(r.bits(8));
  bool profile_present[8] = {}, level_present[8] = {};
  for (unsigned i = 0; i < sub_layers_minus1; ++i) {
    profile_present[i] = r.flag();
    level_present[i] = r.flag();
  }
  if (sub_layers_minus1 > 0) r.skip(2 * (8 - sub_layers_minus1));
  for (unsigned i = 0; i < sub_layers_minus1; ++i) {
    if (profile_present[i]) r.skip(88);
    if (level_present[i]) r.skip(8);
  }
}

// 7.3.4; the values are not needed.
void skip_scaling_lists(BitReader& r) {
  for (unsigned size = 0; size < 4; ++size) {
    for (unsigned matrix = 0; matrix < 6 && !r.failed(); matrix += size == 3 ? 3 : 1) {
      if (!r.flag()) {
        r.ue();
        continue;
      }
      if (size > 1) r.se();
      const unsigned count = std::min(64U, 1U << (4 + (size << 1)));
      for (unsigned i = 0; i < count; ++i) r.se();
    }
  }
}

// All short-term reference picture sets of an SPS (7.3.7); only how long they are matters. False: out of range.
bool skip_reference_sets(BitReader& r) {
  const uint32_t count = r.ue();
  if (count > 64) return false;
  uint32_t previous = 0;  // entries of the set before
  for (uint32_t i = 0; i < count && !r.failed(); ++i) {
    uint32_t entries = 0;
    if (i > 0 && r.flag()) {
      r.flag();
      r.ue();
      for (uint32_t j = 0; j <= previous; ++j) {
        const bool used = r.flag();
        if (used || r.flag()) ++entries;
      }
    } else {
      const uint32_t before = r.ue(), after = r.ue();
      if (before > kMaxDpbPictures || after > kMaxDpbPictures) return false;
      entries = before + after;
      for (uint32_t j = 0; j < entries; ++j) {
        r.ue();
        r.flag();
      }
    }
    if (entries > 2 * kMaxDpbPictures) return false;
    previous = entries;
  }
  return true;
}

// What lies between the conformance window and the VUI, and the VUI up to its timing. False: out of range.
bool read_tail(BitReader& r, unsigned sub_layers_minus1, PictureFacts& picture) {
  const uint32_t luma = r.ue(), chroma = r.ue();
  if (luma > 8 || chroma > 8) return false;
  picture.bit_depth_luma = static_cast<uint8_t>(8 + luma);
  picture.bit_depth_chroma = static_cast<uint8_t>(8 + chroma);
  const uint32_t poc_bits = r.ue() + 4;
  if (poc_bits > 16) return false;
  for (unsigned i = r.flag() ? 0 : sub_layers_minus1; i <= sub_layers_minus1; ++i) {
    r.ue();
    picture.reordered_pictures = r.ue();  // of the highest sub-layer, the last one read
    r.ue();
  }
  for (int i = 0; i < 6; ++i) r.ue();  // block sizes and depths
  if (r.flag() && r.flag()) skip_scaling_lists(r);
  r.skip(2);
  if (r.flag()) {  // PCM
    r.skip(8);
    r.ue();
    r.ue();
    r.flag();
  }
  if (!skip_reference_sets(r)) return false;
  if (r.flag()) {
    const uint32_t long_term = r.ue();
    if (long_term > 32) return false;
    r.skip(size_t{long_term} * (poc_bits + 1));
  }
  r.skip(2);
  if (!r.flag()) return true;
  read_vui_head(r, picture);
  r.flag();  // neutral_chroma_indication_flag
  picture.interlaced = r.flag();
  r.flag();  // frame_field_info_present_flag
  if (r.flag()) {
    for (int i = 0; i < 4; ++i) r.ue();  // default display window
  }
  read_vui_timing(r, picture, 1);
  return true;
}

}  // namespace

std::optional<H265Sps> parse_h265_sps(ByteSpan nal) {
  if (nal.size() < 15) return std::nullopt;
  const Rbsp rbsp(nal, 2);
  BitReader r(rbsp.bytes());
  H265Sps sps;
  sps.vps_id = r.bits(4);
  const uint32_t sub_layers_minus1 = r.bits(3);
  if (sub_layers_minus1 > 6) return std::nullopt;
  r.flag();
  PictureFacts& picture = sps.picture;
  read_profile_tier_level(r, sub_layers_minus1, picture);
  sps.id = r.ue();
  if (sps.id > 15) return std::nullopt;
  const uint32_t chroma_format = r.ue();
  if (chroma_format > 3) return std::nullopt;
  picture.chroma_format_idc = static_cast<uint8_t>(chroma_format);
  picture.separate_planes = chroma_format == 3 && r.flag();
  const uint64_t width = r.ue();
  const uint64_t height = r.ue();
  uint64_t crop_x = 0, crop_y = 0;
  if (r.flag()) {
    const uint64_t left = r.ue(), right = r.ue(), top = r.ue(), bottom = r.ue();
    const bool subsampled_x = !picture.separate_planes && (chroma_format == 1 || chroma_format == 2);
    const bool subsampled_y = !picture.separate_planes && chroma_format == 1;
    const unsigned unit_x = subsampled_x ? 2 : 1, unit_y = subsampled_y ? 2 : 1;
    crop_x = (left + right) * unit_x;
    crop_y = (top + bottom) * unit_y;
    picture.crop_left = static_cast<uint32_t>(left * unit_x);
    picture.crop_top = static_cast<uint32_t>(top * unit_y);
  }
  if (r.failed() || width > kMaxSide || height > kMaxSide || crop_x >= width || crop_y >= height) return std::nullopt;
  sps.width = static_cast<uint32_t>(width - crop_x);
  sps.height = static_cast<uint32_t>(height - crop_y);
  picture.coded_width = static_cast<uint32_t>(width);
  picture.coded_height = static_cast<uint32_t>(height);
  PictureFacts with_tail = picture;
  if (read_tail(r, sub_layers_minus1, with_tail) && !r.failed()) picture = with_tail;
  return sps;
}

std::optional<uint32_t> h265_vps_id(ByteSpan nal) {
  if (nal.size() < 3) return std::nullopt;
  return nal[2] >> 4;
}

std::optional<uint32_t> h265_pps_id(ByteSpan nal) {
  if (nal.size() < 3) return std::nullopt;
  const Rbsp rbsp(nal.first(std::min<size_t>(nal.size(), 16)), 2);
  BitReader r(rbsp.bytes());
  const uint32_t id = r.ue();
  return r.failed() || id > 63 ? std::nullopt : std::optional(id);
}

}  // namespace vigie::rtp
