#pragma once
// Bounded reading and writing of big-endian bytes and of bits. Nothing here reads past its span.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace vigie {

using ByteSpan = std::span<const uint8_t>;

inline std::string_view as_text(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline ByteSpan as_bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// Two lower-case digits a byte.
std::string hex_text(ByteSpan bytes);

inline uint16_t load_be16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
inline uint32_t load_be32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}
inline uint64_t load_be64(const uint8_t* p) { return uint64_t{load_be32(p)} << 32 | load_be32(p + 4); }
inline void store_be16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}
inline void store_be32(uint8_t* p, uint32_t v) {
  store_be16(p, static_cast<uint16_t>(v >> 16));
  store_be16(p + 2, static_cast<uint16_t>(v));
}
inline void store_be64(uint8_t* p, uint64_t v) {
  store_be32(p, static_cast<uint32_t>(v >> 32));
  store_be32(p + 4, static_cast<uint32_t>(v));
}

// Reads forward; a read past the end returns zero, sets `failed()` and stays there.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : bytes_(bytes) {}
  size_t remaining() const { return bytes_.size() - at_; }
  size_t position() const { return at_; }
  bool failed() const { return failed_; }
  uint8_t u8() { return take(1) ? bytes_[at_ - 1] : uint8_t{0}; }
  uint16_t u16() { return take(2) ? load_be16(&bytes_[at_ - 2]) : uint16_t{0}; }
  uint32_t u32() { return take(4) ? load_be32(&bytes_[at_ - 4]) : 0; }
  uint64_t u64() { return take(8) ? load_be64(&bytes_[at_ - 8]) : 0; }
  ByteSpan bytes(size_t count) { return take(count) ? bytes_.subspan(at_ - count, count) : ByteSpan{}; }
  bool skip(size_t count) { return take(count); }

 private:
  bool take(size_t count) {
    if (failed_ || count > remaining()) {
      failed_ = true;
      return false;
    }
    at_ += count;
    return true;
  }
  ByteSpan bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

// Reads bits, most significant first, and Exp-Golomb codes (H.264 9.1); same failure rule as ByteReader.
// Give it an RBSP: emulation prevention bytes are not removed here.
class BitReader {
 public:
  explicit BitReader(ByteSpan bytes) : bytes_(bytes) {}
  size_t remaining_bits() const { return bytes_.size() * 8 - at_; }
  bool failed() const { return failed_; }
  uint32_t bits(unsigned count);  // count <= 32
  bool flag() { return bits(1) != 0; }
  void skip(size_t count);
  uint32_t ue();
  int32_t se();

 private:
  ByteSpan bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace vigie
