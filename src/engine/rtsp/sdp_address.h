#pragma once
// Where a session description says that a media is sent to, and by whom.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "rtsp/sdp.h"

namespace vigie::rtsp {

// Whose packets alone are meant to be taken at a destination (RFC 4570, filter mode "incl").
struct SourceFilter {
  std::string destination;  // an address, or "*" for every one
  std::vector<std::string> sources;
  friend bool operator==(const SourceFilter&, const SourceFilter&) = default;
};

// Addresses are text, and are not looked at here: IPv4, IPv6, or a name.
struct MediaAddress {
  std::string host;  // of the media's c=, else the session's; "" where there is none
  uint8_t ttl = 0;   // 0: not said
  uint16_t rtp_port = 0;
  uint16_t rtcp_port = 0;  // of a=rtcp (RFC 3605), else the next one
  bool rtcp_mux = false;   // RTCP comes to rtp_port (RFC 5761)
  std::vector<SourceFilter> filters;
  friend bool operator==(const MediaAddress&, const MediaAddress&) = default;
};

// At most 8 filters of 8 sources. Of a group's c= with a number of addresses, the first one.
// Errors: sdp_malformed for a c= without address, an a=rtcp without port, and an a=source-filter that cannot be read or
// that excludes (mode "excl", which nobody here can keep).
Result<MediaAddress> media_address(const SessionDescription& session, const MediaDescription& media);

}  // namespace vigie::rtsp
