// Two shards with their own threads: listeners shared by the kernel, hubs on one shard watched from the other, sessions
// steered across.
#include <poll.h>

#include <mutex>

#include "net/shard_pool.h"
#include "net/udp.h"
#include "sink_support.h"

namespace vigie::sink {
namespace {

// Thread: any.
class SharedProvider final : public StreamProvider {
 public:
  OpenedStream stream;
  void open(const ViewRequest& request, Nanos, Reply reply) override {
    {
      const std::lock_guard lock(mutex_);
      ++opened_[request.shard_index];
    }
    reply(stream);
  }
  Status still_allowed(const ViewRequest&, const StreamKey&) override {
    const std::lock_guard lock(mutex_);
    if (revoked_) return make_error(Code::not_authorized, "cam", "revoked");
    return {};
  }
  std::optional<WallTime> right_ends(const ViewRequest&, const StreamKey&) override { return std::nullopt; }
  Result<CameraPage> list(const ViewRequest&, std::string_view, size_t) override { return CameraPage{}; }
  std::optional<rtsp::Secret> credential(const std::string&) override { return std::nullopt; }
  Result<std::shared_ptr<const rtsp::Ticket>> ticket(std::string_view) override {
    return make_error(Code::not_authorized, "ticket", "unknown");
  }
  void emit(Event) override {}
  std::array<int, 2> opened() {
    const std::lock_guard lock(mutex_);
    return opened_;
  }
  void revoke() {
    const std::lock_guard lock(mutex_);
    revoked_ = true;
  }

 private:
  std::mutex mutex_;
  std::array<int, 2> opened_{};
  bool revoked_ = false;
};

class Shards : public testing::Test {
 protected:
  Shards() {
    pool_ = net::ShardPool::make({.shards = 2}).value();
    std::vector<fanout::ShardRef> refs;
    for (size_t i = 0; i < 2; ++i) refs.push_back({&pool_->shard(i), &pool_->shard(i).pool()});
    hub_ = fanout::Hub::make(refs, 0, {}, std::make_unique<RtpFeed>(1400));
    auto sets = make_ref<ParameterSets>();
    provider_.stream.key = {"cam", "main"};
    provider_.stream.track = {Codec::h264, sets, 0};
    provider_.stream.hub = hub_;
    RtspServerOptions options;
    options.shards = {&pool_->shard(0), &pool_->shard(1)};
    options.provider = &provider_;
    server_ = std::make_unique<RtspServer>(options);
    policy::ListenerPolicy listener = {};
    listener.name = "local";
    listener.listen = "127.0.0.1:0";
    listener.access = policy::Access::open;
    EXPECT_TRUE(server_->open_listener_blocking(listener).ok());
    address_ = server_->listener_address("local").value();
  }
  ~Shards() override {
    server_->close_blocking();
    server_.reset();
    provider_.stream = {};
    pool_->shard(0).run_blocking([&] { hub_.reset(); });
    pool_->stop();
  }
  void publish(int count) {
    pool_->shard(0).run_blocking([&] {
      for (int i = 0; i < count; ++i) {
        UnitSpec spec;
        spec.keyframe = published_ % 25 == 0;
        spec.number = ++published_;
        spec.pts = static_cast<int64_t>(published_) * 3600;
        spec.arrival = pool_->shard(0).clock().now_mono();
        spec.capture = pool_->shard(0).clock().now_wall();
        hub_->publish(make_unit(spec));
      }
    });
  }
  // Gives the shards a moment, by waiting for nothing on no descriptor.
  static void wait() { ::poll(nullptr, 0, 1); }
  static bool until(const std::function<bool()>& done) {
    for (int i = 0; i < 5000; ++i) {
      if (done()) return true;
      wait();
    }
    return done();
  }
  std::unique_ptr<Client> client() { return std::make_unique<Client>(wait, address_); }
  std::string url(const std::string& path) const { return "rtsp://" + address_.text() + path; }

