#include "codec/skip_picture.h"

#include <utility>

#include "base/bit_writer.h"
#include "base/rbsp.h"

namespace vigie::codec {
namespace {

constexpr uint8_t kReferenceSlice = 2 << 5 | 1;  // nal_ref_idc 2, nal_unit_type 1

struct Sequence {
  uint32_t id = 0;
  unsigned frame_num_bits = 0, poc_bits = 0;
  uint32_t macroblocks = 0;
};

// What a slice header needs of an SPS (7.3.2.1.1). Profiles with a chroma format are read where they say 4:2:0, 8 bits
// and no scaling matrix, which is all that our encoders make.
bool read_sps(ByteSpan nal, Sequence& sequence) {
  const Rbsp rbsp(nal, 1);
  BitReader r(rbsp.bytes());
  const uint32_t profile = r.bits(8);
  r.skip(16);
  sequence.id = r.ue();
  if (profile == 100 || profile == 110 || profile == 122 || profile == 244) {
    const bool plain = r.ue() == 1 && r.ue() == 0 && r.ue() == 0 && !r.flag() && !r.flag();
    if (!plain) return false;
  }
  sequence.frame_num_bits = r.ue() + 4;
  const uint32_t poc_type = r.ue();
  if (poc_type == 0) sequence.poc_bits = r.ue() + 4;
  if (poc_type == 1 || poc_type > 2) return false;
  r.ue();    // max_num_ref_frames
  r.flag();  // gaps_in_frame_num_value_allowed_flag
  const uint32_t width = r.ue() + 1, height = r.ue() + 1;
  sequence.macroblocks = width * height;
  const bool frames_only = r.flag();
  return frames_only && !r.failed() && sequence.frame_num_bits <= 16 && sequence.poc_bits <= 16 && width <= 1024 &&
         height <= 1024;
}

}  // namespace

std::unique_ptr<SkipPictures> SkipPictures::make(ByteSpan sps, ByteSpan pps) {
  Sequence sequence;
  if (sps.empty() || pps.empty() || !read_sps(sps, sequence)) return nullptr;
  const Rbsp rbsp(pps, 1);
  BitReader r(rbsp.bytes());
  Layout layout;
  layout.pps_id = r.ue();
  if (r.ue() != sequence.id) return nullptr;
  const bool cabac = r.flag();
  layout.bottom_field_order = r.flag();
  const bool one_group = r.ue() == 0;
  if (cabac || !one_group) return nullptr;
  r.ue();  // num_ref_idx_l0_default_active_minus1
  r.ue();
  const bool weighted = r.flag();
  r.skip(2);
  r.se();  // pic_init_qp_minus26
  r.se();
  r.se();
  layout.deblocking_control = r.flag();
  r.flag();  // constrained_intra_pred_flag
  const bool redundant = r.flag();
  if (weighted || redundant || r.failed()) return nullptr;
  layout.frame_num_bits = sequence.frame_num_bits;
  layout.poc_bits = sequence.poc_bits;
  layout.macroblocks = sequence.macroblocks;
  return std::unique_ptr<SkipPictures>(new SkipPictures(layout));
}

void SkipPictures::append(uint32_t since_idr, std::vector<uint8_t>& out) const {
  BitWriter w;
  w.ue(0);  // first_mb_in_slice
  w.ue(5);  // slice_type: P, as all slices of the picture
  w.ue(layout_.pps_id);
  w.bits(since_idr & ((1U << layout_.frame_num_bits) - 1), layout_.frame_num_bits);
  if (layout_.poc_bits != 0) {
    w.bits(2 * since_idr & ((1U << layout_.poc_bits) - 1), layout_.poc_bits);
    if (layout_.bottom_field_order) w.ue(0);  // delta_pic_order_cnt_bottom
  }
  w.bits(1, 1).ue(0);                       // num_ref_idx_active_override_flag: one picture
  w.bits(0, 1);                             // ref_pic_list_modification_flag_l0
  w.bits(0, 1);                             // adaptive_ref_pic_marking_mode_flag: sliding window
  w.ue(0);                                  // slice_qp_delta
  if (layout_.deblocking_control) w.ue(1);  // disable_deblocking_filter_idc
  w.ue(layout_.macroblocks);                // mb_skip_run
  w.trailing();
  const std::vector<uint8_t> nal = w.nal({kReferenceSlice});
  out.insert(out.end(), nal.begin(), nal.end());
}

}  // namespace vigie::codec
