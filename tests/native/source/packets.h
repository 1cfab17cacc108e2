#pragma once
// RTP and RTCP packets as a camera sends them, for tests.
#include <string>
#include <vector>

#include "base/bytes.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

namespace vigie::source::testing {

inline const std::string kSps("\x67\x42\x00\x1e\xab\x40\x50\x1e\xd0\x0f\x08\x84\x6a", 13);
inline const std::string kPps("\x68\xce\x3c\x80", 4);

inline std::string packet(uint16_t sequence, uint32_t timestamp, std::string_view payload, bool marker = true,
                          uint32_t ssrc = 0xcafe, uint8_t payload_type = 96) {
  std::string out(rtp::kHeaderBytes, '\0');
  rtp::write_header(reinterpret_cast<uint8_t*>(out.data()), {marker, payload_type, sequence, timestamp, ssrc});
  return out += payload;
}
// An interleaved frame (RFC 2326 10.12).
inline std::string interleaved(std::string_view packet, char channel = 0) {
  return std::string{'$', channel, static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())}.append(
      packet);
}
// One slice that begins a picture: IDR or not.
inline std::string slice(bool idr, size_t bytes = 40) {
  std::string out = idr ? "\x65\x88" : "\x41\x9a";
  while (out.size() < bytes) out += static_cast<char>(out.size() | 1);
  return out;
}
inline std::string sender_report(uint32_t ssrc, WallTime at, uint32_t rtp_timestamp) {
  std::string out(128, '\0');
  rtp::RtcpWriter writer({reinterpret_cast<uint8_t*>(out.data()), out.size()});
  rtp::SenderReport report;
  report.ssrc = ssrc;
  report.ntp = rtp::ntp_from_wall(at);
  report.rtp_timestamp = rtp_timestamp;
  writer.sender_report(report);
  writer.sdes_cname(ssrc, "camera");
  out.resize(writer.bytes().size());
  return out;
}

}  // namespace vigie::source::testing
