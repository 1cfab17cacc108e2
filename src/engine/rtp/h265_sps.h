#pragma once
// H.265 sequence parameter set, as far as the engine needs it (H.265 7.3.2.2).
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace vigie::rtp {

struct H265Sps {
  uint32_t id = 0;
  uint32_t vps_id = 0;
  uint8_t profile_idc = 0;
  uint8_t level_idc = 0;
  uint8_t chroma_format_idc = 1;
  uint32_t width = 0;  // inside the conformance window, luma samples
  uint32_t height = 0;
};

// Reads a whole SPS NAL unit (two-byte header included, emulation prevention still in) up to the conformance window.
// Errors: none when truncated, a value out of range, or cropped to nothing.
std::optional<H265Sps> parse_h265_sps(ByteSpan nal);
std::optional<uint32_t> h265_vps_id(ByteSpan nal);
std::optional<uint32_t> h265_pps_id(ByteSpan nal);

}  // namespace vigie::rtp
