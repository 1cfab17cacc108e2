#pragma once
// What a sequence parameter set says of its pictures beside their size.
#include <cstdint>
#include <optional>

namespace vigie {

// Values as in H.264 and H.265 (names of their syntax elements in comments); defaults are what these infer.
struct PictureFacts {
  uint8_t profile_idc = 0;                     // 0: nothing is known
  uint8_t level_idc = 0;                       // H.264: 10 times the level, H.265: 30 times
  uint32_t coded_width = 0, coded_height = 0;  // luma samples, before cropping
  uint32_t crop_left = 0, crop_top = 0;        // luma samples; the displayed size gives the rest
  uint8_t chroma_format_idc = 1;               // 0: grey, 1: 4:2:0, 2: 4:2:2, 3: 4:4:4
  uint8_t bit_depth_luma = 8, bit_depth_chroma = 8;
  bool interlaced = false;                     // fields may come (frame_mbs_only_flag = 0, field_seq_flag)
  uint8_t frame_num_bits = 0;                  // H.264, of a slice header's frame_num; 0: not known
  bool frame_num_gaps_allowed = false;         // H.264: pictures may be left out on purpose
  bool separate_planes = false;                // separate_colour_plane_flag
  std::optional<uint32_t> reordered_pictures;  // that may come before one they are shown after; none: not said
  bool full_range = false;                     // video_full_range_flag
  uint8_t colour_primaries = 2, transfer_characteristics = 2, matrix_coefficients = 2;  // 2: unspecified
  uint32_t sar_width = 0, sar_height = 0;                                               // of a sample; 0: not said
  uint32_t num_units_in_tick = 0, time_scale = 0;                                       // 0: no timing
  double fps = 0;                                                                       // from these two; 0: not said
  friend bool operator==(const PictureFacts&, const PictureFacts&) = default;
};

}  // namespace vigie
