// Payload formats: what goes in as packets comes out as the same NAL units.
#include "rtp/depacketizer.h"

#include <gtest/gtest.h>

#include <random>

#include "rtp_support.h"

namespace vigie::rtp {
namespace {

void send_train(Receiver& receiver, const Train& train) {
  for (uint32_t i = 0; i < train.packet_count(); ++i) receiver.push(train.packet(i));
}

class RoundTrip : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(Codecs, RoundTrip, testing::Values(Codec::h264, Codec::h265),
                         [](const auto& row) { return std::string(codec_name(row.param)); });

// Units of many NAL sizes through every kind of packet size: identical NAL bytes, plan() exact.
TEST_P(RoundTrip, AllSizes) {
  const Codec codec = GetParam();
  BufferPool pool;
  std::mt19937 random(3);
  for (const bool aggregate : {false, true}) {
    for (const int packet_bytes : {1, 64, 65, 66, 67, 100, 500, 1399, 1400, 1401, 9000, 65000, 65535}) {
      Receiver receiver(codec);
      std::vector<std::vector<Bytes>> sent;
      uint16_t sequence = 65000;
      for (uint32_t n = 0; n < 60; ++n) {
        std::vector<Bytes> nals;
        if (n % 10 == 0) {
          if (codec == Codec::h265) nals.push_back(h265_nal(32, 20));
          nals.push_back(codec == Codec::h265 ? h265_nal(33, 40, true, n / 10) : h264_nal(7, 30, true, n / 10));
          nals.push_back(codec == Codec::h265 ? h265_nal(34, 8) : h264_nal(8, 5));
        }
        for (uint32_t slice = 0; slice <= n % 3; ++slice) {
          const size_t size = n < 40 ? 3 + random() % 300 + n * 40 : 3 + random() % 70;
          nals.push_back(nal_of(codec, n % 10 == 0, size, slice == 0, n));
        }
        const auto unit = unit_of(codec, nals, pool);
        TrainParams params;
        params.first_sequence = sequence;
        params.rtp_timestamp = n * 3600;
        params.max_packet_bytes = static_cast<uint16_t>(packet_bytes);
        params.aggregate = aggregate;
        auto train = build_train(*unit, params, pool);
        ASSERT_TRUE(train.ok());
        auto count = plan(*unit, params);
        ASSERT_TRUE(count.ok());
        ASSERT_EQ(*count, train->packet_count());
        sequence = train->next_sequence();
        receiver.now_ms += 40;
        send_train(receiver, *train);
        sent.push_back(nals);
      }
      receiver.flush();
      ASSERT_EQ(receiver.units.size(), sent.size());
      for (size_t n = 0; n < sent.size(); ++n) {
        ASSERT_EQ(nals_of(*receiver.units[n]), sent[n]) << packet_bytes << " unit " << n;
        EXPECT_EQ(receiver.units[n]->keyframe, n % 10 == 0);
        EXPECT_FALSE(receiver.units[n]->gap || receiver.units[n]->damaged);
        EXPECT_EQ(receiver.units[n]->pts.count(), static_cast<int64_t>(n) * 3600);
      }
      EXPECT_TRUE(receiver.depacketizer->marker_proven());
      EXPECT_EQ(receiver.depacketizer->stats().marker_demotions, 0u);
    }
  }
}

// Every single packet lost in turn: no NAL unit with a hole comes out, the loss is told, and nothing else suffers.
TEST_P(RoundTrip, AnyPacketLost) {
  const Codec codec = GetParam();
  BufferPool pool;
  std::vector<Train> trains;
  std::vector<std::vector<Bytes>> sent;
  uint16_t sequence = 0;
  uint32_t packets = 0;
  for (uint32_t n = 0; n < 8; ++n) {
    std::vector<Bytes> nals{nal_of(codec, n % 4 == 0, 700, true, n), nal_of(codec, n % 4 == 0, 90, false, n)};
    auto train = build_train(*unit_of(codec, nals, pool), {96, 1, sequence, n * 3600, 200, false}, pool);
    ASSERT_TRUE(train.ok());
    sequence = train->next_sequence();
    packets += train->packet_count();
    trains.push_back(*train);
    sent.push_back(nals);
  }
  for (uint32_t lost = 1; lost + 1 < packets; ++lost) {
    Receiver receiver(codec);
    uint32_t at = 0;
    for (const Train& train : trains) {
      receiver.now_ms += 40;
      for (uint32_t i = 0; i < train.packet_count(); ++i) {
        if (at++ != lost) receiver.push(train.packet(i));
      }
    }
    receiver.flush();
    uint32_t told = 0;
    bool gap = false;
    for (const auto& unit : receiver.units) {
      const std::vector<Bytes> got = nals_of(*unit);
      const std::vector<Bytes>& whole = sent[unit->rtp_timestamp / 3600];
      for (const Bytes& nal : got) EXPECT_NE(std::find(whole.begin(), whole.end(), nal), whole.end()) << lost;
      EXPECT_TRUE(unit->damaged || got == whole) << lost;
      told += unit->lost_packets;
      gap = gap || unit->gap;
      if (unit->lost_packets > 0) {
        EXPECT_TRUE(unit->gap);
      }
    }
    EXPECT_EQ(told, 1u) << lost;
    EXPECT_TRUE(gap) << lost;
    EXPECT_GE(receiver.units.size(), sent.size() - 1) << lost;
  }
}

TEST_P(RoundTrip, DisorderOverUdpChangesNothing) {
  const Codec codec = GetParam();
  BufferPool pool;
  std::mt19937 random(11);
  Receiver receiver(codec, false);
  std::vector<std::pair<uint32_t, Bytes>> packets;
  std::vector<std::vector<Bytes>> sent;
  uint16_t sequence = 65000;
  uint32_t index = 0;
  for (uint32_t n = 0; n < 100; ++n) {
    std::vector<Bytes> nals{nal_of(codec, n == 0, 1000 + random() % 3000, true, n)};
    auto train = build_train(*unit_of(codec, nals, pool), {96, 1, sequence, n * 3600, 300, false}, pool);
    sequence = train->next_sequence();
    for (uint32_t i = 0; i < train->packet_count(); ++i) {
      const Bytes bytes(train->packet(i).begin(), train->packet(i).end());
      packets.push_back({index == 0 ? 0 : index + random() % 12, bytes});
      if (random() % 20 == 0) packets.push_back({index + 1 + random() % 12, bytes});
      ++index;
    }
    sent.push_back(nals);
  }
  std::sort(packets.begin(), packets.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (const auto& [when, bytes] : packets) receiver.push(bytes);
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), sent.size());
  for (size_t n = 0; n < sent.size(); ++n) {
    EXPECT_EQ(nals_of(*receiver.units[n]), sent[n]);
    EXPECT_FALSE(receiver.units[n]->gap);
  }
}

TEST(H264, StapA) {
  Receiver receiver(Codec::h264);
  const Bytes sps = h264_nal(7, 20), pps = h264_nal(8, 5), idr = h264_nal(5, 100);
  receiver.send(0, true, stap_a({sps, pps, idr}));
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 1u);
  EXPECT_EQ(nals_of(*receiver.units[0]), (std::vector<Bytes>{sps, pps, idr}));
  EXPECT_TRUE(receiver.units[0]->keyframe);
}

