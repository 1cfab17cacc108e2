#include "rtsp/digest.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/base64.h"
#include "rtsp/digest_hash.h"
#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxChallenges = 16;
constexpr uint32_t kMaxStaleInARow = 3;

constexpr std::array<std::string_view, 4> kAlgorithms{"MD5", "MD5-sess", "SHA-256", "SHA-256-sess"};

std::optional<DigestAlgorithm> algorithm_from(std::string_view name) {
  for (size_t i = 0; i < kAlgorithms.size(); ++i) {
    if (iequals(kAlgorithms[i], name)) return static_cast<DigestAlgorithm>(i);
  }
  if (iequals(name, "SHA256")) return DigestAlgorithm::sha256;
  return std::nullopt;
}

// One comma-separated item of a challenge header: "Scheme", "Scheme key=value" or "key=value".
struct AuthItem {
  std::string_view scheme;
  std::string_view key;
  std::string value;
};

AuthItem parse_item(std::string_view text) {
  AuthItem item;
  text = trim(text);
  const size_t end = std::min(text.find_first_of(" \t="), text.size());
  std::string_view behind = trim(text.substr(end));
  if (end == text.size() || (is_blank(text[end]) && !behind.starts_with('='))) {
    item.scheme = text.substr(0, end);
    text = behind;
  }
  item.key = trim(cut(text, '='));
  item.value = unquote(text);
  return item;
}

bool lists_auth(std::string_view qop) {
  while (!qop.empty()) {
    if (iequals(trim(cut(qop, ',')), "auth")) return true;
  }
  return false;
}

// A challenge while its items come in; `usable` falls when there is something in it that we cannot do.
struct OpenChallenge {
  Challenge challenge;
  bool usable = false;
  bool qop_given = false;
};

void close_challenge(OpenChallenge& open, std::vector<Challenge>& out) {
  const Challenge& challenge = open.challenge;
  const bool digest = challenge.scheme == AuthScheme::digest;
  if (digest && (challenge.nonce.empty() || (open.qop_given && !challenge.qop_auth))) open.usable = false;
  if (open.usable && out.size() < kMaxChallenges) out.push_back(challenge);
  open = {};
}

void take_item(const AuthItem& item, OpenChallenge& open) {
  Challenge& challenge = open.challenge;
  if (iequals(item.key, "realm")) {
    challenge.realm = item.value;
  } else if (iequals(item.key, "nonce")) {
    challenge.nonce = item.value;
  } else if (iequals(item.key, "opaque")) {
    challenge.opaque = item.value;
  } else if (iequals(item.key, "stale")) {
    challenge.stale = iequals(item.value, "true");
  } else if (iequals(item.key, "qop")) {
    open.qop_given = !trim(item.value).empty();
    challenge.qop_auth = lists_auth(item.value);
  } else if (iequals(item.key, "algorithm")) {
    const auto algorithm = algorithm_from(trim(item.value));
    if (!algorithm) open.usable = false;
    challenge.algorithm = algorithm.value_or(DigestAlgorithm::md5);
    challenge.algorithm_given = true;
  }
}

// Bit of a way to authenticate, for ClientAuth::refused_ways_. Basic is bit 0.
uint32_t way_bit(const Challenge& challenge) {
  if (challenge.scheme == AuthScheme::basic) return 1;
  return uint32_t{2} << (static_cast<unsigned>(challenge.algorithm) * 2 + (challenge.qop_auth ? 1 : 0));
}

// Stronger is larger; a plain algorithm before its -sess form, which more devices get wrong.
int strength(const Challenge& challenge) {
  if (challenge.scheme == AuthScheme::basic) return 0;
  return 1 + (is_sha256(challenge.algorithm) ? 4 : 0) + (challenge.qop_auth ? 2 : 0) +
         (is_session(challenge.algorithm) ? 0 : 1);
}

void append_field(std::string& out, std::string_view key, std::string_view value) {
  out.append(out.ends_with(' ') ? "" : ", ").append(key).append("=").append(value);
}

