#include "rtsp/url.h"

#include <algorithm>

#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxUrlBytes = 8 * 1024;

Error bad_url(std::string what) { return make_error(Code::invalid_argument, "URL", std::move(what)); }

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      out.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Length of "rtsp://" or "rtsps://" at the beginning, else 0.
size_t scheme_bytes(std::string_view text) {
  if (istarts_with(text, "rtsp://")) return 7;
  return istarts_with(text, "rtsps://") ? 8 : 0;
}

bool is_ipv6_text(std::string_view text) {
  return text.find(':') != std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; });
}

bool is_name_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != 0x7f && std::string_view("\"<>\\^`{|}[]@:/?#").find(c) == std::string_view::npos;
}

struct HostPort {
  std::string host;
  std::string_view port;  // without the colon
  bool has_port = false;
};

bool split_bracketed(std::string_view text, HostPort& out) {
  const size_t close = text.find(']');
  if (close == std::string_view::npos) return false;
  std::string_view inside = text.substr(1, close - 1);
  const std::string_view behind = text.substr(close + 1);
  if (!behind.empty() && behind.front() != ':') return false;
  out.has_port = behind.size() > 1;
  if (out.has_port) out.port = behind.substr(1);
  const size_t percent = inside.find('%');
  if (!is_ipv6_text(inside.substr(0, percent))) return false;
  out.host = inside.substr(0, percent);
  if (percent != std::string_view::npos) {
    std::string_view zone = inside.substr(percent + 1);
    if (zone.starts_with("25") && zone.size() > 2) zone.remove_prefix(2);  // RFC 6874: '%' written as "%25"
    if (zone.empty() || !std::all_of(zone.begin(), zone.end(), is_name_char)) return false;
    out.host.append("%").append(zone);
  }
  return true;
}

// IPv6 without brackets (A3): a port is only recognised behind an embedded IPv4 address.
bool split_bare_ipv6(std::string_view text, HostPort& out) {
  const size_t dot = text.rfind('.');
  const size_t colon = text.rfind(':');
  if (dot != std::string_view::npos && colon > dot) {
    out.port = text.substr(colon + 1);
    out.has_port = !out.port.empty();
    text = text.substr(0, colon);
  }
  out.host = text;
  return is_ipv6_text(text);
}

bool split_host_port(std::string_view text, HostPort& out) {
  out = {};
  if (text.empty()) return false;
  if (text.front() == '[') return split_bracketed(text, out);
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon != text.rfind(':')) return split_bare_ipv6(text, out);
  const std::string_view host = text.substr(0, colon);
  if (host.empty() || !std::all_of(host.begin(), host.end(), is_name_char)) return false;
  out.host = host;
  if (colon != std::string_view::npos && colon + 1 < text.size()) {
    out.port = text.substr(colon + 1);
    out.has_port = true;
  }
  return true;
}

// Reads `authority` into `url`; false when host or port are impossible.
bool read_authority(std::string_view authority, Url& url) {
  std::string_view userinfo;
  // The last '@' ends the userinfo, so that passwords may hold others (C6).
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  HostPort parts;
  if (!split_host_port(authority, parts)) return false;
  url.port = url.tls ? 322 : 554;
  url.port_given = parts.has_port;
  if (parts.has_port) {
    if (!std::all_of(parts.port.begin(), parts.port.end(), is_digit)) return false;
    const auto port = parse_number<uint16_t>(parts.port);
    if (!port || *port == 0) return false;
    url.port = *port;
  }
  url.host = std::move(parts.host);
  const size_t colon = userinfo.find(':');
  url.user = percent_decode(userinfo.substr(0, colon));
  url.password = colon == std::string_view::npos ? std::string{} : percent_decode(userinfo.substr(colon + 1));
  return true;
}

// "scheme://authority" of an absolute URL, or "" when it is none.
std::string_view origin_of(std::string_view url) {
  const size_t scheme = scheme_bytes(url);
  return scheme == 0 ? std::string_view{} : url.substr(0, std::min(url.find_first_of("/?#", scheme), url.size()));
}

