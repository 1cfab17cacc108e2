#include "codec/h264_writer/cavlc.h"

#include <array>
#include <bit>
#include <cstdlib>

#include "codec/h264_writer/cavlc_tables.h"

namespace vigie::codec::h264_writer {
namespace {

// Zigzag position of each index, 4 * column + row.
constexpr std::array<uint8_t, 16> kPosition{0, 2, 3, 9, 1, 4, 8, 10, 5, 7, 11, 14, 6, 12, 13, 15};

void put(BitPacker& packer, const Code& code) { packer.bits(code.value, code.length); }

const Code& token(int nc, unsigned total, unsigned ones) {
  if (nc == kChromaDc) return kChromaDcTokens[total][ones];
  return kCoeffTokens[nc < 2 ? 0 : nc < 4 ? 1 : nc < 8 ? 2 : 3][total][ones];
}

// 9.2.2.1: level_prefix and level_suffix of a level_code.
void put_level(BitPacker& packer, uint32_t code, unsigned suffix_length) {
  const uint32_t prefix = code >> suffix_length;
  if (suffix_length == 0) {
    if (code < 14) {
      packer.bits(1, code + 1);
    } else if (code < 30) {
      packer.bits(1, 15);
      packer.bits(code - 14, 4);
    } else {
      packer.bits(1, 16);
      packer.bits(code - 30, 12);
    }
  } else if (prefix < 15) {
    packer.bits(1, prefix + 1);
    packer.bits(code & ((1U << suffix_length) - 1), suffix_length);
  } else {
    packer.bits(1, 16);
    packer.bits(code - (15U << suffix_length), 12);
  }
}

}  // namespace

Scanned scan(const int16_t* levels, uint32_t nonzero, unsigned first) {
  Scanned block;
  for (uint32_t left = nonzero; left != 0; left &= left - 1) {
    const auto index = static_cast<unsigned>(std::countr_zero(left));
    const unsigned position = kPosition[index] - first;
    block.level[position] = levels[index];
    block.nonzero |= 1U << position;
  }
  return block;
}

Scanned scan_chroma_dc(std::span<const int, 4> levels) {
  Scanned block;
  for (unsigned i = 0; i < 4; ++i) {
    block.level[i] = static_cast<int16_t>(levels[i]);
    block.nonzero |= uint32_t{levels[i] != 0} << i;
  }
  return block;
}

uint8_t write_block(BitPacker& packer, const Scanned& block, int nc, unsigned places) {
  const auto total = static_cast<unsigned>(std::popcount(block.nonzero));
  if (total == 0) {
    put(packer, token(nc, 0, 0));
    return 0;
  }
  // From the last to the first.
  std::array<unsigned, 16> position;
  unsigned count = 0;
  for (uint32_t left = block.nonzero; left != 0;) {
    position[count] = static_cast<unsigned>(std::bit_width(left)) - 1;
    left ^= 1U << position[count++];
  }
  unsigned ones = 0;
  uint32_t signs = 0;
  while (ones < total && ones < 3 && std::abs(block.level[position[ones]]) == 1) {
    signs = signs << 1 | (block.level[position[ones]] < 0 ? 1 : 0);
    ++ones;
  }
  put(packer, token(nc, total, ones));
  packer.bits(signs, ones);
  unsigned suffix_length = total > 10 && ones < 3 ? 1 : 0;
  for (unsigned i = ones; i < total; ++i) {
    const int level = block.level[position[i]];
    auto code = static_cast<uint32_t>(2 * std::abs(level) - (level < 0 ? 1 : 2));
    // It would have been a trailing one.
    if (i == ones && ones < 3) code -= 2;
    put_level(packer, code, suffix_length);
    if (suffix_length == 0) suffix_length = 1;
    if (std::abs(level) > 3 << (suffix_length - 1) && suffix_length < 6) ++suffix_length;
  }
  unsigned zeros = position[0] + 1 - total;
  if (total < places)
    put(packer, nc == kChromaDc ? kChromaDcTotalZeros[total - 1][zeros] : kTotalZeros[total - 1][zeros]);
  for (unsigned i = 0; i + 1 < total && zeros > 0; ++i) {
    const unsigned run = position[i] - position[i + 1] - 1;
    put(packer, kRunBefore[zeros < 7 ? zeros - 1 : 6][run]);
    zeros -= run;
  }
  return static_cast<uint8_t>(total);
}

}  // namespace vigie::codec::h264_writer
