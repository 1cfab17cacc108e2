#pragma once
// What SRTP needs to know of one stream, as SDES or MIKEY gave it. Secret: it goes into no text.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vigie {

// RFC 4568 6.2, RFC 6188, RFC 7714.
enum class SrtpSuite : uint8_t {
  aes_cm_128_hmac_sha1_80,
  aes_cm_128_hmac_sha1_32,
  aes_cm_256_hmac_sha1_80,
  aes_cm_256_hmac_sha1_32,
  aead_aes_128_gcm,
  aead_aes_256_gcm
};

constexpr size_t srtp_key_bytes(SrtpSuite suite) {
  const bool long_key = suite == SrtpSuite::aes_cm_256_hmac_sha1_80 || suite == SrtpSuite::aes_cm_256_hmac_sha1_32 ||
                        suite == SrtpSuite::aead_aes_256_gcm;
  return long_key ? 32 : 16;
}
constexpr bool srtp_is_gcm(SrtpSuite suite) { return suite >= SrtpSuite::aead_aes_128_gcm; }
constexpr size_t srtp_salt_bytes(SrtpSuite suite) { return srtp_is_gcm(suite) ? 12 : 14; }

struct SrtpKeys {
  static constexpr size_t kMaxMasters = 8;
  static constexpr size_t kMaxMkiBytes = 16;
  struct Master {
    std::vector<uint8_t> key_and_salt;
    std::vector<uint8_t> mki;  // of one length in all masters, at most kMaxMkiBytes; empty: packets carry none
    friend bool operator==(const Master&, const Master&) = default;
  };
  // Where the sender's counting stands; every other SSRC begins at 0.
  struct Rollover {
    uint32_t ssrc = 0;
    uint32_t roc = 0;
    friend bool operator==(const Rollover&, const Rollover&) = default;
  };
  SrtpSuite suite = SrtpSuite::aes_cm_128_hmac_sha1_80;
  bool short_rtcp_tag = false;  // with a tag of 32 bits: for SRTCP too, where RFC 4568 keeps 80
  std::vector<Master> masters;  // 1 to kMaxMasters
  std::vector<Rollover> rollovers;
  friend bool operator==(const SrtpKeys&, const SrtpKeys&) = default;
};

}  // namespace vigie
