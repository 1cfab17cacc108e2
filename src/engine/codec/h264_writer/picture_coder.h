#pragma once
// The macroblocks of a picture: slice data of I and P slices as the Baseline profile has them (H.264 7.3.4, 7.3.5).
//
// Made for cameras that stand still: what is as it was in the picture before is skipped after one look; the rest is searched
// for by whole samples, or predicted from what lies beside it, 16 x 16 samples at once. No deblocking.
#include <array>
#include <cstdint>
#include <vector>

#include "codec/h264_writer/bit_packer.h"
#include "codec/h264_writer/motion.h"
#include "codec/h264_writer/prediction.h"
#include "codec/h264_writer/residual.h"
#include "codec/h264_writer/transform.h"
#include "media/frame.h"

namespace vigie::codec::h264_writer {

// A picture in whole macroblocks, as a decoder has it.
struct CodedPlanes {
  CodedPlanes(uint32_t across, uint32_t down);
  uint8_t* at(size_t plane, size_t x, size_t y) { return samples[plane].data() + y * stride[plane] + x; }
  const uint8_t* at(size_t plane, size_t x, size_t y) const { return samples[plane].data() + y * stride[plane] + x; }

  std::array<std::vector<uint8_t>, 3> samples;
  std::array<size_t, 3> stride;
};

// Thread: one at a time.
class PictureCoder {
 public:
  // Size in macroblocks.
  PictureCoder(uint32_t across, uint32_t down);

  // Appends the picture's macroblocks behind its slice header. `frame` has the size given at the start, less at most 15
  // luma samples at the right and below. `intra`: refers to no other picture; else to the one that was coded before.
  // `qp`: within Quantiser's bounds.
  void code(const Frame& frame, bool intra, int qp, BitPacker& packer);

  // What a decoder makes of the picture that was coded last.
  const CodedPlanes& made() const { return planes_[newest_]; }

 private:
  struct Place {
    uint32_t x = 0, y = 0;  // in macroblocks
    Residual::Planes source, prediction;
  };

  void take_source(const Frame& frame, Place& place);
  void code_inter(Place& place);
  void code_intra(Place& place, LumaMode mode);
  void code_raw(const Place& place);
  void skip(const Place& place, Vector vector);
  // Writes mb_skip_run where there must be one.
  void begin_macroblock();
  // Whether the macroblock that begins at `start` is longer than may be; it is coded raw then.
  bool too_long(const Place& place, const BitPacker::Mark& start);
  void rebuild(const Place& place);
  uint8_t& planes_differ(const Place& place) { return planes_differ_[size_t{place.y} * across_ + place.x]; }

  LumaMode choose_luma(const Place& place, uint32_t& difference);
  ChromaMode choose_chroma(const Place& place);
  bool is_small(const Place& place, uint32_t worst_of_luma) const;
  void predict_from_before(Place& place, Vector vector);
  Search search_of(const Place& place) const;
  Beside beside(const Place& place, size_t plane) const;

  uint32_t across_, down_;
  std::array<CodedPlanes, 2> planes_;
  size_t newest_ = 0;
  std::vector<uint8_t> planes_differ_;  // by macroblock: 1 where the two planes_ may
  MotionField motion_;
  LevelCounts counts_;
  Residual residual_;
  // Of the picture being coded.
  bool intra_ = true;
  Quantisers quantisers_;
  uint32_t small_ = 0;  // difference of 8 x 8 samples that is not worth a look at its coefficients
  uint32_t run_ = 0;    // macroblocks skipped since the last one that was not
  BitPacker* packer_ = nullptr;
  // Scratch of one macroblock: predictions, and the source where it reaches beyond the frame.
  std::array<uint8_t, 256> luma_prediction_, tried_, edge_luma_;
  std::array<std::array<uint8_t, 64>, 2> chroma_prediction_, edge_chroma_;
};

}  // namespace vigie::codec::h264_writer
