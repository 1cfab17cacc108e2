// The RTSP client machine against scripted devices: dialogue, redirects, transports, the quirks of answers.
#include "source/rtsp_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_script.h"

namespace vigie::source {
namespace {

using testing::Connect;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kSdp;
using ::testing::Not;
using testing::Script;

RtspClientConfig with_transport(policy::Transport transport) {
  RtspClientConfig config;
  config.transport = transport;
  return config;
}

TEST(RtspClient, PlaysTheVideoAndNothingElse) {
  Script device;
  device.play();
  EXPECT_THAT(device.connects, ElementsAre(Connect{"10.0.0.7", 554, false}));
  EXPECT_EQ(device.played_over_tcp, true);
  ASSERT_TRUE(device.track);
  EXPECT_EQ(device.track->payload_type, 96);
  // L-12: audio and metadata are never SETUP.
  EXPECT_THAT(device.everything_sent, Not(HasSubstr("trackID=2")));
  EXPECT_THAT(device.everything_sent, Not(HasSubstr("trackID=3")));
}

TEST(RtspClient, SendsWhatDevicesInsistOn) {
  Script device;
  device.start();
  EXPECT_THAT(device.take(), ::testing::AllOf(HasSubstr("\r\nCSeq: 1\r\n"), HasSubstr("\r\nUser-Agent: vigie\r\n")));
  device.ok();
  EXPECT_THAT(device.take(), ::testing::AllOf(HasSubstr("\r\nAccept: application/sdp\r\n"), HasSubstr("User-Agent")));
  device.ok("", kSdp);
  const std::string setup = device.take();
  EXPECT_THAT(setup, HasSubstr("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"));
  EXPECT_THAT(setup, Not(HasSubstr("mode")));  // A17
  device.ok("Session: 9\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n");
  EXPECT_THAT(device.take(), ::testing::AllOf(HasSubstr("Session: 9\r\n"), HasSubstr("Range: npt=0.000-\r\n")));  // A18
}

// A device's answer to SETUP, and on which channels packets must then be taken.
struct ChannelCase {
  const char* name;
  const char* transport;
  uint8_t rtp, rtcp;
};
class RtspClientChannels : public ::testing::TestWithParam<ChannelCase> {};
TEST_P(RtspClientChannels, AreTheDevicesOwn) {
  Script device;
  device.start();
  device.take();
  device.ok();
  device.take();
  device.ok("", kSdp);
  device.take();
  device.ok(std::string("Session: 1\r\n") + GetParam().transport);
  device.expect("PLAY ");
  device.frame(GetParam().rtp, "before PLAY's answer");  // E3
  device.ok();
  device.frame(GetParam().rtp, "picture");
  device.frame(GetParam().rtcp, "report");
  device.frame(99, "nobody's");  // E4
  EXPECT_THAT(device.rtp, ElementsAre("before PLAY's answer", "picture"));
  EXPECT_THAT(device.rtcp, ElementsAre("report"));
  EXPECT_EQ(device.client->stats().unknown_channel_frames, 1u);
}
INSTANTIATE_TEST_SUITE_P(
    Quirks, RtspClientChannels,
    ::testing::Values(ChannelCase{"as_asked", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", 0, 1},
                      ChannelCase{"A20_says_udp", "Transport: RTP/AVP;unicast;interleaved=0-1\r\n", 0, 1},
                      ChannelCase{"A20_says_udp_alone", "Transport: RTP/AVP;unicast\r\n", 0, 1},
                      ChannelCase{"A20_one_channel", "Transport: RTP/AVP/TCP;unicast;interleaved=4\r\n", 4, 5},
                      ChannelCase{"A21_other_channels", "Transport: RTP/AVP/TCP;unicast;interleaved=8-9\r\n", 8, 9},
                      ChannelCase{"A22_odd_ssrc", "Transport: RTP/AVP/TCP;ssrc= 4317f;interleaved=0-1\r\n", 0, 1},
                      ChannelCase{"no_transport_header", "", 0, 1}),
    [](const auto& param) { return param.param.name; });

// How a device may number its answers.
TEST(RtspClient, TakesAnswersWithoutOrWithThePreviousCseq) {
  Script device;
  device.start();
  device.expect("OPTIONS ");
  device.answer("RTSP/1.0 200 OK\r\nPublic: DESCRIBE\r\n\r\n");  // A11
  device.expect("DESCRIBE ");
  device.answer("RTSP/1.0 200\r\nCSeq: 1\r\nContent-Length: " + std::to_string(kSdp.size()) + "\r\n\r\n" +
                std::string(kSdp));  // A12, A8
  device.expect("SETUP ");
  device.answer("RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n");  // nobody's
  EXPECT_EQ(device.client->phase(), RtspClient::Phase::setup);
  EXPECT_EQ(device.client->stats().unmatched_responses, 1u);
  device.answer("RTSP/1.0 200 OK\r\nCSeq: $  \r\nSession: 4\r\n\r\n");  // A10
  device.expect("PLAY ");
}

TEST(RtspClient, SurvivesADeviceThatRefusesOptions) {
  Script device;
  device.start();
  device.take();
  device.status(501);
  device.expect("DESCRIBE ");
}

TEST(RtspClient, TakesAnswersByteByByte) {
  Script device;
  device.start();
  device.take();
  for (const char c : std::string("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")) {
    EXPECT_TRUE(device.sent.empty());
    device.feed(std::string_view(&c, 1));
  }
  device.expect("DESCRIBE ");
}

TEST(RtspClient, AnswersTheDevicesOwnRequests) {
  Script device;
  device.play();
  device.feed("OPTIONS rtsp://us RTSP/1.0\r\nCSeq: 500\r\n\r\n");  // A15
  EXPECT_THAT(device.take(), ::testing::AllOf(HasSubstr("RTSP/1.0 200 OK\r\n"), HasSubstr("CSeq: 500\r\n")));
  device.feed("ANNOUNCE rtsp://us RTSP/1.0\r\nCSeq: 501\r\nContent-Length: 3\r\n\r\nv=0");
  EXPECT_THAT(device.take(), HasSubstr("RTSP/1.0 200 OK\r\n"));
  device.feed("REDIRECT rtsp://us RTSP/1.0\r\nCSeq: 502\r\n\r\n");
  EXPECT_THAT(device.take(), HasSubstr("RTSP/1.0 501 "));
  EXPECT_EQ(device.client->phase(), RtspClient::Phase::playing);
}

TEST(RtspClient, TakesTheNewestSessionId) {
  Script device;
  device.play("OPTIONS", "Session: first;timeout=20\r\n");
  device.client->stop(device.now, {});
  EXPECT_THAT(device.expect("TEARDOWN "), HasSubstr("Session: first\r\n"));
  Script other;
  other.start();
  other.take();
  other.ok();
  other.take();
  other.ok("", kSdp);
  other.take();
  other.ok("Session: first\r\n");
  other.take();
  other.ok("Session: second\r\n");  // A26
  other.client->stop(other.now, {});
  EXPECT_THAT(other.expect("TEARDOWN "), HasSubstr("Session: second\r\n"));
}

TEST(RtspClient, TriesOtherReadingsOfTheControlAttribute) {
  Script device;
  device.start();
  device.take();
  device.ok();
  device.take();
  device.ok("Content-Base: rtsp://10.0.0.7/live?x=1\r\n", kSdp);
  device.expect("SETUP rtsp://10.0.0.7/live?x=1/trackID=1 ");  // A5
  device.status(404);
  device.expect("SETUP rtsp://10.0.0.7/");
  EXPECT_FALSE(device.ended);
}

TEST(RtspClient, PlaysOnTheTrackWhereTheAggregateIsRefused) {
  Script device;
  device.start();
  for (int i = 0; i < 2; ++i) {
    device.take();
    device.ok("", i == 1 ? kSdp : "");
  }
  device.take();
  device.ok("Session: 1\r\n");
  device.expect("PLAY rtsp://10.0.0.7/live RTSP");
  device.status(459);
  device.expect("PLAY rtsp://10.0.0.7/live/trackID=1 RTSP");
  device.ok();
  EXPECT_EQ(device.client->phase(), RtspClient::Phase::playing);
}

// --- ends

TEST(RtspClient, SaysGoodbye) {
  Script device;
  device.play();
  bool done = false;
  device.client->stop(device.now, [&] { done = true; });
  device.expect("TEARDOWN rtsp://10.0.0.7/live ");
  device.frame(0, "still coming");
  EXPECT_TRUE(device.rtp.empty());
  EXPECT_FALSE(done);
  device.ok();
  EXPECT_TRUE(done);
  EXPECT_GT(device.closes, 0);
  EXPECT_FALSE(device.ended) << "who stops is not told that it ended";
}

TEST(RtspClient, WaitsForNoAnswerToItsGoodbyeForEver) {
  Script device;
  device.play();
  bool done = false;
  device.client->stop(device.now, [&] { done = true; });
  device.advance(999ms);
  EXPECT_FALSE(done);
  device.advance(1ms);
  EXPECT_TRUE(done);
}

TEST(RtspClient, StopsAtOnceBeforeThereIsASession) {
  Script device;
  device.start();
  bool done = false;
  device.client->stop(device.now, [&] { done = true; });
  EXPECT_TRUE(done);
  EXPECT_THAT(device.everything_sent, Not(HasSubstr("TEARDOWN")));
  EXPECT_FALSE(device.ended);
}

// What must end an attempt, with which error.
struct EndCase {
  const char* name;
  void (*act)(Script&);
  Code code;
  const char* where;
};
class RtspClientEnds : public ::testing::TestWithParam<EndCase> {};
TEST_P(RtspClientEnds, WithAnErrorThatLeadsThere) {
  Script device;
  device.start();
  GetParam().act(device);
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.ended->code, GetParam().code) << device.ended->text();
  EXPECT_THAT(device.ended->where, HasSubstr("town/main, rtsp://10.0.0.7/live (10.0.0.7:554)"));
  EXPECT_THAT(device.ended->where, HasSubstr(GetParam().where));
  EXPECT_EQ(device.client->phase(), RtspClient::Phase::ended);
  EXPECT_FALSE(device.timer);
}
INSTANTIATE_TEST_SUITE_P(
    Causes, RtspClientEnds,
    ::testing::Values(
        EndCase{"no_answer", [](Script& d) { d.advance(5s); }, Code::timed_out, "OPTIONS"},
        EndCase{"dribbling_dialogue",
                [](Script& d) {
                  for (int i = 0; i < 3; ++i) {
                    d.advance(4s);
                    d.take();
                    d.ok("", i == 1 ? kSdp : "");
                  }
                  d.advance(3s);
                },
                Code::timed_out, "PLAY"},
        EndCase{"asks_for_credentials",
                [](Script& d) {
                  d.take();
                  d.ok();
                  d.take();
                  d.status(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n");
                },
                Code::rtsp_auth, "DESCRIBE"},
        EndCase{"closed", [](Script& d) { d.closed(); }, Code::connection_lost, "OPTIONS"},
        EndCase{"not_found",
                [](Script& d) {
                  d.take();
                  d.ok();
                  d.take();
                  d.status(404);
                },
                Code::rtsp_status, "DESCRIBE"},
        EndCase{"too_many_sessions",
                [](Script& d) {
                  d.take();
                  d.ok();
                  d.take();
                  d.ok("", kSdp);
                  d.take();
                  d.status(453);
                },
                Code::rtsp_status, "SETUP"},
        EndCase{"no_video",
                [](Script& d) {
                  d.take();
                  d.ok();
                  d.take();
                  d.ok("", "v=0\r\nm=audio 0 RTP/AVP 8\r\n");
                },
                Code::no_video, "DESCRIBE"},
        EndCase{"no_sdp",
                [](Script& d) {
                  d.take();
                  d.ok();
                  d.take();
                  d.ok("", "<html>");
                },
                Code::sdp_malformed, "DESCRIBE"},
        EndCase{"srtp",
                [](Script& d) {
                  d.take();
                  d.ok();
                  d.take();
                  d.ok("", kSdp);
                  d.take();
                  d.ok("Session: 1\r\nTransport: RTP/SAVP/TCP;unicast;interleaved=0-1\r\n");
                },
                Code::rtsp_unsupported, "SETUP"},
        EndCase{"garbage", [](Script& d) { d.feed(std::string(200'000, 'x')); }, Code::rtsp_malformed, "byte "},
        EndCase{"endless_header", [](Script& d) { d.feed("RTSP/1.0 200 OK\r\n" + std::string(100'000, 'h')); },
                Code::rtsp_too_large, "byte "},
        EndCase{"huge_body", [](Script& d) { d.feed("RTSP/1.0 200 OK\r\nContent-Length: 4294967295\r\n\r\n"); },
                Code::rtsp_too_large, "byte "}),
    [](const auto& param) { return param.param.name; });

TEST(RtspClient, SaysWhenItCannotConnect) {
  Script device;
  device.client->start(device.now);
  device.client->on_closed(device.now, make_error(Code::connect_failed, {}, "refused"));
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.ended->code, Code::connect_failed);
  Script slow;
  slow.client->start(slow.now);
  slow.advance(5s);
  ASSERT_TRUE(slow.ended);
  EXPECT_EQ(slow.ended->code, Code::timed_out);
}

TEST(RtspClient, RefusesAUrlItCannotUse) {
  RtspClientConfig config;
  config.url = "http://u:hush-hush@10.0.0.7/";
  Script device(config);
  device.client->start(device.now);
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.ended->code, Code::invalid_argument);
  EXPECT_THAT(device.ended->text(), Not(HasSubstr("hush-hush")));
  EXPECT_TRUE(device.connects.empty());
}

// --- transports

TEST(RtspClientUdp, AsksForUdpOpensTheWayAndReports) {
  Script device(with_transport(policy::Transport::udp));
  device.play();
  EXPECT_THAT(device.everything_sent, HasSubstr("Transport: RTP/AVP;unicast;client_port=5000-5001\r\n"));
  EXPECT_EQ(device.udp_ports, (rtsp::PortPair{7000, 7001}));
  ASSERT_EQ(device.punches.size(), 4u);  // before PLAY and behind its answer
  EXPECT_EQ(device.punches[0].size(), 12u);
  rtp::RtcpCompound report;  // J3
  rtp::parse_rtcp(as_bytes(device.punches[1]), report);
  EXPECT_EQ(report.malformed_packets, 0u);
  EXPECT_EQ(report.receiver_ssrc, 0x11223344u);
  device.client->on_udp_packet(false, as_bytes("picture"), {device.now, {}});
  device.advance(5s);
  EXPECT_EQ(device.udp_reports.size(), 1u);
  EXPECT_EQ(device.client->phase(), RtspClient::Phase::playing);
  EXPECT_THAT(device.rtp, ElementsAre("picture"));
}

TEST(RtspClientUdp, FallsBackToTcpWhenNoPacketComes) {
  Script device(with_transport(policy::Transport::udp));
  device.play();
  device.client->on_udp_packet(true, as_bytes("a report is no picture"), {device.now, {}});
  device.advance(3s);
  device.expect("TEARDOWN ");  // D13
  ASSERT_EQ(device.connects.size(), 2u);
  EXPECT_THAT(device.restarts, ElementsAre("no packet came over UDP; trying TCP"));
  device.open();
  device.expect("OPTIONS ");
  device.ok();
  device.expect("DESCRIBE ");  // A16
  device.ok("", kSdp);
  EXPECT_THAT(device.expect("SETUP "), HasSubstr("RTP/AVP/TCP"));
  device.ok("Session: 2\r\n");
  device.expect("PLAY ");
  device.ok();
  EXPECT_EQ(device.played_over_tcp, true);
  EXPECT_TRUE(device.memory.udp_failed) << "the next attempt begins with TCP";
}

TEST(RtspClientUdp, PacketBeforePlaysAnswerCounts) {  // J1
  Script device(with_transport(policy::Transport::udp));
  device.start();
  for (int i = 0; i < 2; ++i) {
    device.take();
    device.ok("", i == 1 ? kSdp : "");
  }
  device.take();
  device.ok("Session: 1\r\nTransport: RTP/AVP;unicast;server_port=0-1\r\n");
  device.client->on_udp_packet(false, as_bytes("early"), {device.now, {}});
  device.take();
  device.ok();
  device.advance(4s);
  EXPECT_EQ(device.connects.size(), 1u);
  EXPECT_THAT(device.rtp, ElementsAre("early"));
}

struct SwitchCase {
  const char* name;
  policy::Transport transport;
  int status;
  const char* headers;
  bool switches;
};
class RtspClientSwitch : public ::testing::TestWithParam<SwitchCase> {};
TEST_P(RtspClientSwitch, OnceAndOnlyWhereAllowed) {
  Script device(with_transport(GetParam().transport));
  device.start();
  device.take();
  device.ok();
  device.take();
  device.ok("", kSdp);
  const bool tcp_first = device.take().find("RTP/AVP/TCP") != std::string::npos;
  device.answer("RTSP/1.0 " + std::to_string(GetParam().status) + " X\r\nCSeq: $\r\n" + GetParam().headers + "\r\n");
  if (!GetParam().switches) {
    ASSERT_TRUE(device.ended);
    EXPECT_EQ(device.ended->code, Code::rtsp_unsupported);
    return;
  }
  ASSERT_FALSE(device.ended) << device.ended->text();
  ASSERT_EQ(device.connects.size(), 2u);
  device.sent.clear();
  device.open();
  device.take();
  device.ok();
  device.take();
  device.ok("", kSdp);
  EXPECT_EQ(device.take().find("RTP/AVP/TCP") != std::string::npos, !tcp_first);
  device.status(461);
  ASSERT_TRUE(device.ended) << "it must not go back and forth";
  EXPECT_EQ(device.ended->code, Code::rtsp_unsupported);
}
INSTANTIATE_TEST_SUITE_P(Cases, RtspClientSwitch,
                         ::testing::Values(SwitchCase{"automatic_461", policy::Transport::automatic, 461, "", true},
                                           SwitchCase{"udp_461", policy::Transport::udp, 461, "", true},
                                           SwitchCase{"udp_answered_tcp", policy::Transport::udp, 200,
                                                      "Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n", true},
                                           SwitchCase{"udp_answered_multicast", policy::Transport::udp, 200,
                                                      "Session: 1\r\nTransport: RTP/AVP;multicast;port=5000-5001\r\n",
                                                      true},
                                           SwitchCase{"tcp_461", policy::Transport::tcp, 461, "", false}),
                         [](const auto& param) { return param.param.name; });

TEST(RtspClientUdp, NeverLeavesTlsForUdp) {
  RtspClientConfig config = with_transport(policy::Transport::udp);
  config.url = "rtsps://10.0.0.7/live";
  Script device(config);
  device.start();
  EXPECT_THAT(device.connects, ElementsAre(Connect{"10.0.0.7", 322, true}));
  device.take();
  device.ok();
  device.take();
  device.ok("", kSdp);
  EXPECT_THAT(device.expect("SETUP "), HasSubstr("RTP/AVP/TCP"));
}

// --- keep-alive (D1 to D7, D15)

TEST(RtspClientKeepalive, ByGetParameterAtHalfTheTimeout) {
  Script device;
  device.play("OPTIONS, GET_PARAMETER", "Session: 5;timeout=10\r\n");
  device.advance(4999ms);
  EXPECT_TRUE(device.sent.empty());
  device.advance(1ms);
  EXPECT_THAT(device.expect("GET_PARAMETER rtsp://10.0.0.7/live "), HasSubstr("Session: 5\r\n"));  // D6
  device.ok();
  device.advance(5s);
  device.expect("GET_PARAMETER ");
}

TEST(RtspClientKeepalive, ByOptionsWhereNothingElseIsAnnounced) {
  Script device;
  device.play("OPTIONS, DESCRIBE");
  device.advance(30s);
  device.expect("OPTIONS ");
}

TEST(RtspClientKeepalive, FallsOverOnErrorsAndNeverGivesUp) {
  Script device;
  device.play();
  for (const char* method : {"GET_PARAMETER ", "OPTIONS ", "GET_PARAMETER "}) {
    device.advance(30s);
    device.expect(method);
    device.status(454);  // D2
  }
  EXPECT_FALSE(device.ended);
  EXPECT_EQ(device.client->stats().keepalives_refused, 3u);
}

TEST(RtspClientKeepalive, FallsOverOnSilence) {  // D1, D7
  Script device;
  device.play();
  device.advance(30s);
  device.expect("GET_PARAMETER ");
  device.advance(30s);
  device.expect("OPTIONS ");
  device.ok();
  device.advance(30s);
  device.expect("OPTIONS ");
  device.advance(30s);
  device.expect("OPTIONS ");  // answered once: silence is no reason to change
  EXPECT_FALSE(device.ended);
  EXPECT_EQ(device.client->stats().keepalives_unanswered, 2u);
}

TEST(RtspClientKeepalive, RemembersADeviceThatDiesOfGetParameter) {  // D1
  Script device;
  device.play();
  device.advance(30s);
  device.expect("GET_PARAMETER ");
  device.closed();
  ASSERT_TRUE(device.ended);
  EXPECT_TRUE(device.memory.avoid_get_parameter);
}

TEST(RtspClientReports, GoOutEveryFiveSecondsOnTheDevicesChannel) {
  Script device;
  device.start();
  for (int i = 0; i < 2; ++i) {
    device.take();
    device.ok("", i == 1 ? kSdp : "");
  }
  device.take();
  device.ok("Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=2-3\r\n");
  device.take();
  device.ok();
  device.advance(15s);
  ASSERT_EQ(device.frames.size(), 3u);
  EXPECT_EQ(device.frames[0][1], 3);
  EXPECT_EQ(load_be16(as_bytes(device.frames[0]).data() + 2), device.frames[0].size() - 4);
  rtp::RtcpCompound report;
  rtp::parse_rtcp(as_bytes(device.frames[0]).subspan(4), report);
  EXPECT_EQ(report.receiver_ssrc, 0x11223344u);
  EXPECT_EQ(report.cname, "us");
}

// --- framing faults that must not end anything

TEST(RtspClient, FindsFramesAgainBehindGarbage) {  // E1, E6, E7
  Script device;
  device.play();
  device.frame(0, "one");
  device.feed("\r\n");
  device.frame(0, "two");
  device.feed("RTSP/1.0 200 OK\r\nCSeq: 999\r\n\r\n");
  device.frame(0, "three");
  EXPECT_THAT(device.rtp, ElementsAre("one", "two", "three"));
}

TEST(RtspClient, StopFromInsideAPacketIsSafe) {
  struct Stopper : Script {
    void on_client_rtp(ByteSpan packet, const rtp::Arrival& arrival) override {
      Script::on_client_rtp(packet, arrival);
      client->stop(now, {});
    }
  } device;
  device.play();
  std::string both;
  for (const char* payload : {"one", "two"}) both += std::string("$\0\0\3", 4) + payload;
  device.feed(both);
  EXPECT_THAT(device.rtp, ElementsAre("one"));
  device.expect("TEARDOWN ");
}

}  // namespace
}  // namespace vigie::source
