#include "rtp/h265_sps.h"

#include <algorithm>

#include "rtp/rbsp.h"

namespace vigie::rtp {
namespace {

constexpr uint32_t kMaxSide = 16384;

// profile_tier_level(1, max_sub_layers_minus1), 7.3.3.
void read_profile_tier_level(BitReader& r, unsigned sub_layers_minus1, H265Sps& sps) {
  r.skip(3);  // general_profile_space, general_tier_flag
  sps.profile_idc = static_cast<uint8_t>(r.bits(5));
  r.skip(32 + 48);  // compatibility, constraint and reserved flags
  sps.level_idc = static_cast<uint8_t>(r.bits(8));
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
  read_profile_tier_level(r, sub_layers_minus1, sps);
  sps.id = r.ue();
  if (sps.id > 15) return std::nullopt;
  const uint32_t chroma_format = r.ue();
  if (chroma_format > 3) return std::nullopt;
  sps.chroma_format_idc = static_cast<uint8_t>(chroma_format);
  const bool separate_planes = chroma_format == 3 && r.flag();
  const uint64_t width = r.ue();
  const uint64_t height = r.ue();
  uint64_t crop_x = 0, crop_y = 0;
  if (r.flag()) {
    const uint64_t left = r.ue(), right = r.ue(), top = r.ue(), bottom = r.ue();
    const bool subsampled_x = !separate_planes && (chroma_format == 1 || chroma_format == 2);
    const bool subsampled_y = !separate_planes && chroma_format == 1;
    crop_x = (left + right) * (subsampled_x ? 2 : 1);
    crop_y = (top + bottom) * (subsampled_y ? 2 : 1);
  }
  if (r.failed() || width > kMaxSide || height > kMaxSide || crop_x >= width || crop_y >= height) return std::nullopt;
  sps.width = static_cast<uint32_t>(width - crop_x);
  sps.height = static_cast<uint32_t>(height - crop_y);
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
