#pragma once
// The headers of SETUP and PLAY: Transport, Session, Range, RTP-Info, and the method list of Public.
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"
#include "base/result.h"
#include "base/time.h"
#include "rtsp/message.h"

namespace vigie::rtsp {

enum class RtpProfile : uint8_t { avp, avpf, savp, savpf, other };  // SAVP: SRTP
enum class LowerTransport : uint8_t { udp, tcp };
enum class Delivery : uint8_t { unspecified, unicast, multicast };

// Two numbers: RTP and RTCP ports or interleaved channels. A single number in the header gives {n, n + 1} (A20, A24).
struct PortPair {
  uint16_t rtp = 0;
  uint16_t rtcp = 0;
  friend bool operator==(const PortPair&, const PortPair&) = default;
};
struct ChannelPair {
  uint8_t rtp = 0;
  uint8_t rtcp = 1;
  friend bool operator==(const ChannelPair&, const ChannelPair&) = default;
};

// One alternative of a Transport header (RFC 2326 section 12.39). Parameters that make no sense are left out rather
// than failing the header: the caller decides with what is there.
struct Transport {
  RtpProfile profile = RtpProfile::avp;
  // As written; "RTP/AVP" means UDP. A20: believe `interleaved` more than this.
  LowerTransport lower = LowerTransport::udp;
  Delivery delivery = Delivery::unspecified;
  std::optional<PortPair> client_port;
  std::optional<PortPair> server_port;  // 0 means none (A24)
  std::optional<PortPair> port;         // multicast
  std::optional<ChannelPair> interleaved;
  // A22: anything but eight hexadecimal digits; more digits are taken as decimal. Left out where that is not tolerated.
  std::optional<uint32_t> ssrc;
  std::optional<uint8_t> ttl;
  std::string source;  // empty when absent or empty (A24)
  std::string destination;
  std::string mode;              // without quotes; leave empty in requests (A17)
  bool protocol_behind = false;  // as read: a parameter stood in front of "RTP/…" (A23)
  friend bool operator==(const Transport&, const Transport&) = default;
};

// All alternatives in order of preference (A25), at most 16. The order of parameters is free; the protocol belongs in
// front of them, and is looked for behind.
// Errors: rtsp_malformed when no alternative has "RTP/…".
Result<std::vector<Transport>> parse_transport(std::string_view value, Quirks* quirks = nullptr);
std::string format_transport(const Transport& transport);
std::string format_transport(const std::vector<Transport>& alternatives);

// Session: id;timeout=seconds (RFC 2326 section 12.37).
struct SessionHeader {
  std::string id;  // at most 256 characters, none of them a blank or control character
  uint32_t timeout_s = 60;
  bool timeout_given = false;
  bool blanks = false;  // as read: there were some around its signs (A27)
  friend bool operator==(const SessionHeader&, const SessionHeader&) = default;
};
// Errors: rtsp_malformed (no id, or one that is too long). A timeout that is no number counts as not given; 0 too.
Result<SessionHeader> parse_session(std::string_view value);
std::string format_session(const SessionHeader& session);

// Range (RFC 2326 section 12.29). Only npt is read; other units are kept as text.
struct RangeHeader {
  enum class Unit : uint8_t { npt, other };
  Unit unit = Unit::npt;
  bool now = false;            // npt=now-
  std::optional<Nanos> start;  // since the start of the presentation
  std::optional<Nanos> end;
  std::string raw;  // the whole value, for `other` only
  friend bool operator==(const RangeHeader&, const RangeHeader&) = default;
};
Result<RangeHeader> parse_range(std::string_view value);
std::string format_range(const RangeHeader& range);

// One stream of RTP-Info (RFC 2326 section 12.33); whatever is missing stays empty (A28, A31).
struct RtpInfo {
  std::string url;
  std::optional<uint16_t> seq;
  std::optional<uint32_t> rtptime;
  std::optional<uint32_t> ssrc;
  friend bool operator==(const RtpInfo&, const RtpInfo&) = default;
};
// Never fails; unusable parts are skipped. At most 64 entries. A28 is an entry without absolute URL, without both seq
// and rtptime, with one that is no number, or with an empty parameter; one of the two numbers alone is legal.
std::vector<RtpInfo> parse_rtp_info(std::string_view value, Quirks* quirks = nullptr);
std::string format_rtp_info(const std::vector<RtpInfo>& streams);

// A set of methods, as Public and Allow list them.
class MethodSet {
 public:
  MethodSet() = default;
  MethodSet(std::initializer_list<Method> methods) {
    for (Method method : methods) insert(method);
  }
  void insert(Method method) { bits_ |= bit(method); }
  bool has(Method method) const { return (bits_ & bit(method)) != 0; }
  bool empty() const { return bits_ == 0; }
  friend bool operator==(const MethodSet&, const MethodSet&) = default;

 private:
  static uint32_t bit(Method method) {
    return method == Method::other ? 0 : uint32_t{1} << static_cast<unsigned>(method);
  }
  uint32_t bits_ = 0;
};
// Comma or blank separated; unknown names are ignored.
MethodSet parse_methods(std::string_view value);
// "OPTIONS, DESCRIBE, …" in the order of `Method`.
std::string format_methods(MethodSet methods);

}  // namespace vigie::rtsp
