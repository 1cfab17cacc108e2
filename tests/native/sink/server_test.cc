// Listeners: opening, failing, closing, TLS, statistics from outside.
#include <malloc.h>
#include <sys/socket.h>

#include <algorithm>

#include "../net/test_certificates.h"
#include "net/tls.h"
#include "sink_support.h"

namespace vigie::sink {
namespace {

using testing::HasSubstr;
using Server = SinkTest;

TEST_F(Server, ListenersThatCannotBe) {
  open_server();
  policy::ListenerPolicy listener = open_listener();
  EXPECT_EQ(server_->open_listener_blocking(listener).error().code, Code::invalid_argument) << "same name";
  listener.name = "second";
  for (const char* wrong : {"", "8554", "camera.example:8554", "127.0.0.1:99999", "%:8554"}) {
    listener.listen = wrong;
    EXPECT_EQ(server_->open_listener_blocking(listener).error().code, Code::invalid_argument) << wrong;
  }
  listener.listen = "%nosuch0:0";
  EXPECT_EQ(server_->open_listener_blocking(listener).error().code, Code::not_found);
  listener.listen = "192.0.2.1:8554";
  EXPECT_EQ(server_->open_listener_blocking(listener).error().code, Code::bind_failed);
  listener = open_listener();
  listener.name = "tls";
  listener.tls = true;
  listener.tls_certificate = listener.tls_key = "/nonexistent.pem";
  EXPECT_EQ(server_->open_listener_blocking(listener).error().code, Code::tls_failed);
  EXPECT_EQ(server_->listener_address("tls").error().code, Code::not_found);
}

// The shards share an address among themselves; another server must not come in by the same door.
TEST_F(Server, AnAddressThatAnotherServerSharesIsTaken) {
  open_server();
  RtspServer other({.shards = {loop_.get()}, .provider = &provider_, .helpers = nullptr, .limits = {}});
  policy::ListenerPolicy listener = open_listener();
  listener.listen = address_.text();
  const Status status = other.open_listener_blocking(listener);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::bind_failed);
  EXPECT_THAT(status.error().text(), HasSubstr(address_.text()));
  listener.name = "beside";
  EXPECT_TRUE(server_->open_listener_blocking(listener).ok()) << "the server's own may, for a trial";
  server_->close_listener_blocking("beside");
  server_->close_listener_blocking(open_listener().name);
  EXPECT_TRUE(other.open_listener_blocking(listener).ok());
}

TEST_F(Server, IPv6AndNamedInterfaces) {
  open_server();
  publish(1);
  policy::ListenerPolicy six = open_listener();
  six.name = "six";
  six.listen = "[::1]:0";
  ASSERT_TRUE(server_->open_listener_blocking(six).ok());
  Client viewer([this] { turn(1); }, server_->listener_address("six").value());
  EXPECT_EQ(viewer.play_tcp("rtsp://[::1]:8554/cam")->status, 200);
  policy::ListenerPolicy named = open_listener();
  named.name = "lo";
  named.listen = "%lo:0";
  ASSERT_TRUE(server_->open_listener_blocking(named).ok());
  auto at = net::SocketAddress::loopback_v4(server_->listener_address("lo")->port());
  Client four([this] { turn(1); }, at);
  EXPECT_EQ(four.play_tcp("rtsp://127.0.0.1/cam")->status, 200) << "IPv4 peers too";
}

TEST_F(Server, ClosingAListenerResetsWhatCameThroughIt) {
  open_server();
  publish(1);
  policy::ListenerPolicy second = open_listener();
  second.name = "second";
  ASSERT_TRUE(server_->open_listener_blocking(second).ok());
  const net::SocketAddress other = server_->listener_address("second").value();
  Client stays = client(), goes([this] { turn(1); }, other), idle([this] { turn(1); }, other);
  ASSERT_EQ(stays.play_tcp(url("/cam"))->status, 200);
  ASSERT_EQ(goes.play_tcp(url("/cam"))->status, 200);
  ASSERT_EQ(idle.request("OPTIONS", "*")->status, 200);
  server_->close_listener_blocking("second");
  turn();
  goes.receive();
  idle.receive();
  EXPECT_TRUE(goes.was_reset());
  EXPECT_TRUE(idle.was_reset());
  EXPECT_EQ(server_->counters().sessions_open, 1u);
  EXPECT_TRUE(stays.receive());
  EXPECT_THAT(provider_.told(EventKind::viewer_closed).at(0), HasSubstr("listener was closed"));
  server_->close_listener_blocking("second");
  ASSERT_TRUE(server_->open_listener_blocking(second).ok()) << "and again";
}

TEST_F(Server, CloseSaysBye) {
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  server_->close_blocking();
  viewer.receive();
  EXPECT_TRUE(viewer.ended());
  EXPECT_FALSE(viewer.was_reset());
  EXPECT_EQ(viewer.frames.back().first, 1);
  EXPECT_EQ(viewer.frames.back().second[1], 201) << "a receiver report, then SDES and BYE";
  EXPECT_EQ(provider_.holds, 0);
}

TEST_F(Server, StatisticsTellTheTruth) {
  open_server();
  publish(2);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  publish(8);
  turn();
  std::vector<ViewerStats> got;
  server_->collect_viewers([&](std::vector<ViewerStats> viewers) { got = std::move(viewers); });
  ASSERT_TRUE(until([&] { return !got.empty(); }));
  viewer.receive();
  const ViewerStats& stats = got[0];
  EXPECT_EQ(stats.peer, "127.0.0.1:" + std::to_string(viewer.local_port()));
  EXPECT_EQ(stats.key.text(), "cam/main");
  EXPECT_EQ(stats.listener, "local");
  EXPECT_EQ(stats.transport, ViewerTransport::tcp);
  EXPECT_TRUE(stats.playing);
  EXPECT_EQ(stats.units_sent, 10u);
  EXPECT_EQ(stats.units_offered, 10u);
  EXPECT_EQ(stats.units_waiting, 0u);
  size_t media = 0;
  for (const auto& [channel, packet] : viewer.frames) media += channel == 0 ? packet.size() + 4 : 0;
  EXPECT_EQ(stats.bytes_sent, media);
  EXPECT_EQ(stats.newest_age, Nanos{0});
  EXPECT_EQ(stats.last_unit, clock_.now_wall() - 70ms);
  EXPECT_EQ(stats.last_unit - stats.first_unit, 9 * 40ms);
  EXPECT_EQ(viewer.session.find(stats.session), 0u);
  EXPECT_LT(stats.session.size(), 8u) << "not the whole id";
}

// The bar is 16 KiB a viewer in user space, at the live edge and with nothing queued.
TEST_F(Server, AViewerCostsLittleMemory) {
  open_server();
  publish(1);
  constexpr int kViewers = 200;
  std::vector<Fd> sockets(kViewers);
  const std::string requests = "SETUP " + url("/cam/trackID=0") +
                               " RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast\r\n\r\nPLAY " + url("/cam") +
                               " RTSP/1.0\r\nCSeq: 2\r\n\r\n";
  const auto drain = [&] {
    static char buffer[65536];
    for (const Fd& socket : sockets) {
      while (::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) continue;
    }
  };
  turn();
  const size_t before = ::mallinfo2().uordblks;
  for (Fd& socket : sockets) {
    socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(socket.get(), address_.data(), address_.length()), 0);
    ASSERT_EQ(::send(socket.get(), requests.data(), requests.size(), 0), static_cast<ssize_t>(requests.size()));
    turn(1);
  }
  ASSERT_TRUE(until([&] {
    drain();
    const auto viewers = server_->viewers_blocking();
    return viewers.size() == kViewers && std::all_of(viewers.begin(), viewers.end(), [](const ViewerStats& viewer) {
             return viewer.units_sent == 1 && viewer.kernel_bytes == 0;
           });
  }));
  publish(3);
  drain();
  provider_.events.clear();
  provider_.events.shrink_to_fit();
  provider_.requests.clear();
  provider_.requests.shrink_to_fit();
  const size_t after = ::mallinfo2().uordblks;
  if (before == 0) GTEST_SKIP() << "this allocator keeps no count";
  const size_t each = (after - before) / kViewers;
  RecordProperty("bytes_per_viewer", static_cast<int>(each));
  EXPECT_LT(each, 16u << 10);
  EXPECT_GT(each, 500u) << "the measure itself is wrong";
}

