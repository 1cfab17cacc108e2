// RTSP whose media come to a multicast group: the dialogue by the machine alone, then over sockets on loopback.
#include <gmock/gmock.h>

#include "net/multicast.h"
#include "source_fixture.h"

namespace vigie::source {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::loopback_sender;
using ::testing::Not;
using testing::Script;

constexpr std::string_view kGroupSdp =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=cam\r\nc=IN IP4 239.1.2.3/16\r\nt=0 0\r\na=control:*\r\n"
    "a=source-filter: incl IN IP4 * 10.0.0.9\r\n"
    "m=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n";

RtspClientConfig by_multicast() {
  RtspClientConfig config;
  config.transport = policy::Transport::multicast;
  return config;
}

struct Device : Script {
  explicit Device(RtspClientConfig config = by_multicast()) : Script(std::move(config)) {}
  // Up to SETUP, which is left to be answered.
  std::string until_setup(std::string_view sdp = testing::kSdp) {
    start();
    take();
    ok("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
    take();
    ok("Content-Type: application/sdp\r\n", sdp);
    return expect("SETUP ");
  }
  void play(const std::string& transport, std::string_view sdp = testing::kSdp) {
    until_setup(sdp);
    ok("Session: 77\r\nTransport: " + transport + "\r\n");
    if (ended) return;
    expect("PLAY ");
    ok("Session: 77\r\n");
  }
};

TEST(RtspMulticast, AsksForAGroupAndJoinsTheOneItGets) {
  Device device;
  EXPECT_THAT(device.until_setup(), HasSubstr("Transport: RTP/AVP;multicast\r\n"));
  device.ok(
      "Session: 77\r\nTransport: RTP/AVP;multicast;destination=239.5.5.5;source=10.0.0.8;port=6000-6001;ttl=4\r\n");
  ASSERT_TRUE(device.joined.has_value());  // before PLAY: nothing of the first picture is missed
  EXPECT_EQ(*device.joined, (rtsp::MediaAddress{"239.5.5.5", 4, 6000, 6001, false, {}}));
  EXPECT_EQ(device.udp_source, "10.0.0.8");
  device.expect("PLAY ");
  device.ok("Session: 77\r\n");
  EXPECT_EQ(device.client->phase(), RtspClient::Phase::playing);
  EXPECT_THAT(device.punches, IsEmpty()) << "nobody's way has to be opened";
}

TEST(RtspMulticast, TakesWhatTheAnswerLacksFromTheDescription) {
  Device device;
  device.play("RTP/AVP;multicast", kGroupSdp);
  ASSERT_TRUE(device.joined.has_value());
  EXPECT_EQ(*device.joined, (rtsp::MediaAddress{"239.1.2.3", 16, 5004, 5005, false, {{"*", {"10.0.0.9"}}}}));
  EXPECT_EQ(device.udp_source, "");
}

TEST(RtspMulticast, TakesPortsUnderAnyName) {
  const std::pair<const char*, rtsp::PortPair> rows[] = {
      {"port=6000-6001;client_port=1-2", {6000, 6001}}, {"client_port=6000-6001", {6000, 6001}},
      {"server_port=6000-6001", {6000, 6001}},          {"port=6000", {6000, 6001}},
      {"port=0-0;server_port=6000-6007", {6000, 6007}},
  };
  for (const auto& [parameters, ports] : rows) {
    Device device;
    device.play(std::string("RTP/AVP;multicast;destination=239.5.5.5;") + parameters);
    ASSERT_TRUE(device.joined.has_value()) << parameters;
    EXPECT_EQ(device.joined->rtp_port, ports.rtp) << parameters;
    EXPECT_EQ(device.joined->rtcp_port, ports.rtcp) << parameters;
    EXPECT_FALSE(device.joined->rtcp_mux) << parameters;
  }
  Device one_port;
  one_port.play("RTP/AVP;multicast;destination=239.5.5.5;port=6000-6000");
  EXPECT_TRUE(one_port.joined->rtcp_mux);
}

TEST(RtspMulticast, NeverFallsBack) {
  Device refusing;
  refusing.until_setup();
  refusing.status(461);
  ASSERT_TRUE(refusing.ended.has_value());
  EXPECT_THAT(refusing.ended->what, HasSubstr("refuses multicast (461)"));
  EXPECT_THAT(refusing.restarts, IsEmpty());
  const std::pair<const char*, const char*> rows[] = {
      {"RTP/AVP;unicast;client_port=5000-5001;server_port=7000-7001", "set up unicast"},
      {"RTP/AVP/TCP;unicast;interleaved=0-1", "set up TCP"},
  };
  for (const auto& [transport, says] : rows) {
    Device device;
    device.play(transport);
    ASSERT_TRUE(device.ended.has_value()) << transport;
    EXPECT_EQ(device.ended->code, Code::rtsp_unsupported);
    EXPECT_THAT(device.ended->what, HasSubstr(says));
    EXPECT_FALSE(device.joined.has_value());
    EXPECT_THAT(device.restarts, IsEmpty());
  }
}

TEST(RtspMulticast, IsNeverChosenByItself) {
  for (const auto transport : {policy::Transport::automatic, policy::Transport::udp, policy::Transport::tcp}) {
    RtspClientConfig config;
    config.transport = transport;
    Device device(config);
    device.until_setup(kGroupSdp);
    EXPECT_THAT(device.everything_sent, Not(HasSubstr("multicast")));
  }
}

TEST(RtspMulticast, SaysThatNothingCame) {
  Device device;
  device.play("RTP/AVP;multicast;destination=239.5.5.5;port=6000-6001");
  device.advance(2999ms);
  EXPECT_FALSE(device.ended.has_value());
  device.advance(1ms);
  ASSERT_TRUE(device.ended.has_value());
  EXPECT_EQ(device.ended->code, Code::timed_out);
  EXPECT_THAT(device.ended->what, HasSubstr("group 239.5.5.5, port 6000 within 3000 ms"));
}

TEST(RtspMulticast, TakesPacketsFromSetupOnAndReports) {
  Device device;
  device.until_setup();
  device.ok("Session: 77\r\nTransport: RTP/AVP;multicast;destination=239.5.5.5;port=6000-6001\r\n");
  device.client->on_udp_packet(false, as_bytes("early"), {device.now, {}});
  EXPECT_THAT(device.rtp, ElementsAre("early"));
  EXPECT_THAT(device.quirks.seen.list(), IsEmpty()) << "a group is no J1";
  device.expect("PLAY ");
  device.ok("Session: 77\r\n");
  device.advance(5s);
  EXPECT_FALSE(device.ended.has_value());
  EXPECT_EQ(device.udp_reports.size(), 1u);
}

TEST(RtspMulticast, PassesOnWhyItCouldNotJoin) {
  Device device;
  device.join_result = make_error(Code::not_found, "x", "no such network interface");
  device.play("RTP/AVP;multicast;destination=239.5.5.5;port=6000-6001");
  ASSERT_TRUE(device.ended.has_value());
  EXPECT_EQ(device.ended->code, Code::not_found);
  EXPECT_THAT(device.ended->what, HasSubstr("239.5.5.5, port 6000: no such network interface"));
}

TEST(RtspMulticast, RefusesRtsps) {
  RtspClientConfig config = by_multicast();
  config.url = "rtsps://10.0.0.7/live";
  Device device(config);
  device.client->start(device.now);
  ASSERT_TRUE(device.ended.has_value());
  EXPECT_THAT(device.ended->what, HasSubstr("rtsps"));
  Device redirected;
  redirected.start();
  redirected.take();
  redirected.status(302, "Location: rtsps://10.0.0.7/live\r\n");
  ASSERT_TRUE(redirected.ended.has_value());
  EXPECT_EQ(redirected.ended->code, Code::redirect_refused);
}

struct RtspMulticastSockets : testing::SourceTest {
  RtspMulticastSockets() {
    net::UdpOptions options;
    options.bind = net::SocketAddress::loopback_v4(0);
    const uint16_t free = net::open_udp_pair(options)->rtp.local_address().port();
    server->group = net::SocketAddress::parse_ip("239.255.8.1", free).value();
    answer("source=127.0.0.1;");
    policy.transport = policy::Transport::multicast;
  }
  void answer(const std::string& more) {
    const uint16_t port = server->group->port();
    server->group_transport = "RTP/AVP;multicast;destination=239.255.8.1;" + more + "port=" + std::to_string(port) +
                              "-" + std::to_string(port + 1) + ";ttl=1";
  }
  void inject(const std::string& from, const std::string& bytes) {
    ASSERT_TRUE(loopback_sender(from).send(as_bytes(bytes), *server->group).ok());
    settle();
  }
  policy::StreamPolicy policy;
};

// A hub's group is there for every other hub too, and each sees every picture once.
TEST_F(RtspMulticastSockets, EveryHubOfOneGroupGetsEverything) {
  connect(policy);
  ASSERT_TRUE(playing());
  testing::Observer second;
  policy.url = server->url();
  StreamSupervisor other(*shard, StreamKey{"town", "sub"}, policy, second);
  other.start();
  ASSERT_TRUE(run_until([&] { return other.state() == StreamState::waiting; }));
  for (int i = 0; i < 30; ++i) picture(3);
  EXPECT_GE(observer.units.size(), 26u);
  EXPECT_EQ(second.units.size(), observer.units.size());
  expect_strictly_increasing(observer.units);
  EXPECT_TRUE(observer.units[0]->gap) << "what came before is unknown";
  for (const auto* stream : {supervisor.get(), &other}) {
    EXPECT_EQ(stream->counters().lost_packets, 0u);
    EXPECT_EQ(stream->counters().malformed, 0u);
    EXPECT_EQ(stream->counters().duplicate_packets, 0u);
    EXPECT_THAT(stream->quirks_seen().list(), IsEmpty());
  }
  EXPECT_THAT(observer.reasons, Contains(HasSubstr("multicast group 239.255.8.1:")));
}

TEST_F(RtspMulticastSockets, CountsAndDropsWhatOthersSend) {
  answer("");  // no sender is announced: the camera it is
  connect(policy);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) {
    picture();
    inject("127.0.0.9", testing::packet(static_cast<uint16_t>(40000 + i), 77, testing::slice(true), true, 0xbad));
    inject("127.0.0.9", "rubbish");
  }
  EXPECT_GE(observer.units.size(), 8u);
  EXPECT_EQ(supervisor->counters().foreign_packets, 20u);
  EXPECT_EQ(supervisor->counters().malformed, 0u);
  EXPECT_EQ(supervisor->counters().lost_packets, 0u);
  ASSERT_EQ(observer.faults.size(), 1u) << "told once";
  EXPECT_EQ(observer.faults[0].code, Code::foreign_sender);
  EXPECT_THAT(observer.faults[0].where, HasSubstr("127.0.0.9"));
}

TEST_F(RtspMulticastSockets, AnnouncedSenderAloneIsLetInByTheKernel) {
  answer("source=127.0.0.9;");
  connect(policy);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) picture();  // from 127.0.0.1
  EXPECT_EQ(supervisor->counters().packets, 0u);
  EXPECT_EQ(supervisor->counters().foreign_packets, 0u);
  inject("127.0.0.9", testing::packet(7, 77, testing::slice(true)));
  EXPECT_EQ(supervisor->counters().packets, 1u);
  EXPECT_THAT(observer.faults, IsEmpty());
}

