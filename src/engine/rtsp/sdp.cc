#include "rtsp/sdp.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "rtsp/sdp_quirks.h"
#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxBytes = 64 * 1024;
constexpr size_t kMaxLines = 4096;
constexpr size_t kMaxMedias = 64;
constexpr size_t kMaxAttributes = 256;

std::optional<Direction> direction_from(std::string_view name) {
  if (iequals(name, "sendrecv")) return Direction::sendrecv;
  if (iequals(name, "sendonly")) return Direction::sendonly;
  if (iequals(name, "recvonly")) return Direction::recvonly;
  if (iequals(name, "inactive")) return Direction::inactive;
  return std::nullopt;
}

std::string_view direction_name(Direction direction) {
  constexpr std::string_view names[] = {"", "sendrecv", "sendonly", "recvonly", "inactive"};
  return names[static_cast<size_t>(direction)];
}

// from_chars for double is not in every standard library we build with; frame rates need no more than this.
double parse_rate(std::string_view text) {
  text = trim(text);
  std::string_view fraction = text;
  const auto whole = parse_number<uint32_t>(cut(fraction, '.'));
  if (!whole || *whole > 100'000) return 0;
  double value = *whole;
  double unit = 0.1;
  for (char c : fraction.substr(0, 6)) {
    if (!is_digit(c)) break;
    value += unit * (c - '0');
    unit /= 10;
  }
  return value;
}

std::string format_rate(double rate) {
  const auto thousandths = static_cast<long long>(std::llround(rate * 1000));
  char text[48];
  std::snprintf(text, sizeof text, "%lld.%03lld", thousandths / 1000, thousandths % 1000);
  std::string out = text;
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

void parse_rtpmap(std::string_view value, MediaDescription& media) {
  const auto payload_type = parse_number<uint8_t>(next_word(value));
  if (!payload_type || *payload_type > 127 || media.rtpmaps.size() >= kMaxAttributes) return;
  std::string_view mapping = trim(value);
  RtpMap map;
  map.payload_type = *payload_type;
  map.encoding = trim(cut(mapping, '/'));
  map.clock_rate = parse_number<uint32_t>(cut(mapping, '/')).value_or(0);  // B12, B13
  map.channels = parse_number<uint32_t>(cut(mapping, '/')).value_or(0);
  if (!map.encoding.empty()) media.rtpmaps.push_back(std::move(map));
}

void parse_fmtp(std::string_view value, MediaDescription& media) {
  const auto payload_type = parse_number<uint8_t>(next_word(value));
  if (!payload_type || *payload_type > 127 || media.fmtps.size() >= kMaxAttributes) return;
  Fmtp fmtp;
  fmtp.payload_type = *payload_type;
  while (!value.empty() && fmtp.parameters.size() < kMaxAttributes) {  // B11: nothing behind the number
    std::string_view parameter = cut(value, ';');
    const std::string_view key = trim(cut(parameter, '='));
    // Values keep any '=' of their own: base64 padding.
    if (!key.empty()) fmtp.parameters.push_back({std::string(key), std::string(trim(parameter))});
  }
  media.fmtps.push_back(std::move(fmtp));
}

void parse_media_line(std::string_view value, MediaDescription& media) {
  media.type = next_word(value);
  std::string_view port = next_word(value);
  media.port = parse_number<uint16_t>(cut(port, '/')).value_or(0);
  media.protocol = next_word(value);
  while (!value.empty() && media.payload_types.size() < 128) {
    const auto payload_type = parse_number<uint8_t>(next_word(value));
    if (payload_type && *payload_type <= 127) media.payload_types.push_back(*payload_type);
  }
}

void add_attribute(std::vector<SdpAttribute>& list, std::string_view name, std::string_view value) {
  if (list.size() < kMaxAttributes) list.push_back({std::string(name), std::string(value)});
}

void parse_media_attribute(std::string_view name, std::string_view value, MediaDescription& media) {
  if (iequals(name, "rtpmap")) {
    parse_rtpmap(value, media);
  } else if (iequals(name, "fmtp")) {
    parse_fmtp(value, media);
  } else if (iequals(name, "control")) {
    media.control = value;
  } else if (iequals(name, "framerate")) {
    media.framerate = parse_rate(value);
  } else if (const auto direction = direction_from(name)) {
    media.direction = *direction;
  } else {
    add_attribute(media.attributes, name, value);
  }
}

void parse_session_attribute(std::string_view name, std::string_view value, SessionDescription& session) {
  if (iequals(name, "control")) {
    session.control = value;
  } else if (iequals(name, "range")) {
    session.range = value;
  } else if (iequals(name, "tool")) {
    session.tool = value;
  } else if (const auto direction = direction_from(name)) {
    session.direction = *direction;
  } else {
    add_attribute(session.attributes, name, value);
  }
}

// o=<user> <id> <version> IN IP4 <address>; whatever of it can be read (B5).
void parse_origin(std::string_view value, SessionDescription& session) {
  session.origin_user = next_word(value);
  session.session_id = parse_number<uint64_t>(next_word(value)).value_or(0);
  session.session_version = parse_number<uint64_t>(next_word(value)).value_or(0);
  next_word(value);
  next_word(value);
  session.origin_address = next_word(value);
}

void append_line(std::string& out, char type, std::string_view value) {
  out.push_back(type);
  out.append("=").append(single_line(value)).append("\r\n");
}

void append_attribute(std::string& out, std::string_view name, std::string_view value) {
  append_line(out, 'a', value.empty() ? std::string(name) : std::string(name).append(":").append(value));
}

void append_media(std::string& out, const MediaDescription& media) {
  std::string line = media.type + " " + std::to_string(media.port) + " " + media.protocol;
  for (uint8_t payload_type : media.payload_types) line.append(" ").append(std::to_string(payload_type));
  append_line(out, 'm', line);
  if (!media.connection.empty()) append_line(out, 'c', media.connection);
  for (const RtpMap& map : media.rtpmaps) {
    std::string value = std::to_string(map.payload_type) + " " + map.encoding + "/" + std::to_string(map.clock_rate);
    if (map.channels != 0) value.append("/").append(std::to_string(map.channels));
    append_attribute(out, "rtpmap", value);
  }
  for (const Fmtp& fmtp : media.fmtps) {
    std::string value = std::to_string(fmtp.payload_type) + " ";
    for (const SdpAttribute& parameter : fmtp.parameters) {
      if (&parameter != &fmtp.parameters.front()) value.append(";");
      value.append(parameter.name);
      if (!parameter.value.empty()) value.append("=").append(parameter.value);
    }
    append_attribute(out, "fmtp", value);
  }
  if (media.framerate > 0) append_attribute(out, "framerate", format_rate(media.framerate));
  if (media.direction != Direction::unspecified) append_attribute(out, direction_name(media.direction), {});
  for (const SdpAttribute& attribute : media.attributes) append_attribute(out, attribute.name, attribute.value);
  if (!media.control.empty()) append_attribute(out, "control", media.control);
}

}  // namespace

std::string_view Fmtp::get(std::string_view key) const {
  for (const SdpAttribute& parameter : parameters) {
    if (iequals(parameter.name, key)) return parameter.value;
  }
  return {};
}

bool Fmtp::has(std::string_view key) const {
  return std::any_of(parameters.begin(), parameters.end(), [key](const auto& p) { return iequals(p.name, key); });
}

const RtpMap* MediaDescription::rtpmap(uint8_t payload_type) const {
  for (const RtpMap& map : rtpmaps) {
    if (map.payload_type == payload_type) return &map;
  }
  return nullptr;
}

const Fmtp* MediaDescription::fmtp(uint8_t payload_type) const {
  for (const Fmtp& fmtp : fmtps) {
    if (fmtp.payload_type == payload_type) return &fmtp;
  }
  return nullptr;
}

Result<SessionDescription> parse_sdp(std::string_view text, Quirks* quirks) {
  const std::string_view whole = text;
  if (text.size() > kMaxBytes) {
    return make_error(Code::sdp_malformed, "SDP", "larger than " + std::to_string(kMaxBytes) + " bytes");
  }
  SessionDescription session;
  MediaDescription dropped;  // takes the lines of medias beyond the limit
  MediaDescription* media = nullptr;
  bool any = false;
  for (size_t lines = 0; !text.empty() && lines < kMaxLines; ++lines) {
    const std::string clean = single_line(cut(text, '\n'));  // B7; and no control character gets into a value
    const std::string_view line = trim(clean);
    if (line.size() < 2 || line[1] != '=') continue;
    std::string_view value = trim(line.substr(2));
    switch (line[0]) {
      case 'v':
      case 't': any = true; break;
      case 'c': {
        any = true;
        std::string& connection = media != nullptr ? media->connection : session.connection;
        if (connection.empty()) connection = value;
        break;
      }
      case 's':
        any = true;
        if (media == nullptr && session.name.empty()) session.name = value;  // B2
        break;
      case 'o':
        any = true;
        parse_origin(value, session);
        break;
      case 'm':
        any = true;
        media = session.medias.size() < kMaxMedias ? &session.medias.emplace_back() : &dropped;
        parse_media_line(value, *media);
        break;
      case 'a': {
        any = true;
        const std::string_view name = trim(cut(value, ':'));
        value = trim(value);
        if (media != nullptr) {
          parse_media_attribute(name, value, *media);
        } else {
          parse_session_attribute(name, value, session);
        }
        break;
      }
      default: break;
    }
  }
  if (!any) return make_error(Code::sdp_malformed, "SDP", "it has no line that begins a session description");
  if (quirks) {
    if (Status status = note_sdp_quirks(whole, *quirks); !status) return status.error();
  }
  return session;
}

std::string format_sdp(const SessionDescription& session) {
  std::string out = "v=0\r\n";
  const std::string_view address =
      session.origin_address.empty() ? "0.0.0.0" : std::string_view(session.origin_address);
  const bool ipv6 = address.find(':') != std::string_view::npos;
  std::string origin = session.origin_user.empty() ? "-" : session.origin_user;
  origin.append(" ").append(std::to_string(session.session_id));
  origin.append(" ").append(std::to_string(session.session_version));
  origin.append(ipv6 ? " IN IP6 " : " IN IP4 ").append(address);
  append_line(out, 'o', origin);
  append_line(out, 's', session.name.empty() ? "-" : session.name);
  const std::string_view nowhere = ipv6 ? "IN IP6 ::" : "IN IP4 0.0.0.0";
  append_line(out, 'c', session.connection.empty() ? nowhere : std::string_view(session.connection));
  append_line(out, 't', "0 0");
  if (!session.tool.empty()) append_attribute(out, "tool", session.tool);
  if (!session.range.empty()) append_attribute(out, "range", session.range);
  if (session.direction != Direction::unspecified) append_attribute(out, direction_name(session.direction), {});
  for (const SdpAttribute& attribute : session.attributes) append_attribute(out, attribute.name, attribute.value);
  if (!session.control.empty()) append_attribute(out, "control", session.control);
  for (const MediaDescription& media : session.medias) append_media(out, media);
  return out;
}

}  // namespace vigie::rtsp
