// Payloads that are not what RFC 6184 and RFC 7798 say: B22, F10, G1 to G5, G9, G11, G17.
#include <gtest/gtest.h>

#include "quirks_support.h"

namespace vigie::rtp {
namespace {

const Bytes kIdr = h264_nal(5, 50), kHevcIdr = h265_nal(19, 50);
const Bytes kCode4{0, 0, 0, 1}, kCode3{0, 0, 1};

Bytes edited(Bytes bytes, size_t at, uint8_t value) {
  bytes[at] = value;
  return bytes;
}

// One picture of these payloads, the marker on the last, and one more picture behind it.
void play(QuirkReceiver& camera, const std::vector<Bytes>& payloads) {
  for (size_t i = 0; i < payloads.size(); ++i) camera.rx.send(0, i + 1 == payloads.size(), payloads[i]);
  camera.rx.send(3600, true, nal_of(camera.codec(), false, 30));
  camera.rx.flush();
}

void expect_whole(const QuirkReceiver& camera, const std::vector<Bytes>& nals, const char* id) {
  ASSERT_EQ(camera.rx.units.size(), 2u) << id;
  EXPECT_EQ(nals_of(*camera.rx.units[0]), nals) << id;
  EXPECT_FALSE(camera.rx.units[0]->damaged || camera.rx.units[0]->gap) << id;
  EXPECT_TRUE(camera.rx.units[0]->keyframe) << id;
  EXPECT_EQ(seen(camera.quirks), Ids{id});
}

DepacketizerConfig single_nal_mode() {
  DepacketizerConfig config;
  config.packetization_mode = 0;
  return config;
}
const std::vector<Bytes> kAggregatedAndFragmented = {stap_a({kRealSps, kRealPps}), fu_a(kIdr, 1, 20, true, false),
                                                     fu_a(kIdr, 20, 50, false, true)};

TEST(QuirkB22, Tolerated) {
  QuirkReceiver camera(Codec::h264, {}, true, single_nal_mode());
  play(camera, kAggregatedAndFragmented);
  expect_whole(camera, {kRealSps, kRealPps, kIdr}, "B22");
  QuirkReceiver honest(Codec::h264, {}, true, single_nal_mode());
  play(honest, {kRealSps, kRealPps, kIdr});
  EXPECT_EQ(seen(honest.quirks), Ids{});
}

TEST(QuirkB22, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::B22}, true, single_nal_mode());
  play(camera, kAggregatedAndFragmented);
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_EQ(camera.rx.units[0]->rtp_timestamp, 3600u);
  EXPECT_EQ(camera.stats().malformed_packets, 3u);
  EXPECT_EQ(seen(camera.quirks), Ids{"B22"});
}

TEST(QuirkF10, Tolerated) {
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    QuirkReceiver camera(codec);
    const Bytes key = nal_of(codec, true, 50);
    play(camera, {{}, key, {}});
    expect_whole(camera, {key}, "F10");
    EXPECT_EQ(camera.rx.reorder->stats().lost, 0u);
  }
}

TEST(QuirkF10, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::F10});
  play(camera, {{}, kIdr, {}});
  EXPECT_EQ(camera.stats().malformed_packets, 2u);
  EXPECT_TRUE(camera.quirks.seen.has(Quirk::F2)) << "its marker did not count";
}

struct Row {
  const char* what;
  Codec codec;
  std::vector<Bytes> payloads;
  std::vector<Bytes> nals;  // of the first unit where it is tolerated
};

// Tolerated: the NAL units are right. Strict: none of the last one's bytes comes out whole and undamaged.
void expect_both(Quirk quirk, const std::vector<Row>& rows, uint64_t malformed_when_strict = 1) {
  for (const Row& row : rows) {
    QuirkReceiver camera(row.codec);
    play(camera, row.payloads);
    SCOPED_TRACE(row.what);
    expect_whole(camera, row.nals, quirk_facts(quirk).id.data());

    QuirkReceiver strict(row.codec, {quirk});
    play(strict, row.payloads);
    EXPECT_GE(strict.stats().malformed_packets, malformed_when_strict);
    EXPECT_TRUE(strict.quirks.seen.has(quirk));
    for (const auto& unit : strict.rx.units) {
      if (unit->rtp_timestamp == 0) {
        EXPECT_NE(nals_of(*unit), row.nals);
      }
    }
  }
}