std::string concatenate(std::string_view base, std::string_view control) {
  std::string out(base);
  if (!control.starts_with('?') && !control.starts_with('/') && !out.ends_with('/')) out.push_back('/');
  if (control.starts_with('/') && out.ends_with('/')) out.pop_back();
  return out.append(control);
}

// RFC 3986 section 5.2.3 and 5.2.4: replaces the last segment, drops the base's query, resolves "." and "..".
std::string join_rfc3986(std::string_view base, std::string_view control) {
  const std::string_view origin = origin_of(base);
  if (control.starts_with('?')) return std::string(base.substr(0, base.find('?'))).append(control);
  std::string_view path = base.substr(origin.size());
  path = path.substr(0, path.find('?'));
  const size_t slash = path.rfind('/');
  const size_t query_at = control.find('?');
  const std::string_view query = query_at == std::string_view::npos ? std::string_view{} : control.substr(query_at);
  std::string merged;
  if (!control.starts_with('/')) merged = slash == std::string_view::npos ? "/" : path.substr(0, slash + 1);
  merged.append(control.substr(0, query_at));

  std::vector<std::string_view> segments;
  std::string_view rest = merged;
  rest.remove_prefix(1);
  while (true) {
    const bool last = rest.find('/') == std::string_view::npos;
    const std::string_view segment = cut(rest, '/');
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (segment != ".") {
      segments.push_back(segment);
    }
    if (last) {
      if (segment == "." || segment == "..") segments.emplace_back();
      break;
    }
  }
  std::string out(origin);
  for (std::string_view segment : segments) out.append("/").append(segment);
  return out.append(query);
}

bool has_bare_ipv6(std::string_view base) {
  std::string_view authority = origin_of(base);
  authority.remove_prefix(scheme_bytes(base));
  authority.remove_prefix(authority.rfind('@') + 1);  // 0 where there is none
  return authority.find(':') != authority.rfind(':') && is_ipv6_text(authority);
}

// Says nothing of the base itself, which may hold credentials.
Error refused_base(Quirk quirk) {
  return make_error(Code::rtsp_malformed, "Content-Base", not_tolerated(std::string(quirk_facts(quirk).device), quirk));
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  text = trim(text);
  if (text.size() > kMaxUrlBytes) return bad_url("longer than " + std::to_string(kMaxUrlBytes) + " bytes");
  if (std::any_of(text.begin(), text.end(), is_control)) return bad_url("it holds control characters");
  Url url;
  const size_t scheme = scheme_bytes(text);
  if (scheme == 0) return bad_url("it must begin with rtsp:// or rtsps://");
  url.tls = scheme == 8;
  const std::string_view rest = text.substr(scheme);

  // A password may hold '/', '?' or '#': where the first one gives no possible host and an '@' follows, try the next.
  size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  bool found = read_authority(rest.substr(0, end), url);
  while (!found && end < rest.size() && rest.find('@', end) != std::string_view::npos) {
    end = std::min(rest.find_first_of("/?#", rest.find('@', end)), rest.size());
    found = read_authority(rest.substr(0, end), url);
  }
  if (!found) return bad_url("host or port are missing or impossible; expected rtsp://host[:port]/path");
  url.path = trim(rest.substr(end, rest.find('#', end) - end));
  return url;
}

std::string Url::authority() const {
  std::string out;
  if (host.find(':') != std::string::npos) {
    out.append("[").append(host.substr(0, host.find('%'))).append("]");
  } else {
    out = host;
  }
  if (port_given) out.append(":").append(std::to_string(port));
  return out;
}

std::string Url::without_credentials() const {
  std::string out = tls ? "rtsps://" : "rtsp://";
  return out.append(authority()).append(path);
}

bool same_host(const Url& a, const Url& b) { return iequals(a.host, b.host); }

