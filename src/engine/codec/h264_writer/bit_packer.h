#pragma once
// Syntax elements of slices, fast: base/bit_writer.h's work, a word at a time.
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace vigie::codec::h264_writer {

// Room is made once a macroblock (`reserve`), not for each element.
class BitPacker {
 public:
  // Of one point in what was written; going back to it forgets what came after.
  struct Mark {
    size_t bytes = 0;
    uint64_t word = 0;
    unsigned used = 0;
    size_t bit_count() const { return bytes * 8 + used; }
  };

  void clear() { size_ = 0, word_ = 0, used_ = 0; }
  // Room for at least so many more bytes.
  void reserve(size_t bytes) {
    if (bytes_.size() < size_ + bytes + 16) bytes_.resize((size_ + bytes + 16) * 2);
  }
  // `value` is less than 2^count; count at most 32.
  void bits(uint32_t value, unsigned count) {
    word_ = word_ << count | value;
    used_ += count;
    if (used_ >= 32) {
      used_ -= 32;
      store_be32(bytes_.data() + size_, static_cast<uint32_t>(word_ >> used_));
      size_ += 4;
    }
  }
  void ue(uint32_t value) {
    const unsigned length = std::bit_width(value + 1);
    if (length <= 16) {
      bits(value + 1, 2 * length - 1);
    } else {
      bits(0, length - 1);
      bits(value + 1, length);
    }
  }
  void se(int value) { ue(value > 0 ? 2 * static_cast<uint32_t>(value) - 1 : 2 * static_cast<uint32_t>(-value)); }
  void align_with_zeros() { bits(0, (8 - used_ % 8) % 8); }
  void raw(std::span<const uint8_t> bytes) {
    for (const uint8_t byte : bytes) bits(byte, 8);
  }

  size_t bit_count() const { return mark().bit_count(); }
  Mark mark() const { return {size_, word_, used_}; }
  void back_to(const Mark& mark) { size_ = mark.bytes, word_ = mark.word, used_ = mark.used; }

  // rbsp_trailing_bits; what was written, whole.
  ByteSpan finish() {
    bits(1, 1);
    align_with_zeros();
    while (used_ > 0) {
      used_ -= 8;
      bytes_[size_++] = static_cast<uint8_t>(word_ >> used_);
    }
    return {bytes_.data(), size_};
  }

 private:
  std::vector<uint8_t> bytes_;
  size_t size_ = 0;    // bytes that are whole
  uint64_t word_ = 0;  // its lowest `used_` bits come next
  unsigned used_ = 0;  // less than 32
};

}  // namespace vigie::codec::h264_writer
