#include "rtsp/transport.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxAlternatives = 16;
constexpr size_t kMaxRtpInfos = 64;
constexpr size_t kMaxSessionId = 256;

constexpr std::array<std::string_view, 4> kProfiles{"AVP", "AVPF", "SAVP", "SAVPF"};

// "a-b", or "a" alone for {a, a + 1}.
template <class T, class Pair>
std::optional<Pair> parse_pair(std::string_view text) {
  const std::string_view first = cut(text, '-');
  const auto rtp = parse_number<T>(first);
  if (!rtp) return std::nullopt;
  const auto rtcp = parse_number<T>(text);
  return Pair{*rtp, rtcp ? *rtcp : static_cast<T>(*rtp + 1)};
}

bool is_strict_ssrc(std::string_view text) {
  return text.size() == 8 && std::all_of(text.begin(), text.end(), [](char c) { return hex_digit(c) >= 0; });
}

// A22: hexadecimal of any length up to 8 digits; more digits can only be decimal.
std::optional<uint32_t> parse_ssrc(std::string_view text) {
  text = trim(text);
  if (istarts_with(text, "0x")) text.remove_prefix(2);
  return parse_number<uint32_t>(text, text.size() > 8 ? 10 : 16);
}

bool is_spec(std::string_view text) {
  return text.find('/') != std::string_view::npos && iequals(trim(cut(text, '/')), "RTP");
}

void parse_spec(std::string_view spec, Transport& out) {
  cut(spec, '/');
  const std::string_view profile = trim(cut(spec, '/'));
  const auto known =
      std::find_if(kProfiles.begin(), kProfiles.end(), [&](auto name) { return iequals(name, profile); });
  out.profile = known == kProfiles.end() ? RtpProfile::other : static_cast<RtpProfile>(known - kProfiles.begin());
  out.lower = iequals(trim(spec), "TCP") ? LowerTransport::tcp : LowerTransport::udp;
}

void parse_parameter(std::string_view parameter, Transport& out, Quirks* quirks) {
  std::string_view written = trim(parameter);
  const std::string_view key = trim(cut(written, '='));
  const std::string_view value = trim(written);
  if (iequals(key, "unicast")) {
    out.delivery = Delivery::unicast;
  } else if (iequals(key, "multicast")) {
    out.delivery = Delivery::multicast;
  } else if (iequals(key, "client_port")) {
    out.client_port = parse_pair<uint16_t, PortPair>(value);
  } else if (iequals(key, "server_port")) {
    out.server_port = parse_pair<uint16_t, PortPair>(value);
  } else if (iequals(key, "port")) {
    out.port = parse_pair<uint16_t, PortPair>(value);
  } else if (iequals(key, "interleaved")) {
    out.interleaved = parse_pair<uint8_t, ChannelPair>(value);
  } else if (iequals(key, "ssrc")) {
    out.ssrc = parse_ssrc(value);
    if (out.ssrc && !is_strict_ssrc(written) && !tolerates(quirks, Quirk::A22)) out.ssrc.reset();
  } else if (iequals(key, "ttl")) {
    out.ttl = parse_number<uint8_t>(value);
  } else if (iequals(key, "source")) {
    out.source = unquote(value);
  } else if (iequals(key, "destination")) {
    out.destination = unquote(value);
  } else if (iequals(key, "mode")) {
    out.mode = unquote(value);
  }
}

// Values that stand bare in the header: nothing that could end the parameter.
std::string bare(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return is_control(c) || c == ' ' || c == ';' || c == ',' || c == '"'; });
  return out;
}

template <class Pair>
void append_pair(std::string& out, std::string_view key, const std::optional<Pair>& pair) {
  if (!pair) return;
  out.append(";").append(key).append("=").append(std::to_string(pair->rtp)).append("-");
  out.append(std::to_string(pair->rtcp));
}

void append_text(std::string& out, std::string_view key, std::string_view value) {
  const std::string safe = bare(value);
  if (!safe.empty()) out.append(";").append(key).append("=").append(safe);
}

