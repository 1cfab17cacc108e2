// Delivery over UDP: exact, paced, with true losses only, and sessions that outlive their connection.
#include "net/udp.h"

#include <sys/socket.h>

#include <algorithm>

#include "rtp/rtcp.h"
#include "sink_support.h"

namespace vigie::sink {
namespace {

using testing::HasSubstr;

// A viewer's pair of ports.
struct Ports {
  explicit Ports(int receive_buffer = 4 << 20) : batch(64, 2048) {
    net::UdpOptions options;
    options.bind = net::SocketAddress::loopback_v4(0);
    options.receive_buffer_bytes = receive_buffer;
    auto opened = net::open_udp_pair(options);
    EXPECT_TRUE(opened.ok());
    pair = std::make_unique<net::UdpPair>(std::move(opened).value());
  }
  std::string transport() const {
    return "Transport: RTP/AVP;unicast;client_port=" + std::to_string(pair->rtp.local_address().port()) + "-" +
           std::to_string(pair->rtcp.local_address().port()) + "\r\n";
  }
  // Takes what has come.
  void receive(UnitReader* reader = nullptr) {
    while (pair->rtp.receive(batch).ok()) {
      net::for_each_packet(batch, [&](ByteSpan packet, const net::SocketAddress&) {
        ++packets;
        bytes += packet.size();
        if (reader) reader->push(packet);
      });
    }
    while (pair->rtcp.receive(batch).ok()) {
      net::for_each_packet(batch, [&](ByteSpan packet, const net::SocketAddress& from) {
        reports.emplace_back(packet.begin(), packet.end());
        server = from;
      });
    }
  }
  net::UdpReceiveBatch batch;
  std::unique_ptr<net::UdpPair> pair;
  std::vector<Bytes> reports;
  net::SocketAddress server;
  size_t packets = 0;
  size_t bytes = 0;
};

class Udp : public SinkTest {
 protected:
  std::optional<rtsp::Response> play(Client& viewer, Ports& ports, const std::string& path = "/cam") {
    auto setup = viewer.request("SETUP", url(path + "/trackID=0"), ports.transport());
    if (!setup || !setup->success()) return setup;
    return viewer.request("PLAY", url(path));
  }
};

TEST_F(Udp, UnitsAreByteExact) {
  open_server();
  publish(3, 5000);
  Client viewer = client();
  Ports ports;
  auto setup = viewer.request("SETUP", url("/cam/trackID=0"), ports.transport());
  ASSERT_EQ(setup->status, 200);
  const std::string transport(setup->headers.get("Transport"));
  EXPECT_FALSE(field(transport, "server_port").empty());
  EXPECT_FALSE(field(transport, "ssrc").empty());
  ASSERT_EQ(viewer.request("PLAY", url("/cam"))->status, 200);
  UnitReader reader;
  ports.receive(&reader);
  for (const size_t bytes : {10, 1400, 40'000, 90'000, 3}) {
    publish(1, bytes);
    turn();
    ports.receive(&reader);
  }
  ASSERT_TRUE(until([&] {
    clock_.advance(2ms);
    ports.receive(&reader);
    return reader.units.size() == 8;
  }));
  EXPECT_EQ(reader.lost, 0u);
  UnitSpec spec;
  spec.number = published_ - 1;
  spec.bytes = 90'000;
  const PublishedUnit expected = make_unit(spec);
  const ByteSpan want = expected.unit().payload.bytes(), got = reader.units[6]->payload.bytes();
  EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin(), got.end()));
  ASSERT_FALSE(ports.reports.empty());
  rtp::RtcpCompound compound;
  rtp::parse_rtcp(ports.reports[0], compound);
  EXPECT_TRUE(compound.sender_report);
  EXPECT_EQ(std::to_string(ports.server.port()),
            field(transport, "server_port").substr(field(transport, "server_port").find('-') + 1));
}

