#include "net/multicast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>

#include <string>

#include "net/udp.h"

namespace vigie::net {
namespace {

using ::testing::HasSubstr;

struct Hearer {
  explicit Hearer(Membership membership) {
    UdpOptions options;
    options.bind = membership.group;
    options.reuse_address = true;
    auto opened = UdpSocket::open(options);
    EXPECT_TRUE(opened.ok()) << opened.error().text();
    socket.emplace(std::move(*opened));
    const Status joined = join_group(socket->fd(), membership);
    EXPECT_TRUE(joined.ok()) << joined.error().text();
  }
  // What comes within the time; "" for nothing.
  std::string next(int timeout_ms) {
    pollfd wait{socket->fd(), POLLIN, 0};
    if (poll(&wait, 1, timeout_ms) != 1) return {};
    UdpReceiveBatch batch(1);
    socket->receive(batch);
    return batch.datagrams().empty() ? std::string() : std::string(as_text(batch.datagrams()[0].bytes));
  }
  std::optional<UdpSocket> socket;
};

uint32_t loopback() { return if_nametoindex("lo"); }

UdpSocket sender(const char* from) {
  UdpOptions options;
  options.bind = SocketAddress::parse_ip(from, 0).value();
  UdpSocket socket = UdpSocket::open(options).value();
  const in_addr address{htonl(INADDR_LOOPBACK)};
  EXPECT_EQ(setsockopt(socket.fd(), IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof(address)), 0);
  return socket;
}

// A port that is free, for groups.
uint16_t free_port() {
  UdpOptions options;
  options.bind = SocketAddress::loopback_v4(0);
  return UdpSocket::open(options)->local_address().port();
}
SocketAddress group(const char* text, uint16_t port) { return SocketAddress::parse_ip(text, port).value(); }

TEST(Multicast, EachMemberHearsItsGroupAndNoOther) {
  const uint16_t port = free_port();
  const SocketAddress one = group("239.255.7.1", port);
  const SocketAddress other = group("239.255.7.2", port);
  Hearer first({one, {}, loopback(), 0});
  Hearer second({one, {}, loopback(), 0});
  Hearer third({other, {}, loopback(), 0});
  UdpSocket from = sender("127.0.0.1");
  ASSERT_TRUE(from.send(as_bytes("to one"), one).ok());
  ASSERT_TRUE(from.send(as_bytes("to other"), other).ok());
  EXPECT_EQ(first.next(5000), "to one");
  EXPECT_EQ(second.next(5000), "to one");
  EXPECT_EQ(third.next(5000), "to other");
  EXPECT_EQ(first.next(0), "");
}

TEST(Multicast, SourceSpecificHearsItsSourcesAlone) {
  const SocketAddress at = group("232.255.7.1", free_port());
  Hearer picky({at,
                {SocketAddress::parse_ip("127.0.0.1", 0).value(), SocketAddress::parse_ip("127.0.0.2", 0).value()},
                loopback(),
                0});
  for (const char* from : {"127.0.0.3", "127.0.0.1", "127.0.0.2"}) {
    ASSERT_TRUE(sender(from).send(as_bytes(from), at).ok());
  }
  EXPECT_EQ(picky.next(5000), "127.0.0.1");
  EXPECT_EQ(picky.next(5000), "127.0.0.2");
  EXPECT_EQ(picky.next(0), "");
}

TEST(Multicast, SendsByTheInterfaceOfItsMembership) {
  const SocketAddress at = group("239.255.7.3", free_port());
  Hearer member({at, {}, loopback(), 3});
  ASSERT_TRUE(member.socket->send(as_bytes("own"), at).ok());
  EXPECT_EQ(member.next(5000), "own");  // comes back only if it went out where the group was joined
  int ttl = 0;
  socklen_t size = sizeof(ttl);
  ASSERT_EQ(getsockopt(member.socket->fd(), IPPROTO_IP, IP_MULTICAST_TTL, &ttl, &size), 0);
  EXPECT_EQ(ttl, 3);
}

TEST(Multicast, IPv6) {
  // The loopback interface has no IPv6 multicast; the first other one with a link-local address does.
  ifaddrs* list = nullptr;
  ASSERT_EQ(getifaddrs(&list), 0);
  uint32_t index = 0;
  SocketAddress local;
  for (const ifaddrs* each = list; each; each = each->ifa_next) {
    const SocketAddress address = SocketAddress::from(each->ifa_addr, sizeof(sockaddr_in6));
    constexpr unsigned kNeeded = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    if (!address.is_v6() || !address.is_link_local() || (each->ifa_flags & kNeeded) != kNeeded) continue;
    index = if_nametoindex(each->ifa_name);
    local = address;
    break;
  }
  freeifaddrs(list);
  if (index == 0) GTEST_SKIP() << "no network interface with IPv6 multicast";
  EXPECT_EQ(interface_of(local), index);
  const uint16_t port = free_port();
  for (const char* text : {"ff02::7:1", "ff15::7:1"}) {
    const SocketAddress at = group((std::string(text) + "%" + std::to_string(index)).c_str(), port);
    Hearer member({at, {}, index, 1});
    Hearer picky({at, {local}, index, 1});
    Hearer deaf({at, {group("fe80::7:7%1", 0)}, index, 1});
    ASSERT_TRUE(member.socket->send(as_bytes("own"), at).ok());
    EXPECT_EQ(member.next(5000), "own") << text;
    if (std::string_view(text).starts_with("ff02")) {  // of a wider scope it leaves from a wider address
      EXPECT_EQ(picky.next(5000), "own") << text;
    }
    EXPECT_EQ(deaf.next(0), "") << text;
  }
}

TEST(Multicast, SaysWhatIsWrong) {
  UdpOptions options;
  options.bind = SocketAddress::any_v4(0);
  UdpSocket socket = UdpSocket::open(options).value();
  const Status status = join_group(socket.fd(), {group("239.255.7.4", 0), {}, 0x7fffffff, 0});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::socket_failed);
  EXPECT_THAT(status.error().where, HasSubstr("239.255.7.4"));
}

TEST(Interfaces, ByNameAndByAddress) {
  EXPECT_EQ(interface_index("lo").value(), loopback());
  EXPECT_EQ(interface_of(SocketAddress::loopback_v4(1)), loopback());
  EXPECT_EQ(interface_of(SocketAddress::parse_ip("127.3.2.1", 1).value()), loopback());
  EXPECT_EQ(interface_of(SocketAddress::parse_ip("::ffff:127.0.0.1", 1).value()), loopback());
  EXPECT_EQ(interface_of(SocketAddress::parse_ip("203.0.113.77", 1).value()), 0u);
  const auto none = interface_index("no-such-net");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::not_found);
  EXPECT_THAT(none.error().what, HasSubstr("lo"));
}

}  // namespace
}  // namespace vigie::net
