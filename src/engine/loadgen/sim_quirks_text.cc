#include "loadgen/sim_quirks_text.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace vigie::loadgen {
namespace {

using enum Quirk;

// Where A6's control attribute leads: an address for documentation (RFC 5737), at which nobody is.
constexpr std::string_view kNowhere = "192.0.2.7";

SimAnswer plain(int status, std::string reason) {
  SimAnswer answer;
  answer.status = status;
  answer.reason = std::move(reason);
  return answer;
}

std::string* find_header(SimAnswer& answer, std::string_view name) {
  for (auto& [key, value] : answer.headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

// Takes "name=value" out of a list with semicolons and returns it; empty when it is not there.
std::string take_parameter(std::string& list, std::string_view name) {
  size_t at = list.find(std::string(name) + "=");
  if (at == std::string::npos) return {};
  const size_t end = std::min(list.find(';', at), list.size());
  std::string taken = list.substr(at, end - at);
  if (at > 0) --at;  // the semicolon in front
  list.erase(at, end - at);
  return taken;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

bool is_life_sign(const RtspText& request) {
  return request.first == "OPTIONS" || request.first == "GET_PARAMETER" || request.first == "SET_PARAMETER";
}

bool is_sha256(std::string_view authorization) { return auth_parameter(authorization, "algorithm") == "SHA-256"; }

}  // namespace

std::string answer_text(const SimAnswer& answer) {
  std::string text = "RTSP/1.0 " + std::to_string(answer.status);
  if (!answer.reason.empty()) text += " " + answer.reason;
  text += "\r\n";
  const auto line = [&](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append(answer.line_end);
  };
  if (answer.with_cseq) line("CSeq", answer.cseq);
  for (const auto& [name, value] : answer.headers) line(name, value);
  if (answer.huge_length) {
    line("Content-Length", "4294967295");
  } else if (!answer.body.empty()) {
    line("Content-Length", std::to_string(answer.body.size()));
  }
  return text + "\r\n" + answer.body;
}

std::optional<SimAnswer> QuirkedText::refuse(const RtspText& request, const Context& context) {
  if (!any_) return std::nullopt;
  if (has(A9) && std::none_of(request.headers.begin(), request.headers.end(),
                              [](const auto& header) { return header.first == "CSeq"; })) {
    SimAnswer none;
    none.silent = true;
    return none;
  }
  if (has(A13) && request.header("User-Agent").empty()) {
    SimAnswer answer = plain(401, "Unauthorized");
    answer.headers.emplace_back("WWW-Authenticate", "Basic realm=\"no agent\"");
    return answer;
  }
  if (request.first == "DESCRIBE") {
    if (has(A14) && request.second.find("/moved") == std::string::npos) {
      SimAnswer answer = plain(302, "Moved Temporarily");
      std::string to = request.second;
      const size_t end = std::min(to.find('?'), to.size());
      to.insert(end > 0 && to[end - 1] == '/' ? end - 1 : end, "/moved");
      answer.headers.emplace_back("Location", to);
      return answer;
    }
    described_ = true;
  }
  if (request.first == "SETUP") return refuse_setup(request, context);
  if (request.first == "PLAY" && has(A18) && !request.header("Range").starts_with("npt=0")) {
    return plain(400, "Bad Request");
  }
  if (request.first == "TEARDOWN" && has(D10) && !context.has_session) return plain(500, "Internal Server Error");
  if (is_life_sign(request)) return refuse_life_sign(request, context);
  return std::nullopt;
}

std::optional<SimAnswer> QuirkedText::refuse_setup(const RtspText& request, const Context& context) const {
  const std::string_view transport = request.header("Transport"), uri = request.second;
  if (has(A16) && !described_) return plain(454, "Session Not Found");
  if (has(A17) && transport.find("mode=") != std::string_view::npos) return plain(400, "Bad Request");
  if (has(J4) && transport.find("RTP/AVP/TCP") == std::string_view::npos) return plain(461, "Unsupported Transport");
  if (has(A4) && uri.find("//track") != std::string_view::npos) return plain(404, "Not Found");
  if (has(A5) && (uri.find('?') == std::string_view::npos || uri.find("/trackID=") < uri.find('?'))) {
    return plain(404, "Not Found");
  }
  if (has(A6) && uri.find(kNowhere) != std::string_view::npos) return plain(404, "Not Found");
  if (has(D13) && context.other_sessions > 0) return plain(453, "Not Enough Bandwidth");
  return std::nullopt;
}

std::optional<SimAnswer> QuirkedText::refuse_life_sign(const RtspText& request, const Context& context) const {
  if (has(D7) && context.playing) {
    SimAnswer none;
    none.silent = true;
    return none;
  }
  if (request.first == "GET_PARAMETER") {
    if (has(D1)) {
      SimAnswer none;
      none.silent = none.close = true;
      return none;
    }
    if (has(D2)) return plain(454, "Session Not Found");
    if (has(D6) && request.second.find("trackID=") != std::string::npos) return plain(404, "Not Found");
  }
  if (request.first == "SET_PARAMETER" && has(D3)) return plain(400, "Bad Request");
  return std::nullopt;
}

void QuirkedText::bend(SimAnswer& answer) {
  if (!any_) return;
  if (std::string* base = find_header(answer, "Content-Base")) bend_content_base(*base);
  if (std::string* type = find_header(answer, "Content-Type"); type != nullptr && has(A7)) {
    if (camera_ % 2 == 1) {
      *type += ";charset=utf-8";
    } else {
      std::erase_if(answer.headers, [](const auto& header) { return header.first == "Content-Type"; });
    }
  }
  if (std::string* transport = find_header(answer, "Transport")) bend_transport(*transport);
  if (std::string* session = find_header(answer, "Session")) bend_session(*session);
  if (std::string* info = find_header(answer, "RTP-Info")) bend_rtp_info(*info);
  if (has(C8) && answer.status == 401) answer.close = true;
  if (has(A8)) answer.reason.clear();
  if (has(A10)) answer.line_end = "  \r\n";
  if (has(A11)) answer.with_cseq = false;
  if (has(A12)) {
    const std::string own = answer.cseq;
    if (!last_cseq_.empty()) answer.cseq = last_cseq_;
    last_cseq_ = own;
  }
}

void QuirkedText::bend_content_base(std::string& base) const {
  if (has(A5) && base.find('?') == std::string::npos) {
    base.insert(base.ends_with('/') ? base.size() - 1 : base.size(), "?channel=1&subtype=0");
  }
  if (has(A1)) base.erase(0, std::string_view("rtsp://").size());
  if (has(A2)) base.insert(0, "rtsp://");
  if (has(A3)) {
    const size_t host = std::string_view("rtsp://").size();
    base.replace(host, std::min(base.find_first_of(":/", host), base.size()) - host, "::ffff:127.0.0.1");
  }
}

void QuirkedText::bend_transport(std::string& transport) {
  const bool tcp = transport.starts_with("RTP/AVP/TCP");
  const std::string other = tcp ? "RTP/AVP;unicast;client_port=0-1" : "RTP/AVP/TCP;unicast;interleaved=0-1";
  if (has(A20) && tcp) {
    replace_all(transport, "RTP/AVP/TCP", "RTP/AVP");
    const std::string pair = take_parameter(transport, "interleaved");
    transport += ";" + pair.substr(0, pair.find('-'));
  }
  if (!tcp && (has(A24) || has(J2))) {
    take_parameter(transport, "server_port");
    transport += has(A24) ? ";source=;server_port=0" : ";server_port=6970-6971";
  }
  if (has(A22) || has(A23) || has(A31)) {
    std::string ssrc = take_parameter(transport, "ssrc");
    if (has(A22)) {
      const auto number = static_cast<uint32_t>(std::strtoul(ssrc.c_str() + 5, nullptr, 16));
      char text[24];
      std::snprintf(text, sizeof text, "ssrc= %x", number);
      ssrc = text;
    }
    if (has(A31)) {
      ssrc_ = ssrc;
      ssrc = "mode=play";
    }
    transport = has(A23) ? ssrc + ";" + transport : transport + ";" + ssrc;
  }
  if (has(A25)) transport += "," + other;
}

void QuirkedText::bend_session(std::string& session) {
  const size_t end = std::min(session.find(';'), session.size());
  if (end == 0) return;
  if (has(A26)) session.insert(end, "-" + std::to_string(++sessions_said_));
  if (has(A27)) {
    replace_all(session, ";", " ; ");
    session = " " + session;
  }
}

void QuirkedText::bend_rtp_info(std::string& info) const {
  const auto set = [&](const std::string& name, const std::string& value) {
    take_parameter(info, name);
    info += ";" + name + "=" + value;
  };
  if (has(A29)) set("seq", "1");
  if (has(A30)) set("rtptime", "0");
  if (has(A31) && !ssrc_.empty()) info += ";" + ssrc_;
  if (has(A32)) {
    const size_t end = std::min(info.find(';'), info.size());
    std::string url = info.substr(0, end);
    replace_all(url, "trackID=0", "trackID=5");
    info += "," + url + ";seq=0;rtptime=0";
  }
  if (has(A28)) {
    take_parameter(info, "rtptime");
    const size_t track = info.find("trackID=");
    info.erase(0, std::min(track, info.size()));
    info = " url=" + info;
    replace_all(info, ";", " ; ");
    info += ";";
  }
}

bool QuirkedText::counts(LifeSign sign) const {
  if (has(D4)) return sign == LifeSign::get_parameter || sign == LifeSign::other;
  if (has(D5)) return camera_ % 2 == 0 ? sign == LifeSign::rtcp || sign == LifeSign::other : sign != LifeSign::rtcp;
  return true;
}

int QuirkedText::patience_s(int usual) const {
  if (has(D15)) usual = 6 + 1;
  return has(D8) ? std::min(usual, 7) : usual;
}

std::vector<std::string> QuirkedText::challenges(std::string_view realm, const std::string& nonce, bool md5,
                                                 bool sha256) const {
  std::vector<std::string> lines;
  if (has(C1)) return {digest_challenge(realm, nonce, true)};
  if (has(C2)) {
    return {digest_challenge(realm, nonce, false), "Basic realm=\"" + std::string(realm) + "\"",
            digest_challenge(realm, nonce, true)};
  }
  if (has(C3)) {
    std::string strong = digest_challenge(realm, nonce, true);
    replace_all(strong, ", qop=\"auth\"", "");
    return {strong, digest_challenge(realm, nonce, false)};
  }
  if (sha256) lines.push_back(digest_challenge(realm, nonce, true));
  if (md5) lines.push_back(digest_challenge(realm, nonce, false));
  return lines;
}

bool QuirkedText::accepts(const RtspText& request, std::string_view realm, const std::string& nonce,
                          const Credentials& credentials) const {
  const std::string_view header = request.header("Authorization");
  if (has(C1) && !is_sha256(header)) return false;
  if (has(C3) && is_sha256(header)) return false;
  if (has(C5) && auth_parameter(header, "uri") != request.second) return false;
  return digest_accepts(header, request.first, realm, nonce, credentials);
}

std::string QuirkedText::nonce_for(const RtspText& request, const std::string& nonce) const {
  if (!has(C7) || request.first == "DESCRIBE" || request.first == "SETUP") return nonce;
  return nonce + (request.first == "PLAY" ? "a" : "b");
}

std::string QuirkedText::request_of_its_own(std::string_view uri) const {
  if (!has(A15)) return {};
  return "OPTIONS " + std::string(uri) + " RTSP/1.0\r\nCSeq: 1\r\n\r\n";
}

namespace {

using Lines = std::vector<std::string>;

// Sections of a description: the session's lines, then each media's.
std::vector<Lines> split_sections(const std::string& sdp) {
  std::vector<Lines> sections(1);
  for (size_t at = 0; at < sdp.size();) {
    const size_t end = std::min(sdp.find("\r\n", at), sdp.size());
    std::string line = sdp.substr(at, end - at);
    if (line.starts_with("m=")) sections.emplace_back();
    sections.back().push_back(std::move(line));
    at = end + 2;
  }
  return sections;
}

std::string* find_line(Lines& lines, std::string_view prefix) {
  for (std::string& line : lines) {
    if (line.starts_with(prefix)) return &line;
  }
  return nullptr;
}

void erase_lines(Lines& lines, std::string_view prefix) {
  std::erase_if(lines, [&](const std::string& line) { return line.starts_with(prefix); });
}

void bend_session_lines(Lines& lines, const QuirkSet& quirks, uint32_t camera) {
  if (quirks.has(B1)) erase_lines(lines, "o=");
  if (std::string* name = find_line(lines, "s="); name != nullptr && quirks.has(B2)) {
    const std::string again = *name + " again";
    if (camera % 2 == 1) {
      lines.insert(lines.begin() + (name - lines.data()), again);
    } else {
      erase_lines(lines, "s=");
    }
  }
  if (std::string* line = find_line(lines, "c="); line != nullptr && quirks.has(B3)) *line = "c=IN ";
  if (std::string* line = find_line(lines, "t="); line != nullptr && quirks.has(B4)) {
    *line = "t=now";
    lines.insert(lines.begin() + (line - lines.data()) + 1, "r=604800 3600");
  }
  if (std::string* line = find_line(lines, "o="); line != nullptr && quirks.has(B5)) {
    *line = "o=- 14a3f.5 1.25 IP IP4 ";
  }
  if (quirks.has(B6)) std::reverse(lines.begin() + 1, lines.end());
}

// "a=fmtp:96 " and its parameters; empty for a video without.
void bend_fmtp(std::string& fmtp, const QuirkSet& quirks) {
  const size_t blank = fmtp.find(' ');
  std::string list = fmtp.substr(blank + 1);
  const bool hevc = list.find("sprop-sps") != std::string::npos;
  const std::vector<std::string> names = hevc ? std::vector<std::string>{"sprop-vps", "sprop-sps", "sprop-pps"}
                                              : std::vector<std::string>{"sprop-parameter-sets"};
  if (quirks.has(B22)) replace_all(list, "packetization-mode=1", "packetization-mode=0");
  std::string kept;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(';', at), list.size());
    std::string item = list.substr(at, end - at);
    at = end + 1;
    const size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      std::string value = item.substr(equals + 1);
      const size_t comma = value.find(',');
      if (quirks.has(B16) || quirks.has(G8)) continue;
      if (quirks.has(B21) && name != "sprop-sps") continue;
      if (quirks.has(B17)) value.clear();
      if (quirks.has(B18) && comma != std::string::npos) value.resize(comma + 1);
      if (quirks.has(B20)) value = "6f8A,!!=";
      if (quirks.has(B19)) {
        // Three bytes are four digits, so a start code of three can be put in front of each without decoding it.
        value = "AAAB" + value;
        replace_all(value, ",", ",AAAB");
      }
      item = name + "=" + value;
    }
    kept.append(kept.empty() ? "" : ";").append(item);
  }
  fmtp.replace(blank + 1, std::string::npos, kept);
  if (kept.empty() || quirks.has(B11)) fmtp.resize(blank);
}

void bend_video_lines(Lines& lines, const QuirkSet& quirks, uint32_t camera) {
  if (quirks.has(B9)) replace_all(lines[0], "RTP/AVP", "RTP/AVP/TCP");
  if (std::string* control = find_line(lines, "a=control:")) {
    if (quirks.has(A6)) {
      const size_t host = std::string_view("a=control:rtsp://").size();
      control->replace(host, std::min(control->find('/', host), control->size()) - host,
                       std::string(kNowhere) + ":554");
    } else if (quirks.has(A4)) {
      *control = "a=control:/trackID=0";
    } else if (quirks.has(A1) || quirks.has(A2) || quirks.has(A3) || quirks.has(A5)) {
      *control = "a=control:trackID=0";
    }
    if (quirks.has(B6)) std::rotate(lines.begin() + 1, lines.begin() + (control - lines.data()), lines.end());
  }
  if (std::string* fmtp = find_line(lines, "a=fmtp:")) {
    bend_fmtp(*fmtp, quirks);
    if (fmtp->find(' ') == std::string::npos && !quirks.has(B11)) erase_lines(lines, "a=fmtp:");
  }
  if (std::string* map = find_line(lines, "a=rtpmap:")) {
    if (quirks.has(B13)) map->resize(map->rfind('/'));
    if (quirks.has(B13) && camera % 2 == 1) *map += "/0";
    if (quirks.has(B12)) *map += " ";
  }
  if (quirks.has(A34)) lines.emplace_back("a=sendonly");
  if (quirks.has(B14)) lines.emplace_back("a=inactive");
}

}  // namespace