TEST_F(RtspMulticastSockets, ReportsToTheGroupAndLeavesIt) {
  answer("");
  net::UdpOptions options;
  options.bind = *server->group;
  options.bind.set_port(static_cast<uint16_t>(server->group->port() + 1));
  options.reuse_address = true;
  net::UdpSocket ear = net::UdpSocket::open(options).value();
  ASSERT_TRUE(net::join_group(ear.fd(), {options.bind, {}, net::interface_index("lo").value(), 0}).ok());
  connect(policy);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) picture();
  clock.advance(5s);
  settle();
  net::UdpReceiveBatch batch;
  ASSERT_TRUE(ear.receive(batch).ok());
  rtp::RtcpCompound report;
  rtp::parse_rtcp(batch.datagrams()[0].bytes, report);
  EXPECT_EQ(report.malformed_packets, 0u);
  EXPECT_NE(report.receiver_ssrc, 0u);
  bool done = false;
  supervisor->stop([&] { done = true; });
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_THAT(server->methods, Contains("TEARDOWN"));
  const uint64_t before = supervisor->counters().packets;
  ASSERT_TRUE(
      loopback_sender("127.0.0.1").send(as_bytes(testing::packet(7, 77, testing::slice(true))), *server->group).ok());
  settle();
  EXPECT_EQ(supervisor->counters().packets, before);
}

