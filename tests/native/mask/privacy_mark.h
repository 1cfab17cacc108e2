#pragma once
// Reads the privacy mark back, as privacy_sei.h lays it out.
#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/rbsp.h"
#include "mask/privacy_sei.h"
#include "media/codec.h"
#include "media/published_unit.h"

namespace vigie::mask {

struct PrivacyMark {
  PrivacyState state = PrivacyState::withheld;
  uint64_t policy_revision = 0, mask_revision = 0, version_revision = 0;
  friend bool operator==(const PrivacyMark&, const PrivacyMark&) = default;
};

// Empty when the NAL unit is no SEI with this mark alone.
inline std::optional<PrivacyMark> read_privacy_sei(ByteSpan nal) {
  if (nal.empty() || h264_nal_type(nal[0]) != h264::kSei) return std::nullopt;
  const Rbsp rbsp(nal, 1);
  ByteReader r(rbsp.bytes());
  const uint8_t type = r.u8(), size = r.u8();
  const ByteSpan uuid = r.bytes(kPrivacyUuid.size());
  const uint8_t layout = r.u8(), state = r.u8();
  const uint64_t policy = r.u64(), mask = r.u64(), version = r.u64();
  const uint8_t trailing = r.u8();
  const bool fits = !r.failed() && r.remaining() == 0 && type == 5 && size == kPrivacyUuid.size() + kPrivacyMarkBytes &&
                    std::ranges::equal(uuid, kPrivacyUuid) && layout == 1 && trailing == 0x80;
  if (!fits) return std::nullopt;
  return PrivacyMark{static_cast<PrivacyState>(state), policy, mask, version};
}

}  // namespace vigie::mask
