// Limits: sessions, half-open connections, idle sessions.
#include "sink_support.h"

namespace vigie::sink {
namespace {

using testing::HasSubstr;
using Limits = SinkTest;

TEST_F(Limits, SessionsAreRefusedWith453) {
  policy::LimitsPolicy limits;
  limits.sessions_per_stream = 2;
  limits.sessions_per_peer = 3;
  open_server(limits);
  auto other = add_stream("/other", "other");
  publish(1);
  publish(1, 1000, 1, other.get());
  Client a = client(), b = client(), c = client(), d = client();
  EXPECT_EQ(a.play_tcp(url("/cam"))->status, 200);
  EXPECT_EQ(b.play_tcp(url("/cam"))->status, 200);
  auto refused = c.play_tcp(url("/cam"));
  EXPECT_EQ(refused->status, 453);
  EXPECT_THAT(refused->body, HasSubstr("limit of 2"));
  EXPECT_EQ(c.play_tcp(url("/other"))->status, 200);
  EXPECT_EQ(d.play_tcp(url("/other"))->status, 453) << "per peer address";
  EXPECT_EQ(server_->counters().refused_admission, 2u);
  EXPECT_EQ(provider_.told(EventKind::viewer_refused).size(), 2u);
  EXPECT_EQ(a.request("TEARDOWN", url("/cam"))->status, 200);
  EXPECT_EQ(d.play_tcp(url("/other"))->status, 200);
  limits.sessions = 3;
  limits.sessions_per_peer = 100;
  server_->set_limits_blocking(limits);
  Client e = client();
  EXPECT_EQ(e.play_tcp(url("/cam"))->status, 453) << "in all";
  b.close();
  ASSERT_TRUE(until([&] { return server_->counters().sessions_open == 2; }));
  EXPECT_EQ(e.play_tcp(url("/cam"))->status, 200);
}

TEST_F(Limits, HalfOpenConnectionsEnd) {
  open_server();
  publish(1);
  Client mute = client(), asks = client(), plays = client();
  EXPECT_EQ(asks.request("OPTIONS", "*")->status, 200);
  EXPECT_EQ(plays.request("DESCRIBE", url("/cam"))->status, 200);
  EXPECT_EQ(server_->counters().half_open, 2u);
  pass(11s);
  mute.receive();
  asks.receive();
  EXPECT_TRUE(mute.ended());
  EXPECT_TRUE(asks.ended()) << "OPTIONS proves nothing";
  EXPECT_TRUE(plays.receive());
  EXPECT_EQ(server_->counters().half_open, 0u);
  EXPECT_EQ(server_->counters().connections_open, 1u);
}

TEST_F(Limits, TheOldestHalfOpenConnectionMakesRoom) {
  policy::LimitsPolicy limits;
  limits.half_open = 4;
  open_server(limits);
  publish(1);
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 10; ++i) {
    idle.push_back(std::make_unique<Client>([this] { turn(1); }, address_));
    turn();
  }
  EXPECT_EQ(server_->counters().half_open, 4u);
  EXPECT_EQ(server_->counters().half_open_evicted, 6u);
  Client honest = client();
  EXPECT_EQ(honest.play_tcp(url("/cam"))->status, 200);
}

TEST_F(Limits, SilentSessionsEndAndLivingOnesStay) {
  open_server();
  publish(1);
  Client asks = client(), takes = client(), paused = client();
  ASSERT_EQ(asks.play_tcp(url("/cam"))->status, 200);
  ASSERT_EQ(takes.play_tcp(url("/cam"))->status, 200);
  ASSERT_EQ(paused.play_tcp(url("/cam"))->status, 200);
  ASSERT_EQ(asks.request("PAUSE", url("/cam"))->status, 200);
  ASSERT_EQ(paused.request("PAUSE", url("/cam"))->status, 200);
  for (int i = 0; i < 14; ++i) {
    publish(1);
    pass(5s);
    takes.receive();
    if (i % 4 == 3) {
      EXPECT_EQ(asks.request("GET_PARAMETER", url("/cam"))->status, 200);
    }
  }
  EXPECT_TRUE(takes.receive()) << "taking data is life enough on TCP";
  EXPECT_TRUE(asks.receive());
  paused.receive();
  EXPECT_TRUE(paused.ended());
  EXPECT_THAT(provider_.told(EventKind::viewer_closed).at(0), HasSubstr("session timeout"));
  EXPECT_EQ(server_->counters().sessions_open, 2u);
}

TEST_F(Limits, NeverReadingViewerEndsByTimeout) {
  open_server();
  publish(1);
  Client viewer = client(4 << 10);
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  for (int i = 0; i < 2000 && server_->counters().sessions_open > 0; ++i) {
    publish(1, 20'000);
    turn(1);
  }
  EXPECT_EQ(server_->counters().sessions_open, 0u);
}

TEST_F(Limits, DescribedOnlyConnectionsEnd) {
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.request("DESCRIBE", url("/cam"))->status, 200);
  EXPECT_EQ(provider_.holds, 1);
  pass(62s);
  viewer.receive();
  EXPECT_TRUE(viewer.ended());
  EXPECT_EQ(provider_.holds, 0);
}

}  // namespace
}  // namespace vigie::sink