TEST_F(RtspMulticastSockets, ComesBackAfterNothingCame) {
  connect(policy);
  ASSERT_TRUE(playing());
  clock.advance(3s);
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.codes, ElementsAre(Code::timed_out));
  clock.advance(1s);
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::waiting; }));
  for (int i = 0; i < 5; ++i) picture();
  EXPECT_EQ(supervisor->state(), StreamState::playing);
}

TEST_F(RtspMulticastSockets, SaysThatTheAddressIsNoGroup) {
  server->group_transport = "RTP/AVP;multicast;destination=127.0.0.1;port=6000-6001";
  connect(policy);
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.codes, ElementsAre(Code::rtsp_unsupported));
  EXPECT_THAT(observer.reasons.back(), HasSubstr("127.0.0.1, port 6000: no multicast address"));
}

TEST_F(RtspMulticastSockets, SaysThatTheInterfaceIsNotThere) {
  policy.interface = "no-such-net";
  connect(policy);
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.codes, ElementsAre(Code::not_found));
  EXPECT_THAT(observer.reasons.back(), HasSubstr("lo"));
}

// On this machine the routes lead elsewhere than to loopback, or nowhere: only the connection shows where the camera is.
struct QuirkJ5 : RtspMulticastSockets {};
TEST_F(QuirkJ5, Practice) {
  connect(policy);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 5; ++i) picture();
  EXPECT_EQ(supervisor->state(), StreamState::playing);
}

}  // namespace
}  // namespace vigie::source
