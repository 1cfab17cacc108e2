#pragma once
// RTCP compounds read and written (RFC 3550 6), and NTP time.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/quirk.h"
#include "base/time.h"

namespace vigie::rtp {

// 64-bit NTP time <-> civil time. Seconds below 2^31 are read as after 2036-02-07 (RFC 4330 3).
uint64_t ntp_from_wall(WallTime wall);
WallTime wall_from_ntp(uint64_t ntp);
// The middle 32 bits, as report blocks carry it (LSR).
inline uint32_t ntp_middle(uint64_t ntp) { return static_cast<uint32_t>(ntp >> 16); }

struct ReportBlock {
  uint32_t ssrc = 0;
  uint8_t fraction_lost = 0;         // 1/256
  int32_t cumulative_lost = 0;       // 24 bits, signed
  uint32_t highest_sequence = 0;     // extended
  uint32_t jitter = 0;               // in timestamp units
  uint32_t last_sr = 0;              // ntp_middle of the last sender report, 0 before any
  uint32_t delay_since_last_sr = 0;  // 1/65536 s
};

struct SenderReport {
  uint32_t ssrc = 0;
  uint64_t ntp = 0;  // 0 = the sender has no clock (F12)
  uint32_t rtp_timestamp = 0;
  uint32_t packet_count = 0;
  uint32_t octet_count = 0;
};

// What one datagram or interleaved frame of RTCP said. The cname points into the caller's bytes.
struct RtcpCompound {
  static constexpr size_t kMaxBlocks = 31;
  static constexpr size_t kMaxByes = 31;
  static constexpr size_t kMaxPackets = 64;   // what follows is not read (E9)
  std::optional<SenderReport> sender_report;  // the last one, of whatever SSRC (F6)
  std::optional<uint32_t> receiver_ssrc;      // who sent a receiver report
  std::array<ReportBlock, kMaxBlocks> blocks;
  uint8_t block_count = 0;
  std::string_view cname;  // of the first SDES chunk that has one
  std::array<uint32_t, kMaxByes> byes;
  uint8_t bye_count = 0;
  uint32_t unknown_packets = 0;    // well-formed, of a type not read here (APP, feedback, XR …)
  uint32_t malformed_packets = 0;  // skipped, or where reading had to stop
  bool refused = false;            // nothing of it counts: it deviates in a way that is not tolerated (F5, E9)

  std::span<const ReportBlock> report_blocks() const { return {blocks.data(), block_count}; }
  std::span<const uint32_t> bye_ssrcs() const { return {byes.data(), bye_count}; }
};

// Reads what can be read and counts the rest (F5): a wrong length ends the compound, a wrong inside skips one packet.
// The compound's order rules (SR or RR first, SDES present) are not checked. Takes no memory.
void parse_rtcp(ByteSpan bytes, RtcpCompound& out, Quirks* quirks = nullptr);

// Appends packets to a compound in the caller's memory. A packet that does not fit is left out and clears `ok()`.
class RtcpWriter {
 public:
  explicit RtcpWriter(std::span<uint8_t> out) : out_(out) {}
  void sender_report(const SenderReport& report, std::span<const ReportBlock> blocks = {});
  void receiver_report(uint32_t ssrc, std::span<const ReportBlock> blocks = {});
  void sdes_cname(uint32_t ssrc, std::string_view cname);  // cut to 255 bytes
  void bye(uint32_t ssrc, std::string_view reason = {});
  bool ok() const { return ok_; }
  ByteSpan bytes() const { return out_.first(size_); }

 private:
  uint8_t* begin(size_t bytes, uint8_t count, uint8_t type);
  std::span<uint8_t> out_;
  size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace vigie::rtp
