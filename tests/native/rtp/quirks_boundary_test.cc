// Markers and timestamps that do not tell where a picture ends: F1 to F4, I5.
#include <gtest/gtest.h>

#include "base/bit_writer.h"
#include "quirks_support.h"

namespace vigie::rtp {
namespace {

// Ten pictures; the marker also on the parameter sets and the SEI before the keyframes.
void play_f1(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 10; ++n) {
    const uint32_t at = 90'000 + n * 3600;
    if (n % 5 == 0) {
      for (const Bytes& nal : {kRealSps, kRealPps, h264_nal(6, 12)}) camera.rx.send(at, true, nal);
    }
    camera.rx.send(at, true, h264_nal(n % 5 == 0 ? 5 : 1, 30));
  }
  camera.rx.flush();
}

TEST(QuirkF1, Tolerated) {
  QuirkReceiver camera(Codec::h264);
  play_f1(camera);
  ASSERT_EQ(camera.rx.units.size(), 10u);
  for (size_t n = 0; n < 10; ++n) {
    EXPECT_EQ(camera.rx.units[n]->nals.size(), n % 5 == 0 ? 4u : 1u) << n;
    EXPECT_FALSE(camera.rx.units[n]->gap || camera.rx.units[n]->damaged) << n;
  }
  EXPECT_EQ(camera.rx.units[0]->parameter_sets->width, 1920u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F1"});
}

TEST(QuirkF1, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::F1});
  play_f1(camera);
  // Each marker ended a unit: those without a picture are dropped, and the keyframe tells it.
  ASSERT_EQ(camera.rx.units.size(), 10u);
  EXPECT_EQ(camera.rx.units[0]->nals.size(), 1u);
  EXPECT_EQ(camera.rx.units[5]->nals.size(), 1u);
  EXPECT_TRUE(camera.rx.units[5]->gap);
  EXPECT_EQ(camera.stats().units_dropped, 6u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F1"});
}

TEST(QuirkF1, ToleratedBehindAPicture) {
  QuirkReceiver camera(Codec::h264);
  for (uint32_t n = 0; n < 6; ++n) {  // a SEI behind the picture has the marker, the picture does not
    camera.rx.send(n * 3600, false, h264_nal(1, 30));
    camera.rx.send(n * 3600, true, h264_nal(6, 12));
  }
  camera.rx.flush();
  EXPECT_EQ(camera.rx.units.size(), 6u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F1"});
}

// Two slices a picture, never a marker.
void play_f2(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 10; ++n) {
    camera.rx.send(n * 3600, false, nal_of(camera.codec(), n == 0, 30));
    camera.rx.send(n * 3600, false, nal_of(camera.codec(), n == 0, 30, false));
  }
}

TEST(QuirkF2, Tolerated) {
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    QuirkReceiver camera(codec);
    play_f2(camera);
    ASSERT_EQ(camera.rx.units.size(), 9u);
    for (const auto& unit : camera.rx.units) {
      EXPECT_EQ(unit->nals.size(), 2u);
      EXPECT_FALSE(unit->damaged);
    }
    EXPECT_EQ(seen(camera.quirks), Ids{"F2"});
  }
}

TEST(QuirkF2, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::F2});
  play_f2(camera);
  ASSERT_EQ(camera.rx.units.size(), 9u);
  for (const auto& unit : camera.rx.units) EXPECT_TRUE(unit->damaged) << "nobody saw its end";
  EXPECT_EQ(seen(camera.quirks), Ids{"F2"});
}

void play_f3(QuirkReceiver& camera, uint32_t pictures) {
  for (uint32_t n = 0; n < pictures; ++n) {
    for (int slice = 0; slice < 3; ++slice) {
      camera.rx.send(n * 3600, true, nal_of(camera.codec(), n == 0, 30, slice == 0));
    }
  }
  camera.rx.flush();
}

TEST(QuirkF3, Tolerated) {
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    QuirkReceiver camera(codec);
    play_f3(camera, 20);
    ASSERT_EQ(camera.rx.units.size(), 20u);
    for (const auto& unit : camera.rx.units) {
      EXPECT_EQ(unit->nals.size(), 3u);
      EXPECT_FALSE(unit->damaged);
    }
    EXPECT_EQ(seen(camera.quirks), Ids{"F3"});
  }
}

