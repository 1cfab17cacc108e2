#include "codec/h264_writer/residual.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "codec/h264_writer/cavlc.h"

namespace vigie::codec::h264_writer {
namespace {

// Of the blocks by rows, in the order in which they are written; four make a group of 8 x 8 samples.
constexpr std::array<uint8_t, 16> kOrder{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};

// Levels that together are worth less than these are not coded: of a group, of a macroblock's luma, of a chroma plane.
constexpr int kGroupWorth = 1, kLumaWorth = 4, kChromaWorth = 7;

// Little where a few single ones stand close to the scan's end or to each other's far side, as noise leaves them.
int worth(const int16_t* levels, uint32_t nonzero) {
  constexpr std::array<uint8_t, 16> kByRun{3, 2, 2, 1, 1, 1};
  constexpr int kMuch = 9;
  const Scanned block = scan(levels, nonzero, 0);
  int sum = 0, previous = -1;
  for (uint32_t left = block.nonzero; left != 0; left &= left - 1) {
    const int position = std::countr_zero(left);
    if (block.level[position] > 1 || block.level[position] < -1) return kMuch;
    sum += kByRun[static_cast<size_t>(position - previous - 1)];
    previous = position;
  }
  return sum;
}

// Table 8-15.
int chroma_qp(int qp) {
  constexpr std::array<uint8_t, 22> kFrom30{29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36,
                                            36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39};
  return qp < 30 ? qp : kFrom30[static_cast<size_t>(qp - 30)];
}

void butterfly(int& a, int& b, int& c, int& d) {
  const int e = a + b, f = a - b, g = c + d, h = c - d;
  a = e + g;
  b = e - g;
  c = f - h;
  d = f + h;
}

// The matrices of 8.5.10 and 8.5.11.1, which are their own inverses but for scale.
void hadamard(std::array<int, 16>& v) {
  for (size_t i = 0; i < 4; ++i) butterfly(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
  for (size_t i = 0; i < 4; ++i) butterfly(v[i], v[4 + i], v[8 + i], v[12 + i]);
}
void hadamard(std::array<int, 4>& v) {
  v = {v[0] + v[1] + v[2] + v[3], v[0] - v[1] + v[2] - v[3], v[0] + v[1] - v[2] - v[3], v[0] - v[1] - v[2] + v[3]};
}

// Two blocks beside each other.
void rebuild_pair(const Samples& prediction, int16_t* levels, const uint32_t* nonzero, const Quantiser& quantiser,
                  const int* dc, uint8_t* out, size_t stride) {
  if (!dc && nonzero[0] == 0 && nonzero[1] == 0) {
    for (size_t y = 0; y < 4; ++y) std::memcpy(out + y * stride, prediction.at + y * prediction.stride, 8);
    return;
  }
  for (size_t i = 0; i < 2; ++i) {
    if (nonzero[i] == 0) std::memset(levels + 16 * i, 0, 16 * sizeof(int16_t));
  }
  reconstruct(prediction, levels, quantiser, dc, out, stride);
}

// -1: there is no such neighbour.
int context(int left, int above) {
  if (left < 0) return std::max(above, 0);
  return above < 0 ? left : (left + above + 1) >> 1;
}

}  // namespace

int LevelCounts::luma_context(uint32_t x, uint32_t y, size_t block) const {
  const Macroblock* here = &at_[size_t{y} * across_ + x];
  int left = -1, above = -1;
  if (block % 4 != 0) {
    left = here->luma[block - 1];
  } else if (x > 0) {
    left = here[-1].luma[block + 3];
  }
  if (block >= 4) {
    above = here->luma[block - 4];
  } else if (y > 0) {
    above = (here - across_)->luma[block + 12];
  }
  return context(left, above);
}

int LevelCounts::chroma_context(uint32_t x, uint32_t y, size_t plane, size_t block) const {
  const Macroblock* here = &at_[size_t{y} * across_ + x];
  int left = -1, above = -1;
  if (block % 2 != 0) {
    left = here->chroma[plane][block - 1];
  } else if (x > 0) {
    left = here[-1].chroma[plane][block + 1];
  }
  if (block >= 2) {
    above = here->chroma[plane][block - 2];
  } else if (y > 0) {
    above = (here - across_)->chroma[plane][block + 2];
  }
  return context(left, above);
}

Quantisers::Quantisers(int qp) : luma(qp), chroma(chroma_qp(qp)) {}

void Residual::take_luma(const Samples& source, const Samples& prediction, const Quantiser& quantiser, bool dc_apart) {
  dc_apart_ = dc_apart;
  std::array<int, 16> dc;
  uint32_t all = 0;
  for (size_t pair = 0; pair < 16; pair += 2) {
    const size_t x = pair % 4 * 4, y = pair / 4 * 4;
    const bool any =
        to_levels(source.block(x, y), prediction.block(x, y), quantiser, luma_[pair], dc_apart ? &dc[pair] : nullptr);
    for (size_t i = pair; i < pair + 2; ++i) all |= luma_nonzero_[i] = any ? nonzero_bits(luma_[i]) : 0;
  }
  if (!dc_apart) return drop_lone_levels();
  luma_groups_ = all != 0 ? 15 : 0;
  hadamard(dc);
  for (size_t i = 0; i < 16; ++i) {
    luma_dc_[i % 4 * 4 + i / 4] = static_cast<int16_t>(quantiser.dc_level((dc[i] + 1) >> 1));
  }
}

void Residual::take_chroma(const Planes& source, const Planes& prediction, const Quantiser& quantiser) {
  chroma_kind_ = 0;
  for (size_t plane = 0; plane < 2; ++plane) {
    auto& dc = chroma_dc_[plane];
    auto& nonzero = chroma_nonzero_[plane];
    int value = 0;
    for (size_t pair = 0; pair < 4; pair += 2) {
      const bool any = to_levels(source[plane + 1].block(0, pair * 2), prediction[plane + 1].block(0, pair * 2),
                                 quantiser, chroma_[plane][pair], &dc[pair]);
      for (size_t i = pair; i < pair + 2; ++i) {
        nonzero[i] = any ? nonzero_bits(chroma_[plane][i]) : 0;
        if (nonzero[i] != 0) value += worth(chroma_[plane][i], nonzero[i]);
      }
    }
    if (value < kChromaWorth) nonzero.fill(0);
    hadamard(dc);
    for (int& level : dc) level = quantiser.dc_level(level);
    const bool any_dc = std::any_of(dc.begin(), dc.end(), [](int level) { return level != 0; });
    chroma_kind_ = std::max(chroma_kind_, value >= kChromaWorth ? 2U : any_dc ? 1U : 0U);
  }
}

// Of luma, DC not apart.
void Residual::drop_lone_levels() {
  luma_groups_ = 0;
  int total = 0;
  for (size_t group = 0; group < 4; ++group) {
    int sum = 0;
    for (size_t i = group * 4; i < group * 4 + 4; ++i) {
      const size_t block = kOrder[i];
      if (luma_nonzero_[block] != 0) sum += worth(luma_[block], luma_nonzero_[block]);
    }
    if (sum >= kGroupWorth) {
      luma_groups_ |= 1U << group;
      total += sum;
    } else {
      for (size_t i = group * 4; i < group * 4 + 4; ++i) luma_nonzero_[kOrder[i]] = 0;
    }
  }
  if (total >= kLumaWorth) return;
  luma_nonzero_.fill(0);
  luma_groups_ = 0;
}

void Residual::write(BitPacker& packer, LevelCounts& counts, uint32_t x, uint32_t y) const {
  LevelCounts::Macroblock& count = counts.at(x, y);
  count = {};
  if (dc_apart_) {
    write_block(packer, scan(luma_dc_.data(), nonzero_bits(luma_dc_.data()), 0), counts.luma_context(x, y, 0), 16);
  }
  for (size_t i = 0; i < 16; ++i) {
    if ((luma_groups_ >> (i / 4) & 1) == 0) continue;
    const size_t block = kOrder[i];
    count.luma[block] = write_block(packer, scan(luma_[block], luma_nonzero_[block], dc_apart_ ? 1 : 0),
                                    counts.luma_context(x, y, block), dc_apart_ ? 15 : 16);
  }
  if (chroma_kind_ == 0) return;
  for (const auto& dc : chroma_dc_) write_block(packer, scan_chroma_dc(dc), kChromaDc, 4);
  if (chroma_kind_ == 1) return;
  for (size_t plane = 0; plane < 2; ++plane) {
    for (size_t block = 0; block < 4; ++block) {
      count.chroma[plane][block] = write_block(packer, scan(chroma_[plane][block], chroma_nonzero_[plane][block], 1),
                                               counts.chroma_context(x, y, plane, block), 15);
    }
  }
}

void Residual::rebuild(const Planes& prediction, const Quantisers& quantisers, const OutPlanes& out,
                       const std::array<size_t, 3>& stride) {
  std::array<int, 16> dc;
  if (dc_apart_) {
    for (size_t i = 0; i < 16; ++i) dc[i] = luma_dc_[i % 4 * 4 + i / 4];
    hadamard(dc);
    // 8.5.10, whose shifts depend on the quantiser only because its scale does not.
    for (int& value : dc) value = (value * quantisers.luma.scale[0][0] + 2) >> 2;
  }
  for (size_t pair = 0; pair < 16; pair += 2) {
    const size_t x = pair % 4 * 4, y = pair / 4 * 4;
    rebuild_pair(prediction[0].block(x, y), luma_[pair], &luma_nonzero_[pair], quantisers.luma,
                 dc_apart_ ? &dc[pair] : nullptr, out[0] + y * stride[0] + x, stride[0]);
  }
  for (size_t plane = 0; plane < 2; ++plane) {
    auto& chroma_dc = chroma_dc_[plane];
    hadamard(chroma_dc);
    for (int& value : chroma_dc) value = (value * quantisers.chroma.scale[0][0]) >> 1;
    for (size_t pair = 0; pair < 4; pair += 2) {
      rebuild_pair(prediction[plane + 1].block(0, pair * 2), chroma_[plane][pair], &chroma_nonzero_[plane][pair],
                   quantisers.chroma, chroma_kind_ > 0 ? &chroma_dc[pair] : nullptr,
                   out[plane + 1] + pair * 2 * stride[plane + 1], stride[plane + 1]);
    }
  }
}

}  // namespace vigie::codec::h264_writer