  std::unique_ptr<net::ShardPool> pool_;
  std::shared_ptr<fanout::Hub> hub_;
  SharedProvider provider_;
  std::unique_ptr<RtspServer> server_;
  net::SocketAddress address_;
  uint64_t published_ = 0;
};

TEST_F(Shards, ViewersOfBothShardsGetEveryUnit) {
  publish(10);
  std::vector<std::unique_ptr<Client>> viewers;
  for (int i = 0; i < 24; ++i) {
    viewers.push_back(client());
    ASSERT_EQ(viewers.back()->play_tcp(url("/cam"))->status, 200);
  }
  const auto opened = provider_.opened();
  EXPECT_GT(opened[0], 0) << "the kernel spreads the connections";
  EXPECT_GT(opened[1], 0);
  for (int i = 0; i < 20; ++i) publish(2);
  for (auto& viewer : viewers) {
    UnitReader reader;
    ASSERT_TRUE(until([&] {
      viewer->receive();
      reader.read(*viewer);
      return reader.units.size() == 50;
    })) << reader.units.size();
    EXPECT_EQ(reader.lost, 0u);
    for (size_t i = 1; i < reader.timestamps.size(); ++i) {
      EXPECT_GT(static_cast<int32_t>(reader.timestamps[i] - reader.timestamps[i - 1]), 0);
    }
  }
  EXPECT_EQ(server_->viewers_blocking().size(), 24u);
  provider_.revoke();
  server_->recheck_rights_blocking();
  EXPECT_EQ(server_->counters().sessions_open, 0u);
  for (auto& viewer : viewers) {
    viewer->receive();
    EXPECT_TRUE(viewer->ended());
  }
}

// Viewers that leave and join within one round trip between the shards: the log is fetched once, numbers stay whole.
TEST_F(Shards, QuickChangesOfTheOnlyViewer) {
  struct Taker final : fanout::Subscriber {
    void on_unit() override {
      while (const fanout::LogEntry* entry = subscription->peek()) {
        numbers.push_back(entry->number);
        subscription->advance();
      }
    }
    void on_log_emptied(const fanout::Draining& /*draining*/) override {}
    void on_hub_closed(const Error&) override {}
    bool wants_derived() const override { return true; }
    std::unique_ptr<fanout::Subscription> subscription;
    std::vector<uint64_t> numbers;
  } taker;
  net::EventLoop& shard = pool_->shard(1);
  const auto rejoin = [&] {
    taker.subscription.reset();
    taker.subscription = hub_->subscribe(1, taker, fanout::Start::last_keyframe);
  };
  publish(3);
  for (int round = 0; round < 200; ++round) {
    shard.run_blocking([&] {
      for (int i = 0; i < 3; ++i) rejoin();
      taker.numbers.clear();
    });
    publish(1);
    ASSERT_TRUE(until([&] {
      bool there = false;
      shard.run_blocking([&] { there = !taker.numbers.empty() && taker.numbers.back() == published_; });
      return there;
    })) << round;
    shard.run_blocking([&] {
      for (size_t i = 1; i < taker.numbers.size(); ++i) EXPECT_EQ(taker.numbers[i], taker.numbers[i - 1] + 1);
    });
  }
  shard.run_blocking([&] { taker.subscription.reset(); });
}

TEST_F(Shards, AUdpSessionIsSteeredFromAnyShard) {
  publish(3);
  net::UdpOptions udp;
  udp.bind = net::SocketAddress::loopback_v4(0);
  auto ports = net::open_udp_pair(udp);
  ASSERT_TRUE(ports.ok());
  auto first = client();
  ASSERT_EQ(
      first
          ->request("SETUP", url("/cam/trackID=0"),
                    "Transport: RTP/AVP;unicast;client_port=" + std::to_string(ports->rtp.local_address().port()) +
                        "-" + std::to_string(ports->rtcp.local_address().port()) + "\r\n")
          ->status,
      200);
  ASSERT_EQ(first->request("PLAY", url("/cam"))->status, 200);
  const std::string session = first->session;
  first.reset();
  // Of twelve connections all but 1 in 2048 runs have some on each shard.
  for (int i = 0; i < 12; ++i) {
    auto other = client();
    other->session = session;
    // Pipelined behind a call that may have to travel: the order of the answers holds.
    other->send("GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nSession: " + session +
                "\r\n\r\nPAUSE * RTSP/1.0\r\nCSeq: 2\r\nSession: " + session +
                "\r\n\r\nPLAY * RTSP/1.0\r\nCSeq: 3\r\nSession: " + session +
                "\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 4\r\n\r\n");
    for (uint32_t cseq = 1; cseq <= 4; ++cseq) {
      auto answer = other->response();
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status, 200);
      EXPECT_EQ(*answer->cseq(), cseq);
      EXPECT_EQ(answer->headers.has("RTP-Info"), cseq == 3);
    }
  }
  auto last = client();
  last->session = session;
  EXPECT_EQ(last->request("TEARDOWN", url("/cam"))->status, 200);
  EXPECT_EQ(server_->counters().sessions_open, 0u);
  EXPECT_EQ(last->request("TEARDOWN", url("/cam"))->status, 454);
}

}  // namespace
}  // namespace vigie::sink
