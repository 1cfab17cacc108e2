#include "rtsp/sdp.h"

#include <gtest/gtest.h>

namespace vigie::rtsp {
namespace {

SessionDescription parsed(std::string_view text) {
  auto session = parse_sdp(text);
  EXPECT_TRUE(session.ok()) << text;
  return session ? std::move(session).value() : SessionDescription{};
}

constexpr char kUsual[] =
    "v=0\r\n"
    "o=- 1700000000 3 IN IP4 192.168.1.64\r\n"
    "s=Media Presentation\r\n"
    "e=NONE\r\n"
    "b=AS:5050\r\n"
    "t=0 0\r\n"
    "a=control:rtsp://192.168.1.64/s/\r\n"
    "a=range:npt=0-\r\n"
    "m=video 0 RTP/AVP 96\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=recvonly\r\n"
    "a=framerate:12.5\r\n"
    "a=control:trackID=1\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00AKQ==,aO48gA==\r\n"
    "a=x-dimensions:1920,1080\r\n"
    "m=audio 0 RTP/AVP 8 97\r\n"
    "a=rtpmap:97 MPEG4-GENERIC/16000/2\r\n"
    "a=control:trackID=2\r\n";

TEST(Sdp, ParsesTheUsualForm) {
  const SessionDescription session = parsed(kUsual);
  EXPECT_EQ(session.name, "Media Presentation");
  EXPECT_EQ(session.session_id, 1700000000u);
  EXPECT_EQ(session.session_version, 3u);
  EXPECT_EQ(session.origin_address, "192.168.1.64");
  EXPECT_EQ(session.control, "rtsp://192.168.1.64/s/");
  EXPECT_EQ(session.range, "npt=0-");
  ASSERT_EQ(session.medias.size(), 2u);
  const MediaDescription& video = session.medias[0];
  EXPECT_EQ(video.type, "video");
  EXPECT_EQ(video.protocol, "RTP/AVP");
  EXPECT_EQ(video.payload_types, std::vector<uint8_t>{96});
  EXPECT_EQ(video.direction, Direction::recvonly);
  EXPECT_DOUBLE_EQ(video.framerate, 12.5);
  EXPECT_EQ(video.control, "trackID=1");
  ASSERT_NE(video.rtpmap(96), nullptr);
  EXPECT_EQ(*video.rtpmap(96), (RtpMap{96, "H264", 90000, 0}));
  EXPECT_EQ(video.rtpmap(97), nullptr);
  ASSERT_NE(video.fmtp(96), nullptr);
  EXPECT_EQ(video.fmtp(96)->get("Packetization-Mode"), "1");
  EXPECT_EQ(video.fmtp(96)->get("sprop-parameter-sets"), "Z00AKQ==,aO48gA==");
  EXPECT_EQ(video.fmtp(96)->get("absent"), "");
  EXPECT_EQ(video.attributes, (std::vector<SdpAttribute>{{"x-dimensions", "1920,1080"}}));
  EXPECT_EQ(*session.medias[1].rtpmap(97), (RtpMap{97, "MPEG4-GENERIC", 16000, 2}));
  EXPECT_EQ(session.medias[1].payload_types, (std::vector<uint8_t>{8, 97}));
}

TEST(Sdp, ToleratesWhatCamerasWrite) {
  const std::string media = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
  struct Row {
    const char* name;
    std::string text;
  };
  const Row rows[] = {
      {"B1 no origin", "v=0\r\ns=x\r\nt=0 0\r\n" + media},
      {"B2 several names", "v=0\r\ns=x\r\ns=y\r\n" + media},
      {"B3 connection", "v=0\r\ns=x\r\nc=IN \r\nc=\r\n" + media},
      {"B4 no time", "v=0\r\ns=x\r\nt=now later\r\nr=7d\r\n" + media},
      {"B5 origin in hex", "v=0\r\no=- 0xAB 1.5 IP \r\ns=x\r\n" + media},
      {"B6 order", "a=control:*\r\ns=x\r\na=range:npt=0-\r\nt=0 0\r\nv=0\r\n" + media},
      {"B7 bare LF", "v=0\ns=x\n\n\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000"},
      {"B12 trailing blank", "v=0\r\ns=x\r\nm=video 0 RTP/AVP 96 \r\na=rtpmap:96 H264/90000 \r\n"},
      {"garbage lines", "hello\r\ns=x\r\n=\r\nq\r\n\x01\x02\r\n" + media},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const SessionDescription session = parsed(row.text);
    EXPECT_EQ(session.name, "x");
    ASSERT_EQ(session.medias.size(), 1u);
    EXPECT_EQ(session.medias[0].rtpmaps, (std::vector<RtpMap>{{96, "H264", 90000, 0}}));
  }
}

TEST(Sdp, MediaVariants) {
  const auto media = [](std::string text) { return parsed("v=0\r\n" + text).medias.at(0); };
  EXPECT_EQ(media("m=vnd.meta 0 RTP/AVP 107\r\n").type, "vnd.meta");                    // B8
  EXPECT_EQ(media("m=video 5000/2 MP2T/H2221/UDP 33\r\n").protocol, "MP2T/H2221/UDP");  // B9
  EXPECT_EQ(media("m=video 5000/2 RTP/AVP 33\r\n").port, 5000);
  EXPECT_EQ(media("m=video 0 RTP/AVP 96 x 300 97\r\n").payload_types, (std::vector<uint8_t>{96, 97}));
  EXPECT_EQ(media("m=video\r\n").type, "video");
  EXPECT_EQ(media("m=video 0 RTP/AVP 96\r\na=fmtp:96\r\n").fmtps.at(0).parameters.size(), 0u);  // B11
  EXPECT_EQ(media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264\r\n").rtpmap(96)->clock_rate, 0u);  // B13
  EXPECT_EQ(media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/0\r\n").rtpmap(96)->clock_rate, 0u);
  EXPECT_EQ(media("m=video 0 RTP/AVP 96\r\na=CV-RTSPHandler\r\n").direction, Direction::unspecified);  // B14
  EXPECT_TRUE(media("m=video 0 RTP/AVP 96\r\na=rtpmap:200 H264/90000\r\na=rtpmap:\r\n").rtpmaps.empty());
  EXPECT_DOUBLE_EQ(media("m=video 0 RTP/AVP 96\r\na=framerate:25.000000\r\n").framerate, 25);
  EXPECT_DOUBLE_EQ(media("m=video 0 RTP/AVP 96\r\na=framerate:fast\r\n").framerate, 0);
  EXPECT_DOUBLE_EQ(media("m=video 0 RTP/AVP 96\r\na=framerate:1e9\r\n").framerate, 0);
}

TEST(Sdp, IsBounded) {
  std::string text = "v=0\r\n";
  for (int i = 0; i < 100; ++i) text += "m=video 0 RTP/AVP 96\r\na=x\r\n";
  EXPECT_EQ(parsed(text).medias.size(), 64u);
  text = "v=0\r\n";
  for (int i = 0; i < 1000; ++i) text += "a=x:y\r\n";
  EXPECT_EQ(parsed(text).attributes.size(), 256u);
  EXPECT_EQ(parse_sdp(std::string(64 * 1024 + 1, 'v')).error().code, Code::sdp_malformed);
}

TEST(Sdp, RefusesWhatIsNone) {
  for (const char* text : {"", "\r\n", "<html></html>", "hello\r\nworld", "x=1\r\n"}) {
    const auto session = parse_sdp(text);
    ASSERT_FALSE(session.ok()) << text;
    EXPECT_EQ(session.error().code, Code::sdp_malformed);
  }
}

TEST(Sdp, RoundTrip) {
  SessionDescription session = parsed(kUsual);
  session.connection = "IN IP4 0.0.0.0";  // what the writer adds where there is none
  EXPECT_EQ(parsed(format_sdp(session)), session);
  EXPECT_EQ(format_sdp(parsed(format_sdp(session))), format_sdp(session));
}

TEST(Sdp, WritesWhatTheRfcRequires) {
  SessionDescription session;
  session.name = "cam\r\na=evil";
  session.origin_address = "::1";
  session.control = "*";
  EXPECT_EQ(format_sdp(session),
            "v=0\r\no=- 0 0 IN IP6 ::1\r\ns=cam  a=evil\r\nc=IN IP6 ::\r\nt=0 0\r\na=control:*\r\n");
}

}  // namespace
}  // namespace vigie::rtsp
