#include "base/bytes.h"

namespace vigie {

std::string hex_text(ByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

uint32_t BitReader::bits(unsigned count) {
  if (failed_ || count > remaining_bits()) {
    failed_ = true;
    return 0;
  }
  uint64_t value = 0;
  for (unsigned left = count; left > 0;) {
    const unsigned in_byte = 8 - at_ % 8;
    const unsigned take = left < in_byte ? left : in_byte;
    const unsigned byte = bytes_[at_ / 8];
    value = value << take | (byte >> (in_byte - take) & ((1U << take) - 1));
    at_ += take;
    left -= take;
  }
  return static_cast<uint32_t>(value);
}

void BitReader::skip(size_t count) {
  if (failed_ || count > remaining_bits()) {
    failed_ = true;
    return;
  }
  at_ += count;
}

uint32_t BitReader::ue() {
  unsigned zeros = 0;
  while (!failed_ && !flag()) {
    if (++zeros > 32) failed_ = true;
  }
  if (failed_ || zeros == 0) return 0;
  if (zeros == 32) {  // 2^32 - 1 + bits: only the all-zero suffix fits
    if (bits(32) != 0) failed_ = true;
    return failed_ ? 0 : UINT32_MAX;
  }
  const uint32_t suffix = bits(zeros);
  return failed_ ? 0 : (uint32_t{1} << zeros) - 1 + suffix;
}

int32_t BitReader::se() {
  const uint32_t k = ue();
  if (k == UINT32_MAX) {  // would be 2^31
    failed_ = true;
    return 0;
  }
  const auto half = static_cast<int32_t>(k / 2);
  return k % 2 ? half + 1 : -half;
}

}  // namespace vigie