TEST(QuirkF3, ToleratedAfterTheMarkerWasBelieved) {
  QuirkReceiver camera(Codec::h264);
  for (int n = 0; n < 5; ++n) camera.picture();
  ASSERT_TRUE(camera.rx.depacketizer->marker_proven());
  EXPECT_EQ(seen(camera.quirks), Ids{});
  camera.rx.send(1'000'000, true, h264_nal(1, 30));
  camera.rx.send(1'000'000, true, h264_nal(1, 30, false));
  EXPECT_FALSE(camera.rx.depacketizer->marker_proven());
  camera.rx.flush();
  EXPECT_EQ(seen(camera.quirks), Ids{"F3"}) << "a picture that came apart is not two with one timestamp";
}

TEST(QuirkF3, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::F3});
  play_f3(camera, 20);
  EXPECT_TRUE(camera.rx.depacketizer->marker_proven());
  ASSERT_EQ(camera.rx.units.size(), 60u) << "the marker is believed: each slice is a unit";
  for (size_t n = 0; n < 60; ++n) {
    EXPECT_EQ(camera.rx.units[n]->damaged, n % 3 != 0) << n;
    EXPECT_EQ(camera.rx.units[n]->keyframe, n == 0) << n;
  }
  EXPECT_EQ(seen(camera.quirks), Ids{"F3"});
}

TEST(QuirkF3, StrictOnFragments) {
  QuirkReceiver camera(Codec::h264, {Quirk::F3});
  const Bytes nal = h264_nal(1, 90);
  for (uint32_t n = 0; n < 5; ++n) {
    camera.rx.send(n * 3600, true, fu_a(nal, 1, 40, true, false));
    camera.rx.send(n * 3600, true, fu_a(nal, 40, 90, false, true));
  }
  camera.rx.flush();
  for (const auto& unit : camera.rx.units) EXPECT_EQ(unit->nals.size(), 1u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F3"});
}

// Parameter sets with the time of the picture before them.
void play_f4_parameter_sets(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 10; ++n) {
    if (n == 5) {
      for (const Bytes& nal : {kRealSps, kRealPps}) camera.rx.send((n - 1) * 3600, false, nal);
    }
    camera.rx.send(n * 3600, true, h264_nal(n % 5 == 0 ? 5 : 1, 30));
  }
  camera.rx.flush();
}

// The timestamp changes between the slices of a picture, and inside one.
void play_f4_slices(QuirkReceiver& camera) {
  const Bytes nal = h264_nal(1, 60, false);
  for (uint32_t n = 0; n < 10; ++n) {
    camera.rx.send(n * 3600, false, h264_nal(1, 30));
    camera.rx.send(n * 3600 + 7, false, fu_a(nal, 1, 30, true, false));
    camera.rx.send(n * 3600 + 9, true, fu_a(nal, 30, 60, false, true));
  }
  camera.rx.flush();
}

TEST(QuirkF4, Tolerated) {
  QuirkReceiver early(Codec::h264);
  play_f4_parameter_sets(early);
  ASSERT_EQ(early.rx.units.size(), 10u);
  EXPECT_EQ(early.rx.units[5]->nals.size(), 3u);
  EXPECT_EQ(early.rx.units[5]->rtp_timestamp, 5u * 3600);
  EXPECT_EQ(seen(early.quirks), Ids{"F4"});

  QuirkReceiver inside(Codec::h264);
  play_f4_slices(inside);
  ASSERT_EQ(inside.rx.units.size(), 10u);
  for (const auto& unit : inside.rx.units) {
    EXPECT_EQ(unit->nals.size(), 2u);
    EXPECT_FALSE(unit->damaged);
  }
  EXPECT_EQ(seen(inside.quirks), Ids{"F4"});
}

