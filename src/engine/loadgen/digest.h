#pragma once
// The little of digest authentication that the simulated cameras and viewers need, written apart from rtsp/ on purpose:
// one mistake must not hide on both sides of a test.
#include <string>
#include <string_view>

namespace vigie::loadgen {

struct Credentials {
  std::string user;
  std::string password;
  bool empty() const { return user.empty() && password.empty(); }
};

// The value of `name` in a header such as `Digest realm="x", qop=auth`, without quotes; empty when absent.
std::string auth_parameter(std::string_view header, std::string_view name);

// Server side: the value of one WWW-Authenticate header.
std::string digest_challenge(std::string_view realm, std::string_view nonce, bool sha256);
// Whether an Authorization header answers one of our challenges. Not checked: that nc counts up.
bool digest_accepts(std::string_view header, std::string_view method, std::string_view realm, std::string_view nonce,
                    const Credentials& credentials);

// Client side: the Authorization header for one challenge (Basic or Digest, MD5 or SHA-256, with qop auth or without);
// empty when the challenge is of another kind. `uri` is the request line's.
std::string answer_challenge(std::string_view challenge, std::string_view method, std::string_view uri,
                             const Credentials& credentials, std::string_view cnonce);

}  // namespace vigie::loadgen