struct TlsClient final : net::StreamHandler {
  void on_stream_open() override { open = true; }
  void on_stream_readable() override {
    uint8_t buffer[32768];
    for (;;) {
      const net::IoResult result = stream->read(buffer);
      if (!result.ok()) {
        ended = ended || !result.would_block();
        return;
      }
      bytes.insert(bytes.end(), buffer, buffer + result.bytes);
    }
  }
  void on_stream_failed(const Error& error) override { failure = error.text(); }
  std::unique_ptr<net::Stream> stream;
  Bytes bytes;
  bool open = false, ended = false;
  std::string failure;
};

TEST_F(Server, Tls) {
  const net::TestCertificates certificates;
  policy::ListenerPolicy listener = open_listener();
  listener.name = "tls";
  listener.tls = true;
  listener.tls_certificate = certificates.certificate("good");
  listener.tls_key = certificates.key("good");
  open_server({}, listener);
  publish(3, 60'000);

  Client plain = client();
  plain.send("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");

  TlsClient viewer;
  auto context = net::TlsClientContext::make({.ca_file = certificates.certificate("ca")});
  ASSERT_TRUE(context.ok());
  auto stream = net::connect_tls(*loop_, address_, "127.0.0.1", {}, *context, viewer);
  ASSERT_TRUE(stream.ok());
  viewer.stream = std::move(*stream);
  ASSERT_TRUE(until([&] { return viewer.open || !viewer.failure.empty(); }));
  ASSERT_TRUE(viewer.open) << viewer.failure;
  const std::string udp =
      "SETUP rtsps://h/cam RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n";
  const std::string setup =
      "SETUP rtsps://h/cam/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
  const std::string play = "PLAY rtsps://h/cam RTSP/1.0\r\nCSeq: 3\r\n\r\n";
  ASSERT_TRUE(viewer.stream->write(as_bytes(udp + setup + play)).ok());
  // Cuts what has come into responses and packets.
  UnitReader reader;
  std::vector<int> statuses;
  rtsp::StreamSplitter splitter;
  ASSERT_TRUE(until([&] {
    for (;;) {
      const auto item = splitter.next(viewer.bytes);
      if (item.kind == rtsp::StreamSplitter::Kind::response) statuses.push_back(splitter.take_response().status);
      if (item.kind == rtsp::StreamSplitter::Kind::interleaved && item.channel == 0) reader.push(item.payload);
      viewer.bytes.erase(viewer.bytes.begin(), viewer.bytes.begin() + static_cast<ptrdiff_t>(item.consumed));
      if (item.kind == rtsp::StreamSplitter::Kind::need_more) break;
    }
    return reader.units.size() == 3;
  }));
  EXPECT_THAT(statuses, testing::ElementsAre(461, 200, 200)) << "no UDP beside TLS";
  EXPECT_EQ(reader.lost, 0u);
  EXPECT_EQ(only_viewer().transport, ViewerTransport::tls);
  plain.receive();
  EXPECT_TRUE(plain.frames.empty()) << "cleartext gets nowhere";
  server_->close_listener_blocking("tls");
  ASSERT_TRUE(until([&] {
    if (!viewer.ended) viewer.on_stream_readable();
    return viewer.ended;
  }));
}

}  // namespace
}  // namespace vigie::sink
