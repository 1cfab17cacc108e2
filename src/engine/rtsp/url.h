#pragma once
// rtsp:// and rtsps:// URLs, and how control attributes join their base in the field.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"
#include "base/result.h"

namespace vigie::rtsp {

// A parsed URL. Credentials are held decoded and leave only through their members: no text made here contains them.
struct Url {
  bool tls = false;  // rtsps
  std::string user;
  std::string password;
  std::string host;         // without brackets; an IPv6 zone stays ("fe80::1%eth0")
  uint16_t port = 554;      // 322 for rtsps
  bool port_given = false;  // the port stood in the text
  std::string path;         // path and query as given, "" or beginning with '/' or '?'; never a fragment

  // Userinfo: %XX is decoded where two hex digits follow, any other character stands for itself, so raw '@', ':', '+'
  // and '%' work in passwords (C6). A path may hold '@'. IPv6 with or without brackets (A3).
  // Errors: invalid_argument; the text never quotes the URL, because it may hold a password.
  static Result<Url> parse(std::string_view text);

  bool has_credentials() const { return !user.empty() || !password.empty(); }
  // host[:port], IPv6 in brackets, the zone left out (it means nothing to the other side); port only if it was given.
  std::string authority() const;
  // scheme://authority/path?query: to show, to log and to send.
  std::string without_credentials() const;
  // What goes into a request line; the same text as without_credentials().
  std::string request_uri() const { return without_credentials(); }
  friend bool operator==(const Url&, const Url&) = default;
};

// Same host, letter case aside: the only case in which credentials may follow a redirect (A14).
bool same_host(const Url& a, const Url& b);

// `text` with any credentials in it replaced by nothing, for texts that are not known to be URLs.
std::string strip_credentials(std::string_view text);

// The base for control attributes: Content-Base, else Content-Location, else the request's URI; repairs a missing
// scheme (A1), a doubled one (A2) and missing brackets (A3), takes a relative base against the request. Pass empty views
// for absent headers.
// Errors: rtsp_malformed where one of the three is there and not tolerated.
Result<std::string> choose_base(std::string_view content_base, std::string_view content_location,
                                std::string_view request_uri, Quirks* quirks = nullptr);

// The URI for SETUP (or for aggregate control, with the session's control) of a media whose control is `control`:
// absolute -> itself; "*" or empty -> base; "/path" -> path on the base's authority; else base, one '/', control
// (plain concatenation, also behind a query: A4, A5). Credentials inside `control` are removed.
std::string resolve_control(std::string_view base, std::string_view control);

// resolve_control() first, then the other ways some devices mean it (RFC 3986 joining; concatenation of "/path"; the
// base itself for an absolute control that names another host, A6), without repetitions. For retrying a 404: which of
// them a device accepts tells the deviation.
std::vector<std::string> control_candidates(std::string_view base, std::string_view control);

}  // namespace vigie::rtsp
