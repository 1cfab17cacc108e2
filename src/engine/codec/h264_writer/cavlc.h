#pragma once
// Levels to bits by context-adaptive variable-length coding (H.264 7.3.5.3.2 and 9.2).
#include <cstdint>
#include <span>

#include "codec/h264_writer/bit_packer.h"

namespace vigie::codec::h264_writer {

// Levels in the order of their scan, and which of them are not 0.
struct Scanned {
  int16_t level[16];
  uint32_t nonzero = 0;  // a bit each, the first lowest
};

// A block's levels as transform.h lays them, of which the bits in `nonzero` are not 0, in zigzag order (8.5.6). `first`: of
// the scan's positions; 1 where DC is coded apart.
Scanned scan(const int16_t* levels, uint32_t nonzero, unsigned first);
// The 4 of chroma's DC, in their order.
Scanned scan_chroma_dc(std::span<const int, 4> levels);

// How many places a block has, and what its neighbours hold: nC of 9.2.1.
constexpr int kChromaDc = -1;
// Writes residual_block_cavlc(): `places` is 16, 15 (AC) or 4 (chroma DC, with nc = kChromaDc). Returns how many levels are
// not 0. Room for 64 bytes must have been reserved.
uint8_t write_block(BitPacker& packer, const Scanned& block, int nc, unsigned places);

}  // namespace vigie::codec::h264_writer
