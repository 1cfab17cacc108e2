#include "rtp/parameter_sets.h"

#include <gtest/gtest.h>

#include "rtp/h264_sps.h"
#include "rtp/h265_sps.h"
#include "rtp_support.h"

namespace vigie::rtp {
namespace {

// Made by x264 and x265 through FFmpeg.
const Bytes kHd = hex_bytes("67640028acd940780227e5c044000003000400000300c83c60c658");
const Bytes kHdBaseline = hex_bytes("6742c028d900780227e5c044000003000400000300c83c60c920");
const Bytes kHdInterlaced = hex_bytes("67640028acd94078044fde0220000003002000000643e2c5b2c0");
const Bytes kOdd = hex_bytes("67640028acd940780227a9b011000003000100000300320f183196");
const Bytes kHevcVps = hex_bytes("40010c01ffff016000000300900000030000030078959809");
const Bytes kHevcHd = hex_bytes("420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c84");
const Bytes kHevcPps = hex_bytes("4401c172b46240");
const Bytes kHevcOdd =
    hex_bytes("42010101600000030090000003000003003fa005120171c9265959a4932bc05a020000030002000003003210");
const Bytes kHevc422 = hex_bytes(
    "42010104080000030"
    "09d0800000300003fb005020169365959a4932bc05a020000030002000003003210");

TEST(H264Sps, Sizes) {
  struct Row {
    const Bytes& nal;
    uint32_t width, height;
    uint8_t profile;
  };
  for (const Row& row : {Row{kHd, 1920, 1080, 100}, Row{kHdBaseline, 1920, 1080, 66},
                         Row{kHdInterlaced, 1920, 1080, 100}, Row{kOdd, 1918, 1078, 100}}) {
    const auto sps = parse_h264_sps(row.nal);
    ASSERT_TRUE(sps);
    EXPECT_EQ(sps->width, row.width);
    EXPECT_EQ(sps->height, row.height);
    EXPECT_EQ(sps->picture.profile_idc, row.profile);
    EXPECT_EQ(sps->picture.level_idc, 40);
    EXPECT_EQ(h264_sps_id(row.nal), 0u);
  }
  EXPECT_TRUE(parse_h264_sps(kHdInterlaced)->picture.interlaced);
}

TEST(H264Sps, StrayBytesAndTruncation) {
  Bytes stray = kHd;  // quirk G9
  stray.push_back(0x80);
  stray.push_back(0);
  EXPECT_EQ(parse_h264_sps(stray)->width, 1920u);
  for (size_t size = 0; size < 10; ++size) EXPECT_FALSE(parse_h264_sps(ByteSpan(kHd).first(size))) << size;
}

TEST(H265Sps, Sizes) {
  const auto hd = parse_h265_sps(kHevcHd);
  ASSERT_TRUE(hd);
  EXPECT_EQ(hd->width, 1920u);
  EXPECT_EQ(hd->height, 1080u);
  EXPECT_EQ(hd->picture.profile_idc, 1);
  EXPECT_EQ(hd->picture.level_idc, 120);
  const auto odd = parse_h265_sps(kHevcOdd);
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->width, 642u);
  EXPECT_EQ(odd->height, 362u);
  const auto wide = parse_h265_sps(kHevc422);
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->picture.chroma_format_idc, 2);
  EXPECT_EQ(wide->width, 640u);
  EXPECT_EQ(wide->height, 360u);
  for (size_t size = 0; size < 22; ++size) EXPECT_FALSE(parse_h265_sps(ByteSpan(kHevcHd).first(size))) << size;
}

