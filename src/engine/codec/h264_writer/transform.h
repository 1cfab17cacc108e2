#pragma once
// Residual to coefficients to levels and back (H.264 8.5.10 to 8.5.14, and what must come before them), for blocks of 4 x 4
// samples, two beside each other at once.
//
// The levels of a block lie by columns: index 4 * column + row of the coefficient.
#include <array>
#include <cstddef>
#include <cstdint>

#include "codec/h264_writer/lanes.h"

namespace vigie::codec::h264_writer {

// Of one quantiser (QP'), 12 to 51: below 12 levels may grow longer than the Baseline profile can write. Coefficients are
// cut to levels, not rounded: noise goes, and with it bits and time, more than likeness.
struct Quantiser {
  static constexpr int kFinest = 12, kCoarsest = 51;

  explicit Quantiser(int qp);
  // Of DC coefficients that were transformed once more (16 of luma, 4 of a chroma plane).
  int dc_level(int coefficient) const;

  int up;  // qp / 6
  // Of the even and of the odd columns, rows twice: two blocks beside each other.
  std::array<std::array<int16_t, 8>, 2> factor{}, scale{};
};

struct Samples {
  const uint8_t* at = nullptr;
  size_t stride = 0;
  Samples block(size_t x, size_t y) const { return {at + y * stride + x, stride}; }
};

// The levels of two blocks, `source` less `prediction`, 32 of them; false when all are 0, and `levels` is not written then.
// `dc`: if not null, gets the blocks' two DC coefficients as they were, and their levels are 0.
template <class L = Lanes>
bool to_levels(Samples source, Samples prediction, const Quantiser& quantiser, int16_t* levels, int* dc);

// `prediction` plus what the levels of two blocks stand for, to `out`. `dc`: if not null, the scaled DC coefficients, for
// levels that hold none.
template <class L = Lanes>
void reconstruct(Samples prediction, const int16_t* levels, const Quantiser& quantiser, const int* dc, uint8_t* out,
                 size_t out_stride);

// Which of a block's levels are not 0: a bit each, as they lie.
inline uint32_t nonzero_bits(const int16_t* levels) { return Lanes::nonzero(Lanes::of(levels), Lanes::of(levels + 8)); }

}  // namespace vigie::codec::h264_writer