TEST(H264, BrokenStapKeepsWhatIsWhole) {
  Receiver receiver(Codec::h264);
  Bytes payload = stap_a({h264_nal(7, 20), h264_nal(5, 100)});
  payload.resize(payload.size() - 10);
  receiver.send(0, false, payload);
  receiver.send(0, true, h264_nal(5, 30));
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 1u);
  EXPECT_EQ(receiver.units[0]->nals.size(), 2u);
  EXPECT_EQ(receiver.depacketizer->stats().malformed_packets, 1u);
}

struct PayloadRow {
  const char* quirk;
  std::vector<Bytes> payloads;
  std::vector<Bytes> nals;
};

void PrintTo(const PayloadRow& row, std::ostream* os) { *os << row.quirk; }

const Bytes kIdr = h264_nal(5, 50);
Bytes joined(const std::vector<Bytes>& parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
const Bytes kCode4{0, 0, 0, 1}, kCode3{0, 0, 1};
Bytes edited(Bytes bytes, size_t at, uint8_t value) {
  bytes[at] = value;
  return bytes;
}

class H264Quirks : public testing::TestWithParam<PayloadRow> {};
TEST_P(H264Quirks, Tolerated) {
  Receiver receiver(Codec::h264);
  for (size_t i = 0; i < GetParam().payloads.size(); ++i) {
    receiver.send(0, i + 1 == GetParam().payloads.size(), GetParam().payloads[i]);
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 1u);
  EXPECT_EQ(nals_of(*receiver.units[0]), GetParam().nals);
  EXPECT_FALSE(receiver.units[0]->damaged);
}
INSTANTIATE_TEST_SUITE_P(
    Table, H264Quirks,
    testing::Values(
        PayloadRow{"G1_start_code_first",
                   {joined({kCode4, h264_nal(7, 9), kCode3, h264_nal(8, 5), kCode4, kIdr})},
                   {h264_nal(7, 9), h264_nal(8, 5), kIdr}},
        PayloadRow{"G1_sps_pps_idr_in_one",
                   {joined({h264_nal(7, 9), kCode4, h264_nal(8, 5), kCode3, kIdr})},
                   {h264_nal(7, 9), h264_nal(8, 5), kIdr}},
        PayloadRow{"G1_fragmented",
                   {fu_a(joined({h264_nal(7, 9), kCode4, h264_nal(8, 5), kCode4, kIdr}), 1, 20, true, false),
                    fu_a(joined({h264_nal(7, 9), kCode4, h264_nal(8, 5), kCode4, kIdr}), 20, 72, false, true)},
                   {h264_nal(7, 9), h264_nal(8, 5), kIdr}},
        PayloadRow{"G2_start_and_end", {fu_a(kIdr, 1, 50, true, true)}, {kIdr}},
        PayloadRow{"G3_type_changes",
                   {fu_a(kIdr, 1, 20, true, false), edited(fu_a(kIdr, 20, 50, false, true), 1, 0x41)},
                   {kIdr}},
        PayloadRow{"G4_empty_fragment",
                   {fu_a(kIdr, 1, 20, true, false), fu_a(kIdr, 20, 20, false, false), fu_a(kIdr, 20, 50, false, true)},
                   {kIdr}},
        PayloadRow{"G5_reserved_bit", {edited(fu_a(kIdr, 1, 50, true, true), 1, 0x80 | 0x40 | 0x20 | 5)}, {kIdr}},
        PayloadRow{"G6_parameter_sets_fragmented",
                   {fu_a(h264_nal(7, 40), 1, 20, true, false), fu_a(h264_nal(7, 40), 20, 40, false, true), kIdr},
                   {h264_nal(7, 40), kIdr}},
        PayloadRow{"G11_unknown_types",
                   {h264_nal(9, 2), h264_nal(30, 9), {0xe5, 1, 2}, h264_nal(0, 9), kIdr},
                   {h264_nal(9, 2), kIdr}},
        PayloadRow{"G11_two_sei",
                   {stap_a({h264_nal(6, 9), h264_nal(6, 12, true, 2)}), kIdr},
                   {h264_nal(6, 9), h264_nal(6, 12, true, 2), kIdr}},
        PayloadRow{"G17_fu_without_header", {{0x7c}, kIdr}, {kIdr}},
        PayloadRow{"F10_no_payload", {{}, kIdr, {}}, {kIdr}},
        PayloadRow{"end_bit_forgotten",
                   {fu_a(kIdr, 1, 20, true, false), fu_a(kIdr, 20, 50, false, false), h264_nal(1, 9, false)},
                   {kIdr, h264_nal(1, 9, false)}}),
    [](const auto& row) { return row.param.quirk; });

TEST(H265, SingleOfTypeZero) {  // quirk G12
  Receiver receiver(Codec::h265);
  receiver.send(0, true, h265_nal(0, 40));
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 1u);
  EXPECT_FALSE(receiver.units[0]->keyframe);
}

