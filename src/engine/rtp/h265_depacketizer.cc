#include "rtp/h265_depacketizer.h"

#include <algorithm>

namespace vigie::rtp {
namespace {

constexpr uint8_t kAp = 48, kFu = 49;
constexpr uint8_t kFuStart = 0x80, kFuEnd = 0x40;
constexpr size_t kDonlBytes = 2, kDondBytes = 1;

}  // namespace

NalKind H265Depacketizer::peek(ByteSpan payload) const {
  const uint8_t type = h265_nal_type(payload[0]);
  const size_t donl = config_.donl ? kDonlBytes : 0;
  if (type == kFu) {
    if (payload.size() < 3) return {};
    const bool start = payload[2] & kFuStart;
    const size_t data = 3 + (start ? donl : 0);
    if (payload.size() <= data) return {};
    const uint8_t head[3] = {static_cast<uint8_t>((payload[0] & 0x81) | (payload[2] & 0x3f) << 1), payload[1],
                             payload[data]};
    NalKind kind = h265_nal_kind(head);
    if (!start) {
      kind.begins_picture = false;
      kind.continues = true;
    }
    return kind;
  }
  if (type == kAp) return payload.size() > 4 + donl ? h265_nal_kind(payload.subspan(4 + donl)) : NalKind{};
  if (starts_with_start_code(payload)) return h265_nal_kind(payload.subspan(payload[2] == 1 ? 3 : 4));
  if (donl != 0 && payload.size() > 4) {
    const uint8_t head[3] = {payload[0], payload[1], payload[4]};
    return h265_nal_kind(head);
  }
  return h265_nal_kind(payload);
}

bool H265Depacketizer::known_nal(ByteSpan nal) const {
  // 48 to 63 are the payload format's or nobody's (G11); type 0 is an ordinary picture (G12).
  return nal.size() >= 2 && (nal[0] & 0x80) == 0 && h265_nal_type(nal[0]) < 48;
}

void H265Depacketizer::read_ap(ByteSpan body) {
  size_t skip = config_.donl ? kDonlBytes : 0;
  while (!body.empty()) {
    if (body.size() < skip + 2) return malformed();
    const size_t size = load_be16(body.data() + skip);
    if (size > body.size() - skip - 2) return malformed();
    if (size > 0) whole_nal(body.subspan(skip + 2, size));
    body = body.subspan(skip + 2 + size);
    skip = config_.donl ? kDondBytes : 0;
  }
}

void H265Depacketizer::read_payload(ByteSpan payload) {
  if (payload.size() < 2) return short_fragment();
  const uint8_t type = h265_nal_type(payload[0]);
  const size_t donl = config_.donl ? kDonlBytes : 0;
  if (type == kAp) {
    read_ap(payload.subspan(2));
  } else if (type == kFu) {
    const bool start = payload.size() > 2 && (payload[2] & kFuStart);
    const size_t data = 3 + (start ? donl : 0);
    if (payload.size() < data) return short_fragment();
    const bool both = start && (payload[2] & kFuEnd);
    if (both && !tolerate(Quirk::G2)) return bad_fragment();
    const uint8_t header[2] = {static_cast<uint8_t>((payload[0] & 0x81) | (payload[2] & 0x3f) << 1), payload[1]};
    fragment(start, payload[2] & kFuEnd, header, payload.subspan(data));
  } else if (starts_with_start_code(payload)) {
    annexb_payload(payload);
  } else if (donl != 0) {
    if (payload.size() < 2 + donl) return malformed();
    // The NAL unit is in two parts around the number: as one fragment, start and end.
    fragment(true, true, payload.first(2), payload.subspan(2 + donl));
  } else {
    whole_nal(payload);
  }
}

}  // namespace vigie::rtp
