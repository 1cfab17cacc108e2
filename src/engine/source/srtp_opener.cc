#include "source/srtp_opener.h"

#include <cstring>
#include <utility>

#include "rtp/packet.h"

namespace vigie::source {

Status SrtpOpener::begin(const SrtpKeys* keys) {
  srtp_.reset();
  opened_ = refused_ = told_ = 0;
  next_fault_ = {};
  if (!keys) return {};
  auto made = rtp::Srtp::make(*keys);
  if (!made) return std::move(made).error();
  srtp_ = std::move(*made);
  return {};
}

bool SrtpOpener::open(bool rtcp, ByteSpan& packet, MonoTime at, std::string_view from, std::optional<Error>& fault) {
  if (!rtcp && rtp::looks_like_rtcp(packet)) rtcp = true;  // E5: SRTCP has that in the clear too
  const rtp::Srtp::Verdict verdict = rtcp ? srtp_->open_rtcp(packet, packet) : srtp_->open_rtp(packet, packet);
  if (verdict == rtp::Srtp::Verdict::ok) {
    ++opened_;
    return true;
  }
  if (verdict == rtp::Srtp::Verdict::replayed) {
    ++counters_.duplicate_packets;
    return false;
  }
  ++counters_.malformed;
  ++refused_;
  std::string what;
  if (opened_ == 0 && refused_ == kMostRefused) {
    what = "none of " + std::to_string(kMostRefused) +
           " SRTP packets authenticates: the device encrypts with another key than it gave";
  } else if (at >= next_fault_) {
    next_fault_ = at + 1s;
    what = "SRTP packets do not authenticate: " + std::to_string(refused_ - std::exchange(told_, refused_)) +
           " since the last report";
  }
  if (!what.empty()) {
    fault = make_error(Code::rtp_malformed, std::string(where_).append(", ").append(from), std::move(what));
  }
  return false;
}

ByteSpan SrtpOpener::protect(std::span<uint8_t> memory, ByteSpan report) {
  if (!srtp_ || report.empty()) return report;
  if (report.data() != memory.data()) std::memmove(memory.data(), report.data(), report.size());
  return srtp_->protect_rtcp(memory, report.size());
}

}  // namespace vigie::source
