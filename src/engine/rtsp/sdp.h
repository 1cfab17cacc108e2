#pragma once
// Session descriptions (RFC 8866) as RTSP cameras write them, and as our server writes them.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"
#include "base/result.h"

namespace vigie::rtsp {

struct SdpAttribute {
  std::string name;
  std::string value;  // empty for a property attribute
  friend bool operator==(const SdpAttribute&, const SdpAttribute&) = default;
};

enum class Direction : uint8_t { unspecified, sendrecv, sendonly, recvonly, inactive };

struct RtpMap {
  uint8_t payload_type = 0;
  std::string encoding;     // as written: compare without regard to case
  uint32_t clock_rate = 0;  // 0 when missing or unreadable (B12, B13)
  uint32_t channels = 0;    // 0 when not given
  friend bool operator==(const RtpMap&, const RtpMap&) = default;
};

// Format parameters of one payload type; keys compare without regard to case, values keep theirs.
struct Fmtp {
  uint8_t payload_type = 0;
  std::vector<SdpAttribute> parameters;  // a parameter without '=' has an empty value
  // Empty when absent.
  std::string_view get(std::string_view key) const;
  bool has(std::string_view key) const;
  friend bool operator==(const Fmtp&, const Fmtp&) = default;
};

struct MediaDescription {
  std::string type;  // "video", "audio", "application", or any vendor's word (B8)
  uint16_t port = 0;
  std::string protocol;                // as written: "RTP/AVP", "RTP/AVP/TCP", "MP2T/RTP/…" (B9)
  std::vector<uint8_t> payload_types;  // the numeric formats, 0 to 127
  std::string connection;              // its own c=, as written; sdp_address.h reads it
  std::vector<RtpMap> rtpmaps;
  std::vector<Fmtp> fmtps;
  std::string control;
  Direction direction = Direction::unspecified;
  double framerate = 0;  // a=framerate, 0 when absent or unreadable
  // Every other attribute, in order.
  std::vector<SdpAttribute> attributes;

  const RtpMap* rtpmap(uint8_t payload_type) const;
  const Fmtp* fmtp(uint8_t payload_type) const;
  friend bool operator==(const MediaDescription&, const MediaDescription&) = default;
};

struct SessionDescription {
  std::string name;  // s=
  std::string origin_user = "-";
  uint64_t session_id = 0;  // o=; 0 when missing or unreadable (B1, B5)
  uint64_t session_version = 0;
  std::string origin_address;  // text after IN IP4/IP6, "" when missing
  std::string connection;      // c=, as written
  std::string control;
  std::string range;  // a=range, e.g. "npt=0-"
  std::string tool;
  Direction direction = Direction::unspecified;
  std::vector<SdpAttribute> attributes;
  std::vector<MediaDescription> medias;
  friend bool operator==(const SessionDescription&, const SessionDescription&) = default;
};

// Limits: 64 KiB, 4096 lines, 64 medias, 256 attributes a section; what exceeds the last two is dropped.
// Tolerates B1 to B9 and B11 to B14: any line may be missing, repeated, out of order or unreadable; such a line is
// skipped. Of these, `quirks` gets the ones that the text alone shows (sdp_quirks.h); pick_video() notes the rest.
// Of several c= the first of its section counts. Not kept: t=, b=, i= and other lines that we do not use.
// Errors: sdp_malformed when there is no line of the form x=… at all, the text is larger than the limit, or it has a
// deviation that is not tolerated.
Result<SessionDescription> parse_sdp(std::string_view text, Quirks* quirks = nullptr);

// Text with CR LF line ends and all lines that RFC 8866 requires; control characters become blanks.
std::string format_sdp(const SessionDescription& session);

}  // namespace vigie::rtsp
