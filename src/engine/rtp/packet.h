#pragma once
// One RTP packet as a view (RFC 3550 5.1), and its fixed header written.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"

namespace vigie::rtp {

constexpr size_t kHeaderBytes = 12;

// When a packet was read from the kernel, by both clocks.
struct Arrival {
  MonoTime mono{};
  WallTime wall{};
};

// The fields of one packet; spans point into the caller's bytes.
struct PacketView {
  bool marker = false;
  uint8_t payload_type = 0;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
  uint16_t extension_profile = 0;  // 0 when there is no header extension
  ByteSpan extension;
  ByteSpan payload;  // CSRCs, header extension and padding taken off (F9); may be empty (F10)
  ByteSpan bytes;    // the whole packet
};

enum class PacketFault : uint8_t { none = 0, too_short, version, csrc, extension, padding };
std::string_view packet_fault_name(PacketFault fault);

// Reads a packet; on a fault `out` is not to be used. Takes no memory.
[[nodiscard]] PacketFault try_parse_packet(ByteSpan bytes, PacketView& out);

// True for what can only be RTCP by its second byte (packet types 192 to 223, RFC 5761 4), for cameras that mix up
// the two channels (E5).
inline bool looks_like_rtcp(ByteSpan bytes) {
  return bytes.size() >= 8 && bytes[0] >> 6 == 2 && bytes[1] >= 192 && bytes[1] <= 223;
}

struct HeaderFields {
  bool marker = false;
  uint8_t payload_type = 96;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
};
// Writes the 12 bytes of a header without CSRC, extension or padding.
inline void write_header(uint8_t* out, const HeaderFields& fields) {
  out[0] = 0x80;
  out[1] = static_cast<uint8_t>((fields.marker ? 0x80 : 0) | (fields.payload_type & 0x7f));
  store_be16(out + 2, fields.sequence);
  store_be32(out + 4, fields.timestamp);
  store_be32(out + 8, fields.ssrc);
}

}  // namespace vigie::rtp
