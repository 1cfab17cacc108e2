#pragma once
// Eight 16-bit numbers at once: SSE2 where there is such a processor, else plain loops that mean the same. What is written
// with them is written once, as a template, and tested with both.
#include <array>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace vigie::codec::h264_writer {

// The plain loops. Arithmetic wraps at 16 bits, as it does in SSE2.
struct PlainLanes {
  std::array<int16_t, 8> v;

  static PlainLanes of_bytes(const uint8_t* p) {
    PlainLanes r;
    for (size_t i = 0; i < 8; ++i) r.v[i] = p[i];
    return r;
  }
  static PlainLanes of(const int16_t* p) {
    PlainLanes r;
    std::memcpy(r.v.data(), p, sizeof(r.v));
    return r;
  }
  static PlainLanes all(int16_t value) {
    PlainLanes r;
    r.v.fill(value);
    return r;
  }
  void store(int16_t* p) const { std::memcpy(p, v.data(), sizeof(v)); }
  // Limited to 0..255.
  void store_bytes(uint8_t* p) const {
    for (size_t i = 0; i < 8; ++i) p[i] = static_cast<uint8_t>(v[i] < 0 ? 0 : v[i] > 255 ? 255 : v[i]);
  }
  friend PlainLanes operator+(const PlainLanes& a, const PlainLanes& b) {
    return each([&](size_t i) { return a.v[i] + b.v[i]; });
  }
  friend PlainLanes operator-(const PlainLanes& a, const PlainLanes& b) {
    return each([&](size_t i) { return a.v[i] - b.v[i]; });
  }
  friend PlainLanes operator|(const PlainLanes& a, const PlainLanes& b) {
    return each([&](size_t i) { return a.v[i] | b.v[i]; });
  }
  // The low 16 bits of the product.
  friend PlainLanes operator*(const PlainLanes& a, const PlainLanes& b) {
    return each([&](size_t i) { return a.v[i] * b.v[i]; });
  }
  PlainLanes down(int by) const {
    return each([&](size_t i) { return v[i] >> by; });
  }
  PlainLanes magnitude() const {
    return each([&](size_t i) { return v[i] < 0 ? -v[i] : v[i]; });
  }
  // The high 16 bits of the product of numbers without sign, moved down by `by` more.
  PlainLanes product_high(const PlainLanes& factor, int by) const {
    return each([&](size_t i) {
      return static_cast<int>((uint32_t{static_cast<uint16_t>(v[i])} * static_cast<uint16_t>(factor.v[i])) >>
                              (16 + by));
    });
  }
  PlainLanes with_sign_of(const PlainLanes& other) const {
    return each([&](size_t i) { return other.v[i] < 0 ? -v[i] : v[i]; });
  }
  bool zero() const {
    for (const int16_t x : v) {
      if (x != 0) return false;
    }
    return true;
  }
  // Lanes of both in turn, from their lower and upper halves; a lane is `Lane` wide.
  template <class Lane>
  static PlainLanes low(const PlainLanes& a, const PlainLanes& b) {
    return interleave<Lane>(a, b, 0);
  }
  template <class Lane>
  static PlainLanes high(const PlainLanes& a, const PlainLanes& b) {
    return interleave<Lane>(a, b, 8);
  }
  // One bit for each of 16 lanes that is not zero, `a` first.
  static uint32_t nonzero(const PlainLanes& a, const PlainLanes& b) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 8; ++i) bits |= uint32_t{a.v[i] != 0} << i | uint32_t{b.v[i] != 0} << (8 + i);
    return bits;
  }

 private:
  template <class Make>
  static PlainLanes each(Make make) {
    PlainLanes r;
    for (size_t i = 0; i < 8; ++i) r.v[i] = static_cast<int16_t>(make(i));
    return r;
  }
  template <class Lane>
  static PlainLanes interleave(const PlainLanes& a, const PlainLanes& b, size_t from) {
    PlainLanes r;
    auto* out = reinterpret_cast<uint8_t*>(r.v.data());
    const auto* p = reinterpret_cast<const uint8_t*>(a.v.data()) + from;
    const auto* q = reinterpret_cast<const uint8_t*>(b.v.data()) + from;
    for (size_t i = 0; i < 8; i += sizeof(Lane), out += 2 * sizeof(Lane)) {
      std::memcpy(out, p + i, sizeof(Lane));
      std::memcpy(out + sizeof(Lane), q + i, sizeof(Lane));
    }
    return r;
  }
};

#if defined(__SSE2__)
struct SseLanes {
  __m128i v;

  static SseLanes of_bytes(const uint8_t* p) {
    return {_mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), _mm_setzero_si128())};
  }
  static SseLanes of(const int16_t* p) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))}; }
  static SseLanes all(int16_t value) { return {_mm_set1_epi16(value)}; }
  void store(int16_t* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
  void store_bytes(uint8_t* p) const { _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(v, v)); }
  friend SseLanes operator+(const SseLanes& a, const SseLanes& b) { return {_mm_add_epi16(a.v, b.v)}; }
  friend SseLanes operator-(const SseLanes& a, const SseLanes& b) { return {_mm_sub_epi16(a.v, b.v)}; }
  friend SseLanes operator|(const SseLanes& a, const SseLanes& b) { return {_mm_or_si128(a.v, b.v)}; }
  friend SseLanes operator*(const SseLanes& a, const SseLanes& b) { return {_mm_mullo_epi16(a.v, b.v)}; }
  SseLanes down(int by) const { return {_mm_sra_epi16(v, _mm_cvtsi32_si128(by))}; }
  SseLanes magnitude() const { return {_mm_max_epi16(v, _mm_sub_epi16(_mm_setzero_si128(), v))}; }
  SseLanes product_high(const SseLanes& factor, int by) const {
    return {_mm_srl_epi16(_mm_mulhi_epu16(v, factor.v), _mm_cvtsi32_si128(by))};
  }
  SseLanes with_sign_of(const SseLanes& other) const {
    const __m128i sign = _mm_srai_epi16(other.v, 15);
    return {_mm_sub_epi16(_mm_xor_si128(v, sign), sign)};
  }
  bool zero() const { return _mm_movemask_epi8(_mm_cmpeq_epi16(v, _mm_setzero_si128())) == 0xffff; }
  template <class Lane>
  static SseLanes low(const SseLanes& a, const SseLanes& b) {
    if constexpr (sizeof(Lane) == 2) return {_mm_unpacklo_epi16(a.v, b.v)};
    if constexpr (sizeof(Lane) == 4) return {_mm_unpacklo_epi32(a.v, b.v)};
    if constexpr (sizeof(Lane) == 8) return {_mm_unpacklo_epi64(a.v, b.v)};
  }
  template <class Lane>
  static SseLanes high(const SseLanes& a, const SseLanes& b) {
    if constexpr (sizeof(Lane) == 2) return {_mm_unpackhi_epi16(a.v, b.v)};
    if constexpr (sizeof(Lane) == 4) return {_mm_unpackhi_epi32(a.v, b.v)};
    if constexpr (sizeof(Lane) == 8) return {_mm_unpackhi_epi64(a.v, b.v)};
  }
  static uint32_t nonzero(const SseLanes& a, const SseLanes& b) {
    const __m128i both = _mm_packs_epi16(a.v, b.v);
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(both, _mm_setzero_si128()))) ^ 0xffff;
  }
};
using Lanes = SseLanes;
#else
using Lanes = PlainLanes;
#endif

}  // namespace vigie::codec::h264_writer