Error bad_authorization(std::string what) { return make_error(Code::rtsp_malformed, "Authorization", std::move(what)); }

Result<Authorization> parse_basic(std::string_view text) {
  const auto bytes = base64_decode_tolerant(trim(text));
  if (!bytes) return bad_authorization("the Basic credentials are not base64");
  std::string_view rest = as_text(*bytes);
  if (rest.find(':') == std::string_view::npos) return bad_authorization("the Basic credentials have no colon");
  Authorization out;
  out.scheme = AuthScheme::basic;
  out.user = cut(rest, ':');
  out.password = rest;
  return out;
}

}  // namespace

std::string_view algorithm_name(DigestAlgorithm algorithm) { return kAlgorithms[static_cast<size_t>(algorithm)]; }

std::vector<Challenge> parse_challenges(std::string_view header_value) {
  std::vector<Challenge> out;
  OpenChallenge open;
  while (!header_value.empty()) {
    const AuthItem item = parse_item(cut_quoted(header_value, ','));
    if (!item.scheme.empty()) {
      close_challenge(open, out);
      open.usable = iequals(item.scheme, "Digest") || iequals(item.scheme, "Basic");
      open.challenge.scheme = iequals(item.scheme, "Basic") ? AuthScheme::basic : AuthScheme::digest;
    }
    take_item(item, open);
  }
  close_challenge(open, out);
  return out;
}

std::vector<Challenge> parse_challenges(const HeaderList& headers) {
  std::vector<Challenge> out;
  for (std::string_view value : headers.get_all("WWW-Authenticate")) {
    for (Challenge& challenge : parse_challenges(value)) {
      if (out.size() < kMaxChallenges) out.push_back(std::move(challenge));
    }
  }
  return out;
}

ClientAuth::Next ClientAuth::on_unauthorized(const HeaderList& response_headers) {
  const std::vector<Challenge> offered = parse_challenges(response_headers);
  bool give_up = false;
  if (sent_ && chosen_) {
    const uint32_t tried = way_bit(*chosen_);
    const bool stale = std::any_of(offered.begin(), offered.end(), [tried](const Challenge& challenge) {
      return challenge.stale && way_bit(challenge) == tried;
    });
    if (stale && ++stale_in_a_row_ <= kMaxStaleInARow) {
      // A new nonce is all that is wanted.
    } else if (accepted_) {
      give_up = challenged_ && !tolerates(quirks_, Quirk::C7);
    } else {
      refused_ways_ |= tried;
      give_up = quirks_ && quirks_->strict.has(Quirk::C3);
    }
  }
  challenged_ = true;
  accepted_ = false;
  sent_ = false;
  chosen_.reset();
  if (offered.empty()) return Next::unsupported;
  if (!has_credentials()) return Next::no_credentials;
  if (give_up) return Next::refused;

  const bool digest_known =
      (refused_ways_ & ~uint32_t{1}) != 0 ||
      std::any_of(offered.begin(), offered.end(), [](const Challenge& c) { return c.scheme == AuthScheme::digest; });
  for (const Challenge& challenge : offered) {
    if ((refused_ways_ & way_bit(challenge)) != 0) continue;
    if (challenge.scheme == AuthScheme::basic && digest_known) continue;
    if (!chosen_ || strength(challenge) > strength(*chosen_)) chosen_ = challenge;
  }
  nonce_count_ = 0;
  session_cnonce_.clear();
  return chosen_ ? Next::retry : Next::refused;
}

void ClientAuth::on_accepted() {
  accepted_ = true;
  stale_in_a_row_ = 0;
  if (refused_ways_ != 0) (void)tolerates(quirks_, Quirk::C3);  // the password is right, yet a way was refused
}

