#pragma once
// Parameter sets and slice headers (H.264 7.3.2.1, 7.3.2.2, 7.3.3, E.1) of what picture_coder.h makes: Constrained Baseline,
// one slice a picture, each P picture refers to the one before, pictures come out in the order they went in.
#include <cstdint>
#include <vector>

#include "codec/h264_writer/bit_packer.h"
#include "media/frame.h"

namespace vigie::codec::h264_writer {

// NAL units without start code. `fps` goes into the timing of the VUI.
std::vector<uint8_t> make_sps(const FrameFormat& format, double fps);
std::vector<uint8_t> make_pps();

struct SliceHeader {
  bool idr = false;
  uint32_t since_idr = 0;  // pictures
  uint32_t idr_pic_id = 0;
  int qp = 26;
};
// The NAL unit's first byte is not written.
void write_slice_header(const SliceHeader& header, BitPacker& packer);
uint8_t nal_header(bool idr);

}  // namespace vigie::codec::h264_writer