TEST_F(Udp, CatchUpIsPacedAndCompressed) {
  open_server();
  publish(20, 30'000);  // 600 KB
  Client viewer = client();
  Ports ports;
  ASSERT_EQ(play(viewer, ports)->status, 200);
  UnitReader reader;
  turn();
  ports.receive(&reader);
  EXPECT_LT(ports.bytes, 50'000u) << "a player that does not read for a while must not lose the first burst";
  size_t most = 0;
  int gentle = 0;
  int turns = 0;
  for (; turns < 400 && reader.units.size() < 20; ++turns) {
    const size_t before = ports.bytes;
    clock_.advance(2ms);
    turn(1);
    ports.receive(&reader);
    most = std::max(most, ports.bytes - before);
    gentle += ports.bytes - before < 10'000;
  }
  EXPECT_LT(most, 60'000u);
  ASSERT_EQ(reader.units.size(), 20u);
  EXPECT_GT(gentle, 100) << "2 KiB a millisecond";
  EXPECT_LT(turns, 200) << "600 KB within 0.4 s";
  EXPECT_EQ(reader.lost, 0u);
  for (size_t i = 1; i < 20; ++i) EXPECT_EQ(reader.timestamps[i] - reader.timestamps[i - 1], 90u);
  publish(1);
  turn();
  ports.receive(&reader);
  EXPECT_EQ(reader.timestamps.at(20) - reader.timestamps.at(19), 3600u);
}

// 3 MB at the gentle pace would take longer than a viewer may lag.
TEST_F(Udp, ALongHistoryEndsAtTheFullPace) {
  open_server();
  publish(100, 30'000, 100);
  Client viewer = client();
  Ports ports;
  ASSERT_EQ(play(viewer, ports)->status, 200);
  UnitReader reader;
  int turns = 0;
  for (; turns < 500 && reader.units.size() < 100; ++turns) {
    clock_.advance(2ms);
    turn(1);
    ports.receive(&reader);
  }
  EXPECT_EQ(reader.units.size(), 100u);
  EXPECT_EQ(reader.lost, 0u);
  EXPECT_GT(turns, 250) << "the gentle part";
  EXPECT_LT(turns, 450) << "within 0.9 s";
}

TEST_F(Udp, ALargeUnitIsSplitInTime) {
  open_server();
  publish(3);
  Client viewer = client();
  Ports ports;
  ASSERT_EQ(play(viewer, ports)->status, 200);
  UnitReader reader;
  publish(1, 300'000);
  turn();
  ports.receive(&reader);
  EXPECT_LT(ports.bytes, 150'000u);
  ASSERT_TRUE(until([&] {
    clock_.advance(2ms);
    ports.receive(&reader);
    return reader.units.size() == 4;
  }));
  EXPECT_EQ(reader.lost, 0u);
}

TEST_F(Udp, SeveralViewersBehindOneAddress) {
  open_server();
  publish(1);
  std::vector<std::unique_ptr<Ports>> ports;
  std::vector<std::unique_ptr<Client>> viewers;
  for (int i = 0; i < 4; ++i) {
    ports.push_back(std::make_unique<Ports>());
    viewers.push_back(std::make_unique<Client>([this] { turn(1); }, address_));
    ASSERT_EQ(play(*viewers.back(), *ports.back())->status, 200);
  }
  ASSERT_EQ(viewers[1]->request("TEARDOWN", url("/cam"))->status, 200);
  publish(10);
  turn();
  for (size_t i = 0; i < 4; ++i) {
    UnitReader reader;
    ports[i]->receive(&reader);
    EXPECT_EQ(reader.timestamps.size(), i == 1 ? 1u : 11u) << i;
    EXPECT_EQ(reader.lost, 0u);
  }
}

// A viewer whose connection breaks goes on by its session on a new connection; without it, the session times out.
TEST_F(Udp, SessionOutlivesItsConnection) {
  open_server();
  publish(1);
  Ports ports;
  auto first = std::make_unique<Client>([this] { turn(1); }, address_);
  ASSERT_EQ(play(*first, ports)->status, 200);
  const std::string session = first->session;
  first.reset();
  ASSERT_TRUE(until([&] { return server_->counters().connections_open == 0; }));
  for (int i = 0; i < 4; ++i) {
    pass(20s);
    Client second = client();
    second.session = session;
    EXPECT_EQ(second.request("GET_PARAMETER", url("/cam"))->status, 200);
    turn();
  }
  EXPECT_EQ(server_->counters().sessions_open, 1u);
  ports.receive();
  ports.packets = 0;
  publish(2);
  turn();
  ports.receive();
  EXPECT_EQ(ports.packets, 2u);
  pass(62s);
  EXPECT_EQ(server_->counters().sessions_open, 0u);
  Client late = client();
  late.session = session;
  EXPECT_EQ(late.request("PLAY", url("/cam"))->status, 454);
}

TEST_F(Udp, ReceiverReportsKeepItAlive) {
  open_server();
  publish(1);
  Ports ports;
  Client viewer = client();
  ASSERT_EQ(play(viewer, ports)->status, 200);
  UnitReader reader;
  ports.receive(&reader);
  ASSERT_FALSE(ports.reports.empty());
  rtp::ReportBlock block;
  block.ssrc = reader.ssrc;
  block.jitter = 90;
  for (int i = 0; i < 12; ++i) {
    pass(10s);
    std::array<uint8_t, 256> memory;
    rtp::RtcpWriter writer(memory);
    writer.receiver_report(77, std::span(&block, 1));
    writer.sdes_cname(77, "x");
    ASSERT_TRUE(ports.pair->rtcp.send(writer.bytes(), ports.server).ok());
    turn();
  }
  EXPECT_EQ(only_viewer().jitter, 90u);
  EXPECT_EQ(viewer.request("PAUSE", url("/cam"))->status, 200) << "and its connection with it";
}

TEST_F(Udp, CutStopsAtOnceAndSaysBye) {
  open_server();
  publish(20, 30'000);
  Ports ports;
  Client viewer = client();
  ASSERT_EQ(play(viewer, ports)->status, 200);  // the burst is still being paced
  provider_.no_longer_allowed = make_error(Code::not_authorized, "cam", "revoked");
  ports.receive();
  server_->recheck_rights_blocking();
  const size_t before = ports.packets;
  publish(3);
  pass(1s);
  ports.receive();
  EXPECT_EQ(ports.packets, before);
  rtp::RtcpCompound compound;
  rtp::parse_rtcp(ports.reports.back(), compound);
  EXPECT_EQ(compound.bye_count, 1);
  EXPECT_EQ(server_->counters().sessions_open, 0u);
}

TEST_F(Udp, OnlyWhereTheListenerAllowsIt) {
  auto listener = open_listener();
  listener.udp = false;
  open_server({}, listener);
  publish(1);
  Ports ports;
  Client viewer = client();
  EXPECT_EQ(viewer.request("SETUP", url("/cam"), ports.transport())->status, 461);
  EXPECT_EQ(viewer.play_tcp(url("/cam"))->status, 200) << "the fall-back of every player";
}

// The viewer's ports are closed: ICMP errors must not disturb the session of another.
TEST_F(Udp, ClosedPortsDisturbNobody) {
  open_server();
  publish(1);
  Ports open;
  auto closed = std::make_unique<Ports>();
  Client a = client(), b = client();
  ASSERT_EQ(play(a, *closed)->status, 200);
  closed.reset();
  ASSERT_EQ(play(b, open)->status, 200);
  publish(50);
  turn();
  UnitReader reader;
  open.receive(&reader);
  EXPECT_EQ(reader.lost, 0u);
  EXPECT_EQ(reader.units.size(), 51u);
}

}  // namespace
}  // namespace vigie::sink