std::string bend_sdp(const std::string& sdp, const QuirkSet& quirks, uint32_t camera) {
  if (quirks.empty()) return sdp;
  std::vector<Lines> sections = split_sections(sdp);
  bend_session_lines(sections[0], quirks, camera);
  bend_video_lines(sections[1], quirks, camera);
  if (quirks.has(B10)) {
    Lines audio{"m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=control:trackID=2"};
    if (const std::string* fmtp = find_line(sections[1], "a=fmtp:")) audio.push_back(*fmtp);
    erase_lines(sections[1], "a=fmtp:");
    sections.push_back(std::move(audio));
  }
  if (quirks.has(B23)) {
    sections.push_back({"m=audio 0 RTP/AVP 97", "a=rtpmap:97 MPEG4-GENERIC/16000",
                        "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;config=1;sizelength=13;",
                        "a=control:trackID=3"});
  }
  if (quirks.has(B24)) {
    sections.push_back({"m=audio 0 RTP/AVP 111", "a=rtpmap:111 OPUS/48000/1", "a=control:trackID=4"});
  }
  if (quirks.has(B8)) {
    sections.insert(sections.begin() + 1,
                    {{"m=meta 0 RTP/AVP 107", "a=rtpmap:107 vnd.example.meta/90000", "a=control:trackID=7"},
                     {"m=x-vendor 49170 udp wb", "a=control:trackID=8"}});
  }
  const std::string line_end = quirks.has(B7) ? "\n" : "\r\n";
  std::string bent;
  for (size_t i = 0; i < sections.size(); ++i) {
    if (i > 0 && quirks.has(B7)) bent += line_end;
    for (const std::string& line : sections[i]) bent += line + line_end;
  }
  if (quirks.has(B7)) bent.pop_back();
  return bent;
}

}  // namespace vigie::loadgen
