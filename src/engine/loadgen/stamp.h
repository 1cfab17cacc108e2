#pragma once
// The stamp a simulated camera puts into every access unit, so that a viewer can tell what arrived and how late.
//
// Layout: 16 bytes of UUID, then fixed-width numbers, six bits a byte with the top bit set. So no byte is 0x00 or 0xFF:
// the same bytes are legal inside an SEI NAL unit, a slice and a JPEG scan without any escaping, and can be rewritten
// in place without changing a length.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace vigie::loadgen {

// user_data_unregistered UUID of the stamp (H.264 D.2.7): readable in a hex dump.
inline constexpr char kStampUuid[17] = "vigie-loadgen-01";
inline constexpr char kTrailerMagic[9] = "vgunitEN";
inline constexpr size_t kStampBytes = 16 + 6 + 8 + 11 + 11;
inline constexpr size_t kTrailerBytes = 8 + 8 + 11;

// Units: CLOCK_MONOTONIC nanoseconds. `last_ns` is when the last byte is planned to be handed to the kernel; where the
// unit ends in a trailer, the trailer says when it really was.
struct UnitStamp {
  uint32_t camera = 0;
  uint64_t unit = 0;  // counts the units that left the camera, from 1; 48 bits on the wire
  int64_t first_ns = 0;
  int64_t last_ns = 0;
};

// The end of a synthetic unit: which unit, and when its last byte was handed to the kernel.
struct UnitTrailer {
  uint64_t unit = 0;
  int64_t last_ns = 0;
};

// Writes kStampBytes / kTrailerBytes at `out`.
void write_stamp(uint8_t* out, const UnitStamp& stamp);
void write_trailer(uint8_t* out, const UnitTrailer& trailer);

// Looks for a stamp in the first `kStampSearchBytes` of an RTP payload.
inline constexpr size_t kStampSearchBytes = 512;
std::optional<UnitStamp> find_stamp(ByteSpan payload);
// Reads a trailer that ends exactly where `bytes` end.
std::optional<UnitTrailer> read_trailer(ByteSpan bytes);

}  // namespace vigie::loadgen
