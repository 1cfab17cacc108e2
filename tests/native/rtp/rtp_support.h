#pragma once
// Packets, units and receivers for the tests of rtp/.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rtp/depacketizer.h"
#include "rtp/packetizer.h"
#include "rtp/unit_maker.h"

namespace vigie::rtp {

using Bytes = std::vector<uint8_t>;

inline Bytes hex_bytes(std::string_view text) {
  Bytes out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

inline Arrival at_ms(int64_t ms) {
  return {MonoTime{std::chrono::milliseconds(ms)}, WallTime{1'800'000'000s + std::chrono::milliseconds(ms)}};
}

// A NAL unit of `size` bytes without start codes inside; its second byte says whether it begins a picture.
inline Bytes h264_nal(uint8_t type, size_t size, bool begins = true, uint32_t seed = 1) {
  Bytes nal(size);
  for (size_t i = 0; i < size; ++i) nal[i] = static_cast<uint8_t>((i * 7 + seed * 13) % 250 + 4);
  nal[0] = static_cast<uint8_t>(0x60 | type);
  if (size > 1) nal[1] = begins ? 0x88 : 0x44;
  return nal;
}
inline Bytes h265_nal(uint8_t type, size_t size, bool begins = true, uint32_t seed = 1) {
  Bytes nal = h264_nal(0, size, begins, seed);
  nal[0] = static_cast<uint8_t>(type << 1);
  nal[1] = 1;
  if (size > 2) nal[2] = begins ? 0x88 : 0x44;
  return nal;
}
inline Bytes nal_of(Codec codec, bool key, size_t size, bool begins = true, uint32_t seed = 1) {
  return codec == Codec::h265 ? h265_nal(key ? 19 : 1, size, begins, seed) : h264_nal(key ? 5 : 1, size, begins, seed);
}

inline Bytes packet_bytes(uint16_t sequence, uint32_t timestamp, bool marker, const Bytes& payload,
                          uint32_t ssrc = 0x1234) {
  Bytes bytes(kHeaderBytes);
  write_header(bytes.data(), {marker, 96, sequence, timestamp, ssrc});
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

inline Bytes fu_a(const Bytes& nal, size_t begin, size_t end, bool start, bool last) {
  Bytes out{static_cast<uint8_t>((nal[0] & 0xe0) | 28),
            static_cast<uint8_t>((start ? 0x80 : 0) | (last ? 0x40 : 0) | (nal[0] & 0x1f))};
  out.insert(out.end(), nal.begin() + static_cast<ptrdiff_t>(begin), nal.begin() + static_cast<ptrdiff_t>(end));
  return out;
}

// RFC 2435 3.1: type-specific 0, 96 x 64 pixels.
inline Bytes jpeg_payload(uint32_t offset, uint8_t type, uint8_t q, const Bytes& rest) {
  Bytes out{0,
            static_cast<uint8_t>(offset >> 16),
            static_cast<uint8_t>(offset >> 8),
            static_cast<uint8_t>(offset),
            type,
            q,
            12,
            8};
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

inline Bytes stap_a(const std::vector<Bytes>& nals) {
  Bytes out{0x78};
  for (const Bytes& nal : nals) {
    out.push_back(static_cast<uint8_t>(nal.size() >> 8));
    out.push_back(static_cast<uint8_t>(nal.size()));
    out.insert(out.end(), nal.begin(), nal.end());
  }
  return out;
}

inline Ref<const AccessUnit> unit_of(Codec codec, const std::vector<Bytes>& nals, BufferPool& pool) {
  ParameterSetTracker tracker(codec);
  std::vector<ByteSpan> spans(nals.begin(), nals.end());
  auto unit = make_access_unit(codec, spans, {}, tracker, pool);
  EXPECT_TRUE(unit.ok());
  return *unit;
}

inline std::vector<Bytes> nals_of(const AccessUnit& unit) {
  std::vector<Bytes> out;
  for (size_t i = 0; i < unit.nals.size(); ++i) out.emplace_back(unit.nal(i).begin(), unit.nal(i).end());
  return out;
}

// Every NAL unit lies in the payload right behind its four-byte start code, and they fill it.
inline void expect_layout(const AccessUnit& unit) {
  if (unit.codec == Codec::mjpeg) return;
  size_t at = 0;
  for (const NalSpan& span : unit.nals) {
    ASSERT_EQ(span.offset, at + 4);
    ASSERT_LE(size_t{span.offset} + span.size, unit.payload.size());
    ASSERT_EQ(load_be32(unit.payload.data() + at), 1u);
    at = span.offset + span.size;
  }
  EXPECT_EQ(at, unit.payload.size());
  EXPECT_TRUE(unit.parameter_sets);
}

// Reorder buffer and depacketizer as a source has them; gathers the units.
struct Receiver {
  explicit Receiver(Codec codec, bool tcp = true, DepacketizerConfig config = {}) {
    config.codec = codec;
    ReorderConfig reorder_config;
    reorder_config.in_order_transport = tcp;
    reorder_config.quirks = config.quirks;
    reorder = std::make_unique<ReorderBuffer>(reorder_config);
    auto made = Depacketizer::make(config, pool);
    EXPECT_TRUE(made.ok());
    depacketizer = std::move(*made);
  }
  void push(ByteSpan bytes) {
    PacketView view;
    ASSERT_EQ(try_parse_packet(bytes, view), PacketFault::none);
    reorder->push(view, at_ms(now_ms));
    drain();
  }
  // The next packet in sequence.
  void send(uint32_t timestamp, bool marker, const Bytes& payload) {
    const Bytes bytes = packet_bytes(sequence++, timestamp, marker, payload);
    push(bytes);
  }
  void lose(uint16_t count = 1) { sequence = static_cast<uint16_t>(sequence + count); }
  void drain() {
    OrderedPacket ordered;
    while (reorder->pop(ordered)) {
      depacketizer->push(ordered, batch);
      take();
    }
  }
  void flush() {
    depacketizer->flush(batch);
    take();
  }
  void take() {
    for (const auto& unit : batch) {
      expect_layout(*unit);
      if (!units.empty()) {
        EXPECT_GT(unit->pts, units.back()->pts);
      }
      units.push_back(unit);
    }
    batch.clear();
  }

  BufferPool pool;
  std::unique_ptr<ReorderBuffer> reorder;
  std::unique_ptr<Depacketizer> depacketizer;
  UnitBatch batch;
  std::vector<Ref<const AccessUnit>> units;
  uint16_t sequence = 65500;  // wraps early
  int64_t now_ms = 1000;
};

}  // namespace vigie::rtp