const Bytes kAllInOne = joined({kRealSps, kCode4, kRealPps, kCode4, kIdr});
const std::vector<Row> kG1 = {
    {"start codes first",
     Codec::h264,
     {joined({kCode4, kRealSps, kCode3, kRealPps, kCode4, kIdr})},
     {kRealSps, kRealPps, kIdr}},
    {"between NAL units",
     Codec::h264,
     {joined({kRealSps, kCode4, kRealPps, kCode3, kIdr})},
     {kRealSps, kRealPps, kIdr}},
    {"in fragments",
     Codec::h264,
     {fu_a(kAllInOne, 1, 20, true, false), fu_a(kAllInOne, 20, kAllInOne.size(), false, true)},
     {kRealSps, kRealPps, kIdr}},
    {"H.265",
     Codec::h265,
     {joined({kCode4, kRealHevcVps, kCode4, kRealHevcSps, kCode3, kRealHevcPps, kCode4, kHevcIdr})},
     {kRealHevcVps, kRealHevcSps, kRealHevcPps, kHevcIdr}},
};
TEST(QuirkG1, Tolerated) { expect_both(Quirk::G1, kG1); }
TEST(QuirkG1, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::G1});
  play(camera, kG1[0].payloads);
  ASSERT_EQ(camera.rx.units.size(), 1u) << "the payload was dropped";
  EXPECT_EQ(camera.rx.units[0]->rtp_timestamp, 3600u);
}

TEST(QuirkG2, Tolerated) {
  expect_both(Quirk::G2, {{"FU-A", Codec::h264, {fu_a(kIdr, 1, 50, true, true)}, {kIdr}},
                          {"FU", Codec::h265, {fu_265(kHevcIdr, 2, 50, true, true)}, {kHevcIdr}}});
}
TEST(QuirkG2, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::G2});
  play(camera, {fu_a(kIdr, 1, 50, true, true)});
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_FALSE(camera.rx.units[0]->keyframe);
}

const std::vector<Row> kG3 = {
    {"FU-A", Codec::h264, {fu_a(kIdr, 1, 20, true, false), edited(fu_a(kIdr, 20, 50, false, true), 1, 0x41)}, {kIdr}},
    {"FU",
     Codec::h265,
     {fu_265(kHevcIdr, 2, 20, true, false), edited(fu_265(kHevcIdr, 20, 50, false, true), 2, 0x41)},
     {kHevcIdr}}};
TEST(QuirkG3, Tolerated) { expect_both(Quirk::G3, kG3); }
TEST(QuirkG3, Strict) {
  for (const Row& row : kG3) {
    QuirkReceiver camera(row.codec, {Quirk::G3});
    play(camera, row.payloads);
    ASSERT_EQ(camera.rx.units.size(), 1u) << "the NAL unit was dropped, and nothing is left of its picture";
    EXPECT_TRUE(camera.rx.units[0]->gap);
    EXPECT_EQ(camera.stats().nals_incomplete, 1u);
  }
}

const std::vector<Row> kG4 = {
    {"in the middle",
     Codec::h264,
     {fu_a(kIdr, 1, 20, true, false), fu_a(kIdr, 20, 20, false, false), fu_a(kIdr, 20, 50, false, true)},
     {kIdr}},
    {"at the end",
     Codec::h264,
     {fu_a(kIdr, 1, 20, true, false), fu_a(kIdr, 20, 50, false, false), fu_a(kIdr, 50, 50, false, true)},
     {kIdr}},
    {"at the start",
     Codec::h264,
     {fu_a(kIdr, 1, 1, true, false), fu_a(kIdr, 1, 20, false, false), fu_a(kIdr, 20, 50, false, true)},
     {kIdr}},
    {"H.265, at the start",
     Codec::h265,
     {fu_265(kHevcIdr, 2, 2, true, false), fu_265(kHevcIdr, 2, 20, false, false),
      fu_265(kHevcIdr, 20, 50, false, true)},
     {kHevcIdr}},
    {"nothing but", Codec::h264, {fu_a(h264_nal(6, 9), 1, 1, true, false), kIdr}, {kIdr}},
};
TEST(QuirkG4, Tolerated) { expect_both(Quirk::G4, {kG4.begin(), kG4.end() - 1}); }
TEST(QuirkG4, ToleratedBehindPicturesWithoutMarkers) {
  // An empty first fragment still begins a picture of its own.
  QuirkReceiver camera(Codec::h264);
  for (uint32_t n = 0; n < 4; ++n) {
    camera.rx.send(n * 3600, false, fu_a(kIdr, 1, 1, true, false));
    camera.rx.send(n * 3600, false, fu_a(kIdr, 1, 50, false, true));
  }
  ASSERT_EQ(camera.rx.units.size(), 3u);
  for (const auto& unit : camera.rx.units) {
    EXPECT_EQ(nals_of(*unit), std::vector<Bytes>{kIdr});
    EXPECT_TRUE(unit->keyframe && !unit->damaged);
  }
  EXPECT_EQ(seen(camera.quirks), (Ids{"F2", "G4"}));
}
TEST(QuirkG4, ToleratedAlone) {
  QuirkReceiver camera(Codec::h264);
  play(camera, kG4.back().payloads);
  expect_whole(camera, {kIdr}, "G4");
}
TEST(QuirkG4, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::G4});
  play(camera, kG4[0].payloads);
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_TRUE(camera.rx.units[0]->gap);
}

