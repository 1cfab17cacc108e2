#include "mask/privacy_sei.h"

#include <algorithm>
#include <array>

#include "base/bit_writer.h"
#include "media/codec.h"

namespace vigie::mask {
namespace {

constexpr uint8_t kSeiUserDataUnregistered = 5;
constexpr size_t kPayloadBytes = kPrivacyUuid.size() + kPrivacyMarkBytes;
constexpr size_t kRbspBytes = 2 + kPayloadBytes + 1;
static_assert(kPayloadBytes < 255, "payload_size must fit one byte");

}  // namespace

void append_privacy_sei(const Provenance& provenance, std::vector<uint8_t>& out) {
  std::array<uint8_t, kRbspBytes> rbsp{kSeiUserDataUnregistered, kPayloadBytes};
  uint8_t* at = std::copy(kPrivacyUuid.begin(), kPrivacyUuid.end(), rbsp.data() + 2);
  *at++ = 1;
  *at++ = static_cast<uint8_t>(provenance.state);
  for (const uint64_t number : {provenance.policy_revision, provenance.mask_revision, provenance.version_revision}) {
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = static_cast<uint8_t>(number >> shift);
  }
  *at = 0x80;  // rbsp_trailing_bits
  out.push_back(h264::kSei);
  append_escaped(rbsp, out);
}

}  // namespace vigie::mask