TEST(H265, DonlIsTakenOffOnlyWhenAnnounced) {
  const Bytes sps = h265_nal(33, 30), idr = h265_nal(19, 60);
  DepacketizerConfig config;
  config.donl = true;
  Receiver receiver(Codec::h265, true, config);
  Bytes ap{48 << 1, 1, 0x12, 0x34, 0, 30};
  ap.insert(ap.end(), sps.begin(), sps.end());
  ap.insert(ap.end(), {5, 0, 30});
  ap.insert(ap.end(), sps.begin(), sps.end());
  receiver.send(0, false, ap);
  Bytes single(idr.begin(), idr.begin() + 2);
  single.insert(single.end(), {0, 7});
  single.insert(single.end(), idr.begin() + 2, idr.end());
  receiver.send(0, false, single);
  Bytes fu{49 << 1, 1, 0x80 | 19, 0, 8};
  fu.insert(fu.end(), idr.begin() + 2, idr.begin() + 30);
  receiver.send(0, false, fu);
  fu = {49 << 1, 1, 0x40 | 19};
  fu.insert(fu.end(), idr.begin() + 30, idr.end());
  receiver.send(0, true, fu);
  receiver.flush();
  // Both pictures begin with the first macroblock: two units with one timestamp.
  ASSERT_EQ(receiver.units.size(), 2u);
  EXPECT_EQ(nals_of(*receiver.units[0]), (std::vector<Bytes>{sps, sps, idr}));
  EXPECT_EQ(nals_of(*receiver.units[1]), (std::vector<Bytes>{idr}));
}