TEST(QuirkG5, Tolerated) {
  expect_both(Quirk::G5,
              {{"both",
                Codec::h264,
                {edited(fu_a(kIdr, 1, 20, true, false), 1, 0xa5), edited(fu_a(kIdr, 20, 50, false, true), 1, 0x65)},
                {kIdr}}});
}
TEST(QuirkG5, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::G5});
  play(camera, {fu_a(kIdr, 1, 20, true, false), edited(fu_a(kIdr, 20, 50, false, true), 1, 0x65)});
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_EQ(camera.stats().nals_incomplete, 1u) << "the NAL unit lacks its end";
}

TEST(QuirkG9, Tolerated) {
  for (const Bytes& tail : {Bytes{0x80}, Bytes{0}, Bytes{0x42, 0x99}}) {
    QuirkReceiver camera(Codec::h264);
    play(camera, {joined({kRealSps, tail}), kRealPps, kIdr});
    expect_whole(camera, {joined({kRealSps, tail}), kRealPps, kIdr}, "G9");
    EXPECT_EQ(camera.rx.units[0]->parameter_sets->width, 1920u);
  }
  QuirkReceiver camera(Codec::h265);
  play(camera, {kRealHevcVps, joined({kRealHevcSps, Bytes{0}}), kRealHevcPps, kHevcIdr});
  EXPECT_EQ(camera.rx.units[0]->parameter_sets->width, 1920u);
  EXPECT_EQ(seen(camera.quirks), Ids{"G9"});
}

TEST(QuirkG9, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::G9});
  play(camera, {joined({kRealSps, Bytes{0x80}}), kRealPps, kIdr});
  ASSERT_EQ(camera.rx.units.size(), 2u);
  EXPECT_TRUE(camera.rx.units[0]->parameter_sets->sps.empty()) << "the set is not taken";
  EXPECT_EQ(camera.rx.depacketizer->parameter_sets().refused(), 1u);
  EXPECT_EQ(seen(camera.quirks), Ids{"G9"});
}

// Every SPS here is whole: with and without VUI, HRD, scaling lists, interlaced, cropped.
TEST(QuirkG9, HonestOnesAreNot) {
  for (const char* sps :
       {"67640028acd940780227e5c044000003000400000300c83c60c658",
        "6742c028d900780227e5c044000003000400000300c83c60c920", "67640028acd94078044fde0220000003002000000643e2c5b2c0",
        "67640028acd940780227a9b011000003000100000300320f183196", "6742001eab40501ed00f08846a"}) {
    Quirks quirks;
    ParameterSetTracker tracker(Codec::h264, &quirks);
    EXPECT_TRUE(tracker.observe(hex_bytes(sps))) << sps;
    EXPECT_EQ(seen(quirks), Ids{}) << sps;
  }
}

const std::vector<Bytes> kUnknown = {h264_nal(9, 2), h264_nal(30, 9), {0xe5, 1, 2}, h264_nal(0, 9), kIdr};

TEST(QuirkG11, Tolerated) {
  QuirkReceiver camera(Codec::h264);
  play(camera, kUnknown);
  expect_whole(camera, {kUnknown[0], kIdr}, "G11");
  EXPECT_EQ(camera.stats().malformed_packets, 0u);
  QuirkReceiver hevc(Codec::h265);
  play(hevc, {h265_nal(35, 3), h265_nal(50, 9), fu_265(h265_nal(63, 9), 2, 9, true, false), kHevcIdr});
  expect_whole(hevc, {h265_nal(35, 3), kHevcIdr}, "G11");
  QuirkReceiver honest(Codec::h264);  // AUD first, two SEI in one packet
  play(honest, {h264_nal(9, 2), stap_a({h264_nal(6, 9), h264_nal(6, 12)}), kIdr});
  EXPECT_EQ(seen(honest.quirks), Ids{});
}

TEST(QuirkG11, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::G11});
  play(camera, kUnknown);
  ASSERT_EQ(camera.rx.units.size(), 2u);
  EXPECT_EQ(camera.stats().malformed_packets, 3u);
  EXPECT_EQ(seen(camera.quirks), Ids{"G11"});
}

TEST(QuirkG17, Tolerated) {
  QuirkReceiver camera(Codec::h264);
  play(camera, {fu_a(kIdr, 1, 20, true, false), {0x7c}, fu_a(kIdr, 20, 50, false, true)});
  expect_whole(camera, {kIdr}, "G17");
  EXPECT_EQ(camera.stats().malformed_packets, 1u);
  QuirkReceiver hevc(Codec::h265);
  play(hevc, {{49 << 1, 1}, {49 << 1}, kHevcIdr});
  expect_whole(hevc, {kHevcIdr}, "G17");
  EXPECT_EQ(hevc.stats().malformed_packets, 2u);
}

TEST(QuirkG17, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::G17});
  play(camera, {fu_a(kIdr, 1, 20, true, false), {0x7c}, fu_a(kIdr, 20, 50, false, true)});
  ASSERT_EQ(camera.rx.units.size(), 1u) << "the NAL unit it came in was dropped";
  EXPECT_EQ(camera.stats().malformed_packets, 1u);
  EXPECT_EQ(seen(camera.quirks), Ids{"G17"});
}

}  // namespace
}  // namespace vigie::rtp