TEST(QuirkF4, Strict) {
  QuirkReceiver early(Codec::h264, {Quirk::F4});
  play_f4_parameter_sets(early);
  ASSERT_EQ(early.rx.units.size(), 10u);
  EXPECT_EQ(early.rx.units[5]->nals.size(), 1u) << "parameter sets without a picture of their time are dropped";
  EXPECT_TRUE(early.rx.units[5]->gap);
  EXPECT_EQ(seen(early.quirks), Ids{"F4"});

  QuirkReceiver inside(Codec::h264, {Quirk::F4});
  play_f4_slices(inside);
  ASSERT_GE(inside.rx.units.size(), 10u);
  for (const auto& unit : inside.rx.units) {
    EXPECT_EQ(unit->nals.size(), 1u);
    EXPECT_EQ(unit->damaged, unit->nals[0].size != 30) << "the first slice alone is whole";
  }
  EXPECT_TRUE(inside.quirks.seen.has(Quirk::F4));
}

// Each timestamp twice; with markers and without believing them.
void play_i5(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 20; ++n, camera.rx.now_ms += 40) {
    camera.rx.send(n / 2 * 7200, true, nal_of(camera.codec(), n == 0, 30, true, n));
  }
  camera.rx.flush();
}

TEST(QuirkI5, Tolerated) {
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    QuirkReceiver camera(codec);
    play_i5(camera);
    ASSERT_EQ(camera.rx.units.size(), 20u);
    for (const auto& unit : camera.rx.units) EXPECT_FALSE(unit->gap || unit->damaged);
    EXPECT_EQ(seen(camera.quirks), Ids{"I5"});
  }
}

TEST(QuirkI5, ToleratedWhileTheTimestampStandsStill) {
  QuirkReceiver camera(Codec::h264);
  const Bytes nal = h264_nal(1, 90);
  for (int n = 0; n < 250; ++n, camera.rx.now_ms += 40) {
    camera.rx.send(777, false, fu_a(nal, 1, 40, true, false));
    camera.rx.send(777, true, fu_a(nal, 40, 90, false, true));
  }
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 250u);
  for (const auto& unit : camera.rx.units) EXPECT_FALSE(unit->gap || unit->damaged);
  const auto length = (camera.rx.units.back()->pts - camera.rx.units.front()->pts).count();
  EXPECT_NEAR(static_cast<double>(length), 249 * 3600.0, 3600) << "media time keeps to real time";
  EXPECT_EQ(seen(camera.quirks), Ids{"I5"});
}

TEST(QuirkI5, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::I5});
  play_i5(camera);
  ASSERT_EQ(camera.rx.units.size(), 20u);
  for (size_t n = 0; n < 20; ++n) EXPECT_EQ(camera.rx.units[n]->gap, n % 2 == 1) << n << ": the twin tells a gap";
  EXPECT_EQ(seen(camera.quirks), Ids{"I5"});
}

// --- two fields of one frame have one timestamp (H.264 7.4.1.2.4), which is no I5

// 720 x 576, Main, fields may come; nine bits of frame_num.
Bytes field_sps() {
  BitWriter w;
  w.bits(77, 8).bits(0, 8).bits(30, 8).ue(0);
  w.ue(5).ue(2);                     // log2_max_frame_num_minus4, pic_order_cnt_type
  w.ue(1).bits(0, 1).ue(44).ue(17);  // references, size
  w.bits(0, 1).bits(0, 1).bits(1, 1).bits(0, 1).bits(0, 1).bits(1, 1);
  return w.nal({0x67});
}
enum class Kind : uint8_t { top, bottom, frame };
Bytes field_slice(Kind kind, uint32_t frame_num, bool key = false, size_t size = 60) {
  BitWriter w;
  w.ue(0).ue(7).ue(0).bits(frame_num, 9);
  if (kind == Kind::frame) {
    w.bits(0, 1);
  } else {
    w.bits(1, 1).bits(kind == Kind::bottom, 1);
  }
  w.bits(0x155, 9);
  Bytes nal = w.nal({static_cast<uint8_t>(key ? 0x65 : 0x41)});
  while (nal.size() < size) nal.push_back(0x5a);
  return nal;
}
// Frames of two fields; `each`: the marker on the first field too.
void play_fields(QuirkReceiver& camera, int frames, bool each, bool fragments = false) {
  for (int n = 0; n < frames; ++n) {
    camera.rx.now_ms += 40;
    camera.timestamp += 3600;
    if (n % 25 == 0) {
      camera.rx.send(camera.timestamp, false, field_sps());
      camera.rx.send(camera.timestamp, false, kRealPps);
    }
    for (const Kind kind : {Kind::top, Kind::bottom}) {
      const Bytes nal = field_slice(kind, static_cast<uint32_t>(n % 512), n % 25 == 0 && kind == Kind::top);
      const bool marker = each || kind == Kind::bottom;
      if (fragments) {
        camera.rx.send(camera.timestamp, false, fu_a(nal, 1, 30, true, false));
        camera.rx.send(camera.timestamp, marker, fu_a(nal, 30, 60, false, true));
      } else {
        camera.rx.send(camera.timestamp, marker, nal);
      }
    }
  }
}