TEST(ParameterSets, RevisionOnlyWhenContentChanges) {
  ParameterSetTracker tracker(Codec::h264);
  EXPECT_FALSE(tracker.current()->complete());
  const Bytes pps = h264_nal(8, 5);
  EXPECT_EQ(tracker.seed(std::vector<Bytes>{kHd, pps}), 2u);
  const auto first = tracker.current();
  EXPECT_TRUE(first->complete());
  EXPECT_EQ(first->width, 1920u);
  for (int i = 0; i < 3; ++i) {  // every GOP repeats them
    EXPECT_FALSE(tracker.observe(kHd));
    EXPECT_FALSE(tracker.observe(pps));
    EXPECT_EQ(tracker.current().get(), first.get());
  }
  EXPECT_TRUE(tracker.observe(kOdd));  // same id, another size (B25)
  const auto second = tracker.current();
  EXPECT_EQ(second->revision, first->revision + 1);
  EXPECT_EQ(second->width, 1918u);
  EXPECT_EQ(second->sps.size(), 1u);
  EXPECT_EQ(first->width, 1920u);  // immutable
}

TEST(ParameterSets, EachPpsLeadsToItsSps) {
  ParameterSetTracker tracker(Codec::h264);
  const Bytes first{0x68, 0xc0}, second{0x68, 0x48};  // PPS 0 of SPS 0, PPS 1 of SPS 1
  tracker.seed(std::vector<Bytes>{kHd, first, second});
  const std::optional<H264Sps> hd = parse_h264_sps(kHd);
  const std::vector<PpsFacts> expected{{1, std::nullopt}, {0, hd->picture}};
  EXPECT_EQ(tracker.current()->pps_facts, expected);
  EXPECT_TRUE(tracker.observe(kHdInterlaced));  // in the place of SPS 0
  EXPECT_TRUE(tracker.current()->pps_facts.at(1).picture->interlaced);
}

TEST(ParameterSets, SeedToleratesSdpErrors) {
  {
    ParameterSetTracker tracker(Codec::h264);  // B19: Annex B inside
    Bytes annexb{0, 0, 0, 1};
    annexb.insert(annexb.end(), kHd.begin(), kHd.end());
    annexb.insert(annexb.end(), {0, 0, 1});
    const Bytes pps = h264_nal(8, 5);
    annexb.insert(annexb.end(), pps.begin(), pps.end());
    EXPECT_EQ(tracker.seed(std::vector<Bytes>{annexb}), 2u);
    EXPECT_TRUE(tracker.current()->complete());
  }
  {
    ParameterSetTracker tracker(Codec::h264);  // B18, B20: garbage, empty, half an SPS
    EXPECT_EQ(tracker.seed(std::vector<Bytes>{{0xe9, 1, 2, 3}, {}, {0x67}, kHd}), 1u);
    EXPECT_EQ(tracker.refused(), 2u);
    EXPECT_FALSE(tracker.current()->complete());
    EXPECT_EQ(tracker.current()->width, 1920u);
  }
}

TEST(ParameterSets, H265) {
  ParameterSetTracker tracker(Codec::h265);
  EXPECT_EQ(tracker.seed(std::vector<Bytes>{kHevcPps, kHevcVps}), 2u);  // B21
  EXPECT_FALSE(tracker.current()->complete());
  EXPECT_TRUE(tracker.observe(kHevcHd));
  EXPECT_TRUE(tracker.current()->complete());
  EXPECT_EQ(tracker.current()->height, 1080u);
}

TEST(ParameterSets, AreBounded) {
  ParameterSetTracker tracker(Codec::h264);
  EXPECT_FALSE(tracker.observe(h264_nal(8, 5000)));
  for (uint32_t i = 0; i < 300; ++i) {
    Bytes pps{0x68};
    // ue(i): i + 1 in 2 * n + 1 bits, then a stop bit.
    const uint32_t code = i + 1;
    unsigned bits = 0;
    while (code >> (bits + 1)) ++bits;
    std::string text(bits, '0');
    for (int b = static_cast<int>(bits); b >= 0; --b) text += code >> b & 1 ? '1' : '0';
    text += '1';
    while (text.size() % 8) text += '0';
    for (size_t at = 0; at < text.size(); at += 8) {
      pps.push_back(static_cast<uint8_t>(std::stoi(text.substr(at, 8), nullptr, 2)));
    }
    tracker.observe(pps);
  }
  EXPECT_EQ(tracker.current()->pps.size(), 64u);
}

}  // namespace
}  // namespace vigie::rtp
