// Supervisor, RTSP source, machine and receiver together, over real sockets on loopback and a clock turned by hand.
#include "source/rtsp_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/test_certificates.h"
#include "heap_count.h"
#include "source_fixture.h"

namespace vigie::source {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Observer;
using testing::TinyServer;

class RtspSourceTest : public testing::SourceTest {};

TEST_F(RtspSourceTest, PlaysOverTcpAndSaysGoodbye) {
  connect();
  ASSERT_TRUE(playing());
  for (int i = 0; i < 30; ++i) picture();
  EXPECT_GE(observer.units.size(), 26u);
  expect_strictly_increasing(observer.units);
  EXPECT_EQ(supervisor->state(), StreamState::playing);
  EXPECT_EQ(supervisor->counters().lost_packets, 0u);
  EXPECT_EQ(supervisor->counters().malformed, 0u);
  clock.advance(5s);
  settle();
  EXPECT_FALSE(server->reports.empty()) << "receiver reports";
  bool done = false;
  supervisor->stop([&] { done = true; });
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_THAT(server->methods, ElementsAre("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"));
}

TEST_F(RtspSourceTest, PutsFramesTogetherThatComeInPieces) {
  connect();
  ASSERT_TRUE(playing());
  std::string stream;
  for (uint16_t i = 0; i < 6; ++i) {
    stream += testing::interleaved(testing::packet(i, i * 3600u, testing::slice(i == 0, 300)));
  }
  for (size_t at = 0; at < stream.size(); at += 7) {
    server->write(stream.substr(at, 7));
    loop->run_once(5ms);
  }
  settle();
  EXPECT_EQ(supervisor->counters().packets, 6u);
  EXPECT_GE(observer.units.size(), 5u);
  for (const auto& unit : observer.units) EXPECT_EQ(unit->payload.size(), 304u);
}

TEST_F(RtspSourceTest, ComesBackWhenTheCameraIsCut) {
  connect();
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) picture();
  const size_t before = observer.units.size();
  server->cut();
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.codes, Contains(Code::connection_lost));
  clock.advance(1s);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) picture();
  EXPECT_GT(observer.units.size(), before + 6);
  expect_strictly_increasing(observer.units);
  EXPECT_EQ(supervisor->counters().connects, 2u);
}

TEST_F(RtspSourceTest, SaysWhenNobodyListens) {
  server->close_listener();
  connect();
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.codes, ElementsAre(Code::connect_failed));
  EXPECT_THAT(observer.reasons.back(), HasSubstr("127.0.0.1:" + std::to_string(server->port)));
}

TEST_F(RtspSourceTest, PlaysOverUdp) {
  policy::StreamPolicy policy;
  policy.transport = policy::Transport::udp;
  connect(policy);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 30; ++i) picture();
  EXPECT_GE(observer.units.size(), 26u);
  EXPECT_THAT(observer.reasons, Contains("RTSP over UDP"));
  expect_strictly_increasing(observer.units);
  // F13: once the sender is known, nobody else is listened to.
  const uint64_t packets = supervisor->counters().packets;
  net::UdpOptions options;
  options.bind = net::SocketAddress::parse_ip("127.0.0.2", 0).value();
  net::UdpSocket stranger = net::UdpSocket::open(options).value();
  std::swap(*server->udp_rtp, stranger);
  for (int i = 0; i < 30; ++i) picture();
  EXPECT_EQ(supervisor->counters().packets, packets);
}

TEST_F(RtspSourceTest, TakesUdpFromAnotherAddressAfterAWhileAndSaysSo) {  // F13
  policy::StreamPolicy policy;
  policy.transport = policy::Transport::udp;
  server->udp_source_override = net::SocketAddress::parse_ip("127.0.0.3", 0).value();
  connect(policy);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) picture();
  EXPECT_EQ(observer.count, 0u);
  for (int i = 0; i < 20; ++i) picture();
  EXPECT_GT(observer.count, 5u);
  ASSERT_EQ(observer.faults.size(), 1u);
  EXPECT_THAT(observer.faults[0].where, HasSubstr("127.0.0.3"));
}

TEST_F(RtspSourceTest, FallsBackToTcpWhenUdpBringsNothing) {
  policy::StreamPolicy policy;
  policy.transport = policy::Transport::udp;
  connect(policy);
  ASSERT_TRUE(playing());
  clock.advance(3s);
  ASSERT_TRUE(run_until([&] { return server->methods.size() >= 9; }));
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) picture();
  EXPECT_THAT(observer.reasons, Contains("no packet came over UDP; trying TCP"));
  EXPECT_THAT(observer.reasons, Contains("RTSP over TCP"));
  EXPECT_EQ(supervisor->state(), StreamState::playing);
}

TEST_F(RtspSourceTest, TakesNoMemoryPerPacket) {
  if (!kHeapIsCounted) GTEST_SKIP() << "the sanitizer owns the heap";
  observer.keep = false;
  connect();
  ASSERT_TRUE(playing());
  for (int i = 0; i < 20; ++i) picture(50);  // everything finds its size
  // Two runs of twenty pictures, of 10 and of 100 packets each: what one unit takes may count, packets must not.
  const auto taken_by = [&](int packets) {
    const size_t before_units = observer.count;
    uint64_t calls = 0;
    for (int i = 0; i < 20; ++i) {
      server->send_picture(packets);
      clock.advance(40ms);
      const uint64_t before = heap_calls();
      settle();
      calls += heap_calls() - before;
    }
    EXPECT_GE(observer.count - before_units, 19u);
    return calls;
  };
  const uint64_t few = taken_by(10);
  const uint64_t many = taken_by(100);
  // A unit's table of NAL units doubles a few times more with ten times the slices; 1800 packets more do not show.
  EXPECT_LT(many, few + 20 * 8) << few << " and " << many;
}

TEST_F(RtspSourceTest, PlaysOverTlsAndRefusesAStrangersCertificate) {
  const net::TestCertificates certificates;
  net::TlsServerOptions options;
  options.certificate_file = certificates.certificate("good");
  options.key_file = certificates.key("good");
  server = std::make_unique<TinyServer>(*loop, net::TlsServerContext::make(options).value());
  connect();
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.codes, ElementsAre(Code::tls_failed));
  supervisor.reset();
  observer = Observer();
  policy::StreamPolicy policy;
  policy.tls_ca_file = certificates.certificate("ca");
  connect(policy);
  ASSERT_TRUE(playing()) << (observer.reasons.empty() ? "" : observer.reasons.back());
  for (int i = 0; i < 10; ++i) picture();
  EXPECT_GE(observer.count, 5u);
}

TEST_F(RtspSourceTest, GoingAwayAtAnyMomentIsSafe) {
  for (int turns = 0; turns < 40; ++turns) {
    connect();
    for (int i = 0; i < turns; ++i) loop->run_once(0ms);
    if (server->playing()) server->send_picture();
    supervisor.reset();
  }
  settle();
}

}  // namespace
}  // namespace vigie::source
