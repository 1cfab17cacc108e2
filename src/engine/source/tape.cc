#include "source/tape.h"

#include <algorithm>
#include <span>

#include "base/start_code.h"
#include "rtp/nal_kind.h"
#include "rtp/packet.h"

namespace vigie::source {
namespace {

constexpr uint8_t kBlank = 0xaa;   // makes neither a start code nor an end that is trimmed
constexpr size_t kSliceBytes = 4;  // behind a NAL unit's header: first_mb_in_slice and slice_type

void blank_from(std::span<uint8_t> bytes, size_t keep) {
  if (keep < bytes.size()) std::fill(bytes.begin() + static_cast<ptrdiff_t>(keep), bytes.end(), kBlank);
}

bool is_parameter_set(Codec codec, uint8_t first) {
  if (codec == Codec::h264) return h264_nal_type(first) == h264::kSps || h264_nal_type(first) == h264::kPps;
  const uint8_t type = h265_nal_type(first);
  return type == h265::kVps || type == h265::kSps || type == h265::kPps;
}

void blank_nal(Codec codec, std::span<uint8_t> nal) {
  if (nal.empty() || is_parameter_set(codec, nal[0])) return;
  blank_from(nal, (codec == Codec::h264 ? 1 : 2) + kSliceBytes);
}

// NAL units behind start codes where there should be one (G1).
void blank_nals(Codec codec, std::span<uint8_t> bytes) {
  size_t begin = 0;
  while (begin < bytes.size()) {
    const auto rest = bytes.subspan(begin);
    const size_t code = find_start_code(rest);
    blank_nal(codec, rest.first(code));
    begin += std::min(code + 3, rest.size());
  }
}

// STAP-A, AP: lengths and the units behind them.
void blank_aggregate(Codec codec, std::span<uint8_t> body) {
  while (body.size() > 2) {
    const size_t size = std::min<size_t>(load_be16(body.data()), body.size() - 2);
    blank_nal(codec, body.subspan(2, size));
    body = body.subspan(2 + size);
  }
}

// The headers of RTP/JPEG and its tables (RFC 2435 3.1); scan data begin right behind them.
size_t jpeg_head_bytes(ByteSpan payload) {
  size_t size = 8;
  if (payload.size() < size) return size;
  const uint8_t type = payload[4], q = payload[5];
  if (type >= 64 && type < 128) size += 4;  // restart header
  const bool first = payload[1] == 0 && payload[2] == 0 && payload[3] == 0;
  if (!first || q < 128) return size;
  size += 4;
  // Two tables of 64 entries of two bytes; a length beyond that is a lie.
  return payload.size() < size ? size : size + std::min<size_t>(load_be16(&payload[size - 2]), 256);
}

}  // namespace

void blank_pictures(Codec codec, std::span<uint8_t> payload) {
  if (payload.empty()) return;
  if (codec == Codec::mjpeg) {
    blank_from(payload, jpeg_head_bytes(payload));
    return;
  }
  constexpr uint8_t kStapA = 24, kFuA = 28, kAp = 48, kFu = 49;
  constexpr uint8_t kStart = 0x80;
  const bool is_h264 = codec == Codec::h264;
  const uint8_t type = is_h264 ? h264_nal_type(payload[0]) : h265_nal_type(payload[0]);
  const size_t header = is_h264 ? 1 : 2;
  if (payload.size() <= header) return;
  if (type == (is_h264 ? kStapA : kAp)) {
    blank_aggregate(codec, payload.subspan(header));
  } else if (type == (is_h264 ? kFuA : kFu)) {
    const uint8_t fu = payload[header];
    const uint8_t nal_type = is_h264 ? fu & 0x1f : fu & 0x3f;
    if (is_parameter_set(codec, is_h264 ? nal_type : static_cast<uint8_t>(nal_type << 1))) return;
    blank_from(payload, header + 1 + ((fu & kStart) ? kSliceBytes : 0));
  } else {
    blank_nals(codec, payload);
  }
}

// Null where it has no room.
TapedPacket* Tape::make(TapedKind kind, size_t bytes, MonoTime at, bool early) {
  if (bytes_ + bytes > max_bytes_) return nullptr;
  if (packets_.empty()) start_ = at;
  bytes_ += bytes;
  packets_.push_back({at - start_, kind, early, 0, {}});
  return &packets_.back();
}

void Tape::keep(TapedKind kind, uint8_t channel, size_t bytes, MonoTime at, bool early) {
  if (TapedPacket* taped = make(kind, bytes, at, early)) {
    taped->channel = channel;
    taped->bytes.assign(bytes, kBlank);
  }
}

void Tape::add(bool rtcp, ByteSpan packet, MonoTime at, bool early) {
  TapedPacket* taped = make(rtcp ? TapedKind::rtcp : TapedKind::rtp, packet.size(), at, early);
  if (!taped) return;
  taped->bytes.assign(packet.begin(), packet.end());
  rtp::PacketView view;
  if (rtp::looks_like_rtcp(taped->bytes)) return;
  if (rtp::try_parse_packet(taped->bytes, view) == rtp::PacketFault::none) {
    const auto at_payload = static_cast<size_t>(view.payload.data() - taped->bytes.data());
    blank_pictures(codec_, std::span(taped->bytes).subspan(at_payload, view.payload.size()));
  } else {
    blank_from(taped->bytes, rtp::kHeaderBytes);
  }
}

}  // namespace vigie::source
