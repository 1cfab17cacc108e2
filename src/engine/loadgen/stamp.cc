#include "loadgen/stamp.h"

#include <algorithm>
#include <cstring>

namespace vigie::loadgen {
namespace {

uint8_t* put(uint8_t* out, uint64_t value, size_t digits) {
  for (size_t i = digits; i-- > 0;) {
    out[i] = static_cast<uint8_t>(0x80 | (value & 0x3f));
    value >>= 6;
  }
  return out + digits;
}

// Reads `digits` bytes; false when one of them is no digit.
bool take(const uint8_t*& at, size_t digits, uint64_t& value) {
  value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if ((at[i] & 0xc0) != 0x80) return false;
    value = value << 6 | (at[i] & 0x3f);
  }
  at += digits;
  return true;
}

}  // namespace

void write_stamp(uint8_t* out, const UnitStamp& stamp) {
  std::copy_n(kStampUuid, 16, out);
  out = put(out + 16, stamp.camera, 6);
  out = put(out, stamp.unit, 8);
  out = put(out, static_cast<uint64_t>(stamp.first_ns), 11);
  put(out, static_cast<uint64_t>(stamp.last_ns), 11);
}

void write_trailer(uint8_t* out, const UnitTrailer& trailer) {
  std::copy_n(kTrailerMagic, 8, out);
  out = put(out + 8, trailer.unit, 8);
  put(out, static_cast<uint64_t>(trailer.last_ns), 11);
}

std::optional<UnitStamp> find_stamp(ByteSpan payload) {
  const size_t searched = payload.size() < kStampSearchBytes ? payload.size() : kStampSearchBytes;
  if (searched < kStampBytes) return std::nullopt;
  const void* found = ::memmem(payload.data(), searched, kStampUuid, 16);
  if (found == nullptr) return std::nullopt;
  const auto* at = static_cast<const uint8_t*>(found);
  if (static_cast<size_t>(payload.data() + payload.size() - at) < kStampBytes) return std::nullopt;
  at += 16;
  uint64_t camera = 0, unit = 0, first = 0, last = 0;
  if (!take(at, 6, camera) || !take(at, 8, unit) || !take(at, 11, first) || !take(at, 11, last)) return std::nullopt;
  return UnitStamp{static_cast<uint32_t>(camera), unit, static_cast<int64_t>(first), static_cast<int64_t>(last)};
}

std::optional<UnitTrailer> read_trailer(ByteSpan bytes) {
  if (bytes.size() < kTrailerBytes) return std::nullopt;
  const uint8_t* at = bytes.data() + bytes.size() - kTrailerBytes;
  if (std::memcmp(at, kTrailerMagic, 8) != 0) return std::nullopt;
  at += 8;
  uint64_t unit = 0, last = 0;
  if (!take(at, 8, unit) || !take(at, 11, last)) return std::nullopt;
  return UnitTrailer{unit, static_cast<int64_t>(last)};
}

}  // namespace vigie::loadgen
