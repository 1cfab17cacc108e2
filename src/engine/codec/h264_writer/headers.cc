#include "codec/h264_writer/headers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bit_writer.h"
#include "media/codec.h"

namespace vigie::codec::h264_writer {
namespace {

constexpr uint8_t kReferenceIdc = 3 << 5;
constexpr uint32_t kBaseline = 66;
constexpr uint32_t kConstraints = 0xc0;  // constraint_set0_flag, constraint_set1_flag
constexpr unsigned kFrameNumBits = 16;
constexpr uint32_t kExtendedSar = 255;
constexpr int kQpInPps = 26;

// Table A-1: macroblocks a second, and of a picture. Bit rate is left out: a constant quantiser knows none.
struct Level {
  uint32_t idc, rate, size;
};
constexpr std::array<Level, 17> kLevels{{{10, 1485, 99},
                                         {11, 3000, 396},
                                         {12, 6000, 396},
                                         {20, 11880, 396},
                                         {21, 19800, 792},
                                         {22, 20250, 1620},
                                         {30, 40500, 1620},
                                         {31, 108000, 3600},
                                         {32, 216000, 5120},
                                         {40, 245760, 8192},
                                         {42, 522240, 8704},
                                         {50, 589824, 22080},
                                         {51, 983040, 36864},
                                         {52, 2073600, 36864},
                                         {60, 4177920, 139264},
                                         {61, 8355840, 139264},
                                         {62, 16711680, 139264}}};

uint32_t level_of(uint32_t across, uint32_t down, double fps) {
  const uint32_t size = across * down;
  const auto fits = [&](const Level& level) {
    // A.3.1: no side is longer than the root of eight times the size.
    const auto longest = static_cast<uint64_t>(std::max(across, down));
    return size <= level.size && size * fps <= level.rate && longest * longest <= uint64_t{8} * level.size;
  };
  const auto found = std::find_if(kLevels.begin(), kLevels.end(), fits);
  return found == kLevels.end() ? kLevels.back().idc : found->idc;
}

void write_vui(const FrameFormat& format, double fps, BitWriter& w) {
  const bool sar =
      format.sar_width > 0 && format.sar_height > 0 && format.sar_width <= 0xffff && format.sar_height <= 0xffff;
  w.bits(sar ? 1 : 0, 1);  // aspect_ratio_info_present_flag
  if (sar) w.bits(kExtendedSar, 8).bits(format.sar_width, 16).bits(format.sar_height, 16);
  w.bits(0, 1);  // overscan_info_present_flag
  w.bits(1, 1);  // video_signal_type_present_flag
  w.bits(5, 3);  // video_format: unspecified
  w.bits(format.colour.full_range ? 1 : 0, 1);
  w.bits(1, 1).bits(format.colour.primaries, 8).bits(format.colour.transfer, 8).bits(format.colour.matrix, 8);
  w.bits(0, 1);  // chroma_loc_info_present_flag
  constexpr uint32_t kTick = 1000;
  w.bits(1, 1).bits(kTick, 32).bits(static_cast<uint32_t>(std::lround(2 * fps * kTick)), 32);
  w.bits(0, 1);     // fixed_frame_rate_flag
  w.bits(0, 2);     // no HRD parameters
  w.bits(0, 1);     // pic_struct_present_flag
  w.bits(1, 1);     // bitstream_restriction_flag
  w.bits(1, 1);     // motion_vectors_over_pic_boundaries_flag
  w.ue(0).ue(0);    // bytes of a picture, bits of a macroblock: no bound
  w.ue(13).ue(13);  // log2_max_mv_length
  w.ue(0).ue(1);    // no reordering, one reference
}

}  // namespace

std::vector<uint8_t> make_sps(const FrameFormat& format, double fps) {
  const uint32_t across = (format.width + 15) / 16, down = (format.height + 15) / 16;
  BitWriter w;
  w.bits(kBaseline, 8).bits(kConstraints, 8).bits(level_of(across, down, fps), 8);
  w.ue(0);                  // seq_parameter_set_id
  w.ue(kFrameNumBits - 4);  // log2_max_frame_num_minus4
  w.ue(2);                  // pic_order_cnt_type: out as they go in
  w.ue(1);                  // max_num_ref_frames
  w.bits(0, 1);             // gaps_in_frame_num_value_allowed_flag
  w.ue(across - 1).ue(down - 1);
  w.bits(1, 1);  // frame_mbs_only_flag
  w.bits(1, 1);  // direct_8x8_inference_flag
  const uint32_t right = across * 16 - format.width, below = down * 16 - format.height;
  w.bits(right + below > 0 ? 1 : 0, 1);
  if (right + below > 0) w.ue(0).ue(right / 2).ue(0).ue(below / 2);
  w.bits(1, 1);
  write_vui(format, fps, w);
  w.trailing();
  return w.nal({kReferenceIdc | h264::kSps});
}

std::vector<uint8_t> make_pps() {
  BitWriter w;
  w.ue(0).ue(0);            // pic_parameter_set_id, seq_parameter_set_id
  w.bits(0, 1);             // entropy_coding_mode_flag
  w.bits(0, 1);             // bottom_field_pic_order_in_frame_present_flag
  w.ue(0);                  // one slice group
  w.ue(0).ue(0);            // num_ref_idx_active_minus1
  w.bits(0, 1).bits(0, 2);  // no weighted prediction
  w.ue(0).ue(0).ue(0);      // pic_init_qp_minus26, pic_init_qs_minus26, chroma_qp_index_offset
  w.bits(1, 1);             // deblocking_filter_control_present_flag
  w.bits(0, 1);             // constrained_intra_pred_flag
  w.bits(0, 1);             // redundant_pic_cnt_present_flag
  w.trailing();
  return w.nal({kReferenceIdc | h264::kPps});
}

uint8_t nal_header(bool idr) { return kReferenceIdc | (idr ? h264::kIdr : h264::kSlice); }

void write_slice_header(const SliceHeader& header, BitPacker& packer) {
  packer.ue(0);                   // first_mb_in_slice
  packer.ue(header.idr ? 7 : 5);  // slice_type: I or P, as all slices of the picture
  packer.ue(0);                   // pic_parameter_set_id
  packer.bits(header.since_idr & ((1U << kFrameNumBits) - 1), kFrameNumBits);
  if (header.idr) packer.ue(header.idr_pic_id);
  if (!header.idr) packer.bits(0, 2);  // num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0
  packer.bits(0, header.idr ? 2 : 1);  // dec_ref_pic_marking
  packer.se(header.qp - kQpInPps);
  packer.ue(1);  // disable_deblocking_filter_idc
}

}  // namespace vigie::codec::h264_writer
