#include "rtsp/digest_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace vigie::rtsp {
namespace {

std::string join(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view& part : parts) {
    if (&part != parts.begin()) out.push_back(':');
    out.append(part);
  }
  return out;
}

}  // namespace

std::string hash_hex(DigestAlgorithm algorithm, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const EVP_MD* kind = is_sha256(algorithm) ? EVP_sha256() : EVP_md5();
  if (EVP_Digest(text.data(), text.size(), digest, &size, kind, nullptr) != 1) return {};
  return hex_text({digest, size});
}

std::array<uint8_t, 32> hmac_sha256(ByteSpan key, std::string_view text) {
  std::array<uint8_t, 32> out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_bytes(text).data(), text.size(), out.data(), &size);
  return out;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && !a.empty() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string make_ha1(DigestAlgorithm algorithm, std::string_view user, std::string_view realm,
                     std::string_view password) {
  return hash_hex(algorithm, join({user, realm, password}));
}

std::string digest_response(const DigestInput& input, const std::string& ha1) {
  if (ha1.empty()) return {};
  const auto hash = [&](const std::string& text) { return hash_hex(input.algorithm, text); };
  const std::string key = is_session(input.algorithm) ? hash(join({ha1, input.nonce, input.cnonce})) : ha1;
  const std::string ha2 = hash(join({input.method, input.uri}));
  if (input.qop.empty()) return hash(join({key, input.nonce, ha2}));
  return hash(join({key, input.nonce, input.nc, input.cnonce, input.qop, ha2}));
}

}  // namespace vigie::rtsp