TEST(QuirkI5, TwoFieldsOfOneFrameAreOneUnit) {
  for (const bool each : {false, true}) {
    for (const bool fragments : {false, true}) {
      QuirkReceiver camera(Codec::h264, {Quirk::I5});
      play_fields(camera, 60, each, fragments);
      EXPECT_GE(camera.rx.units.size(), 59u) << "the last one left with its marker, once that is proven";
      camera.rx.flush();
      ASSERT_EQ(camera.rx.units.size(), 60u);
      for (size_t n = 0; n < 60; ++n) {
        const AccessUnit& unit = *camera.rx.units[n];
        EXPECT_EQ(unit.nals.size(), n % 25 == 0 ? 4u : 2u) << n;
        EXPECT_EQ(unit.keyframe, n % 25 == 0) << n;
        EXPECT_FALSE(unit.gap || unit.damaged) << n;
        EXPECT_EQ(unit.pts.count(), static_cast<int64_t>(n) * 3600);
      }
      EXPECT_EQ(seen(camera.quirks), Ids{});
    }
  }
}

// Fields with timestamps of their own are units of their own, and none waits for the next one.
TEST(QuirkI5, FieldsWithTimestampsOfTheirOwnAreUnits) {
  QuirkReceiver camera(Codec::h264, {Quirk::I5});
  camera.rx.send(camera.timestamp + 1800, false, field_sps());
  for (uint32_t n = 0; n < 60; ++n) {
    camera.rx.now_ms += 20;
    camera.rx.send(camera.timestamp += 1800, true, field_slice(n % 2 == 0 ? Kind::top : Kind::bottom, n / 2));
    if (n > 40) {
      EXPECT_EQ(camera.rx.units.size(), n + 1);
    }
  }
  EXPECT_EQ(camera.rx.units.size(), 60u);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

// What the rule does not cover stays what it was: frames of such a stream, fields of other frames, three of one time.
TEST(QuirkI5, OtherPicturesWithOneTimestampStayIt) {
  const std::vector<std::vector<Bytes>> sets = {
      {field_slice(Kind::frame, 1), field_slice(Kind::frame, 2)},
      {field_slice(Kind::top, 1), field_slice(Kind::top, 1)},
      {field_slice(Kind::top, 1), field_slice(Kind::bottom, 2)},
      {field_slice(Kind::top, 1), field_slice(Kind::bottom, 1), field_slice(Kind::top, 2),
       field_slice(Kind::bottom, 2)},
  };
  for (const std::vector<Bytes>& pictures : sets) {
    QuirkReceiver camera(Codec::h264);
    camera.rx.send(camera.timestamp, false, field_sps());
    for (const Bytes& nal : pictures) camera.rx.send(camera.timestamp, false, nal);
    camera.rx.send(camera.timestamp += 3600, true, field_slice(Kind::frame, 9));
    camera.rx.flush();
    EXPECT_EQ(camera.rx.units.size(), 3u);
    EXPECT_TRUE(camera.quirks.seen.has(Quirk::I5));
  }
}

// A lost second field: the picture is damaged, and the next frame is whole.
TEST(QuirkI5, ALostFieldIsNone) {
  QuirkReceiver camera(Codec::h264);
  play_fields(camera, 30, true);
  camera.rx.now_ms += 40;
  camera.rx.send(camera.timestamp += 3600, true, field_slice(Kind::top, 30));
  camera.rx.lose(1);
  play_fields(camera, 30, true);
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 61u);
  for (size_t n = 0; n < 61; ++n) EXPECT_EQ(camera.rx.units[n]->damaged, n == 30) << n;
  EXPECT_TRUE(camera.rx.units[31]->gap);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

}  // namespace
}  // namespace vigie::rtp
