#include "rtp/h264_sps.h"

#include <algorithm>

#include "base/rbsp.h"
#include "rtp/vui.h"

namespace vigie::rtp {
namespace {

constexpr uint32_t kMaxSide = 16384;
constexpr uint32_t kMaxDpbFrames = 16;
constexpr uint8_t kBaseline = 66;

// 7.3.2.1.1.1; the values are not needed.
void skip_scaling_list(BitReader& r, unsigned entries) {
  int32_t last = 8, next = 8;
  for (unsigned i = 0; i < entries && !r.failed(); ++i) {
    if (next != 0) next = static_cast<int32_t>((int64_t{last} + r.se() + 256) % 256);
    last = next == 0 ? last : next;
  }
}

bool has_chroma_format(uint8_t profile) {
  constexpr uint8_t kProfiles[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
  return std::find(std::begin(kProfiles), std::end(kProfiles), profile) != std::end(kProfiles);
}

// E.1.2
void skip_hrd(BitReader& r) {
  const uint32_t count = r.ue();
  r.skip(8);
  for (uint32_t i = 0; i <= count && i < 32 && !r.failed(); ++i) {
    r.ue();
    r.ue();
    r.flag();
  }
  r.skip(20);
}

// E.1.1
void read_vui(BitReader& r, PictureFacts& picture) {
  read_vui_head(r, picture);
  if (read_vui_timing(r, picture, 2)) r.flag();  // fixed_frame_rate_flag
  const bool nal_hrd = r.flag();
  if (nal_hrd) skip_hrd(r);
  const bool vcl_hrd = r.flag();
  if (vcl_hrd) skip_hrd(r);
  if (nal_hrd || vcl_hrd) r.flag();
  r.flag();  // pic_struct_present_flag
  if (!r.flag()) return;
  r.flag();
  for (int i = 0; i < 4; ++i) r.ue();
  const uint32_t reordered = r.ue();
  r.ue();  // max_dec_frame_buffering
  if (reordered <= kMaxDpbFrames) picture.reordered_pictures = reordered;
}

// What stands behind the VUI and the trailing bits.
size_t count_stray_bytes(BitReader& r) {
  if (r.failed() || !r.flag()) return 0;  // rbsp_stop_one_bit
  return r.failed() ? 0 : r.remaining_bits() / 8;
}

}  // namespace

std::optional<H264Sps> parse_h264_sps(ByteSpan nal) {
  if (nal.size() < 5) return std::nullopt;
  const Rbsp rbsp(nal, 1);
  BitReader r(rbsp.bytes());
  H264Sps sps;
  PictureFacts& picture = sps.picture;
  picture.profile_idc = static_cast<uint8_t>(r.bits(8));
  r.skip(8);  // constraint flags
  picture.level_idc = static_cast<uint8_t>(r.bits(8));
  sps.id = r.ue();
  if (sps.id > 31) return std::nullopt;
  uint32_t chroma_format = 1;
  if (has_chroma_format(picture.profile_idc)) {
    chroma_format = r.ue();
    if (chroma_format > 3) return std::nullopt;
    if (chroma_format == 3) picture.separate_planes = r.flag();
    const uint32_t luma = r.ue(), chroma = r.ue();
    if (luma > 6 || chroma > 6) return std::nullopt;
    picture.bit_depth_luma = static_cast<uint8_t>(8 + luma);
    picture.bit_depth_chroma = static_cast<uint8_t>(8 + chroma);
    r.flag();
    if (r.flag()) {
      for (unsigned i = 0; i < (chroma_format == 3 ? 12U : 8U); ++i) {
        if (r.flag()) skip_scaling_list(r, i < 6 ? 16 : 64);
      }
    }
  }
  picture.chroma_format_idc = static_cast<uint8_t>(chroma_format);
  const uint32_t frame_num_bits = r.ue() + 4;
  if (frame_num_bits > 16) return std::nullopt;
  picture.frame_num_bits = static_cast<uint8_t>(frame_num_bits);
  const uint32_t poc_type = r.ue();
  if (poc_type == 0) {
    r.ue();
  } else if (poc_type == 1) {
    r.flag();
    r.se();
    r.se();
    const uint32_t cycle = r.ue();
    if (cycle > 255) return std::nullopt;
    for (uint32_t i = 0; i < cycle; ++i) r.se();
  } else if (poc_type != 2) {
    return std::nullopt;
  }
  r.ue();  // max_num_ref_frames
  picture.frame_num_gaps_allowed = r.flag();
  const uint64_t width_mbs = uint64_t{r.ue()} + 1;
  const uint64_t height_units = uint64_t{r.ue()} + 1;
  const bool frame_mbs_only = r.flag();
  picture.interlaced = !frame_mbs_only;
  if (!frame_mbs_only) r.flag();
  r.flag();
  const uint64_t width = width_mbs * 16;
  const uint64_t height = height_units * 16 * (frame_mbs_only ? 1 : 2);
  uint64_t crop_x = 0, crop_y = 0;
  if (r.flag()) {
    const uint64_t left = r.ue(), right = r.ue(), top = r.ue(), bottom = r.ue();
    const bool subsampled_x = !picture.separate_planes && (chroma_format == 1 || chroma_format == 2);
    const bool subsampled_y = !picture.separate_planes && chroma_format == 1;
    const unsigned unit_x = subsampled_x ? 2 : 1;
    const unsigned unit_y = (subsampled_y ? 2 : 1) * (frame_mbs_only ? 1 : 2);
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
  // Neither has B pictures that could be shown before what came earlier.
  if (picture.profile_idc == kBaseline || poc_type == 2) picture.reordered_pictures = 0;
  PictureFacts with_vui = picture;
  if (r.flag()) read_vui(r, with_vui);
  if (!r.failed()) picture = with_vui;
  sps.stray_bytes = count_stray_bytes(r);
  return sps;
}

std::optional<uint32_t> h264_sps_id(ByteSpan nal) {
  if (nal.size() < 5) return std::nullopt;
  const Rbsp rbsp(nal.first(std::min<size_t>(nal.size(), 16)), 1);
  BitReader r(rbsp.bytes());
  r.skip(24);
  const uint32_t id = r.ue();
  return r.failed() || id > 31 ? std::nullopt : std::optional(id);
}

std::optional<H264Field> h264_field(ByteSpan slice, const H264Sps& sps) {
  if (!sps.picture.interlaced || slice.size() < 2) return std::nullopt;
  const Rbsp rbsp(slice.first(std::min<size_t>(slice.size(), 24)), 1);
  BitReader r(rbsp.bytes());
  r.ue();  // first_mb_in_slice
  r.ue();  // slice_type
  r.ue();  // pic_parameter_set_id
  if (sps.picture.separate_planes) r.skip(2);
  H264Field field;
  field.frame_num = static_cast<uint32_t>(r.bits(sps.picture.frame_num_bits));
  if (!r.flag()) return std::nullopt;
  field.bottom = r.flag();
  return r.failed() ? std::nullopt : std::optional(field);
}

std::optional<uint32_t> h264_pps_id(ByteSpan nal) {
  if (nal.size() < 2) return std::nullopt;
  const Rbsp rbsp(nal.first(std::min<size_t>(nal.size(), 16)), 1);
  BitReader r(rbsp.bytes());
  const uint32_t id = r.ue();
  return r.failed() || id > 255 ? std::nullopt : std::optional(id);
}

std::optional<uint32_t> h264_pps_sps_id(ByteSpan nal) {
  if (nal.size() < 2) return std::nullopt;
  const Rbsp rbsp(nal.first(std::min<size_t>(nal.size(), 16)), 1);
  BitReader r(rbsp.bytes());
  r.ue();  // pic_parameter_set_id
  const uint32_t id = r.ue();
  return r.failed() || id > 31 ? std::nullopt : std::optional(id);
}

}  // namespace vigie::rtp
