#include "rtp/rtcp.h"

#include <gtest/gtest.h>

#include <array>

#include "rtp/reception.h"
#include "rtp_support.h"

namespace vigie::rtp {
namespace {

TEST(Ntp, RoundTripAndEra) {
  for (const int64_t ns :
       {int64_t{0}, int64_t{1}, int64_t{1'800'000'000'123'456'789}, int64_t{2'085'978'495'999'999'999},
        int64_t{2'085'978'496'000'000'000}, int64_t{3'000'000'000'500'000'000}}) {
    const WallTime wall{Nanos{ns}};
    EXPECT_NEAR(static_cast<double>((wall_from_ntp(ntp_from_wall(wall)) - wall).count()), 0, 1) << ns;
  }
  EXPECT_EQ(ntp_from_wall(WallTime{}) >> 32, 2'208'988'800u);  // RFC 868
}

TEST(Rtcp, CompoundRoundTrip) {
  std::array<uint8_t, 512> memory;
  RtcpWriter writer(memory);
  ReportBlock block{0x77, 12, -5, 0x10203, 44, 0x55667788, 65536};
  writer.sender_report({0x11223344, 0xe000000080000000, 90000, 7, 7000}, {&block, 1});
  writer.sdes_cname(0x11223344, "cam@host");
  writer.bye(0x11223344, "gone");
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writer.bytes().size() % 4, 0u);

  RtcpCompound compound;
  parse_rtcp(writer.bytes(), compound);
  ASSERT_TRUE(compound.sender_report);
  EXPECT_EQ(compound.sender_report->ntp, 0xe000000080000000);
  EXPECT_EQ(compound.sender_report->rtp_timestamp, 90000u);
  EXPECT_EQ(compound.sender_report->octet_count, 7000u);
  ASSERT_EQ(compound.report_blocks().size(), 1u);
  EXPECT_EQ(compound.blocks[0].cumulative_lost, -5);
  EXPECT_EQ(compound.blocks[0].fraction_lost, 12);
  EXPECT_EQ(compound.blocks[0].delay_since_last_sr, 65536u);
  EXPECT_EQ(compound.cname, "cam@host");
  ASSERT_EQ(compound.bye_ssrcs().size(), 1u);
  EXPECT_EQ(compound.byes[0], 0x11223344u);
  EXPECT_EQ(compound.malformed_packets + compound.unknown_packets, 0u);
}

TEST(Rtcp, SdesSizesArePadded) {
  for (size_t length = 0; length <= 255; ++length) {
    std::array<uint8_t, 300> memory;
    RtcpWriter writer(memory);
    writer.sdes_cname(1, std::string(length, 'x'));
    ASSERT_TRUE(writer.ok());
    ASSERT_EQ(writer.bytes().size() % 4, 0u);
    RtcpCompound compound;
    parse_rtcp(writer.bytes(), compound);
    EXPECT_EQ(compound.cname.size(), length);
    EXPECT_EQ(compound.malformed_packets, 0u) << length;
  }
}

TEST(Rtcp, WriterRefusesWhatDoesNotFit) {
  std::array<uint8_t, 40> memory;
  RtcpWriter writer(memory);
  writer.receiver_report(1);
  writer.receiver_report(1, std::array<ReportBlock, 2>{});
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.bytes().size(), 8u);
}

// Quirk F5: one bad packet spoils itself, a bad length what follows; nothing spoils what came before.
TEST(Rtcp, ToleratesBadPackets) {
  std::array<uint8_t, 256> memory;
  RtcpWriter writer(memory);
  writer.sender_report({1, 2, 3, 4, 5});
  Bytes good(writer.bytes().begin(), writer.bytes().end());
  struct Row {
    const char* what;
    Bytes tail;
    uint32_t malformed, unknown;
  };
  const Row rows[] = {
      {"length past the end", {0x80, 201, 0xff, 0xff, 0, 0, 0, 1}, 1, 0},
      {"wrong version", {0x00, 201, 0, 1, 0, 0, 0, 1}, 1, 0},
      {"half a header", {0x80, 201}, 1, 0},
      {"report count beyond the packet", {0x85, 201, 0, 1, 0, 0, 0, 1}, 1, 0},
      {"SDES item past the end", {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, 'a', 'b'}, 1, 0},
      {"BYE with too many sources", {0x9f, 203, 0, 1, 0, 0, 0, 1}, 1, 0},
      {"padding longer than the packet", {0xa0, 201, 0, 1, 0, 0, 0, 99}, 1, 0},
      {"APP", {0x80, 204, 0, 2, 0, 0, 0, 1, 'a', 'b', 'c', 'd'}, 0, 1},
      {"unknown type", {0x80, 77, 0, 0}, 0, 1},
  };
  for (const Row& row : rows) {
    Bytes bytes = good;
    bytes.insert(bytes.end(), row.tail.begin(), row.tail.end());
    RtcpCompound compound;
    parse_rtcp(bytes, compound);
    EXPECT_TRUE(compound.sender_report) << row.what;
    EXPECT_EQ(compound.malformed_packets, row.malformed) << row.what;
    EXPECT_EQ(compound.unknown_packets, row.unknown) << row.what;
  }
}

TEST(Reception, LossAndJitter) {
  Reception reception(90000);
  reception.restart(9, 65536);
  // Ten packets sent, two lost, evenly spaced: no jitter.
  for (const int i : {0, 1, 2, 4, 5, 7, 8, 9}) {
    reception.on_packet(65536 + static_cast<uint64_t>(i), static_cast<uint32_t>(i) * 3600, MonoTime{40ms * i});
  }
  const ReportBlock block = reception.make_report_block(MonoTime{1s});
  EXPECT_EQ(block.ssrc, 9u);
  EXPECT_EQ(block.cumulative_lost, 2);
  EXPECT_EQ(block.fraction_lost, 2 * 256 / 10);
  EXPECT_EQ(block.highest_sequence, 65545u);
  EXPECT_EQ(block.jitter, 0u);
  EXPECT_EQ(reception.make_report_block(MonoTime{1s}).fraction_lost, 0);  // a new interval
  // Arrivals that swing by 10 ms give a jitter near 900 units; it converges slowly (1/16).
  for (int i = 10; i < 200; ++i) {
    reception.on_packet(65536 + static_cast<uint64_t>(i), static_cast<uint32_t>(i) * 3600,
                        MonoTime{40ms * i + (i % 2 ? 10ms : 0ms)});
  }
  EXPECT_NEAR(reception.jitter(), 900, 30);
}

TEST(Reception, DelaySinceSenderReport) {
  Reception reception;
  reception.restart(1, 1);
  EXPECT_EQ(reception.make_report_block(MonoTime{5s}).last_sr, 0u);
  reception.on_sender_report({1, 0x0123456789abcdef, 0, 0, 0}, MonoTime{5s});
  const ReportBlock block = reception.make_report_block(MonoTime{7500ms});
  EXPECT_EQ(block.last_sr, 0x456789abu);
  EXPECT_EQ(block.delay_since_last_sr, 65536u * 5 / 2);
}

}  // namespace
}  // namespace vigie::rtp
