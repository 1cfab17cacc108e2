#pragma once
// Start codes of Annex B byte streams (H.264 and H.265 B.1).
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace vigie {

// What stands in front of each NAL unit here.
inline constexpr std::array<uint8_t, 4> kStartCode{0, 0, 0, 1};

// Position of the first 00 00 01 at or after `from`; bytes.size() when there is none.
size_t find_start_code(ByteSpan bytes, size_t from = 0);

// Walks over the NAL units of a complete byte stream: next() until it returns false. Zero bytes around start codes
// are not part of a NAL unit; what stands before the first start code is skipped.
class NalWalker {
 public:
  explicit NalWalker(ByteSpan annexb);
  bool next(ByteSpan& nal);

 private:
  ByteSpan bytes_;
  size_t at_;  // first byte of the next NAL unit, or size
};

}  // namespace vigie