TEST(Limits, AccessUnitBytes) {
  DepacketizerConfig config;
  config.max_unit_bytes = 10'000;
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    Receiver receiver(codec, true, config);
    receiver.send(0, true, nal_of(codec, true, 500));
    for (int i = 0; i < 100; ++i) receiver.send(1, false, nal_of(codec, false, 500, i == 0));
    EXPECT_LE(receiver.pool.bytes_in_use(), 40'000u);
    receiver.send(2, true, nal_of(codec, false, 500));
    receiver.flush();
    ASSERT_EQ(receiver.units.size(), 2u);
    EXPECT_EQ(receiver.units[1]->rtp_timestamp, 2u);
    EXPECT_TRUE(receiver.units[1]->gap);
    EXPECT_EQ(receiver.depacketizer->stats().units_too_large, 1u);
  }
}

TEST(Limits, NalUnits) {
  DepacketizerConfig config;
  config.max_nals = 16;
  Receiver receiver(Codec::h264, true, config);
  for (int i = 0; i < 100; ++i) receiver.send(1, false, h264_nal(1, 10, i == 0));
  receiver.send(2, true, h264_nal(1, 10));
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 1u);
  EXPECT_EQ(receiver.depacketizer->stats().units_too_large, 1u);
}

TEST(Depacketizer, JoiningInTheMiddleOfAPicture) {
  Receiver receiver(Codec::h264);
  receiver.send(0, false, fu_a(kIdr, 10, 20, false, false));
  receiver.send(0, true, fu_a(kIdr, 20, 50, false, true));
  receiver.send(3600, true, kIdr);
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 1u);
  EXPECT_EQ(receiver.units[0]->rtp_timestamp, 3600u);
  EXPECT_TRUE(receiver.units[0]->gap);
  EXPECT_FALSE(receiver.units[0]->damaged);
  EXPECT_TRUE(receiver.units[0]->keyframe);
}

TEST(Depacketizer, ReconnectKeepsTimeAndTellsTheGap) {
  Receiver receiver(Codec::h264);
  for (uint32_t n = 0; n < 5; ++n, receiver.now_ms += 40) receiver.send(1'000'000 + n * 3600, true, h264_nal(1, 30));
  receiver.send(1'000'000 + 5 * 3600, false, h264_nal(1, 30));  // half a unit
  receiver.depacketizer->restart();
  receiver.now_ms += 2000;
  receiver.send(0, true, kIdr);
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 6u);
  EXPECT_TRUE(receiver.units[5]->gap);
  EXPECT_FALSE(receiver.units[5]->damaged);
  EXPECT_NEAR(static_cast<double>((receiver.units[5]->pts - receiver.units[4]->pts).count()) / 90, 2040, 45);
}

}  // namespace
}  // namespace vigie::rtp
