// Sequences of RTP packets -> units, for every codec. Input: one byte of options, then per packet: length, delays,
// flags, payload. Checks that spans lie inside the payload, memory is bounded and media time strictly increases.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "rtp/depacketizer.h"
#include "rtp/packetizer.h"

using namespace vigie;
using namespace vigie::rtp;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr size_t kMaxUnit = 64 * 1024;

struct Checker {
  int64_t last_pts = -1;
  void check(const UnitBatch& batch, BufferPool& pool) {
    for (const Ref<const AccessUnit>& unit : batch) {
      require(unit->pts.count() > last_pts);
      last_pts = unit->pts.count();
      require(unit->payload.size() <= kMaxUnit);
      require(static_cast<bool>(unit->parameter_sets));
      require(!unit->nals.empty() && unit->nals.size() <= 64);
      size_t at = 0;
      for (const NalSpan& span : unit->nals) {
        if (unit->codec != Codec::mjpeg) {
          require(span.offset == at + 4 && load_be32(unit->payload.data() + at) == 1);
        }
        require(span.size <= unit->payload.size() && span.offset <= unit->payload.size() - span.size);
        at = span.offset + span.size;
      }
      require(at == unit->payload.size());
      // What came in can go out, and plan() is exact.
      TrainParams params;
      params.max_packet_bytes = 300;
      const Result<uint32_t> count = plan(*unit, params);
      const Result<Train> train = build_train(*unit, params, pool);
      require(count.ok() == train.ok());
      if (train.ok()) {
        require(*count == train->packet_count());
        for (uint32_t i = 0; i < train->packet_count(); ++i) {
          PacketView view;
          require(try_parse_packet(train->packet(i), view) == PacketFault::none);
          require(train->packet(i).size() <= 300);
        }
      }
    }
    require(pool.bytes_in_use() < 16 * kMaxUnit);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader reader({data, size});
  const uint8_t options = reader.u8();
  BufferPool pool;
  DepacketizerConfig config;
  config.codec = static_cast<Codec>(1 + options % 3);
  config.donl = options & 4;
  config.max_unit_bytes = kMaxUnit;
  config.max_nals = 64;
  config.packetization_mode = options & 32 ? 0 : 1;
  Quirks quirks;
  for (size_t i = 0; options & 16 && i < kQuirks; ++i) quirks.strict.insert(static_cast<Quirk>(i));
  config.quirks = &quirks;
  ReorderConfig reorder_config;
  reorder_config.quirks = &quirks;
  reorder_config.in_order_transport = options & 8;
  reorder_config.window_packets = 16;
  reorder_config.window_bytes = 1;
  auto depacketizer = Depacketizer::make(config, pool).value();
  ReorderBuffer reorder(reorder_config);
  UnitBatch batch;
  Checker checker;
  uint16_t sequence = 65530;
  uint32_t timestamp = 0xfffff000;
  int64_t now_ns = 0;
  std::vector<uint8_t> packet;
  const auto drain = [&] {
    OrderedPacket ordered;
    while (reorder.pop(ordered)) {
      depacketizer->push(ordered, batch);
      checker.check(batch, pool);
    }
    require(reorder.held_bytes() <= 72 * 1024 + 65536);
  };
  while (reader.remaining() > 0 && !reader.failed()) {
    const uint8_t flags = reader.u8();
    const size_t length = flags & 1 ? reader.u16() % 2000 : reader.u8() % 64;
    sequence = static_cast<uint16_t>(sequence + (flags & 2 ? static_cast<int8_t>(reader.u8()) : 1));
    if (flags & 4) timestamp += reader.u8() * 900U;
    if (flags & 8) timestamp += reader.u32();
    if (flags & 16) now_ns += int64_t{reader.u16()} * 1'000'000;
    if (flags & 32)
      depacketizer->wall_clock().on_sender_report({1, reader.u64(), timestamp, 0, 0}, {MonoTime{Nanos{now_ns}}, {}});
    const ByteSpan payload = reader.bytes(std::min(length, reader.remaining()));
    packet.resize(kHeaderBytes);
    write_header(packet.data(), {(flags & 64) != 0, 96, sequence, timestamp, flags == 0xff ? 2U : 1U});
    packet.insert(packet.end(), payload.begin(), payload.end());
    PacketView view;
    require(try_parse_packet(packet, view) == PacketFault::none);
    reorder.push(view, {MonoTime{Nanos{now_ns}}, WallTime{Nanos{now_ns}}});
    drain();
    if (flags == 0x80) depacketizer->restart();
  }
  reorder.flush();
  drain();
  depacketizer->flush(batch);
  checker.check(batch, pool);
  return 0;
}
