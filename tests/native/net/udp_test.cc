#include "net/udp.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "support.h"

namespace vigie::net {
namespace {

UdpSocket open_at(const SocketAddress& at, UdpOptions options = {}) {
  options.bind = at;
  auto socket = UdpSocket::open(options);
  EXPECT_TRUE(socket) << socket.error().text();
  return std::move(*socket);
}

// Everything that waits, as texts. Loopback delivers before the send returns.
std::vector<std::string> receive_all(UdpSocket& socket, UdpReceiveBatch& batch) {
  std::vector<std::string> out;
  while (socket.receive(batch).ok()) {
    for_each_packet(batch, [&](ByteSpan packet, const SocketAddress&) { out.emplace_back(as_text(packet)); });
  }
  return out;
}

// Packets with a header of `header` bytes each and the given total sizes.
struct Train {
  std::vector<std::string> whole;
  std::vector<UdpPacket> packets;
  Train(const std::vector<size_t>& sizes, size_t header) {
    whole.reserve(sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) {
      whole.push_back(pattern(sizes[i]));
      if (!whole.back().empty()) whole.back()[0] = static_cast<char>(i);
      const ByteSpan bytes = as_bytes(whole.back());
      const size_t split = std::min(header, bytes.size());
      packets.push_back({bytes.first(split), bytes.subspan(split)});
    }
  }
};

TEST(Udp, TrainsArriveWholeAndInOrder) {
  struct Row {
    const char* name;
    std::vector<size_t> sizes;
    size_t header;
  };
  std::vector<size_t> many(200, 1200);
  many.back() = 77;
  std::vector<size_t> mixed;
  for (size_t i = 0; i < 300; ++i) mixed.push_back(i % 7 == 0 ? 300 + i : 1400);
  const Row rows[] = {
      {"one", {500}, 12},
      {"equal", std::vector<size_t>(64, 1000), 12},
      {"65 equal", std::vector<size_t>(65, 100), 0},
      {"unit with a short last packet", many, 12},
      {"sizes change all the time", mixed, 12},
      {"growing", {100, 200, 300, 300, 200, 200, 100, 1}, 4},
      {"empty datagrams among others", {0, 10, 10, 0, 10, 0}, 0},
      {"more than one message may carry", std::vector<size_t>(20, 9000), 12},
      {"largest datagram", {65507, 65507, 100}, 12},
      {"header only", {12, 12, 12}, 12},
      {"nothing", {}, 0},
  };
  for (const bool gso : {true, false}) {
    for (const SocketAddress& at : {SocketAddress::loopback_v4(0), SocketAddress::loopback_v6(0)}) {
      UdpSocket receiver = open_at(at, {.receive_buffer_bytes = 8 << 20});
      UdpSocket sender = open_at(at, {.send_buffer_bytes = 8 << 20, .gso = gso});
      EXPECT_EQ(sender.gso_active(), gso);
      UdpReceiveBatch batch(32, 65536);
      for (const Row& row : rows) {
        const Train train(row.sizes, row.header);
        size_t sent = 0;
        std::vector<std::string> got;
        while (sent < train.packets.size()) {  // the default limits hold less than the longest trains
          const size_t chunk = std::min<size_t>(40, train.packets.size() - sent);
          const UdpSendResult result =
              sender.send_train(std::span(train.packets).subspan(sent, chunk), receiver.local_address());
          ASSERT_NE(result.state, IoState::failed) << row.name << " " << sender.error().text();
          sent += result.packets;
          for (std::string& each : receive_all(receiver, batch)) got.push_back(std::move(each));
        }
        EXPECT_TRUE(got == train.whole) << row.name << " gso " << gso << ": " << got.size() << " of "
                                        << train.whole.size();
      }
      EXPECT_EQ(sender.gso_active(), gso) << "loopback refuses no train";
    }
  }
}

TEST(Udp, ARefusedTrainFallsBackForGoodAndLosesNothing) {
  UdpSocket receiver = open_at(SocketAddress::loopback_v4(0), {.receive_buffer_bytes = 4 << 20});
  UdpSocket sender = open_at(SocketAddress::loopback_v4(0));
  const int on = 1;  // without checksums the kernel refuses UDP_SEGMENT, as devices without offload do
  ASSERT_EQ(setsockopt(sender.fd(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
  const Train train(std::vector<size_t>(50, 1000), 12);
  UdpReceiveBatch batch;
  EXPECT_TRUE(sender.gso_active());
  const UdpSendResult result = sender.send_train(train.packets, receiver.local_address());
  EXPECT_EQ(result.state, IoState::ok) << sender.error().text();
  EXPECT_EQ(result.packets, 50U);
  EXPECT_FALSE(sender.gso_active());
  EXPECT_TRUE(receive_all(receiver, batch) == train.whole);
}

TEST(Udp, TooLargeADatagramFailsWithoutSpoilingTheRest) {
  UdpSocket receiver = open_at(SocketAddress::loopback_v4(0));
  UdpSocket sender = open_at(SocketAddress::loopback_v4(0));
  const Train train({100, 100, 70000, 100}, 12);
  const UdpSendResult result = sender.send_train(train.packets, receiver.local_address());
  EXPECT_EQ(result.state, IoState::failed);
  EXPECT_EQ(result.packets, 2U);
  EXPECT_NE(sender.error().what.find(std::strerror(EMSGSIZE)), std::string::npos);
  EXPECT_TRUE(sender.gso_active()) << "a single datagram says nothing about trains";
  UdpReceiveBatch batch;
  EXPECT_EQ(receive_all(receiver, batch).size(), 2U);
}

TEST(Udp, PartialSuccessIsCounted) {
  // Loopback takes every datagram off the sender's account at once, so its buffer never fills. A datagram socket that
  // can be full is put under the same descriptor.
  UdpSocket sender = open_at(SocketAddress::loopback_v4(0), {.gso = false});
  int ends[2] = {-1, -1};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  const Fd receiver(ends[0]);
  ASSERT_NE(dup2(ends[1], sender.fd()), -1);
  close(ends[1]);
  const Train train(std::vector<size_t>(5000, 1000), 12);
  const UdpSendResult result = sender.send_train(train.packets, SocketAddress());
  EXPECT_EQ(result.state, IoState::would_block);
  EXPECT_GT(result.packets, 0U);
  EXPECT_LT(result.packets, 5000U);
  EXPECT_TRUE(sender.send(as_bytes("x"), SocketAddress()).would_block());
  size_t arrived = 0;
  std::array<char, 2000> room;
  while (recv(receiver.get(), room.data(), room.size(), 0) == 1000) {
    EXPECT_EQ(std::string_view(room.data(), 1000), train.whole[arrived]);
    ++arrived;
  }
  EXPECT_EQ(arrived, result.packets);
  EXPECT_EQ(sender.send_train(std::span(train.packets).subspan(arrived, 2), SocketAddress()).packets, 2U);
}

TEST(Udp, ReceivesWithSourcesAndDropsWhatIsTooLong) {
  UdpSocket receiver = open_at(SocketAddress::loopback_v4(0));
  UdpSocket first = open_at(SocketAddress::loopback_v4(0));
  UdpSocket second = open_at(SocketAddress::loopback_v4(0));
  UdpReceiveBatch batch(4, 100);
  EXPECT_TRUE(receiver.receive(batch).would_block());
  EXPECT_TRUE(batch.datagrams().empty());
  ASSERT_TRUE(first.send(as_bytes("one"), receiver.local_address()).ok());
  ASSERT_TRUE(second.send(as_bytes(pattern(101)), receiver.local_address()).ok());
  ASSERT_TRUE(second.send(as_bytes("two"), receiver.local_address()).ok());
  std::vector<std::pair<std::string, SocketAddress>> got;
  while (receiver.receive(batch).ok()) {
    for (const UdpDatagram& each : batch.datagrams()) got.emplace_back(as_text(each.bytes), each.from);
  }
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].first, "one");
  EXPECT_EQ(got[0].second, first.local_address());
  EXPECT_EQ(got[1].first, "two");
  EXPECT_EQ(got[1].second, second.local_address());
  EXPECT_EQ(receiver.oversized(), 1U);
}

TEST(Udp, GroIsTakenApart) {
  UdpSocket receiver = open_at(SocketAddress::loopback_v4(0), {.receive_buffer_bytes = 4 << 20, .gro = true});
  UdpSocket sender = open_at(SocketAddress::loopback_v4(0));
  std::vector<size_t> sizes(30, 1000);
  sizes.back() = 10;
  const Train train(sizes, 12);
  ASSERT_EQ(sender.send_train(train.packets, receiver.local_address()).packets, 30U);
  UdpReceiveBatch batch(8, 65536);
  EXPECT_TRUE(receive_all(receiver, batch) == train.whole);
}

TEST(Udp, KernelDropsAreCounted) {
  UdpSocket receiver = open_at(SocketAddress::loopback_v4(0), {.receive_buffer_bytes = 4096});
  UdpSocket sender = open_at(SocketAddress::loopback_v4(0));
  const std::string packet = pattern(1000);
  constexpr size_t kSent = 200;
  for (size_t i = 0; i < kSent; ++i) ASSERT_TRUE(sender.send(as_bytes(packet), receiver.local_address()).ok());
  UdpReceiveBatch batch;
  size_t got = receive_all(receiver, batch).size();
  ASSERT_LT(got, kSent);
  ASSERT_TRUE(sender.send(as_bytes(packet), receiver.local_address()).ok());  // carries the newest count
  got += receive_all(receiver, batch).size();
  EXPECT_EQ(receiver.kernel_drops(), kSent + 1 - got);
}

TEST(Udp, ConnectedSocketsHearOnlyTheirPeerAndSurviveARefusal) {
  UdpSocket a = open_at(SocketAddress::loopback_v4(0));
  UdpSocket stranger = open_at(SocketAddress::loopback_v4(0));
  UdpReceiveBatch batch;
  {
    UdpSocket b = open_at(SocketAddress::loopback_v4(0));
    ASSERT_TRUE(a.connect(b.local_address()));
    ASSERT_TRUE(stranger.send(as_bytes("no"), a.local_address()).ok());
    ASSERT_TRUE(b.send(as_bytes("yes"), a.local_address()).ok());
    EXPECT_EQ(receive_all(a, batch), std::vector<std::string>{"yes"});
    ASSERT_TRUE(a.send(as_bytes("back"), SocketAddress()).ok());
    EXPECT_EQ(receive_all(b, batch), std::vector<std::string>{"back"});
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(a.send(as_bytes("gone"), SocketAddress()).ok()) << a.error().text();
  EXPECT_TRUE(a.receive(batch).would_block()) << "the refusal of what was sent is not an error of receiving";
  const Train train({10, 10, 20}, 0);
  EXPECT_EQ(a.send_train(train.packets, SocketAddress()).packets, 3U);
}

TEST(Udp, PairsAreEvenAndOdd) {
  std::vector<UdpPair> pairs;
  for (int i = 0; i < 8; ++i) {
    auto pair = open_udp_pair({.bind = SocketAddress::loopback_v4(0)}, 40001, 40200);
    ASSERT_TRUE(pair) << pair.error().text();
    EXPECT_EQ(pair->rtp.local_address().port() % 2, 0);
    EXPECT_EQ(pair->rtcp.local_address().port(), pair->rtp.local_address().port() + 1);
    EXPECT_GE(pair->rtp.local_address().port(), 40002);
    pairs.push_back(std::move(*pair));
  }
  const uint16_t port = pairs[0].rtp.local_address().port();
  const auto none = open_udp_pair({.bind = SocketAddress::loopback_v4(0)}, port, static_cast<uint16_t>(port + 1));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::bind_failed);
  EXPECT_FALSE(open_udp_pair({.bind = SocketAddress::loopback_v4(0)}, 40001, 40002));
  const auto foreign = open_udp_pair({.bind = *SocketAddress::parse("192.0.2.1")});
  ASSERT_FALSE(foreign) << "not an address of this machine: told at once, not tried on every port";
}

TEST(Udp, OptionsReachTheSocket) {
  const UdpSocket socket = open_at(SocketAddress::loopback_v4(0), {.receive_buffer_bytes = 50000, .dscp = 34});
  int value = 0;
  socklen_t length = sizeof(value);
  ASSERT_EQ(getsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &value, &length), 0);
  EXPECT_EQ(value, 100000);
  ASSERT_EQ(getsockopt(socket.fd(), IPPROTO_IP, IP_TOS, &value, &length), 0);
  EXPECT_EQ(value, 34 << 2);
  EXPECT_FALSE(UdpSocket::open({}));
  EXPECT_EQ(UdpSocket::open({.bind = socket.local_address()}).error().code, Code::bind_failed);
}

}  // namespace
}  // namespace vigie::net
