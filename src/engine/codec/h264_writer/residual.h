#pragma once
// What is left of a macroblock behind its prediction: found, written (H.264 7.3.5.3), and added again as a decoder does.
#include <array>
#include <cstdint>
#include <vector>

#include "codec/h264_writer/bit_packer.h"
#include "codec/h264_writer/transform.h"

namespace vigie::codec::h264_writer {

// How many levels each block of a picture has, which the codes of its neighbours depend on (9.2.1).
// Macroblocks are set in their order. Thread: one at a time.
class LevelCounts {
 public:
  struct Macroblock {
    std::array<uint8_t, 16> luma{};  // by rows, as everywhere here
    std::array<std::array<uint8_t, 4>, 2> chroma{};
  };
  // Size in macroblocks.
  LevelCounts(uint32_t across, uint32_t down) : across_(across), at_(size_t{across} * down) {}

  Macroblock& at(uint32_t x, uint32_t y) { return at_[size_t{y} * across_ + x]; }
  // nC of a block of the macroblock at (x, y).
  int luma_context(uint32_t x, uint32_t y, size_t block) const;
  int chroma_context(uint32_t x, uint32_t y, size_t plane, size_t block) const;

 private:
  uint32_t across_;
  std::vector<Macroblock> at_;
};

struct Quantisers {
  Quantiser luma, chroma;
  // Chroma's follows from luma's (table 8-15).
  explicit Quantisers(int qp);
};

// Thread: one at a time.
class Residual {
 public:
  using Planes = std::array<Samples, 3>;
  using OutPlanes = std::array<uint8_t*, 3>;

  // `dc_apart`: the DC coefficients are transformed once more and coded by themselves, as Intra_16x16 has it. Else levels that
  // are worth less than their bits are left out.
  void take_luma(const Samples& source, const Samples& prediction, const Quantiser& quantiser, bool dc_apart);
  void take_chroma(const Planes& source, const Planes& prediction, const Quantiser& quantiser);

  // coded_block_pattern: luma's four groups, all or none with DC apart, and chroma's 0 (nothing), 1 (DC) or 2.
  uint32_t luma_groups() const { return luma_groups_; }
  uint32_t chroma_kind() const { return chroma_kind_; }
  uint32_t pattern() const { return chroma_kind_ << 4 | luma_groups_; }

  // Writes all levels of the macroblock at (x, y), and their counts.
  void write(BitPacker& packer, LevelCounts& counts, uint32_t x, uint32_t y) const;
  // Prediction and residual to `out`. To be called once, at the end: levels become what they stand for.
  void rebuild(const Planes& prediction, const Quantisers& quantisers, const OutPlanes& out,
               const std::array<size_t, 3>& stride);

 private:
  void drop_lone_levels();

  bool dc_apart_ = false;
  uint32_t luma_groups_ = 0, chroma_kind_ = 0;
  alignas(16) int16_t luma_[16][16];
  alignas(16) int16_t chroma_[2][4][16];
  std::array<uint32_t, 16> luma_nonzero_{};  // bits of levels; where none is set, the levels are not valid
  std::array<std::array<uint32_t, 4>, 2> chroma_nonzero_{};
  std::array<int16_t, 16> luma_dc_{};  // by columns, as levels lie
  std::array<std::array<int, 4>, 2> chroma_dc_{};
};

}  // namespace vigie::codec::h264_writer
