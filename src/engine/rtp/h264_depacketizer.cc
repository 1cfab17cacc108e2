#include "rtp/h264_depacketizer.h"

namespace vigie::rtp {
namespace {

constexpr uint8_t kStapA = 24, kFuA = 28;
constexpr uint8_t kFuStart = 0x80, kFuEnd = 0x40, kFuReserved = 0x20;

}  // namespace

NalKind H264Depacketizer::peek(ByteSpan payload) const {
  const uint8_t type = h264_nal_type(payload[0]);
  if (type == kFuA) {
    if (payload.size() < 3) return {};
    const uint8_t head[2] = {payload[1], payload[2]};
    NalKind kind = h264_nal_kind(head);
    if (!(payload[1] & kFuStart)) {
      kind.begins_picture = false;
      kind.continues = true;
    }
    return kind;
  }
  if (type == kStapA) return payload.size() > 4 ? h264_nal_kind(payload.subspan(3)) : NalKind{};
  if (starts_with_start_code(payload)) return h264_nal_kind(payload.subspan(payload[2] == 1 ? 3 : 4));
  return h264_nal_kind(payload);
}

bool H264Depacketizer::known_nal(ByteSpan nal) const {
  // 24 to 31 have no meaning inside an access unit, 0 none at all, and a set forbidden bit means bit errors (G11).
  const uint8_t type = h264_nal_type(nal[0]);
  return (nal[0] & 0x80) == 0 && type >= 1 && type <= 23;
}

// An SPS of this very unit is in force before the parameter sets know of it.
void H264Depacketizer::on_leading_nal(ByteSpan nal) {
  if (h264_nal_type(nal[0]) == h264::kSps) sps_ = parse_h264_sps(nal);
}

std::optional<H264Field> H264Depacketizer::field_of(ByteSpan nal) {
  const Ref<const ParameterSets>& sets = parameter_sets_.current();
  if (sets->revision != parameter_sets_revision_) {
    parameter_sets_revision_ = sets->revision;
    if (!sets->sps.empty()) sps_ = parse_h264_sps(sets->sps.front());
  }
  return sps_ && h264_nal_type(nal[0]) <= h264::kIdr ? h264_field(nal, *sps_) : std::nullopt;
}

void H264Depacketizer::read_stap(ByteSpan body) {
  while (!body.empty()) {
    if (body.size() < 2) return malformed();
    const size_t size = load_be16(body.data());
    if (size > body.size() - 2) return malformed();
    if (size > 0) whole_nal(body.subspan(2, size));
    body = body.subspan(2 + size);
  }
}

void H264Depacketizer::read_payload(ByteSpan payload) {
  const uint8_t type = h264_nal_type(payload[0]);
  if (config_.packetization_mode == 0 && (type == kStapA || type == kFuA) && !tolerate(Quirk::B22)) return malformed();
  if (type == kStapA) {
    read_stap(payload.subspan(1));
  } else if (type == kFuA) {
    if (payload.size() < 2) return short_fragment();
    const uint8_t bits = payload[1] & (kFuStart | kFuEnd | kFuReserved);
    if ((bits & kFuReserved) && !tolerate(Quirk::G5)) return bad_fragment();
    if ((bits & ~kFuReserved) == (kFuStart | kFuEnd) && !tolerate(Quirk::G2)) return bad_fragment();
    const auto header = static_cast<uint8_t>((payload[0] & 0xe0) | (payload[1] & 0x1f));
    fragment(payload[1] & kFuStart, payload[1] & kFuEnd, {&header, 1}, payload.subspan(2));
  } else if (starts_with_start_code(payload)) {
    annexb_payload(payload);
  } else {
    whole_nal(payload);
  }
}

}  // namespace vigie::rtp
