#include "rtp/jpeg.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "rtp_support.h"

namespace vigie::rtp {
namespace {

Bytes data_file(const std::string& name) {
  std::ifstream file(std::string(VIGIE_RTP_TEST_DATA) + "/" + name, std::ios::binary);
  Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_FALSE(bytes.empty()) << name;
  return bytes;
}

Ref<const AccessUnit> jpeg_unit(const Bytes& jpeg, BufferPool& pool) {
  ParameterSetTracker tracker(Codec::mjpeg);
  auto unit = make_access_unit(Codec::mjpeg, jpeg, {}, tracker, pool);
  EXPECT_TRUE(unit.ok());
  return *unit;
}

// A copy with a DRI segment before SOS; the scan stays (its content is not looked at).
Bytes with_restart_interval(Bytes jpeg, uint16_t interval) {
  size_t at = 2;
  while (jpeg[at + 1] != 0xda) at += 2 + load_be16(&jpeg[at + 2]);
  const Bytes dri{0xff, 0xdd, 0, 4, static_cast<uint8_t>(interval >> 8), static_cast<uint8_t>(interval)};
  jpeg.insert(jpeg.begin() + static_cast<ptrdiff_t>(at), dri.begin(), dri.end());
  return jpeg;
}

TEST(Jpeg, RoundTripOverAllPacketSizes) {
  BufferPool pool;
  for (const char* name : {"96x64_420.jpg", "96x64_422.jpg"}) {
    for (const uint16_t interval : {0, 4}) {
      Bytes jpeg = data_file(name);
      if (interval) jpeg = with_restart_interval(jpeg, interval);
      const auto original = parse_jpeg_for_rtp(jpeg);
      ASSERT_TRUE(original.ok()) << original.error().text();
      EXPECT_EQ(original->width, 96u);
      const auto unit = jpeg_unit(jpeg, pool);
      for (int size = 192; size < 3000; size += size < 400 ? 1 : 37) {
        Receiver receiver(Codec::mjpeg);
        uint16_t sequence = 0;
        for (uint32_t n = 0; n < 4; ++n) {
          const TrainParams params{26, 1, sequence, n * 3600, static_cast<uint16_t>(size), false};
          auto train = build_train(*unit, params, pool);
          ASSERT_TRUE(train.ok());
          ASSERT_EQ(*plan(*unit, params), train->packet_count());
          sequence = train->next_sequence();
          for (uint32_t i = 0; i < train->packet_count(); ++i) {
            EXPECT_LE(train->packet(i).size(), static_cast<size_t>(size));
            receiver.push(train->packet(i));
          }
          receiver.now_ms += 40;
        }
        receiver.flush();
        ASSERT_EQ(receiver.units.size(), 4u);
        const AccessUnit& got = *receiver.units[3];
        EXPECT_TRUE(got.keyframe);
        EXPECT_EQ(got.parameter_sets->width, 96u);
        EXPECT_EQ(got.parameter_sets->height, 64u);
        ASSERT_EQ(got.nals.size(), 1u);
        const auto image = parse_jpeg_for_rtp(got.nal(0));
        ASSERT_TRUE(image.ok()) << image.error().text();
        EXPECT_EQ(image->type, original->type);
        EXPECT_EQ(image->restart_interval, interval);
        for (size_t t = 0; t < 2; ++t) {
          EXPECT_TRUE(std::equal(image->tables[t].begin(), image->tables[t].end(), original->tables[t].begin()));
        }
        ASSERT_TRUE(std::equal(image->scan.begin(), image->scan.end(), original->scan.begin(), original->scan.end()));
        EXPECT_EQ(got.payload.data()[got.payload.size() - 1], 0xd9);
      }
    }
  }
}

// The tables for Q below 128 are the ones of T.81 annex K scaled; Q = 50 is annex K itself, in zigzag order.
TEST(Jpeg, TablesByQ) {
  const JpegTables tables = jpeg_tables_for_q(50);
  EXPECT_EQ(Bytes(tables.bytes.begin(), tables.bytes.begin() + 8), (Bytes{16, 11, 12, 14, 12, 10, 16, 14}));
  EXPECT_EQ(tables.bytes[63], 99);
  EXPECT_EQ(Bytes(tables.bytes.begin() + 64, tables.bytes.begin() + 70), (Bytes{17, 18, 18, 24, 21, 24}));
  EXPECT_EQ(jpeg_tables_for_q(99).bytes[0], 1);  // 16 * 2 / 100, at least 1
  EXPECT_EQ(jpeg_tables_for_q(1).bytes[0], 255);
}

TEST(Jpeg, QBelow128NeedsNoTables) {
  Receiver receiver(Codec::mjpeg);
  for (uint32_t n = 0; n < 3; ++n) receiver.send(n * 3600, true, jpeg_payload(0, 1, 80, {1, 2, 3}));
  ASSERT_EQ(receiver.units.size(), 3u);
  const auto image = parse_jpeg_for_rtp(receiver.units[2]->nal(0));
  ASSERT_TRUE(image.ok()) << image.error().text();
  EXPECT_EQ(image->tables[0][0], jpeg_tables_for_q(80).bytes[0]);
  EXPECT_EQ(image->width, 96u);
  EXPECT_EQ(image->height, 64u);
}

TEST(Jpeg, TablesAreCachedPerQ) {
  Receiver receiver(Codec::mjpeg);
  const auto with_tables = [](uint8_t q, uint8_t fill) {
    Bytes rest{0, 0, 0, 128};
    rest.resize(4 + 128, fill);
    rest.push_back(0x55);
    return jpeg_payload(0, 0, q, rest);
  };
  receiver.send(0, true, with_tables(200, 7));
  receiver.send(3600, true, with_tables(201, 9));
  receiver.send(7200, true, jpeg_payload(0, 0, 200, {0, 0, 0, 0, 0x55}));
  receiver.send(10800, true, jpeg_payload(0, 0, 202, {0, 0, 0, 0, 0x55}));  // never sent
  receiver.send(14400, true, with_tables(255, 3));
  receiver.send(18000, true, jpeg_payload(0, 0, 255, {0, 0, 0, 0, 0x55}));  // 255 is never cached
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 4u);
  for (const auto& [index, fill] : {std::pair<size_t, int>{0, 7}, {1, 9}, {2, 7}, {3, 3}}) {
    EXPECT_EQ(parse_jpeg_for_rtp(receiver.units[index]->nal(0))->tables[1][5], fill);
  }
  EXPECT_TRUE(receiver.units[3]->gap);
  EXPECT_EQ(receiver.depacketizer->stats().malformed_packets, 2u);
}

TEST(Jpeg, ALostFragmentDropsThePicture) {
  Receiver receiver(Codec::mjpeg);
  for (uint32_t n = 0; n < 4; ++n) {
    receiver.send(n * 3600, false, jpeg_payload(0, 1, 80, {1, 2, 3}));
    if (n == 2) {
      receiver.lose();
    } else {
      receiver.send(n * 3600, false, jpeg_payload(3, 1, 80, {4, 5}));
    }
    receiver.send(n * 3600, true, jpeg_payload(5, 1, 80, {6}));
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 3u);
  EXPECT_EQ(receiver.units[2]->rtp_timestamp, 3 * 3600u);
  EXPECT_TRUE(receiver.units[2]->gap);
  EXPECT_EQ(receiver.units[2]->lost_packets, 1u);
}

// Quirk G18: wrong types, fragments at impossible offsets, an endless picture.
TEST(Jpeg, BadPayloads) {
  DepacketizerConfig config;
  config.max_unit_bytes = 20'000;
  Receiver receiver(Codec::mjpeg, true, config);
  receiver.send(0, true, jpeg_payload(0, 2, 80, {1}));
  receiver.send(0, true, jpeg_payload(0, 64, 80, {1}));  // restart header cut short
  receiver.send(0, true, jpeg_payload(0, 1, 0, {1}));
  receiver.send(0, true, jpeg_payload(0, 1, 120, {1}));
  receiver.send(0, true, {0, 0, 0});
  receiver.send(0, true, jpeg_payload(77, 1, 80, {1}));
  for (uint32_t i = 0; i < 100; ++i) receiver.send(0, false, jpeg_payload(i * 1000, 1, 80, Bytes(1000, 5)));
  receiver.flush();
  EXPECT_EQ(receiver.units.size(), 0u);
  EXPECT_EQ(receiver.depacketizer->stats().malformed_packets, 5u);
  EXPECT_EQ(receiver.depacketizer->stats().units_too_large, 1u);
  receiver.send(3600, true, jpeg_payload(0, 1, 80, {1, 0xff, 0xd9}));
  EXPECT_EQ(receiver.units.size(), 1u);  // its own EOI and the marker agree
}

TEST(Jpeg, WhatCannotBeCarriedIsSaid) {
  BufferPool pool;
  const Bytes good = data_file("96x64_420.jpg");
  const auto refusal = [&](const Bytes& jpeg) {
    const auto image = parse_jpeg_for_rtp(jpeg);
    return image.ok() ? std::string("accepted") : image.error().what;
  };
  EXPECT_EQ(refusal(good), "accepted");
  EXPECT_NE(refusal(data_file("96x64_420_optimal_huffman.jpg")).find("Huffman"), std::string::npos);
  const auto unit = jpeg_unit(data_file("96x64_420_optimal_huffman.jpg"), pool);
  EXPECT_FALSE(build_train(*unit, {}, pool).ok());
  EXPECT_FALSE(plan(*unit, {}).ok());

  size_t sof = 2;
  while (good[sof + 1] != 0xc0) sof += 2 + load_be16(&good[sof + 2]);
  struct Row {
    size_t at;
    uint8_t value;
    const char* word;
  };
  for (const Row& row : {Row{sof + 1, 0xc2, "baseline"}, Row{sof + 4, 12, "8-bit"}, Row{sof + 5, 0x20, "2040"},
                         Row{sof + 9, 1, "three components"}, Row{sof + 11, 0x11, "sampling"}, Row{0, 0, "SOI"}}) {
    Bytes bad = good;
    bad[row.at] = row.value;
    EXPECT_NE(refusal(bad).find(row.word), std::string::npos) << row.word << ": " << refusal(bad);
  }
  for (size_t cut = 0; cut < sof + 28; ++cut) {
    EXPECT_NE(refusal(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(cut))), "accepted") << cut;
  }
}

}  // namespace
}  // namespace vigie::rtp