std::string ClientAuth::authorization(std::string_view method, std::string_view uri, std::string_view cnonce) {
  if (!chosen_) return {};
  sent_ = true;
  const Challenge& challenge = *chosen_;
  if (challenge.scheme == AuthScheme::basic) return "Basic " + base64_encode(as_bytes(user_ + ":" + password_));

  const bool session = is_session(challenge.algorithm);
  if (session) {
    // One cnonce for the nonce's whole life: then it does not matter whether the device fixes its session key at the
    // first request or makes it anew for each.
    if (session_cnonce_.empty()) session_cnonce_ = cnonce;
    cnonce = session_cnonce_;
  }
  char nc[16];
  std::snprintf(nc, sizeof nc, "%08x", ++nonce_count_);
  DigestInput input{challenge.algorithm, method, uri, challenge.nonce, {}, {}, cnonce};
  if (challenge.qop_auth) {
    input.qop = "auth";
    input.nc = nc;
  }
  std::string out = "Digest ";
  append_field(out, "username", quote(user_));
  append_field(out, "realm", quote(challenge.realm));
  append_field(out, "nonce", quote(challenge.nonce));
  append_field(out, "uri", quote(uri));
  append_field(out, "response",
               quote(digest_response(input, make_ha1(challenge.algorithm, user_, challenge.realm, password_))));
  if (challenge.algorithm_given) append_field(out, "algorithm", algorithm_name(challenge.algorithm));
  if (!challenge.opaque.empty()) append_field(out, "opaque", quote(challenge.opaque));
  if (challenge.qop_auth) {
    append_field(out, "qop", "auth");
    append_field(out, "nc", nc);
  }
  if (challenge.qop_auth || session) append_field(out, "cnonce", quote(cnonce));
  return out;
}

std::string_view ClientAuth::scheme_text() const {
  constexpr std::array<std::string_view, 4> texts{"Digest MD5", "Digest MD5-sess", "Digest SHA-256",
                                                  "Digest SHA-256-sess"};
  if (!chosen_) return {};
  return chosen_->scheme == AuthScheme::basic ? std::string_view("Basic")
                                              : texts[static_cast<size_t>(chosen_->algorithm)];
}

Result<Authorization> parse_authorization(std::string_view header_value) {
  header_value = trim(header_value);
  const size_t blank = std::min(header_value.find_first_of(" \t"), header_value.size());
  const std::string_view scheme = header_value.substr(0, blank);
  std::string_view rest = trim(header_value.substr(blank));
  if (iequals(scheme, "Basic")) return parse_basic(rest);
  if (!iequals(scheme, "Digest")) return bad_authorization("the scheme is neither Digest nor Basic");

  Authorization out;
  uint32_t seen = 0;
  struct Field {
    std::string_view key;
    std::string* target;
  };
  std::string algorithm;
  const Field fields[] = {{"username", &out.user},  {"realm", &out.realm},       {"nonce", &out.nonce},
                          {"uri", &out.uri},        {"response", &out.response}, {"cnonce", &out.cnonce},
                          {"nc", &out.nc},          {"opaque", &out.opaque},     {"qop", &out.qop},
                          {"algorithm", &algorithm}};
  while (!rest.empty()) {
    std::string_view item = cut_quoted(rest, ',');
    const std::string_view key = trim(cut(item, '='));
    for (size_t i = 0; i < std::size(fields); ++i) {
      if (!iequals(key, fields[i].key)) continue;
      if ((seen >> i & 1) != 0) return bad_authorization(std::string(fields[i].key) + " is given twice");
      seen |= uint32_t{1} << i;
      *fields[i].target = unquote(item);
    }
  }
  for (size_t i = 0; i < 5; ++i) {
    if ((seen >> i & 1) == 0) return bad_authorization(std::string(fields[i].key) + " is missing");
  }
  if (!trim(algorithm).empty()) {
    const auto known = algorithm_from(trim(algorithm));
    if (!known) return bad_authorization("the algorithm is unknown");
    out.algorithm = *known;
    out.algorithm_given = true;
  }
  return out;
}

}  // namespace vigie::rtsp