std::string strip_credentials(std::string_view text) {
  // Behind a doubled scheme (A2) the credentials would stand in what looks like a path.
  for (size_t scheme = scheme_bytes(text); scheme != 0 && scheme_bytes(text.substr(scheme)) != 0;
       scheme = scheme_bytes(text)) {
    text = text.substr(scheme);
  }
  const size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) {
    const size_t userinfo = text.substr(0, text.find('/')).rfind('@');
    return std::string(userinfo == std::string_view::npos ? text : text.substr(userinfo + 1));
  }
  if (const auto url = Url::parse(text)) return url->without_credentials();
  // No URL we know: rather lose a part of the path than show a part of a password.
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at < scheme) return std::string(text);
  return std::string(text.substr(0, scheme + 3)).append(text.substr(at + 1));
}

Result<std::string> choose_base(std::string_view content_base, std::string_view content_location,
                                std::string_view request_uri, Quirks* quirks) {
  std::string request = strip_credentials(trim(request_uri));
  std::string_view given = trim(content_base);
  if (given.empty()) given = trim(content_location);
  if (given.empty()) return request;

  // "rtsp://rtsp://host…"
  while (const size_t scheme = scheme_bytes(given)) {
    if (scheme_bytes(given.substr(scheme)) == 0) break;
    if (!tolerates(quirks, Quirk::A2)) return refused_base(Quirk::A2);
    given.remove_prefix(scheme);
  }
  std::string base(given);
  if (scheme_bytes(given) == 0) {
    if (given.find("://") != std::string_view::npos) return request;
    const std::string_view origin = origin_of(request);
    if (given.front() == '/' && !given.starts_with("//")) {
      base = std::string(origin).append(given);
    } else {
      // "192.168.1.10:554/stream0/" is a host, "stream0/" is not. A Content-Location may be relative, "//host/" too.
      const bool legal = content_base.empty() && given.starts_with("//");
      if (given.starts_with("//")) given.remove_prefix(2);
      const std::string_view first = given.substr(0, given.find('/'));
      const bool host_like = first.find_first_of(".:") != std::string_view::npos;
      if (host_like && !legal && !tolerates(quirks, Quirk::A1)) return refused_base(Quirk::A1);
      const std::string scheme(origin.substr(0, scheme_bytes(origin)));
      base = host_like ? scheme + std::string(given) : join_rfc3986(request, given);
    }
  }
  if (has_bare_ipv6(base) && !tolerates(quirks, Quirk::A3)) return refused_base(Quirk::A3);
  const auto url = Url::parse(base);
  return url ? url->without_credentials() : request;
}

std::string resolve_control(std::string_view base, std::string_view control) {
  control = trim(control);
  if (control.empty() || control == "*") return std::string(base);
  if (scheme_bytes(control) != 0) return strip_credentials(control);
  if (control.starts_with('/') && !origin_of(base).empty()) return std::string(origin_of(base)).append(control);
  return concatenate(base, control);
}

std::vector<std::string> control_candidates(std::string_view base, std::string_view control) {
  control = trim(control);
  std::vector<std::string> candidates{resolve_control(base, control)};
  const auto add = [&](std::string uri) {
    if (std::find(candidates.begin(), candidates.end(), uri) == candidates.end()) candidates.push_back(std::move(uri));
  };
  if (control.empty() || control == "*") return candidates;
  if (scheme_bytes(control) != 0) {
    const auto base_url = Url::parse(base);
    const auto control_url = Url::parse(control);
    if (base_url && control_url && !same_host(*base_url, *control_url)) {
      Url moved = *base_url;
      moved.path = control_url->path;
      add(moved.without_credentials());
    }
    add(std::string(base));  // A6
    return candidates;
  }
  add(concatenate(base, control));
  if (!origin_of(base).empty()) add(join_rfc3986(base, control));
  return candidates;
}

}  // namespace vigie::rtsp
