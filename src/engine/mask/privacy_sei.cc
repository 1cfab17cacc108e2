#include "mask/privacy_sei.h"

#include <algorithm>
#include <array>

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
  // 7.3.1: no 00 00 followed by 00 to 03.
  size_t zeros = 0;
  for (const uint8_t byte : rbsp) {
    if (zeros >= 2 && byte <= 3) {
      out.push_back(3);
      zeros = 0;
    }
    out.push_back(byte);
    zeros = byte == 0 ? zeros + 1 : 0;
  }
}

std::optional<PrivacyMark> read_privacy_sei(ByteSpan nal) {
  if (nal.empty() || h264_nal_type(nal[0]) != h264::kSei) return std::nullopt;
  std::array<uint8_t, kRbspBytes> rbsp{};
  size_t size = 0, zeros = 0;
  for (const uint8_t byte : nal.subspan(1)) {
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    if (size == rbsp.size()) return std::nullopt;
    rbsp[size++] = byte;
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  const uint8_t* mark = rbsp.data() + 2 + kPrivacyUuid.size();
  if (size != kRbspBytes || rbsp[0] != kSeiUserDataUnregistered || rbsp[1] != kPayloadBytes ||
      !std::equal(kPrivacyUuid.begin(), kPrivacyUuid.end(), rbsp.data() + 2) || mark[0] != 1) {
    return std::nullopt;
  }
  const auto number = [&](size_t index) {
    uint64_t value = 0;
    for (size_t i = 0; i < 8; ++i) value = value << 8 | mark[2 + index * 8 + i];
    return value;
  };
  return PrivacyMark{static_cast<PrivacyState>(mark[1]), number(0), number(1), number(2)};
}

}  // namespace vigie::mask
