#pragma once
// Writes what BitReader reads: syntax elements into an RBSP, and that into a NAL unit. For those who make streams.
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace vigie {

// Appends an RBSP to its NAL unit's header, with emulation prevention (H.264 7.3.1): what Rbsp takes out.
inline void append_escaped(ByteSpan rbsp, std::vector<uint8_t>& nal) {
  unsigned zeros = 0;
  for (const uint8_t byte : rbsp) {
    if (zeros >= 2 && byte <= 3) {
      nal.push_back(3);
      zeros = 0;
    }
    nal.push_back(byte);
    zeros = byte == 0 ? zeros + 1 : 0;
  }
}

class BitWriter {
 public:
  BitWriter& bits(uint64_t value, unsigned count) {
    for (unsigned i = count; i-- > 0;) {
      if (used_ == 0) bytes_.push_back(0);
      bytes_.back() = static_cast<uint8_t>(bytes_.back() | ((value >> i & 1) << (7 - used_)));
      used_ = (used_ + 1) % 8;
    }
    return *this;
  }
  BitWriter& ue(uint32_t value) {
    const uint64_t code = uint64_t{value} + 1;
    unsigned length = 0;
    while (code >> (length + 1)) ++length;
    return bits(0, length).bits(code, length + 1);
  }
  // rbsp_trailing_bits (H.264 7.3.2.11).
  void trailing() {
    bits(1, 1);
    while (used_ != 0) bits(0, 1);
  }
  bool aligned() const { return used_ == 0; }
  // A NAL unit: emulation prevention goes in behind `header` (H.264 7.3.1).
  std::vector<uint8_t> nal(std::vector<uint8_t> header) const {
    append_escaped(bytes_, header);
    return header;
  }

 private:
  std::vector<uint8_t> bytes_;
  unsigned used_ = 0;
};

}  // namespace vigie
