#pragma once
// H.264 pictures that show the one before once more, written by hand: some ten bytes and no encoder.
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace vigie::codec {

// For a stream whose sequences are: an IDR picture, then P pictures that each refer to the one before.
// Thread: one at a time.
class SkipPictures {
 public:
  // Of the parameter sets in force, NAL units without start code. Null where they ask for more than is written here:
  // fields, several slice groups, redundant or weighted pictures, picture order count type 1, CABAC.
  static std::unique_ptr<SkipPictures> make(ByteSpan sps, ByteSpan pps);

  // Appends the NAL unit of the picture that is `since_idr` pictures behind the newest IDR picture (at least 1), all of
  // them reference pictures: one P slice, every macroblock skipped.
  // Source: H.264 7.3.3 (slice header), 7.3.4 (mb_skip_run).
  void append(uint32_t since_idr, std::vector<uint8_t>& out) const;

 private:
  struct Layout {
    uint32_t pps_id = 0;
    unsigned frame_num_bits = 4;
    unsigned poc_bits = 0;  // 0: picture order count type 2
    uint32_t macroblocks = 0;
    bool deblocking_control = false;
    bool bottom_field_order = false;  // bottom_field_pic_order_in_frame_present_flag
  };
  explicit SkipPictures(const Layout& layout) : layout_(layout) {}
  Layout layout_;
};

}  // namespace vigie::codec
