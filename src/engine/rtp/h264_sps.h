#pragma once
// H.264 sequence parameter set, as far as the engine needs it (H.264 7.3.2.1.1, E.1.1).
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "media/picture_facts.h"

namespace vigie::rtp {

struct H264Sps {
  uint32_t id = 0;
  uint32_t width = 0;  // cropped, luma samples
  uint32_t height = 0;
  PictureFacts picture;
  size_t stray_bytes = 0;  // behind the end (G9); 0 too where the end could not be read
};

// Reads a whole SPS NAL unit (header included, emulation prevention still in). Bytes after the end are ignored (G9). A VUI
// that makes no sense counts as absent: the size does not hang on it.
// Errors: none when truncated, an id or size out of range, or cropped to nothing.
std::optional<H264Sps> parse_h264_sps(ByteSpan nal);
// Only the id, which comes before everything that can be odd; none when out of range.
std::optional<uint32_t> h264_sps_id(ByteSpan nal);
std::optional<uint32_t> h264_pps_id(ByteSpan nal);
// seq_parameter_set_id of a PPS.
std::optional<uint32_t> h264_pps_sps_id(ByteSpan nal);

// One field of a picture that is coded as two (7.4.3).
struct H264Field {
  bool bottom = false;
  uint32_t frame_num = 0;
};
// Of a slice's NAL unit, which may be cut short behind the first 24 bytes; none for a frame, and where the header cannot
// be read.
std::optional<H264Field> h264_field(ByteSpan slice, const H264Sps& sps);
// Whether these two make one frame.
inline bool make_frame(const H264Field& first, const H264Field& second) {
  return first.bottom != second.bottom && first.frame_num == second.frame_num;
}

}  // namespace vigie::rtp
