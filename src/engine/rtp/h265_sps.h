#pragma once
// H.265 sequence parameter set, as far as the engine needs it (H.265 7.3.2.2).
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "media/picture_facts.h"

namespace vigie::rtp {

struct H265Sps {
  uint32_t id = 0;
  uint32_t vps_id = 0;
  uint32_t width = 0;  // inside the conformance window, luma samples
  uint32_t height = 0;
  PictureFacts picture;
};

// Reads a whole SPS NAL unit (two-byte header included, emulation prevention still in). What lies behind the conformance
// window and makes no sense counts as absent: the size does not hang on it.
// Errors: none when truncated, a value out of range, or cropped to nothing.
std::optional<H265Sps> parse_h265_sps(ByteSpan nal);
std::optional<uint32_t> h265_vps_id(ByteSpan nal);
std::optional<uint32_t> h265_pps_id(ByteSpan nal);

}  // namespace vigie::rtp
