#include "codec/h264_writer/transform.h"

#include <cstdlib>

namespace vigie::codec::h264_writer {
namespace {

// By qp % 6, for positions of which row and column are both even, both odd, or neither: 8.5.9 (normAdjust4x4), and what
// undoes it together with the norms of the transform, in shares of 2^15.
constexpr int kScale[6][3] = {{10, 16, 13}, {11, 18, 14}, {13, 20, 16}, {14, 23, 18}, {16, 25, 20}, {18, 29, 23}};
constexpr int kFactor[6][3] = {{13107, 5243, 8066}, {11916, 4660, 7490}, {10082, 4194, 6554},
                               {9362, 3647, 5825},  {8192, 3355, 5243},  {7282, 2893, 4559}};

// Rows become columns within both blocks.
template <class L>
void transpose(std::array<L, 4>& r) {
  const L a = L::template low<int16_t>(r[0], r[1]), b = L::template low<int16_t>(r[2], r[3]);
  const L c = L::template high<int16_t>(r[0], r[1]), d = L::template high<int16_t>(r[2], r[3]);
  const L left01 = L::template low<int32_t>(a, b), left23 = L::template high<int32_t>(a, b);
  const L right01 = L::template low<int32_t>(c, d), right23 = L::template high<int32_t>(c, d);
  r = {L::template low<int64_t>(left01, right01), L::template high<int64_t>(left01, right01),
       L::template low<int64_t>(left23, right23), L::template high<int64_t>(left23, right23)};
}

template <class L>
void forward(std::array<L, 4>& r) {
  const L outer = r[0] + r[3], inner = r[1] + r[2], far = r[0] - r[3], near = r[1] - r[2];
  r = {outer + inner, far + far + near, outer - inner, far - (near + near)};
}

template <class L>
void inverse(std::array<L, 4>& r) {
  const L even = r[0] + r[2], odd = r[0] - r[2];
  const L small = r[1].down(1) - r[3], large = r[1] + r[3].down(1);
  r = {even + large, odd + small, odd - small, even - large};
}

}  // namespace

Quantiser::Quantiser(int qp) : up(qp / 6) {
  for (size_t column = 0; column < 2; ++column) {
    for (size_t lane = 0; lane < 8; ++lane) {
      const size_t odd = column + lane % 2, kind = odd == 1 ? 2 : odd / 2;
      factor[column][lane] = static_cast<int16_t>(kFactor[qp % 6][kind]);
      scale[column][lane] = static_cast<int16_t>(kScale[qp % 6][kind] << up);
    }
  }
}

int Quantiser::dc_level(int coefficient) const {
  const int level = static_cast<int>((int64_t{std::abs(coefficient)} * factor[0][0]) >> (16 + up));
  return coefficient < 0 ? -level : level;
}

template <class L>
bool to_levels(Samples source, Samples prediction, const Quantiser& quantiser, int16_t* levels, int* dc) {
  const auto row = [&](size_t y) {
    return L::of_bytes(source.at + y * source.stride) - L::of_bytes(prediction.at + y * prediction.stride);
  };
  std::array<L, 4> r{row(0), row(1), row(2), row(3)};
  forward(r);
  transpose(r);
  forward(r);
  if (dc) {
    std::array<int16_t, 8> first;
    r[0].store(first.data());
    dc[0] = first[0];
    dc[1] = first[4];
    first[0] = first[4] = 0;
    r[0] = L::of(first.data());
  }
  const L even = L::of(quantiser.factor[0].data()), odd = L::of(quantiser.factor[1].data());
  const std::array<L, 4> level{
      r[0].magnitude().product_high(even, quantiser.up - 1), r[1].magnitude().product_high(odd, quantiser.up - 1),
      r[2].magnitude().product_high(even, quantiser.up - 1), r[3].magnitude().product_high(odd, quantiser.up - 1)};
  if ((level[0] | level[1] | level[2] | level[3]).zero()) return false;
  r = {level[0].with_sign_of(r[0]), level[1].with_sign_of(r[1]), level[2].with_sign_of(r[2]),
       level[3].with_sign_of(r[3])};
  L::template low<int64_t>(r[0], r[1]).store(levels);
  L::template low<int64_t>(r[2], r[3]).store(levels + 8);
  L::template high<int64_t>(r[0], r[1]).store(levels + 16);
  L::template high<int64_t>(r[2], r[3]).store(levels + 24);
  return true;
}

template <class L>
void reconstruct(Samples prediction, const int16_t* levels, const Quantiser& quantiser, const int* dc, uint8_t* out,
                 size_t out_stride) {
  const L a01 = L::of(levels), a23 = L::of(levels + 8), b01 = L::of(levels + 16), b23 = L::of(levels + 24);
  std::array<L, 4> r{L::template low<int64_t>(a01, b01), L::template high<int64_t>(a01, b01),
                     L::template low<int64_t>(a23, b23), L::template high<int64_t>(a23, b23)};
  for (size_t column = 0; column < 4; ++column) r[column] = r[column] * L::of(quantiser.scale[column % 2].data());
  if (dc) {
    std::array<int16_t, 8> first;
    r[0].store(first.data());
    first[0] = static_cast<int16_t>(dc[0]);
    first[4] = static_cast<int16_t>(dc[1]);
    r[0] = L::of(first.data());
  }
  inverse(r);  // along rows: lanes are rows here
  transpose(r);
  inverse(r);
  for (size_t y = 0; y < 4; ++y) {
    const L sample = (r[y] + L::all(32)).down(6) + L::of_bytes(prediction.at + y * prediction.stride);
    sample.store_bytes(out + y * out_stride);
  }
}

template bool to_levels<PlainLanes>(Samples, Samples, const Quantiser&, int16_t*, int*);
template void reconstruct<PlainLanes>(Samples, const int16_t*, const Quantiser&, const int*, uint8_t*, size_t);
#if defined(__SSE2__)
template bool to_levels<SseLanes>(Samples, Samples, const Quantiser&, int16_t*, int*);
template void reconstruct<SseLanes>(Samples, const int16_t*, const Quantiser&, const int*, uint8_t*, size_t);
#endif

}  // namespace vigie::codec::h264_writer
