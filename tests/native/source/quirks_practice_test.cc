// Deviations that what we do with every device makes harmless, one suite an id: nothing is noted, and all plays.
#include "quirk_script.h"

namespace vigie::source {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> requests(QuirkScript& device) {
  device.play();
  device.advance(30s);
  device.client->stop(device.now, {});
  std::vector<std::string> all;
  for (const DialogueLine& line : device.dialogue.lines()) {
    if (line.sent) all.push_back(line.text);
  }
  EXPECT_EQ(all.size(), 6u);  // OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN
  EXPECT_TRUE(device.quirks.seen.empty());
  return all;
}

TEST(QuirkA9, Practice) {
  QuirkScript device;
  for (const std::string& request : requests(device)) {
    EXPECT_THAT(request.substr(request.find("\r\n")), StartsWith("\r\nCSeq: "));
  }
}
TEST(QuirkA13, Practice) {
  QuirkScript device;
  for (const std::string& request : requests(device)) EXPECT_THAT(request, HasSubstr("\r\nUser-Agent: vigie\r\n"));
}
TEST(QuirkA17, Practice) {
  for (const auto transport : {policy::Transport::tcp, policy::Transport::udp}) {
    RtspClientConfig config;
    config.transport = transport;
    QuirkScript device(config);
    EXPECT_THAT(device.until_setup(), AllOf(HasSubstr("Transport: "), Not(HasSubstr("mode"))));
  }
}
TEST(QuirkA18, Practice) {
  QuirkScript device;
  device.until_setup();
  device.ok(kTcpAnswer);
  EXPECT_THAT(device.expect("PLAY "), HasSubstr("Range: npt=0.000-\r\n"));
  device.status(457);
  EXPECT_THAT(device.expect("PLAY "), Not(HasSubstr("Range")));
  device.ok();
  expect_plays(device);
}
TEST(QuirkA19, Practice) {
  QuirkScript device;
  device.start();
  for (const char* body : {"", "sdp", "", ""}) {
    EXPECT_EQ(device.sent.size(), 1u);
    device.take();
    EXPECT_TRUE(device.sent.empty());
    const bool setup = device.client->phase() == RtspClient::Phase::setup;
    device.ok(*body ? kSdpType : setup ? kTcpAnswer : "", *body ? kSdp : "");
  }
  expect_plays(device);
}

TEST(QuirkA14, Practice) {
  QuirkScript device(with_password());
  device.start();
  device.take();
  device.status(401, kChallenge);
  EXPECT_THAT(device.take(), HasSubstr("Authorization"));
  device.ok();
  device.take();
  device.status(302, "Location: rtsp://10.6.6.6/x\r\n");
  ASSERT_EQ(device.connects.size(), 2u);
  device.open();
  EXPECT_THAT(device.expect("OPTIONS rtsp://10.6.6.6/x "), Not(HasSubstr("Authorization")));
  device.ok();
  device.take();
  device.ok(kSdpType, kSdp);
  device.take();
  device.ok(kTcpAnswer);
  device.take();
  device.ok();
  expect_plays(device);
}
TEST(QuirkA16, Practice) {
  QuirkScript device(over_udp());
  device.play();
  device.advance(3s);  // no packet: all begins anew over TCP
  device.expect("TEARDOWN ");
  device.open();
  device.expect("OPTIONS ");
  device.ok();
  device.expect("DESCRIBE ");
  device.ok(kSdpType, kSdp);
  device.expect("SETUP ");
}

// RTP-Info is not used, whatever it says.
void play_with_info(const std::string& info) {
  QuirkScript device;
  device.until_play(kTcpAnswer);
  device.ok("RTP-Info: " + info + "\r\n");
  device.frame(0, "picture");
  EXPECT_EQ(device.rtp.size(), 1u);
  expect_plays(device);
}
TEST(QuirkA29, Practice) { play_with_info("url=rtsp://10.0.0.7/live/trackID=1;seq=0;rtptime=90000"); }
TEST(QuirkA30, Practice) { play_with_info("url=rtsp://10.0.0.7/live/trackID=1;seq=100;rtptime=0"); }
TEST(QuirkA31, Practice) { play_with_info("url=rtsp://10.0.0.7/live/trackID=1;ssrc=0000CAFE;seq=1;rtptime=1"); }
TEST(QuirkA32, Practice) {
  play_with_info("url=rtsp://10.0.0.7/live/trackID=1;seq=1;rtptime=1,url=rtsp://10.0.0.7/live/trackID=2;seq=1");
}
TEST(QuirkA33, Practice) {
  QuirkScript device;
  device.until_setup(std::string(kSdp) + "m=audio 0 RTP/AVP 0\r\na=sendonly\r\na=control:backchannel\r\n");
  device.ok(kTcpAnswer);
  device.expect("PLAY ");
  device.ok();
  EXPECT_THAT(device.everything_sent, AllOf(Not(HasSubstr("backchannel")), Not(HasSubstr("Require"))));
  expect_plays(device);
}

// --- signs of life

TEST(QuirkD3, Practice) {
  QuirkScript device;
  device.play("OPTIONS, SET_PARAMETER");
  device.advance(30s);
  device.expect("OPTIONS ");
  device.ok();
  expect_plays(device);
}
TEST(QuirkD4, Practice) {
  QuirkScript device;
  device.play();
  device.advance(30s);
  device.expect("GET_PARAMETER ");
}
TEST(QuirkD5, Practice) {
  QuirkScript device;
  device.play();
  device.advance(30s);
  EXPECT_EQ(device.sent.size(), 1u);
  EXPECT_GE(device.frames.size(), 5u);
}
TEST(QuirkD6, Practice) {
  QuirkScript device;
  device.play();
  device.advance(30s);
  device.expect("GET_PARAMETER rtsp://10.0.0.7/live RTSP/1.0\r\n");
}
TEST(QuirkD8, Practice) {
  QuirkScript device;
  device.play();
  for (size_t i = 1; i < 6; ++i) {
    device.advance(5s);
    EXPECT_EQ(device.frames.size(), i);
  }
}
TEST(QuirkD9, Practice) {
  QuirkScript device;
  device.play("GET_PARAMETER", "Session: 77;timeout=60\r\n");
  for (int i = 0; i < 4; ++i) {
    device.frame(0, "picture");
    device.advance(30s);
    device.expect("GET_PARAMETER ");
    device.ok();
  }
  expect_plays(device);
}
TEST(QuirkD13, Practice) {
  QuirkScript device(over_udp());
  device.play();
  device.advance(3s);
  device.expect("TEARDOWN ");  // before the new session is asked for
  EXPECT_EQ(device.connects.size(), 2u);
  QuirkScript full;
  full.until_setup();
  full.status(453);
  ASSERT_TRUE(full.ended);
  EXPECT_EQ(full.ended->code, Code::rtsp_status);
  EXPECT_THAT(full.ended->what, HasSubstr("453 Not Enough Bandwidth"));
}
TEST(QuirkD15, Practice) {
  QuirkScript device;
  device.play("GET_PARAMETER", "Session: 77;timeout=4\r\n");
  device.advance(1999ms);
  EXPECT_TRUE(device.sent.empty());
  device.advance(1ms);
  device.expect("GET_PARAMETER ");
}
TEST(QuirkJ3, Practice) {
  QuirkScript device(over_udp());
  device.until_play(kUdpAnswer);
  ASSERT_EQ(device.punches.size(), 2u);
  rtp::RtcpCompound report;
  rtp::parse_rtcp(as_bytes(device.punches[1]), report);
  EXPECT_EQ(report.malformed_packets, 0u);
  EXPECT_NE(report.receiver_ssrc, 0u);
}

}  // namespace
}  // namespace vigie::source
