// What is read of parameter sets beside the size. The sets were made by x264 and x265 through FFmpeg, and the expected
// values are what ffprobe says of the same streams.
#include <gtest/gtest.h>

#include "base/bit_writer.h"
#include "rtp/h264_sps.h"
#include "rtp/h265_sps.h"
#include "rtp_support.h"

namespace vigie::rtp {
namespace {

TEST(PictureFacts, H264High422TenBits) {
  const auto sps = parse_h264_sps(hex_bytes("677a001eb6cd940a02ff9f016e122412800000030080000019078b16cb"));
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->width, 640U);
  EXPECT_EQ(sps->height, 362U);
  const PictureFacts expected{.profile_idc = 122,
                              .level_idc = 30,
                              .coded_width = 640,
                              .coded_height = 368,
                              .chroma_format_idc = 2,
                              .bit_depth_luma = 10,
                              .bit_depth_chroma = 10,
                              .frame_num_bits = 4,
                              .reordered_pictures = 2,
                              .full_range = true,
                              .colour_primaries = 9,
                              .transfer_characteristics = 18,
                              .matrix_coefficients = 9,
                              .sar_width = 1,
                              .sar_height = 1,
                              .num_units_in_tick = 1,
                              .time_scale = 50,
                              .fps = 25};
  EXPECT_EQ(sps->picture, expected);
}

TEST(PictureFacts, H264InterlacedWithHrdAndSampleAspect) {
  const auto sps =
      parse_h264_sps(hex_bytes("6764001eace402d093608d414141500000030010000003032604000f424001e84e4c300f8a1524"));
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->width, 720U);
  EXPECT_EQ(sps->height, 576U);
  EXPECT_TRUE(sps->picture.interlaced);
  EXPECT_EQ(sps->picture.sar_width, 16U);
  EXPECT_EQ(sps->picture.sar_height, 11U);
  EXPECT_EQ(sps->picture.matrix_coefficients, 5);
  EXPECT_FALSE(sps->picture.full_range);
  EXPECT_EQ(sps->picture.fps, 25);
  EXPECT_EQ(sps->picture.reordered_pictures, 0U) << "it stands behind the HRD parameters";
}

TEST(PictureFacts, H264BaselineNeverReorders) {
  const auto sps = parse_h264_sps(hex_bytes("6742c01ed900a02ff93011000003000100000300320f162e48"));
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->picture.profile_idc, 66);
  EXPECT_EQ(sps->picture.reordered_pictures, 0U);
  EXPECT_EQ(sps->picture.bit_depth_luma, 8);
  EXPECT_EQ(sps->picture.matrix_coefficients, 2);
}

TEST(PictureFacts, H264VuiThatMakesNoSenseCostsNotTheSize) {
  Bytes cut = hex_bytes("677a001eb6cd940a02ff9f016e122412800000030080000019078b16cb");
  cut.resize(16);
  const auto sps = parse_h264_sps(cut);
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->height, 362U);
  EXPECT_EQ(sps->picture.coded_height, 368U);
  EXPECT_EQ(sps->picture.fps, 0);
  EXPECT_EQ(sps->picture.sar_width, 0U) << "nothing of a VUI that ends too early is believed";
  EXPECT_FALSE(sps->picture.reordered_pictures);
}

TEST(PictureFacts, H265Main10WithScalingListsAndHrd) {
  const auto sps = parse_h265_sps(
      hex_bytes("42010102200000030090000003000003003fa005020171f2365959a49395e08dc24402410000030001000003001960149"
                "65e000f424001e84880"));
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->width, 640U);
  EXPECT_EQ(sps->height, 362U);
  const PictureFacts expected{.profile_idc = 2,
                              .level_idc = 63,
                              .coded_width = 640,
                              .coded_height = 368,
                              .bit_depth_luma = 10,
                              .bit_depth_chroma = 10,
                              .reordered_pictures = 2,
                              .full_range = true,
                              .colour_primaries = 9,
                              .transfer_characteristics = 16,
                              .matrix_coefficients = 9,
                              .sar_width = 16,
                              .sar_height = 11,
                              .num_units_in_tick = 1,
                              .time_scale = 25,
                              .fps = 25};
  EXPECT_EQ(sps->picture, expected);
}

