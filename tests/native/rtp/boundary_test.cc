// Where a unit ends: honest, missing and lying markers (F1 to F4), one timestamp for two pictures (I5).
#include <gtest/gtest.h>

#include "rtp_support.h"

namespace vigie::rtp {
namespace {

const Bytes kSps = h264_nal(7, 20), kPps = h264_nal(8, 6), kSei = h264_nal(6, 12);

TEST(Boundary, HonestMarkerIsProvenAfterTwoUnits) {
  Receiver receiver(Codec::h264);
  receiver.send(0, true, h264_nal(5, 30));
  EXPECT_EQ(receiver.units.size(), 0u);
  receiver.send(3600, true, h264_nal(1, 30));
  EXPECT_EQ(receiver.units.size(), 1u);
  receiver.send(7200, true, h264_nal(1, 30));
  EXPECT_EQ(receiver.units.size(), 3u);  // proven: the second by its successor, the third by its marker
  for (uint32_t n = 3; n < 50; ++n) {
    receiver.send(n * 3600, false, h264_nal(1, 30));
    receiver.send(n * 3600, true, h264_nal(1, 30, false));
    EXPECT_EQ(receiver.units.size(), n + 1);
  }
}

TEST(Boundary, MarkerNeverSet) {  // quirk F2
  Receiver receiver(Codec::h264);
  for (uint32_t n = 0; n < 20; ++n) {
    receiver.send(n * 3600, false, h264_nal(1, 30));
    receiver.send(n * 3600, false, h264_nal(1, 30, false));
    EXPECT_EQ(receiver.units.size(), n);
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 20u);
  for (const auto& unit : receiver.units) EXPECT_EQ(unit->nals.size(), 2u);
  EXPECT_FALSE(receiver.depacketizer->marker_proven());
}

TEST(Boundary, MarkerOnParameterSets) {  // quirk F1
  Receiver receiver(Codec::h264);
  for (uint32_t n = 0; n < 30; ++n) {
    if (n % 10 == 0) {
      for (const Bytes& nal : {kSps, kPps, kSei}) receiver.send(n * 3600, true, nal);
    }
    receiver.send(n * 3600, true, h264_nal(n % 10 == 0 ? 5 : 1, 30));
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 30u);
  for (size_t n = 0; n < 30; ++n) EXPECT_EQ(receiver.units[n]->nals.size(), n % 10 == 0 ? 4u : 1u);
  EXPECT_TRUE(receiver.depacketizer->marker_proven());
  EXPECT_EQ(receiver.depacketizer->stats().markers_ignored, 9u);
}

TEST(Boundary, MarkerOnEverySlice) {  // quirk F3
  Receiver receiver(Codec::h264);
  for (uint32_t n = 0; n < 200; ++n) {
    for (int slice = 0; slice < 3; ++slice) receiver.send(n * 3600, true, h264_nal(1, 30, slice == 0));
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 200u);
  for (const auto& unit : receiver.units) {
    EXPECT_EQ(unit->nals.size(), 3u);
    EXPECT_FALSE(unit->damaged);
  }
  EXPECT_FALSE(receiver.depacketizer->marker_proven());
}

TEST(Boundary, MarkerOnEveryFragment) {
  Receiver receiver(Codec::h264);
  const Bytes nal = h264_nal(1, 90);
  for (uint32_t n = 0; n < 50; ++n) {
    for (size_t at = 1; at < 90; at += 20) {
      receiver.send(n * 3600, true, fu_a(nal, at, std::min<size_t>(at + 20, 90), at == 1, at == 81));
    }
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 50u);
  for (const auto& unit : receiver.units) EXPECT_EQ(nals_of(*unit), std::vector<Bytes>{nal});
}

TEST(Boundary, ALieAfterTheProofDemotes) {
  Receiver receiver(Codec::h264);
  uint32_t n = 0;
  for (; n < 5; ++n) receiver.send(n * 3600, true, h264_nal(1, 30));
  EXPECT_TRUE(receiver.depacketizer->marker_proven());
  for (int slice = 0; slice < 3; ++slice) receiver.send(n * 3600, true, h264_nal(5, 30, slice == 0));
  EXPECT_FALSE(receiver.depacketizer->marker_proven());
  EXPECT_EQ(receiver.depacketizer->stats().marker_demotions, 1u);
  // The picture came apart once: its second part says so and does not pose as a keyframe.
  ++n;
  for (int slice = 0; slice < 3; ++slice) receiver.send(n * 3600, true, h264_nal(1, 30, slice == 0));
  ++n;
  receiver.send(n * 3600, true, h264_nal(1, 30));
  ASSERT_EQ(receiver.units.size(), 8u);
  EXPECT_TRUE(receiver.units[5]->keyframe);
  EXPECT_TRUE(receiver.units[6]->damaged);
  EXPECT_FALSE(receiver.units[6]->keyframe);
  EXPECT_EQ(receiver.units[7]->nals.size(), 3u);
  // Trust comes back after a longer run.
  for (++n; n < 60; ++n) receiver.send(n * 3600, true, h264_nal(1, 30));
  EXPECT_TRUE(receiver.depacketizer->marker_proven());
}

// Quirk F4: parameter sets stamped with the previous picture's time belong to the IDR behind them.
TEST(Boundary, ParameterSetsWithThePreviousTimestamp) {
  for (const bool markers : {true, false}) {
    Receiver receiver(Codec::h264);
    for (uint32_t n = 0; n < 40; ++n) {
      if (n % 10 == 0 && n > 0) {
        for (const Bytes& nal : {kSps, kPps}) receiver.send((n - 1) * 3600, false, nal);
      }
      receiver.send(n * 3600, markers, h264_nal(n % 10 == 0 ? 5 : 1, 30, true, n));
    }
    receiver.flush();
    ASSERT_EQ(receiver.units.size(), 40u) << markers;
    for (size_t n = 0; n < 40; ++n) {
      const AccessUnit& unit = *receiver.units[n];
      EXPECT_EQ(unit.rtp_timestamp, n * 3600) << markers;
      EXPECT_EQ(unit.nals.size(), n % 10 == 0 && n > 0 ? 3u : 1u) << markers << " " << n;
      EXPECT_EQ(unit.keyframe, n % 10 == 0);
      // Without markers nobody saw the end of the last one.
      EXPECT_EQ(unit.gap || unit.damaged, !markers && n == 39) << markers << " " << n;
    }
  }
}

TEST(Boundary, TimestampChangesInsideAPicture) {  // quirk F4, other half
  Receiver receiver(Codec::h264);
  for (uint32_t n = 0; n < 10; ++n) {
    receiver.send(n * 3600, false, h264_nal(1, 30));
    receiver.send(n * 3600 + 7, false, h264_nal(1, 30, false));
    receiver.send(n * 3600 + 9, true, h264_nal(1, 30, false));
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 10u);
  for (const auto& unit : receiver.units) EXPECT_EQ(unit->nals.size(), 3u);
}

TEST(Boundary, TwoPicturesWithOneTimestamp) {  // quirk I5
  for (const bool markers : {true, false}) {
    Receiver receiver(Codec::h264);
    for (uint32_t n = 0; n < 20; ++n) receiver.send(n / 2 * 7200, markers, h264_nal(1, 30, true, n));
    receiver.flush();
    EXPECT_EQ(receiver.units.size(), 20u) << markers;
    EXPECT_EQ(receiver.depacketizer->stats().marker_demotions, 0u);
  }
}

TEST(Boundary, LossOfTheMarkerPacketOfAProvenSource) {
  Receiver receiver(Codec::h264);
  uint32_t n = 0;
  for (; n < 5; ++n) receiver.send(n * 3600, true, h264_nal(1, 30));
  receiver.send(n * 3600, false, h264_nal(1, 30));
  receiver.lose();
  ++n;
  receiver.send(n * 3600, true, h264_nal(1, 30));
  ASSERT_EQ(receiver.units.size(), 7u);
  EXPECT_TRUE(receiver.units[5]->damaged && receiver.units[5]->gap);
  EXPECT_EQ(receiver.units[5]->lost_packets, 1u);
  EXPECT_TRUE(receiver.units[6]->gap);
  EXPECT_FALSE(receiver.units[6]->damaged);
  EXPECT_TRUE(receiver.depacketizer->marker_proven());  // loss is no lie
}

TEST(Boundary, WholeUnitsLost) {
  Receiver receiver(Codec::h264);
  for (uint32_t n = 0; n < 5; ++n) receiver.send(n * 3600, true, h264_nal(1, 30));
  receiver.lose(4);
  receiver.send(9 * 3600, true, h264_nal(5, 30));
  ASSERT_EQ(receiver.units.size(), 6u);
  EXPECT_TRUE(receiver.units[5]->gap);
  EXPECT_FALSE(receiver.units[5]->damaged);
  EXPECT_TRUE(receiver.units[5]->keyframe);
  EXPECT_EQ(receiver.units[5]->lost_packets, 4u);
}

TEST(Boundary, H265SuffixSeiStaysWithItsPicture) {
  Receiver receiver(Codec::h265);
  for (uint32_t n = 0; n < 10; ++n) {
    receiver.send(n * 3600, false, h265_nal(39, 9));  // prefix
    receiver.send(n * 3600, false, h265_nal(1, 30));
    receiver.send(n * 3600, true, h265_nal(40, 9));  // suffix
  }
  receiver.flush();
  ASSERT_EQ(receiver.units.size(), 10u);
  for (const auto& unit : receiver.units) EXPECT_EQ(unit->nals.size(), 3u);
  EXPECT_TRUE(receiver.depacketizer->marker_proven());
}

TEST(Boundary, ArrivalsAndClocksOfAUnit) {
  Receiver receiver(Codec::h264);
  receiver.depacketizer->wall_clock().on_sender_report({1, ntp_from_wall(WallTime{1'800'000'000s}), 0, 0, 0},
                                                       at_ms(20));
  receiver.now_ms = 100;
  receiver.send(3600, false, h264_nal(1, 30));
  receiver.now_ms = 107;
  receiver.send(3600, true, h264_nal(1, 30, false));
  receiver.now_ms = 150;
  receiver.send(7200, true, h264_nal(1, 30));
  ASSERT_EQ(receiver.units.size(), 1u);
  EXPECT_EQ(receiver.units[0]->first_arrival, at_ms(100).mono);
  EXPECT_EQ(receiver.units[0]->last_arrival, at_ms(107).mono);
  EXPECT_EQ(receiver.units[0]->arrival_wall, at_ms(100).wall);
  EXPECT_EQ(receiver.units[0]->clock_quality, ClockQuality::reported);
  EXPECT_EQ(receiver.units[0]->capture_time, WallTime{1'800'000'000s} + 40ms);
}

}  // namespace
}  // namespace vigie::rtp
