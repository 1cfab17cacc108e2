// Known deviations met while the video is chosen: A34, B9, B10, B13, B14, B17 to B21.
#include "base/base64.h"
#include "quirks_support.h"
#include "rtsp/sdp_video.h"

namespace vigie::rtsp {
namespace {

using Nal = std::vector<uint8_t>;
using Nals = std::vector<Nal>;

const Nal kSps{0x67, 0x42, 0xc0, 0x1e, 0x11};
const Nal kPps{0x68, 0xce, 0x07};
const Nal kVps265{0x40, 0x01, 0x0c, 0x02};
const Nal kSps265{0x42, 0x01, 0x02, 0x03};
const Nal kPps265{0x44, 0x01, 0xd1, 0x33};

const std::string kH264 = "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=control:v\r\n";

std::string sets(const Nal& sps = kSps, const Nal& pps = kPps) {
  return "sprop-parameter-sets=" + base64_encode(sps) + "," + base64_encode(pps);
}

Result<VideoMedia> pick(const std::string& medias, Quirks& quirks) {
  return pick_video(*parse_sdp("v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=x\r\nt=0 0\r\n" + medias), &quirks);
}

// Picks what must be tolerated and looks for exactly `id`.
VideoMedia tolerated(const std::string& medias, std::string_view id) {
  Quirks quirks;
  auto video = pick(medias, quirks);
  EXPECT_TRUE(video.ok()) << medias;
  EXPECT_EQ(ids(quirks.seen), id) << medias;
  return video ? std::move(video).value() : VideoMedia{};
}

void refused(const std::string& medias, Quirk quirk, Code code) {
  Quirks quirks = strict_on(quirk);
  const std::string id(quirk_facts(quirk).id);
  expect_refused(pick(medias, quirks), code, id);
  EXPECT_EQ(ids(quirks.seen), id);
}

// The media is passed over; another one without the deviation is taken.
void passed_over(const std::string& medias, Quirk quirk) {
  refused(medias, quirk, Code::no_video);
  Quirks quirks = strict_on(quirk);
  const auto video = pick(medias + kH264, quirks);
  ASSERT_TRUE(video.ok());
  EXPECT_EQ(video->media_index, 1u);
}

TEST(QuirksOfVideo, NoneInLegalOnes) {
  const std::string rtpmap = "a=rtpmap:97 H264/90000\r\n";
  EXPECT_EQ(tolerated(kH264 + "a=fmtp:97 packetization-mode=1;" + sets() + "\r\n", "").sprop.pps, Nals{kPps});
  tolerated(kH264, "");
  tolerated(kH264 + "a=fmtp:97 packetization-mode=1\r\n", "");
  tolerated(kH264 + "a=recvonly\r\n", "");
  tolerated(kH264 + "a=sendrecv\r\n", "");
  tolerated("m=video 0 RTP/AVPF 97\r\n" + rtpmap, "");
  tolerated("m=video 0 RTP/AVP 26\r\n", "");
  tolerated("m=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\na=fmtp:97 sprop-vps=" + base64_encode(kVps265) +
                ";sprop-sps=" + base64_encode(kSps265) + ";sprop-pps=" + base64_encode(kPps265) + "\r\n",
            "");
  // What is not taken does not count: another media's protocol, direction and lines.
  tolerated(kH264 + "m=audio 0 udp 98\r\na=sendonly\r\na=rtpmap:98 PCMU\r\na=fmtp:98 packetization-mode=1\r\n", "");
  tolerated("m=video 0 TCP/RTP/AVP 98\r\na=inactive\r\na=rtpmap:98 VP8\r\n" + kH264, "");
  // A strayed line of another codec is none of this one's.
  tolerated(kH264 + "m=audio 0 RTP/AVP 8\r\na=fmtp:97 sprop-vps=QAEMAQ==\r\n", "");
}

TEST(QuirkA34, Tolerated) {
  EXPECT_EQ(tolerated(kH264 + "a=sendonly\r\n", "A34").control, "v");
  EXPECT_EQ(tolerated("a=sendonly\r\n" + kH264, "A34").control, "v");
}
TEST(QuirkA34, Strict) { passed_over(kH264 + "a=sendonly\r\n", Quirk::A34); }

TEST(QuirkB9, Tolerated) {
  const std::string rtpmap = "a=rtpmap:97 H264/90000\r\n";
  EXPECT_EQ(tolerated("m=video 0 RTP/AVP/TCP 97\r\n" + rtpmap, "B9").payload_type, 97);
  EXPECT_EQ(tolerated("m=video 0 MP2T 97\r\n" + rtpmap, "B9").codec, Codec::h264);
}
TEST(QuirkB9, Strict) { passed_over("m=video 0 RTP/AVP/TCP 97\r\na=rtpmap:97 H264/90000\r\n", Quirk::B9); }

TEST(QuirkB10, Tolerated) {
  const VideoMedia video = tolerated(kH264 + "m=audio 0 RTP/AVP 8\r\na=fmtp:97 " + sets() + "\r\n", "B10");
  EXPECT_EQ(video.media_index, 0u);
  EXPECT_EQ(video.sprop.sps, Nals{kSps});
}
TEST(QuirkB10, Strict) {
  Quirks quirks = strict_on(Quirk::B10);
  const auto video = pick(kH264 + "m=audio 0 RTP/AVP 8\r\na=fmtp:97 " + sets() + "\r\n", quirks);
  ASSERT_TRUE(video.ok());
  EXPECT_TRUE(video->sprop.empty());
  EXPECT_EQ(ids(quirks.seen), "B10");
}

TEST(QuirkB13, Tolerated) {
  for (const char* rtpmap : {"a=rtpmap:97 H264\r\n", "a=rtpmap:97 H264/0\r\n", "a=rtpmap:97 H264/\r\n",
                             "a=fmtp:97 packetization-mode=1\r\n"}) {
    const VideoMedia video = tolerated(std::string("m=video 0 RTP/AVP 97\r\n") + rtpmap, "B13");
    EXPECT_EQ(video.clock_rate, 90000u);
    EXPECT_EQ(video.codec, Codec::h264);
  }
}
TEST(QuirkB13, Strict) { passed_over("m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/0\r\n", Quirk::B13); }

TEST(QuirkB14, Tolerated) {
  EXPECT_EQ(tolerated(kH264 + "a=inactive\r\n", "B14").control, "v");
  // The media's own attribute counts, not the session's.
  tolerated("a=inactive\r\n" + kH264 + "a=recvonly\r\n", "");
}
TEST(QuirkB14, Strict) { passed_over(kH264 + "a=inactive\r\n", Quirk::B14); }

TEST(QuirkB17, Tolerated) {
  const VideoMedia video = tolerated(kH264 + "a=fmtp:97 packetization-mode=1;sprop-parameter-sets=\r\n", "B17");
  EXPECT_TRUE(video.sprop.empty());
  EXPECT_EQ(video.sprop.rejected, 0u);
  tolerated(kH264 + "a=fmtp:97 packetization-mode=1;sprop-parameter-sets=,\r\n", "B17");
}
TEST(QuirkB17, Strict) {
  refused(kH264 + "a=fmtp:97 packetization-mode=1;sprop-parameter-sets=\r\n", Quirk::B17, Code::sdp_malformed);
}

std::string b18() { return kH264 + "a=fmtp:97 sprop-parameter-sets=" + base64_encode(kSps) + ",\r\n"; }
TEST(QuirkB18, Tolerated) {
  const VideoMedia video = tolerated(b18(), "B18");
  EXPECT_EQ(video.sprop.sps, Nals{kSps});
  EXPECT_TRUE(video.sprop.pps.empty());
}
TEST(QuirkB18, Strict) { refused(b18(), Quirk::B18, Code::sdp_malformed); }

std::string b19() {
  Nal both{0, 0, 0, 1};
  both.insert(both.end(), kSps.begin(), kSps.end());
  both.insert(both.end(), {0, 0, 0, 1});
  both.insert(both.end(), kPps.begin(), kPps.end());
  return kH264 + "a=fmtp:97 sprop-parameter-sets=" + base64_encode(both) + "\r\n";
}
TEST(QuirkB19, Tolerated) {
  const VideoMedia video = tolerated(b19(), "B19");
  EXPECT_EQ(video.sprop.sps, Nals{kSps});
  EXPECT_EQ(video.sprop.pps, Nals{kPps});
}
TEST(QuirkB19, Strict) { refused(b19(), Quirk::B19, Code::sdp_malformed); }

TEST(QuirkB20, Tolerated) {
  VideoMedia video = tolerated(kH264 + "a=fmtp:97 " + sets(kSps, {0xe9, 0x10, 0x20}) + "\r\n", "B20");
  EXPECT_EQ(video.sprop.sps, Nals{kSps});
  EXPECT_EQ(video.sprop.rejected, 1u);
  video = tolerated(kH264 + "a=fmtp:97 sprop-parameter-sets=?????\r\n", "B20");
  EXPECT_TRUE(video.sprop.empty());
}
TEST(QuirkB20, Strict) {
  refused(kH264 + "a=fmtp:97 " + sets(kSps, {0xe9, 0x10, 0x20}) + "\r\n", Quirk::B20, Code::sdp_malformed);
}

std::string b21() {
  return "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\na=fmtp:97 sprop-sps=" + base64_encode(kSps265) +
         ";sprop-pps=" + base64_encode(kPps265) + "\r\n";
}
TEST(QuirkB21, Tolerated) {
  const VideoMedia video = tolerated(b21(), "B21");
  EXPECT_TRUE(video.sprop.vps.empty());
  EXPECT_EQ(video.sprop.sps, Nals{kSps265});
  EXPECT_EQ(video.sprop.pps, Nals{kPps265});
}
TEST(QuirkB21, Strict) { refused(b21(), Quirk::B21, Code::sdp_malformed); }

TEST(QuirkB16, Practice) {
  const VideoMedia video = tolerated(kH264 + "a=fmtp:97 packetization-mode=1\r\n", "");
  EXPECT_TRUE(video.sprop.empty());
}

}  // namespace
}  // namespace vigie::rtsp
