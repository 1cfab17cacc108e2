#pragma once
// Basic and Digest authentication (RFC 7617, RFC 7616, RFC 2069), both sides. No randomness and no clock in here: the
// caller gives cnonces, keys and times. No error text, and no text at all but the header itself, holds a credential.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/quirk.h"
#include "base/result.h"
#include "base/time.h"
#include "rtsp/message.h"

namespace vigie::rtsp {

enum class AuthScheme : uint8_t { basic, digest };
enum class DigestAlgorithm : uint8_t { md5, md5_sess, sha256, sha256_sess };
// "MD5", "MD5-sess", "SHA-256", "SHA-256-sess".
std::string_view algorithm_name(DigestAlgorithm algorithm);

// H(user:realm:password) in lower-case hex, the form in which a server may store a password.
// `-sess` algorithms give the same value as their plain form.
std::string make_ha1(DigestAlgorithm algorithm, std::string_view user, std::string_view realm,
                     std::string_view password);

// One challenge of a WWW-Authenticate header.
struct Challenge {
  AuthScheme scheme = AuthScheme::digest;
  std::string realm;
  std::string nonce;
  std::string opaque;
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
  bool algorithm_given = false;
  bool qop_auth = false;  // qop lists "auth"
  bool stale = false;
  friend bool operator==(const Challenge&, const Challenge&) = default;
};

// The challenges we can answer, in order; unknown schemes, unknown algorithms and auth-int alone are left out (C2).
std::vector<Challenge> parse_challenges(std::string_view header_value);
// The same over all WWW-Authenticate headers of a response.
std::vector<Challenge> parse_challenges(const HeaderList& headers);

// What a client remembers between a 401 and its next request, for one set of credentials and one host.
class ClientAuth {
 public:
  ClientAuth() = default;
  // `quirks`, where given, must outlive this.
  ClientAuth(std::string user, std::string password, Quirks* quirks = nullptr)
      : user_(std::move(user)), password_(std::move(password)), quirks_(quirks) {}

  enum class Next : uint8_t {
    retry,          // send the request again with authorization()
    refused,        // these credentials were tried in every way offered
    unsupported,    // nothing offered that we can answer
    no_credentials  // the device wants some and none are configured
  };
  // After a 401. Chooses SHA-256 before MD5 before Basic, a challenge with qop before one without. A refusal of one way
  // that is not marked stale tries the next one offered (C3), but never goes from Digest down to Basic.
  // A 401 behind an on_accepted() is taken for an aged nonce: the same way is tried once more (C7, unless it says
  // stale). C3 is noted once the next way is accepted: until then the password may be wrong. Where C3 or C7 is not
  // tolerated the answer is `refused`.
  Next on_unauthorized(const HeaderList& response_headers);
  // After any answer that is not 401 to a request that carried our Authorization.
  void on_accepted();
  // The first 401 on a connection is no deviation, whatever was accepted on the one before.
  void on_new_connection() { challenged_ = false; }

  bool ready() const { return chosen_.has_value(); }
  bool has_credentials() const { return !user_.empty() || !password_.empty(); }
  // Value of the Authorization header; counts nc up. `uri` must be the request line's text (C5); `cnonce` fresh and
  // unpredictable, hexadecimal. Only when ready().
  std::string authorization(std::string_view method, std::string_view uri, std::string_view cnonce);
  // "Digest SHA-256", "Basic", … or "" before a challenge; for events.
  std::string_view scheme_text() const;

 private:
  std::string user_;
  std::string password_;
  Quirks* quirks_ = nullptr;
  std::optional<Challenge> chosen_;
  std::string session_cnonce_;
  uint32_t nonce_count_ = 0;
  uint32_t refused_ways_ = 0;  // bit per (scheme, algorithm, qop) that was refused
  uint32_t stale_in_a_row_ = 0;
  bool sent_ = false;        // an Authorization went out under `chosen_` and was not yet answered
  bool accepted_ = false;    // … and was accepted at least once
  bool challenged_ = false;  // a 401 came on this connection
};

// The fields of an Authorization header.
struct Authorization {
  AuthScheme scheme = AuthScheme::digest;
  std::string user;
  std::string password;  // Basic only
  std::string realm;
  std::string nonce;
  std::string uri;
  std::string response;
  std::string cnonce;
  std::string nc;
  std::string opaque;
  std::string qop;
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
  bool algorithm_given = false;
  friend bool operator==(const Authorization&, const Authorization&) = default;
};
// Errors: rtsp_malformed (unknown scheme or algorithm, a needed field missing or given twice).
Result<Authorization> parse_authorization(std::string_view header_value);

// A viewer's secret: the password, or what was stored in its place. Empty strings are never matched.
struct Secret {
  std::string password;
  std::string ha1_md5;  // used when password is empty
  std::string ha1_sha256;
};

// Makes and checks nonces without remembering any: time and an HMAC over time and context under a key of this process.
class NonceMaker {
 public:
  using Key = std::array<uint8_t, 32>;
  enum class State : uint8_t { valid, stale, forged };
  NonceMaker(const Key& key, Nanos lifetime) : key_(key), lifetime_(lifetime) {}
  // `context` binds a nonce to its connection (e.g. the connection's number), so that it is of no use on another.
  std::string make(MonoTime now, std::string_view context) const;
  State check(std::string_view nonce, MonoTime now, std::string_view context) const;

 private:
  Key key_;
  Nanos lifetime_;
};

struct ServerAuthOptions {
  std::string realm = "vigie";
  bool allow_md5 = true;  // off: SHA-256 only, which FFmpeg cannot answer (C1)
  Nanos nonce_lifetime = std::chrono::minutes(5);
};

// The server's side: what to put into a 401, and whether an Authorization header is right.
class ServerAuth {
 public:
  ServerAuth(ServerAuthOptions options, const NonceMaker::Key& key)
      : options_(std::move(options)), nonces_(key, options_.nonce_lifetime) {}

  // Values for one WWW-Authenticate header each: SHA-256 with qop first, MD5 last (players take the last they can).
  // The MD5 one offers no qop, because old players answer a qop they do not understand wrongly.
  std::vector<std::string> challenges(MonoTime now, std::string_view context, bool stale) const;

  enum class Verdict : uint8_t {
    accepted,
    stale,   // right in all but the age of the nonce: answer 401 with stale=true
    refused  // unknown user, wrong password, wrong URI, forged nonce, algorithm not allowed: do not say which
  };
  // Compares in constant time; an unknown user (`secret` null) takes as long as a wrong password.
  // `base_uri`: the presentation's URI if the request addresses a track of it, else empty. The digest's uri may be the
  // request's or the base's, as a whole or as the path only, with or without a slash at the end (C5); another path is
  // refused. Nonce counts are not remembered: a replay is confined to the nonce's context, method and URI.
  Verdict verify(const Authorization& authorization, std::string_view method, std::string_view request_uri,
                 std::string_view base_uri, const Secret* secret, MonoTime now, std::string_view context) const;

  const std::string& realm() const { return options_.realm; }

 private:
  ServerAuthOptions options_;
  NonceMaker nonces_;
};

// Whether a Basic header carries exactly these credentials; constant time. For simulated cameras.
bool verify_basic(const Authorization& authorization, std::string_view user, std::string_view password);

// Whether `given` names the same presentation as `request` under the tolerances of C5.
bool digest_uri_matches(std::string_view given, std::string_view request);

}  // namespace vigie::rtsp
