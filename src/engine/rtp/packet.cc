#include "rtp/packet.h"

namespace vigie::rtp {

std::string_view packet_fault_name(PacketFault fault) {
  switch (fault) {
    case PacketFault::none: return "none";
    case PacketFault::too_short: return "too_short";
    case PacketFault::version: return "version";
    case PacketFault::csrc: return "csrc";
    case PacketFault::extension: return "extension";
    case PacketFault::padding: return "padding";
  }
  return "unknown";
}

PacketFault try_parse_packet(ByteSpan bytes, PacketView& out) {
  if (bytes.size() < kHeaderBytes) return PacketFault::too_short;
  const uint8_t* p = bytes.data();
  if (p[0] >> 6 != 2) return PacketFault::version;
  size_t begin = kHeaderBytes + size_t{4} * (p[0] & 0x0f);
  size_t end = bytes.size();
  if (begin > end) return PacketFault::csrc;
  out.extension_profile = 0;
  out.extension = {};
  if (p[0] & 0x10) {
    if (end - begin < 4) return PacketFault::extension;
    const size_t extension_bytes = size_t{4} * load_be16(p + begin + 2);
    if (end - begin - 4 < extension_bytes) return PacketFault::extension;
    out.extension_profile = load_be16(p + begin);
    out.extension = bytes.subspan(begin + 4, extension_bytes);
    begin += 4 + extension_bytes;
  }
  if (p[0] & 0x20) {
    if (begin == end) return PacketFault::padding;
    const size_t padding = p[end - 1];
    if (padding == 0 || padding > end - begin) return PacketFault::padding;
    end -= padding;
  }
  out.marker = (p[1] & 0x80) != 0;
  out.payload_type = p[1] & 0x7f;
  out.sequence = load_be16(p + 2);
  out.timestamp = load_be32(p + 4);
  out.ssrc = load_be32(p + 8);
  out.payload = bytes.subspan(begin, end - begin);
  out.bytes = bytes;
  return PacketFault::none;
}

}  // namespace vigie::rtp
