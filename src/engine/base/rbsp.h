#pragma once
// NAL unit -> RBSP for header parsing (H.264 7.4.1, H.265 7.4.2): emulation prevention bytes taken out.
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace vigie {

// The beginning of an RBSP, up to a bound that is ample for parameter sets. Takes no memory.
class Rbsp {
 public:
  static constexpr size_t kMaxBytes = 1024;
  explicit Rbsp(ByteSpan nal, size_t header_bytes);
  ByteSpan bytes() const { return {bytes_.data(), size_}; }

 private:
  std::array<uint8_t, kMaxBytes> bytes_;
  size_t size_ = 0;
};

}  // namespace vigie
