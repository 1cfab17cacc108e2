#include "codec/h264_writer/prediction.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace vigie::codec::h264_writer {
namespace {

// The row above, and the sample to the left of row `y`.
const uint8_t* above_of(const Beside& beside) { return beside.at.at - static_cast<ptrdiff_t>(beside.at.stride); }
uint8_t left_of(const Beside& beside, size_t y) {
  return beside.at.at[static_cast<ptrdiff_t>(y * beside.at.stride) - 1];
}

uint32_t sum_above(const Beside& beside, size_t from, size_t count) {
  const uint8_t* row = above_of(beside) + from;
  uint32_t sum = 0;
  for (size_t x = 0; x < count; ++x) sum += row[x];
  return sum;
}
uint32_t sum_left(const Beside& beside, size_t from, size_t count) {
  uint32_t sum = 0;
  for (size_t y = from; y < from + count; ++y) sum += left_of(beside, y);
  return sum;
}

void copy_above(const Beside& beside, size_t side, uint8_t* out) {
  for (size_t y = 0; y < side; ++y) std::memcpy(out + y * side, above_of(beside), side);
}
void copy_left(const Beside& beside, size_t side, uint8_t* out) {
  for (size_t y = 0; y < side; ++y) std::memset(out + y * side, left_of(beside, y), side);
}

}  // namespace

#if defined(__SSE2__)
namespace {
// Of eight rows: its left eight samples and, where `Wide`, the right ones.
template <bool Wide>
std::array<uint32_t, 2> of_eight_rows(Samples a, Samples b) {
  const auto load = [](const uint8_t* p) {
    const auto* at = reinterpret_cast<const __m128i*>(p);
    return Wide ? _mm_loadu_si128(at) : _mm_loadl_epi64(at);
  };
  __m128i sum = _mm_setzero_si128();
  for (size_t y = 0; y < 8; ++y) {
    sum = _mm_add_epi32(sum, _mm_sad_epu8(load(a.at + y * a.stride), load(b.at + y * b.stride)));
  }
  return {static_cast<uint32_t>(_mm_cvtsi128_si32(sum)), static_cast<uint32_t>(_mm_extract_epi16(sum, 4))};
}
}  // namespace
#else
namespace {
template <bool Wide>
std::array<uint32_t, 2> of_eight_rows(Samples a, Samples b) {
  std::array<uint32_t, 2> sums{};
  for (size_t y = 0; y < 8; ++y) {
    for (size_t x = 0; x < (Wide ? 16 : 8); ++x) {
      sums[x / 8] += static_cast<uint32_t>(std::abs(a.at[y * a.stride + x] - b.at[y * b.stride + x]));
    }
  }
  return sums;
}
}  // namespace
#endif

Difference difference_16x16(Samples a, Samples b) {
  const auto upper = of_eight_rows<true>(a, b), lower = of_eight_rows<true>(a.block(0, 8), b.block(0, 8));
  return {upper[0] + upper[1] + lower[0] + lower[1], std::max({upper[0], upper[1], lower[0], lower[1]})};
}

uint32_t difference_8x8(Samples a, Samples b) { return of_eight_rows<false>(a, b)[0]; }

#if defined(__SSE2__)
bool any_far(Samples a, Samples b, size_t side, uint8_t most) {
  const auto load = [side](const uint8_t* p) {
    const auto* at = reinterpret_cast<const __m128i*>(p);
    return side == 16 ? _mm_loadu_si128(at) : _mm_loadl_epi64(at);
  };
  const __m128i limit = _mm_set1_epi8(static_cast<char>(most));
  __m128i over = _mm_setzero_si128();
  for (size_t y = 0; y < side; ++y) {
    const __m128i p = load(a.at + y * a.stride), q = load(b.at + y * b.stride);
    const __m128i off = _mm_or_si128(_mm_subs_epu8(p, q), _mm_subs_epu8(q, p));
    over = _mm_or_si128(over, _mm_subs_epu8(off, limit));
  }
  return _mm_movemask_epi8(_mm_cmpeq_epi8(over, _mm_setzero_si128())) != 0xffff;
}
#else
bool any_far(Samples a, Samples b, size_t side, uint8_t most) {
  for (size_t y = 0; y < side; ++y) {
    for (size_t x = 0; x < side; ++x) {
      if (std::abs(a.at[y * a.stride + x] - b.at[y * b.stride + x]) > most) return true;
    }
  }
  return false;
}
#endif

void copy_16x16(Samples from, uint8_t* to, size_t stride) {
  for (size_t y = 0; y < 16; ++y) std::memcpy(to + y * stride, from.at + y * from.stride, 16);
}
void copy_8x8(Samples from, uint8_t* to, size_t stride) {
  for (size_t y = 0; y < 8; ++y) std::memcpy(to + y * stride, from.at + y * from.stride, 8);
}

void halfway_8x8(Samples from, bool across, bool down, uint8_t* out) {
  const size_t right = across ? 1 : 0, below = down ? from.stride : 0;
  for (size_t y = 0; y < 8; ++y, out += 8) {
    const uint8_t* p = from.at + y * from.stride;
    for (size_t x = 0; x < 8; ++x) {
      out[x] = static_cast<uint8_t>((p[x] + p[x + right] + p[x + below] + p[x + right + below] + 2) >> 2);
    }
  }
}

bool predict_16x16(const Beside& beside, LumaMode mode, uint8_t* out) {
  switch (mode) {
    case LumaMode::vertical:
      if (beside.above) copy_above(beside, 16, out);
      return beside.above;
    case LumaMode::horizontal:
      if (beside.left) copy_left(beside, 16, out);
      return beside.left;
    case LumaMode::dc: break;
  }
  uint32_t mean = 128;
  if (beside.above && beside.left) {
    mean = (sum_above(beside, 0, 16) + sum_left(beside, 0, 16) + 16) >> 5;
  } else if (beside.above) {
    mean = (sum_above(beside, 0, 16) + 8) >> 4;
  } else if (beside.left) {
    mean = (sum_left(beside, 0, 16) + 8) >> 4;
  }
  std::memset(out, static_cast<int>(mean), 256);
  return true;
}

bool predict_8x8(const Beside& beside, ChromaMode mode, uint8_t* out) {
  switch (mode) {
    case ChromaMode::vertical:
      if (beside.above) copy_above(beside, 8, out);
      return beside.above;
    case ChromaMode::horizontal:
      if (beside.left) copy_left(beside, 8, out);
      return beside.left;
    case ChromaMode::dc: break;
  }
  for (size_t block = 0; block < 4; ++block) {
    const size_t x = block % 2 * 4, y = block / 2 * 4;
    // 8.3.4.1 to 3: off the diagonal one side is preferred to the mean of both.
    const bool above = beside.above && !(x == 0 && y == 4 && beside.left);
    const bool left = beside.left && !(x == 4 && y == 0 && beside.above);
    uint32_t mean = 128;
    if (above && left) {
      mean = (sum_above(beside, x, 4) + sum_left(beside, y, 4) + 4) >> 3;
    } else if (above) {
      mean = (sum_above(beside, x, 4) + 2) >> 2;
    } else if (left) {
      mean = (sum_left(beside, y, 4) + 2) >> 2;
    }
    for (size_t row = 0; row < 4; ++row) std::memset(out + (y + row) * 8 + x, static_cast<int>(mean), 4);
  }
  return true;
}

}  // namespace vigie::codec::h264_writer
