#include "rtp/packetizer.h"

#include <algorithm>
#include <string>

#include "rtp/nal_kind.h"
#include "rtp/train_builder.h"

namespace vigie::rtp {
namespace {

constexpr uint8_t kStapA = 24, kFuA = 28, kAp = 48, kFu = 49;
constexpr uint64_t kMaxPackets = 32767;  // half the sequence numbers

// The payload format's sizes for one codec.
struct Format {
  size_t nal_header;  // the NAL unit's own, not repeated in fragments
  size_t fragment_header;
  size_t aggregate_header;
};
constexpr Format format_of(Codec codec) { return codec == Codec::h265 ? Format{2, 3, 2} : Format{1, 2, 1}; }

struct Fragments {
  size_t count;
  size_t bytes;  // of each but the last
};
// Equal parts as far as possible.
Fragments cut(size_t body, size_t room) {
  const size_t count = (body + room - 1) / room;
  const size_t bytes = (body + count - 1) / count;
  return {(body + bytes - 1) / bytes, bytes};
}

// How many NAL units from `index` on go together; 1 = on its own. Slices always go alone.
size_t aggregate_run(const AccessUnit& unit, size_t index, size_t room, const Format& format, size_t& bytes) {
  bytes = format.aggregate_header;
  size_t end = index;
  while (end < unit.nals.size()) {
    const ByteSpan nal = unit.nal(end);
    if (nal.size() < format.nal_header || nal_kind(unit.codec, nal).vcl || bytes + 2 + nal.size() > room) break;
    bytes += 2 + nal.size();
    ++end;
  }
  return std::max<size_t>(end - index, 1);
}

TrainSize measure_nals(const AccessUnit& unit, const TrainParams& params, size_t room) {
  const Format format = format_of(unit.codec);
  TrainSize size;
  for (size_t i = 0; i < unit.nals.size(); ++i) {
    const size_t bytes = unit.nals[i].size;
    if (bytes < format.nal_header) continue;
    if (params.aggregate) {
      size_t together = 0;
      const size_t run = aggregate_run(unit, i, room, format, together);
      if (run > 1) {
        size.add(1, together);
        i += run - 1;
        continue;
      }
    }
    if (bytes <= room) {
      size.add(1, bytes);
    } else {
      const size_t body = bytes - format.nal_header;
      const Fragments parts = cut(body, room - format.fragment_header);
      size.add(parts.count, body + parts.count * format.fragment_header);
    }
  }
  return size;
}

void write_fragments(TrainBuilder& builder, Codec codec, ByteSpan nal, size_t room) {
  const Format format = format_of(codec);
  uint8_t header[3];
  if (codec == Codec::h265) {
    header[0] = static_cast<uint8_t>((nal[0] & 0x81) | kFu << 1);
    header[1] = nal[1];
  } else {
    header[0] = static_cast<uint8_t>((nal[0] & 0xe0) | kFuA);
  }
  const uint8_t type = codec == Codec::h265 ? h265_nal_type(nal[0]) : h264_nal_type(nal[0]);
  uint8_t& fu = header[format.fragment_header - 1];
  ByteSpan body = nal.subspan(format.nal_header);
  const Fragments parts = cut(body.size(), room - format.fragment_header);
  for (size_t i = 0; i < parts.count; ++i) {
    const size_t bytes = std::min(parts.bytes, body.size());
    fu = static_cast<uint8_t>((i == 0 ? 0x80 : 0) | (i + 1 == parts.count ? 0x40 : 0) | type);
    uint8_t* p = builder.packet(format.fragment_header + bytes);
    std::memcpy(p, header, format.fragment_header);
    std::memcpy(p + format.fragment_header, body.data(), bytes);
    body = body.subspan(bytes);
  }
}

void write_aggregate(TrainBuilder& builder, const AccessUnit& unit, size_t index, size_t run, size_t bytes) {
  uint8_t* p = builder.packet(bytes);
  if (unit.codec == Codec::h265) {
    // Lowest layer and temporal id of those inside (RFC 7798 4.4.2).
    uint32_t layer = 63, temporal = 7;
    for (size_t i = index; i < index + run; ++i) {
      const ByteSpan nal = unit.nal(i);
      layer = std::min<uint32_t>(layer, (nal[0] & 1U) << 5 | nal[1] >> 3);
      temporal = std::min<uint32_t>(temporal, nal[1] & 7U);
    }
    *p++ = static_cast<uint8_t>(kAp << 1 | layer >> 5);
    *p++ = static_cast<uint8_t>((layer & 31) << 3 | temporal);
  } else {
    uint8_t ref_idc = 0;  // the highest of those inside (RFC 6184 5.7)
    for (size_t i = index; i < index + run; ++i) ref_idc = std::max<uint8_t>(ref_idc, unit.nal(i)[0] & 0x60);
    *p++ = static_cast<uint8_t>(ref_idc | kStapA);
  }
  for (size_t i = index; i < index + run; ++i) {
    const ByteSpan nal = unit.nal(i);
    store_be16(p, static_cast<uint16_t>(nal.size()));
    std::memcpy(p + 2, nal.data(), nal.size());
    p += 2 + nal.size();
  }
}

Train build_nals(const AccessUnit& unit, const TrainParams& params, size_t room, const TrainSize& size,
                 BufferPool& pool) {
  const Format format = format_of(unit.codec);
  TrainBuilder builder(params, size, pool);
  for (size_t i = 0; i < unit.nals.size(); ++i) {
    const ByteSpan nal = unit.nal(i);
    if (nal.size() < format.nal_header) continue;
    if (params.aggregate) {
      size_t together = 0;
      const size_t run = aggregate_run(unit, i, room, format, together);
      if (run > 1) {
        write_aggregate(builder, unit, i, run, together);
        i += run - 1;
        continue;
      }
    }
    if (nal.size() <= room) {
      std::memcpy(builder.packet(nal.size()), nal.data(), nal.size());
    } else {
      write_fragments(builder, unit.codec, nal, room);
    }
  }
  return builder.finish();
}

size_t payload_room(const AccessUnit& unit, const TrainParams& params) {
  const uint16_t least = unit.codec == Codec::mjpeg ? kMinJpegPacketBytes : kMinPacketBytes;
  return std::clamp(params.max_packet_bytes, least, kMaxPacketBytes) - kHeaderBytes;
}

Result<TrainSize> measure(const AccessUnit& unit, const TrainParams& params, size_t room) {
  Result<TrainSize> size =
      unit.codec == Codec::mjpeg ? measure_jpeg(unit, room) : Result<TrainSize>(measure_nals(unit, params, room));
  if (!size) return size;
  if (size->packets == 0) return make_error(Code::payload_malformed, "access unit", "it has no NAL unit");
  if (size->packets > kMaxPackets) {
    return make_error(Code::unit_too_large, "access unit",
                      "it makes " + std::to_string(size->packets) + " packets; allow larger packets");
  }
  return size;
}

}  // namespace

Result<uint32_t> plan(const AccessUnit& unit, const TrainParams& params) {
  const Result<TrainSize> size = measure(unit, params, payload_room(unit, params));
  if (!size) return size.error();
  return static_cast<uint32_t>(size->packets);
}

Result<Train> build_train(const AccessUnit& unit, const TrainParams& params, BufferPool& pool) {
  const size_t room = payload_room(unit, params);
  const Result<TrainSize> size = measure(unit, params, room);
  if (!size) return size.error();
  if (unit.codec == Codec::mjpeg) return build_jpeg(unit, params, room, pool);
  return build_nals(unit, params, room, *size, pool);
}

}  // namespace vigie::rtp