// npt-sec or npt-hhmmss of RFC 2326 section 3.6.
std::optional<Nanos> parse_npt(std::string_view text) {
  text = trim(text);
  std::string_view fraction = text;
  std::string_view whole = cut(fraction, '.');
  int64_t seconds = 0;
  int parts = 0;
  while (true) {
    const bool last = whole.find(':') == std::string_view::npos;
    const auto number = parse_number<uint32_t>(cut(whole, ':'));
    if (!number || ++parts > 3 || (parts > 1 && *number > 59)) return std::nullopt;
    seconds = seconds * 60 + *number;
    if (last) break;
  }
  if (parts == 2 || seconds > int64_t{1} << 32) return std::nullopt;
  int64_t nanos = 0;
  int64_t unit = 100'000'000;
  for (char c : fraction) {
    if (!is_digit(c)) return std::nullopt;
    nanos += (c - '0') * unit;
    unit /= 10;
  }
  return Nanos(seconds * 1'000'000'000 + nanos);
}

std::string format_npt(Nanos time) {
  const int64_t nanos = std::max<int64_t>(time.count(), 0);
  std::string out = std::to_string(nanos / 1'000'000'000);
  if (nanos % 1'000'000'000 != 0) {
    std::string fraction = std::to_string(1'000'000'000 + nanos % 1'000'000'000);
    fraction.front() = '.';
    out.append(fraction.substr(0, fraction.find_last_not_of('0') + 1));
  }
  return out;
}

}  // namespace

Result<std::vector<Transport>> parse_transport(std::string_view value, Quirks* quirks) {
  std::vector<Transport> alternatives;
  while (!value.empty() && alternatives.size() < kMaxAlternatives) {
    const std::string_view alternative = cut_quoted(value, ',');
    std::string_view rest = alternative;
    std::string_view spec = cut_quoted(rest, ';');
    Transport transport;
    transport.protocol_behind = !is_spec(spec);
    while (!is_spec(spec) && !rest.empty()) spec = cut_quoted(rest, ';');
    if (!is_spec(spec)) continue;
    parse_spec(spec, transport);
    for (rest = alternative; !rest.empty();) parse_parameter(cut_quoted(rest, ';'), transport, quirks);
    alternatives.push_back(std::move(transport));
  }
  if (!alternatives.empty()) return alternatives;
  return make_error(Code::rtsp_malformed, "Transport", "no alternative begins with RTP/AVP");
}

std::string format_transport(const Transport& transport) {
  std::string out = "RTP/";
  out.append(transport.profile == RtpProfile::other ? "X" : kProfiles[static_cast<size_t>(transport.profile)]);
  if (transport.lower == LowerTransport::tcp) out.append("/TCP");
  if (transport.delivery == Delivery::unicast) out.append(";unicast");
  if (transport.delivery == Delivery::multicast) out.append(";multicast");
  append_text(out, "destination", transport.destination);
  append_text(out, "source", transport.source);
  append_pair(out, "interleaved", transport.interleaved);
  append_pair(out, "port", transport.port);
  append_pair(out, "client_port", transport.client_port);
  append_pair(out, "server_port", transport.server_port);
  if (transport.ttl) out.append(";ttl=").append(std::to_string(*transport.ttl));
  if (transport.ssrc) {
    char hex[16];
    std::snprintf(hex, sizeof hex, "%08X", *transport.ssrc);
    out.append(";ssrc=").append(hex);
  }
  if (!transport.mode.empty()) out.append(";mode=").append(quote(transport.mode));
  return out;
}

std::string format_transport(const std::vector<Transport>& alternatives) {
  std::string out;
  for (const Transport& transport : alternatives) {
    if (!out.empty()) out.append(",");
    out.append(format_transport(transport));
  }
  return out;
}

Result<SessionHeader> parse_session(std::string_view value) {
  SessionHeader session;
  const std::string_view whole = trim(value);
  session.id = trim(cut(value, ';'));
  const bool usable =
      !session.id.empty() && session.id.size() <= kMaxSessionId &&
      std::none_of(session.id.begin(), session.id.end(), [](char c) { return is_control(c) || c == ' '; });
  if (!usable) return make_error(Code::rtsp_malformed, "Session", "no usable session identifier");
  session.blanks = std::any_of(whole.begin(), whole.end(), is_blank);
  while (!value.empty()) {
    std::string_view number = trim(cut(value, ';'));
    if (!iequals(trim(cut(number, '=')), "timeout")) continue;
    const auto seconds = parse_number<uint32_t>(number);
    if (!seconds || *seconds == 0) continue;
    session.timeout_s = *seconds;
    session.timeout_given = true;
  }
  return session;
}

std::string format_session(const SessionHeader& session) {
  std::string out = session.id;  // to the letter, except for what would end it
  std::erase_if(out, [](char c) { return is_control(c) || c == ' ' || c == ';'; });
  if (session.timeout_given) out.append(";timeout=").append(std::to_string(session.timeout_s));
  return out;
}

Result<RangeHeader> parse_range(std::string_view value) {
  const std::string clean = single_line(value);  // control characters could hide or show a unit
  value = trim(clean);
  RangeHeader range;
  std::string_view rest = value.substr(0, value.find(';'));  // ";time=…" does not concern us
  const std::string_view unit = trim(cut(rest, '='));
  if (!iequals(unit, "npt")) {
    if (value.empty()) return make_error(Code::rtsp_malformed, "Range", "it is empty");
    range.unit = RangeHeader::Unit::other;
    range.raw = value;
    return range;
  }
  const std::string_view start = trim(cut(rest, '-'));
  const std::string_view end = trim(rest);
  range.now = iequals(start, "now");
  if (!start.empty() && !range.now) {
    range.start = parse_npt(start);
    if (!range.start) return make_error(Code::rtsp_malformed, "Range", "the start is no npt time");
  }
  if (!end.empty()) {
    range.end = parse_npt(end);
    if (!range.end) return make_error(Code::rtsp_malformed, "Range", "the end is no npt time");
  }
  return range;
}

std::string format_range(const RangeHeader& range) {
  if (range.unit == RangeHeader::Unit::other) return single_line(range.raw);
  std::string out = "npt=";
  if (range.now) {
    out.append("now");
  } else if (range.start) {
    out.append(format_npt(*range.start));
  }
  out.append("-");
  if (range.end) out.append(format_npt(*range.end));
  return out;
}

std::vector<RtpInfo> parse_rtp_info(std::string_view value, Quirks* quirks) {
  std::vector<RtpInfo> streams;
  while (!value.empty() && streams.size() < kMaxRtpInfos) {
    // URLs may hold commas: an entry ends where a comma is followed by "url=".
    size_t end = value.find(',');
    while (end != std::string_view::npos && !istarts_with(trim(value.substr(end + 1, 64)), "url")) {
      end = value.find(',', end + 1);
    }
    std::string_view entry = value.substr(0, end);
    value = end == std::string_view::npos ? std::string_view{} : value.substr(end + 1);
    RtpInfo info;
    bool malformed = trim(entry).ends_with(';');
    while (!entry.empty()) {
      std::string_view field = trim(cut(entry, ';'));
      if (field.empty()) malformed = true;
      const std::string_view key = trim(cut(field, '='));
      if (iequals(key, "url")) {
        info.url = trim(field);
        std::erase(info.url, '"');
      } else if (iequals(key, "seq")) {
        info.seq = parse_number<uint16_t>(field);
        malformed |= !info.seq;
      } else if (iequals(key, "rtptime")) {
        info.rtptime = parse_number<uint32_t>(field);
        malformed |= !info.rtptime;
      } else if (iequals(key, "ssrc")) {
        info.ssrc = parse_ssrc(field);
      }
    }
    malformed |= info.url.find("://") == std::string::npos || (!info.seq && !info.rtptime);
    if (malformed && !tolerates(quirks, Quirk::A28)) continue;
    if (info != RtpInfo{}) streams.push_back(std::move(info));
  }
  return streams;
}

std::string format_rtp_info(const std::vector<RtpInfo>& streams) {
  std::string out;
  for (const RtpInfo& info : streams) {
    if (!out.empty()) out.append(",");
    out.append("url=").append(single_line(info.url));
    if (info.seq) out.append(";seq=").append(std::to_string(*info.seq));
    if (info.rtptime) out.append(";rtptime=").append(std::to_string(*info.rtptime));
  }
  return out;
}

MethodSet parse_methods(std::string_view value) {
  MethodSet methods;
  while (!value.empty()) {
    const size_t end = value.find_first_of(", \t");
    methods.insert(method_from(trim(value.substr(0, end))));
    value = end == std::string_view::npos ? std::string_view{} : value.substr(end + 1);
  }
  return methods;
}

std::string format_methods(MethodSet methods) {
  std::string out;
  for (size_t i = 0; i < static_cast<size_t>(Method::other); ++i) {
    const auto method = static_cast<Method>(i);
    if (!methods.has(method)) continue;
    if (!out.empty()) out.append(", ");
    out.append(method_name(method));
  }
  return out;
}

}  // namespace vigie::rtsp
