#include "rtsp/sdp_video.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace vigie::rtsp {
namespace {

using Nal = std::vector<uint8_t>;
using Nals = std::vector<Nal>;

const Nal kSps{0x67, 0x4d, 0x40, 0x29, 0x9a};
const Nal kPps{0x68, 0xee, 0x3c, 0x80};
const Nal kVps265{0x40, 0x01, 0x0c, 0x01};
const Nal kSps265{0x42, 0x01, 0x01, 0x01};
const Nal kPps265{0x44, 0x01, 0xc1, 0x72};

Result<VideoMedia> pick(const std::string& medias) { return pick_video(*parse_sdp("v=0\r\n" + medias)); }

SpropSets sprop(Codec codec, std::vector<SdpAttribute> parameters) { return *decode_sprop(codec, {96, parameters}); }

TEST(PickVideo, FindsTheFirstUsable) {
  struct Row {
    const char* name;
    std::string medias;
    size_t index;
    uint8_t payload_type;
    Codec codec;
  };
  const Row rows[] = {
      {"h264", "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n", 0, 96, Codec::h264},
      {"h265 behind audio", "m=audio 0 RTP/AVP 0\nm=video 0 RTP/AVP 98\na=rtpmap:98 h265/90000\n", 1, 98, Codec::h265},
      {"hevc", "m=video 0 RTP/AVP 98\na=rtpmap:98 HEVC/90000\n", 0, 98, Codec::h265},
      {"static jpeg", "m=video 0 RTP/AVP 26\n", 0, 26, Codec::mjpeg},
      {"dynamic jpeg", "m=video 0 RTP/AVP 96\na=rtpmap:96 JPEG/90000\n", 0, 96, Codec::mjpeg},
      {"h264 on static 35 (B15)", "m=video 0 RTP/AVP 35\na=rtpmap:35 H264/90000\n", 0, 35, Codec::h264},
      {"second format", "m=video 0 RTP/AVP 97 96\na=rtpmap:97 VP8/90000\na=rtpmap:96 H264/90000\n", 0, 96, Codec::h264},
      {"first media unusable",
       "m=video 0 RTP/AVP 97\na=rtpmap:97 MP4V-ES/90000\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n", 1, 96,
       Codec::h264},
      {"no rtpmap", "m=video 0 RTP/AVP 96\na=fmtp:96 packetization-mode=1\n", 0, 96, Codec::h264},
      {"no rtpmap, h265", "m=video 0 RTP/AVP 96\na=fmtp:96 sprop-vps=QAEMAQ==\n", 0, 96, Codec::h265},
      {"format list empty", "m=video 0 RTP/AVP\na=rtpmap:96 H264/90000\n", 0, 96, Codec::h264},
      {"marked sendonly (A34)", "m=video 0 RTP/AVP 96\na=sendonly\na=rtpmap:96 H264/90000\n", 0, 96, Codec::h264},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto video = pick(row.medias);
    ASSERT_TRUE(video.ok()) << video.error().text();
    EXPECT_EQ(video->media_index, row.index);
    EXPECT_EQ(video->payload_type, row.payload_type);
    EXPECT_EQ(video->codec, row.codec);
    EXPECT_EQ(video->clock_rate, 90000u);
  }
}

TEST(PickVideo, TakesControlRateAndSets) {
  const auto video = pick(
      "m=video 0 RTP/AVP 96\na=rtpmap:96 H264\na=framerate:25\na=control:track1\n"
      "a=fmtp:96 sprop-parameter-sets=" +
      base64_encode(kSps) + "," + base64_encode(kPps) + "\n");
  ASSERT_TRUE(video.ok());
  EXPECT_EQ(video->control, "track1");
  EXPECT_DOUBLE_EQ(video->framerate, 25);
  EXPECT_EQ(video->sprop.sps, Nals{kSps});
  EXPECT_EQ(video->sprop.pps, Nals{kPps});
}

TEST(PickVideo, FindsAFmtpThatStrayed) {  // B10
  const std::string fmtp = "a=fmtp:96 sprop-parameter-sets=" + base64_encode(kSps) + "\n";
  EXPECT_EQ(pick("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 8\n" + fmtp)->sprop.sps, Nals{kSps});
  // A payload type that the other media maps for itself is its own.
  EXPECT_TRUE(
      pick("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n" + fmtp)
          ->sprop.empty());
}

TEST(PickVideo, SaysWhatIsThere) {
  const auto none = pick("m=audio 0 RTP/AVP 97\na=rtpmap:97 OPUS/48000/1\nm=application 0 RTP/AVP 107\n");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::no_video);
  EXPECT_NE(none.error().what.find("audio OPUS, application no rtpmap"), std::string::npos) << none.error().what;
  EXPECT_EQ(pick("").error().code, Code::no_video);
  EXPECT_EQ(pick("m=audio 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n").error().code, Code::no_video);
}

