#include <algorithm>
#include <cstdio>

#include "rtsp/digest.h"
#include "rtsp/digest_hash.h"
#include "rtsp/text.h"
#include "rtsp/url.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kTimeDigits = 16;
constexpr size_t kMacDigits = 32;  // 128 bits of the HMAC

std::string time_text(MonoTime time) {
  char text[24];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(time.time_since_epoch().count()));
  return text;
}

std::string mac_text(const NonceMaker::Key& key, std::string_view time, std::string_view context) {
  const auto mac = hmac_sha256(key, std::string(time).append(":").append(context));
  std::string out;
  for (size_t i = 0; i < kMacDigits / 2; ++i) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%02x", mac[i]);
    out.append(hex);
  }
  return out;
}

// An absolute URL or an absolute path, in the parts that must agree.
struct UriParts {
  std::optional<Url> url;
  std::string_view path;  // without one slash at its end
  std::string_view query;
};

std::string_view without_slash(std::string_view text) {
  if (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

bool split_uri(std::string_view text, UriParts& out) {
  if (!text.starts_with('/')) {
    auto url = Url::parse(text);
    if (!url) return false;
    out.url = std::move(url).value();
    text = out.url->path;
  }
  out.path = without_slash(cut(text, '?'));
  out.query = without_slash(text);
  return true;
}

std::string stored_ha1(const Authorization& authorization, const Secret& secret) {
  if (!secret.password.empty()) {
    return make_ha1(authorization.algorithm, authorization.user, authorization.realm, secret.password);
  }
  std::string ha1 = is_sha256(authorization.algorithm) ? secret.ha1_sha256 : secret.ha1_md5;
  std::transform(ha1.begin(), ha1.end(), ha1.begin(), ascii_lower);
  return ha1;
}

}  // namespace

std::string NonceMaker::make(MonoTime now, std::string_view context) const {
  const std::string time = time_text(now);
  return time + mac_text(key_, time, context);
}

NonceMaker::State NonceMaker::check(std::string_view nonce, MonoTime now, std::string_view context) const {
  if (nonce.size() != kTimeDigits + kMacDigits) return State::forged;
  const std::string_view time = nonce.substr(0, kTimeDigits);
  if (!constant_time_equal(nonce.substr(kTimeDigits), mac_text(key_, time, context))) return State::forged;
  const auto made_ns = parse_number<uint64_t>(time, 16);
  if (!made_ns) return State::forged;
  const MonoTime made{Nanos(static_cast<int64_t>(*made_ns))};
  return made > now || now - made > lifetime_ ? State::stale : State::valid;
}

bool digest_uri_matches(std::string_view given, std::string_view request) {
  if (given == request) return !given.empty();
  UriParts a;
  UriParts b;
  if (!split_uri(given, a) || !split_uri(request, b)) return false;
  if (a.url && b.url && (!same_host(*a.url, *b.url) || a.url->port != b.url->port)) return false;
  return a.path == b.path && a.query == b.query;
}

std::vector<std::string> ServerAuth::challenges(MonoTime now, std::string_view context, bool stale) const {
  const std::string nonce = nonces_.make(now, context);
  const std::string common =
      "Digest realm=" + quote(options_.realm) + ", nonce=\"" + nonce + "\"" + (stale ? ", stale=true" : "");
  std::vector<std::string> out{common + ", qop=\"auth\", algorithm=SHA-256"};
  if (options_.allow_md5) out.push_back(common + ", algorithm=MD5");
  return out;
}

ServerAuth::Verdict ServerAuth::verify(const Authorization& authorization, std::string_view method,
                                       std::string_view request_uri, std::string_view base_uri, const Secret* secret,
                                       MonoTime now, std::string_view context) const {
  if (authorization.scheme != AuthScheme::digest) return Verdict::refused;
  if (!options_.allow_md5 && !is_sha256(authorization.algorithm)) return Verdict::refused;
  if (authorization.realm != options_.realm) return Verdict::refused;
  const bool with_qop = !authorization.qop.empty();
  if (with_qop && (!iequals(authorization.qop, "auth") || authorization.nc.empty() || authorization.cnonce.empty())) {
    return Verdict::refused;
  }
  if (!digest_uri_matches(authorization.uri, request_uri) &&
      (base_uri.empty() || !digest_uri_matches(authorization.uri, base_uri))) {
    return Verdict::refused;
  }
  const NonceMaker::State nonce = nonces_.check(authorization.nonce, now, context);
  if (nonce == NonceMaker::State::forged) return Verdict::refused;

  // An unknown user costs the same hashes as a wrong password.
  static const Secret nobody{"-", {}, {}};
  const DigestInput input{authorization.algorithm, method,           authorization.uri,   authorization.nonce,
                          authorization.qop,       authorization.nc, authorization.cnonce};
  const std::string expected = digest_response(input, stored_ha1(authorization, secret != nullptr ? *secret : nobody));
  std::string given = authorization.response;
  std::transform(given.begin(), given.end(), given.begin(), ascii_lower);
  const bool equal = constant_time_equal(expected, given);
  if (!equal || secret == nullptr) return Verdict::refused;
  return nonce == NonceMaker::State::stale ? Verdict::stale : Verdict::accepted;
}

bool verify_basic(const Authorization& authorization, std::string_view user, std::string_view password) {
  if (authorization.scheme != AuthScheme::basic) return false;
  // Hashes compare in constant time whatever the lengths are.
  const auto same = [](std::string_view a, std::string_view b) {
    return constant_time_equal(hash_hex(DigestAlgorithm::sha256, a), hash_hex(DigestAlgorithm::sha256, b));
  };
  const bool user_ok = same(authorization.user, user);
  const bool password_ok = same(authorization.password, password);
  return user_ok && password_ok;
}

}  // namespace vigie::rtsp
