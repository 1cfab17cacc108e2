#include "rtsp/sdp_address.h"

#include <utility>

#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxFilters = 8;
constexpr size_t kMaxSources = 8;

Error wrong(std::string what) { return make_error(Code::sdp_malformed, "SDP", std::move(what)); }

// IN IP4 address[/ttl[/count]], IN IP6 address[/count] (RFC 8866 5.7).
Status read_connection(std::string_view value, MediaAddress& out) {
  next_word(value);
  const bool ipv4 = iequals(next_word(value), "IP4");
  std::string_view address = next_word(value);
  out.host = cut(address, '/');
  if (out.host.empty()) return wrong("a c= line without address; right would be c=IN IP4 address or c=IN IP6 address");
  if (ipv4) out.ttl = parse_number<uint8_t>(cut(address, '/')).value_or(0);
  return {};
}

// <mode> IN <type> <destination> <source>… (RFC 4570 3).
Status read_filter(std::string_view value, MediaAddress& out) {
  const std::string_view mode = next_word(value);
  if (iequals(mode, "excl")) return wrong("a=source-filter excludes senders, which is not supported");
  next_word(value);
  next_word(value);
  SourceFilter filter;
  filter.destination = next_word(value);
  while (filter.sources.size() < kMaxSources) {
    const std::string_view source = next_word(value);
    if (source.empty()) break;
    filter.sources.emplace_back(source);
  }
  if (!iequals(mode, "incl") || filter.sources.empty()) {
    return wrong("a=source-filter cannot be read; right would be incl IN IP4 destination source");
  }
  if (out.filters.size() < kMaxFilters) out.filters.push_back(std::move(filter));
  return {};
}

}  // namespace

Result<MediaAddress> media_address(const SessionDescription& session, const MediaDescription& media) {
  MediaAddress out;
  const std::string& connection = media.connection.empty() ? session.connection : media.connection;
  if (!connection.empty()) {
    if (Status read = read_connection(connection, out); !read) return read.error();
  }
  out.rtp_port = media.port;
  if (media.port != 0 && media.port != UINT16_MAX) out.rtcp_port = static_cast<uint16_t>(media.port + 1);
  for (const auto* attributes : {&media.attributes, &session.attributes}) {
    for (const SdpAttribute& attribute : *attributes) {
      if (!iequals(attribute.name, "source-filter")) continue;
      if (Status read = read_filter(attribute.value, out); !read) return read.error();
    }
  }
  for (const SdpAttribute& attribute : media.attributes) {
    if (iequals(attribute.name, "rtcp-mux")) out.rtcp_mux = true;
    if (!iequals(attribute.name, "rtcp")) continue;
    std::string_view value = attribute.value;
    const auto port = parse_number<uint16_t>(next_word(value));
    if (!port || *port == 0) return wrong("a=rtcp without a port; right would be a=rtcp:5005");
    out.rtcp_port = *port;
  }
  return out;
}

}  // namespace vigie::rtsp