TEST(PictureFacts, H265RangeExtensionsWithAnOddRate) {
  const auto sps =
      parse_h265_sps(hex_bytes("4201010408000003009d0800000300003fb005020171f3e592a4932bc05a02000007d20000ea6010"));
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->picture.profile_idc, 4);
  EXPECT_EQ(sps->picture.chroma_format_idc, 2);
  EXPECT_EQ(sps->picture.reordered_pictures, 0U);
  EXPECT_NEAR(sps->picture.fps, 30000.0 / 1001, 1e-9);
}

// An H.265 SPS up to the reference picture sets, 640 x 368, Main.
BitWriter begin_h265() {
  BitWriter w;
  w.bits(0, 4).bits(0, 3).bits(1, 1);  // vps id, sub-layers, nesting
  w.bits(0, 3).bits(1, 5).bits(0, 32).bits(0, 32).bits(0, 16).bits(93, 8);
  w.ue(0).ue(1).ue(640).ue(368).bits(0, 1);          // id, 4:2:0, size, no window
  w.ue(0).ue(0).ue(4).bits(1, 1).ue(4).ue(2).ue(0);  // depths, POC bits, reordering
  w.ue(0).ue(3).ue(0).ue(3).ue(0).ue(0);
  w.bits(0, 1).bits(0, 2).bits(0, 1);  // no scaling lists, amp and sao, no PCM
  return w;
}

// The VUI with nothing but timing.
void end_h265(BitWriter& w) {
  w.bits(0, 1).bits(0, 2).bits(1, 1);                        // long-term, two flags, VUI
  w.bits(0, 4).bits(0, 1).bits(1, 1).bits(0, 1).bits(0, 1);  // …, field_seq_flag
  w.bits(1, 1).bits(1001, 32).bits(60000, 32).bits(0, 2).bits(0, 1);
  w.bits(0, 1).bits(1, 1).bits(0, 7);
}

// G10: reference picture sets that are predicted from the one before.
TEST(PictureFacts, H265PredictedReferenceSetsAreSteppedOver) {
  BitWriter w = begin_h265();
  w.ue(3);
  w.ue(2).ue(1).ue(0).bits(1, 1).ue(1).bits(0, 1).ue(0).bits(1, 1);     // two before, one after
  w.bits(1, 1).bits(0, 1).ue(0);                                        // predicted: four candidates
  w.bits(1, 1).bits(0, 1).bits(0, 1).bits(0, 1).bits(1, 1).bits(1, 1);  // used, dropped, kept unused, used
  w.bits(1, 1).bits(1, 1).ue(1);                                        // predicted from that: three and one
  w.bits(1, 1).bits(1, 1).bits(1, 1).bits(1, 1);
  end_h265(w);
  const auto sps = parse_h265_sps(w.nal({0x42, 0x01}));
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->width, 640U);
  EXPECT_TRUE(sps->picture.interlaced);
  EXPECT_EQ(sps->picture.reordered_pictures, 2U);
  EXPECT_NEAR(sps->picture.fps, 60000.0 / 1001, 1e-9) << "one bit too many or too few of the sets would give another";
}

TEST(PictureFacts, H265ReferenceSetsOutOfRangeCostNotTheSize) {
  BitWriter w = begin_h265();
  w.ue(70);
  end_h265(w);
  const auto sps = parse_h265_sps(w.nal({0x42, 0x01}));
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->height, 368U);
  EXPECT_EQ(sps->picture.fps, 0);
  EXPECT_FALSE(sps->picture.reordered_pictures);
}

}  // namespace
}  // namespace vigie::rtp
