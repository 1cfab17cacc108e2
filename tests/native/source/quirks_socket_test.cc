// Deviations that only sockets show: who sends the media, and from which port.
#include <gmock/gmock.h>

#include "source_fixture.h"

namespace vigie::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

policy::StreamPolicy over(policy::Transport transport) {
  policy::StreamPolicy policy;
  policy.transport = transport;
  return policy;
}
policy::StreamPolicy over_udp_strictly(Quirk quirk) {
  policy::StreamPolicy policy = over(policy::Transport::udp);
  policy.strict.insert(quirk);
  return policy;
}

struct QuirkFreeSockets : testing::SourceTest {};
TEST_F(QuirkFreeSockets, NothingIsNoted) {
  for (const policy::Transport transport : {policy::Transport::tcp, policy::Transport::udp}) {
    connect(over(transport));
    ASSERT_TRUE(playing());
    for (int i = 0; i < 30; ++i) picture();
    clock.advance(30s);
    settle();
    EXPECT_GE(observer.units.size(), 26u);
    EXPECT_THAT(supervisor->quirks_seen().list(), IsEmpty());
    supervisor.reset();
    observer = testing::Observer();
    server = std::make_unique<testing::TinyServer>(*loop);
  }
}

struct QuirkF13 : testing::SourceTest {
  void send_from_elsewhere(const policy::StreamPolicy& policy) {
    server->udp_source_override = net::SocketAddress::parse_ip("127.0.0.3", 0).value();
    connect(policy);
    ASSERT_TRUE(playing());
    for (int i = 0; i < 30; ++i) picture();
  }
};
TEST_F(QuirkF13, Tolerated) {
  send_from_elsewhere(over(policy::Transport::udp));
  EXPECT_GT(observer.count, 5u);
  EXPECT_THAT(supervisor->quirks_seen().list(), ElementsAre(Quirk::F13));
}
TEST_F(QuirkF13, Strict) {
  send_from_elsewhere(over_udp_strictly(Quirk::F13));
  EXPECT_EQ(observer.count, 0u);
  EXPECT_THAT(observer.faults, IsEmpty());
  EXPECT_THAT(supervisor->quirks_seen().list(), ElementsAre(Quirk::F13));
}

struct QuirkJ2 : testing::SourceTest {
  void send_from_another_port(const policy::StreamPolicy& policy) {
    server->announced_port = 7;
    connect(policy);
    ASSERT_TRUE(playing());
    for (int i = 0; i < 30; ++i) picture();
  }
};
TEST_F(QuirkJ2, Tolerated) {
  send_from_another_port(over(policy::Transport::udp));
  EXPECT_GE(observer.count, 26u);
  EXPECT_THAT(supervisor->quirks_seen().list(), ElementsAre(Quirk::J2));
}
TEST_F(QuirkJ2, Strict) {
  send_from_another_port(over_udp_strictly(Quirk::J2));
  EXPECT_EQ(observer.count, 0u);
  EXPECT_THAT(supervisor->quirks_seen().list(), ElementsAre(Quirk::J2));
}

struct QuirkD14 : testing::SourceTest {
  bool fails_after_seconds(int seconds) {
    for (int i = 0; i < seconds * 10 && supervisor->state() != StreamState::backing_off; ++i) {
      clock.advance(100ms);
      settle();
    }
    return supervisor->state() == StreamState::backing_off;
  }
};
TEST_F(QuirkD14, Practice) {
  connect();
  ASSERT_TRUE(playing());
  ASSERT_TRUE(fails_after_seconds(11));
  EXPECT_THAT(observer.codes, ElementsAre(Code::no_first_picture));
  for (int i = 0; i < 10000 && supervisor->state() != StreamState::waiting; ++i) {
    clock.advance(10ms);
    loop->run_once(1ms);
  }
  for (int i = 0; i < 10; ++i) picture();
  EXPECT_EQ(supervisor->state(), StreamState::playing);
  ASSERT_TRUE(fails_after_seconds(6));
  EXPECT_EQ(observer.codes.back(), Code::silent);
  EXPECT_THAT(supervisor->quirks_seen().list(), IsEmpty());
}

// --- the record of the dialogue, through the supervisor

struct DialogueOfAStream : testing::SourceTest {};
TEST_F(DialogueOfAStream, OutlivesItsAttemptAndBeginsAnewWithTheNext) {
  connect();
  ASSERT_TRUE(playing());
  server->cut();
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  std::vector<DialogueLine> lines = supervisor->dialogue();
  ASSERT_EQ(lines.size(), 8u);  // OPTIONS, DESCRIBE, SETUP, PLAY and their answers
  EXPECT_TRUE(lines[0].sent);
  EXPECT_THAT(lines[0].text, ::testing::StartsWith("OPTIONS "));
  EXPECT_THAT(lines[3].text, HasSubstr("m=video"));
  for (int i = 0; i < 1000 && supervisor->state() != StreamState::waiting; ++i) {
    clock.advance(10ms);
    loop->run_once(1ms);
  }
  lines = supervisor->dialogue();
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_LT(lines[0].since_start, 100ms);
}

}  // namespace
}  // namespace vigie::source
