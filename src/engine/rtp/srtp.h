#pragma once
// SRTP and SRTCP (RFC 3711) of one track: packets in, plain packets out. libsrtp does the cryptography; its header is
// included by srtp.cc alone.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/srtp_keys.h"

namespace vigie::rtp {

// One key for both directions and for any SSRC; replayed packets are refused over a window of 1024. The state of the
// newest kMaxSenders senders is kept. Takes no memory per packet, only for a new sender that has proved itself.
// Thread: one.
class Srtp {
 public:
  static constexpr size_t kMaxSenders = 8;
  enum class Verdict : uint8_t { ok, not_authentic, replayed, malformed };

  // Errors: invalid_argument (keys of a wrong length), rtsp_unsupported (this libsrtp does not have the suite).
  static Result<std::unique_ptr<Srtp>> make(const SrtpKeys& keys);
  ~Srtp();
  Srtp(const Srtp&) = delete;
  Srtp& operator=(const Srtp&) = delete;

  // On `ok` `plain` is the packet without its protection, in this object's memory until the next call.
  Verdict open_rtp(ByteSpan packet, ByteSpan& plain) { return open(packet, plain, false); }
  Verdict open_rtcp(ByteSpan packet, ByteSpan& plain) { return open(packet, plain, true); }
  // Protects the compound of `bytes` bytes that stands at the front of `memory`, and answers with what to send; empty
  // when it does not fit.
  ByteSpan protect_rtcp(std::span<uint8_t> memory, size_t bytes);

 private:
  struct Sessions;
  explicit Srtp(std::unique_ptr<Sessions> sessions);
  Verdict open(ByteSpan packet, ByteSpan& plain, bool rtcp);
  // A sender that has proved itself; the oldest is forgotten for a new one.
  void remember(uint32_t ssrc);

  std::unique_ptr<Sessions> sessions_;
  bool with_mki_ = false;
  std::vector<uint32_t> words_;  // libsrtp wants packets at addresses that interleaved ones do not have
  std::array<uint32_t, kMaxSenders> senders_{};
  size_t sender_count_ = 0;
  size_t next_sender_ = 0;
  uint32_t newest_sender_ = 0;
};

}  // namespace vigie::rtp
