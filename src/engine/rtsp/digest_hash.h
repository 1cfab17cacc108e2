#pragma once
// The few cryptographic primitives of digest authentication and of tickets. For rtsp/ alone, with one exception:
// loadgen/ calls `hash_hex`, because its cameras and viewers keep a digest of their own to check this one against.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "rtsp/digest.h"

namespace vigie::rtsp {

// Lower-case hex of MD5 or SHA-256, as the algorithm says; "" where the library refuses MD5 (FIPS mode).
std::string hash_hex(DigestAlgorithm algorithm, std::string_view text);
std::array<uint8_t, 32> hmac_sha256(ByteSpan key, std::string_view text);
// False for different lengths and for empty texts; time depends on the length alone.
bool constant_time_equal(std::string_view a, std::string_view b);

constexpr bool is_sha256(DigestAlgorithm algorithm) { return algorithm >= DigestAlgorithm::sha256; }
constexpr bool is_session(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::md5_sess || algorithm == DigestAlgorithm::sha256_sess;
}

// What goes into a response besides H(user:realm:password).
struct DigestInput {
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
  std::string_view method, uri, nonce, qop, nc, cnonce;
};
// RFC 7616 section 3.4.1; RFC 2069's form when `qop` is empty. "" when `ha1` is.
std::string digest_response(const DigestInput& input, const std::string& ha1);

}  // namespace vigie::rtsp