TEST(Sprop, H264Variants) {
  const std::string sps = base64_encode(kSps);
  const std::string pps = base64_encode(kPps);
  Nal annexb{0, 0, 0, 1};
  annexb.insert(annexb.end(), kSps.begin(), kSps.end());
  annexb.insert(annexb.end(), {0, 0, 1});
  annexb.insert(annexb.end(), kPps.begin(), kPps.end());
  std::string unpadded = sps;
  while (unpadded.ends_with('=')) unpadded.pop_back();
  struct Row {
    const char* name;
    std::string value;
    Nals sps, pps;
    uint32_t rejected;
  };
  const Row rows[] = {
      {"both", sps + "," + pps, {kSps}, {kPps}, 0},
      {"other order, blanks", " " + pps + " , " + sps, {kSps}, {kPps}, 0},
      {"no padding", unpadded + "," + pps, {kSps}, {kPps}, 0},
      {"empty (B17)", "", {}, {}, 0},
      {"pps missing (B18)", sps + ",", {kSps}, {}, 0},
      {"annex b (B19)", base64_encode(annexb), {kSps}, {kPps}, 0},
      {"twice the same", sps + "," + sps, {kSps}, {}, 0},
      {"not base64 (B20)", "!!!," + pps, {}, {kPps}, 1},
      {"no parameter set (B20)", base64_encode(Nal{0xe9, 1, 2}) + "," + base64_encode(Nal{0x65, 1, 2}), {}, {}, 2},
      {"one byte", base64_encode(Nal{0x67}), {}, {}, 1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const SpropSets sets = sprop(Codec::h264, {{"Sprop-Parameter-Sets", row.value}});
    EXPECT_EQ(sets.sps, row.sps);
    EXPECT_EQ(sets.pps, row.pps);
    EXPECT_TRUE(sets.vps.empty());
    EXPECT_EQ(sets.rejected, row.rejected);
  }
}

TEST(Sprop, H265SortsByTypeNotByKey) {  // B21
  const SpropSets sets = sprop(Codec::h265, {{"sprop-vps", base64_encode(kPps265)},
                                             {"sprop-sps", base64_encode(kVps265) + "," + base64_encode(kSps265)},
                                             {"sprop-pps", base64_encode(kSps)}});
  EXPECT_EQ(sets.vps, Nals{kVps265});
  EXPECT_EQ(sets.sps, Nals{kSps265});
  EXPECT_EQ(sets.pps, Nals{kPps265});
  EXPECT_EQ(sets.rejected, 1u);
}

TEST(Sprop, IsBounded) {
  std::string value;
  for (int i = 0; i < 100; ++i) value += base64_encode(Nal{0x68, static_cast<uint8_t>(i), 1}) + ",";
  SpropSets sets = sprop(Codec::h264, {{"sprop-parameter-sets", value}});
  EXPECT_EQ(sets.pps.size(), 32u);
  EXPECT_EQ(sets.rejected, 68u);
  Nal large(16385, 1);
  large[0] = 0x67;
  sets = sprop(Codec::h264, {{"sprop-parameter-sets", base64_encode(large)}});
  EXPECT_TRUE(sets.empty());
}

Ref<ParameterSets> sets_of(Codec codec, Nals vps, Nals sps, Nals pps) {
  Ref<ParameterSets> sets = make_ref<ParameterSets>();
  sets->codec = codec;
  sets->vps = std::move(vps);
  sets->sps = std::move(sps);
  sets->pps = std::move(pps);
  return sets;
}

TEST(DescribeVideo, ComesBackThroughPickVideo) {
  const Ref<ParameterSets> all[] = {sets_of(Codec::h264, {}, {kSps}, {kPps}),
                                    sets_of(Codec::h265, {kVps265}, {kSps265}, {kPps265}),
                                    sets_of(Codec::mjpeg, {}, {}, {})};
  for (const auto& sets : all) {
    SessionDescription session;
    session.medias.push_back(describe_video(*sets, 96, "trackID=0", 29.97));
    const auto video = pick_video(*parse_sdp(format_sdp(session)));
    ASSERT_TRUE(video.ok());
    EXPECT_EQ(video->codec, sets->codec);
    EXPECT_EQ(video->payload_type, sets->codec == Codec::mjpeg ? 26 : 96);
    EXPECT_EQ(video->control, "trackID=0");
    EXPECT_NEAR(video->framerate, 29.97, 1e-9);
    EXPECT_EQ(video->sprop.vps, sets->vps);
    EXPECT_EQ(video->sprop.sps, sets->sps);
    EXPECT_EQ(video->sprop.pps, sets->pps);
    EXPECT_EQ(video->sprop.rejected, 0u);
  }
}

TEST(DescribeVideo, H264ParametersAndIncompleteSets) {
  const Fmtp full = describe_video(*sets_of(Codec::h264, {}, {kSps}, {kPps}), 96, "t").fmtps.at(0);
  EXPECT_EQ(full.get("packetization-mode"), "1");
  EXPECT_EQ(full.get("profile-level-id"), "4D4029");
  const Fmtp half = describe_video(*sets_of(Codec::h264, {}, {kSps}, {}), 96, "t").fmtps.at(0);
  EXPECT_FALSE(half.has("sprop-parameter-sets"));
  EXPECT_TRUE(describe_video(*sets_of(Codec::h265, {}, {}, {}), 96, "t").fmtps.empty());
  EXPECT_EQ(profile_level_id(Nal{0x67, 1, 2}), "");
}

}  // namespace
}  // namespace vigie::rtsp
