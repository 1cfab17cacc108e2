#include "net/address.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <unordered_set>

namespace vigie::net {
namespace {

TEST(SocketAddress, ParsesAndPrints) {
  struct Row {
    const char* text;
    uint16_t default_port;
    const char* printed;  // nullptr: refused
  };
  const Row rows[] = {
      {"10.1.2.3:554", 1, "10.1.2.3:554"},
      {"10.1.2.3", 554, "10.1.2.3:554"},
      {"[::1]:8554", 1, "[::1]:8554"},
      {"[::1]", 554, "[::1]:554"},
      {"::1", 554, "[::1]:554"},
      {"2001:DB8:0:0::1", 0, "[2001:db8::1]:0"},
      {"[fe80::1%lo]:80", 1, "[fe80::1%lo]:80"},
      {"0.0.0.0:65535", 1, "0.0.0.0:65535"},
      {"", 1, nullptr},
      {"10.1.2", 1, nullptr},
      {"10.1.2.3:", 1, nullptr},
      {"10.1.2.3:65536", 1, nullptr},
      {"10.1.2.3:-1", 1, nullptr},
      {"10.1.2.3:5 ", 1, nullptr},
      {"[::1", 1, nullptr},
      {"[::1]8554", 1, nullptr},
      {"[10.1.2.3]:80", 1, nullptr},
      {"::1:2:3:4:5:6:7:8:9", 1, nullptr},
      {"[fe80::1%nosuchinterface]:80", 1, nullptr},
      {"camera.example:80", 1, nullptr},
      {":80", 1, nullptr},
  };
  for (const Row& row : rows) {
    const auto address = SocketAddress::parse(row.text, row.default_port);
    ASSERT_EQ(address.ok(), row.printed != nullptr) << row.text;
    if (!address) {
      EXPECT_EQ(address.error().code, Code::invalid_argument);
      EXPECT_FALSE(address.error().what.empty());
      continue;
    }
    EXPECT_EQ(address->text(), row.printed);
    EXPECT_EQ(*SocketAddress::parse(address->text()), *address);
  }
}

TEST(SocketAddress, Properties) {
  const auto mapped = *SocketAddress::parse("[::ffff:10.0.0.7]:9");
  EXPECT_EQ(mapped.unmapped().text(), "10.0.0.7:9");
  EXPECT_FALSE(mapped == mapped.unmapped());
  EXPECT_TRUE(SocketAddress::any_v4(1).is_any());
  EXPECT_TRUE(SocketAddress::any_v6(1).is_any());
  EXPECT_TRUE(SocketAddress::loopback_v4(1).is_loopback());
  EXPECT_TRUE(SocketAddress::loopback_v6(1).is_loopback());
  EXPECT_TRUE(SocketAddress::parse("127.8.8.8")->is_loopback());
  EXPECT_TRUE(SocketAddress::parse("::ffff:127.0.0.1")->is_loopback());
  EXPECT_FALSE(SocketAddress::parse("128.0.0.1")->is_loopback());
  EXPECT_TRUE(SocketAddress::parse("239.1.1.1")->is_multicast());
  EXPECT_TRUE(SocketAddress::parse("ff02::1")->is_multicast());
  EXPECT_TRUE(SocketAddress::parse("169.254.1.1")->is_link_local());
  EXPECT_TRUE(SocketAddress::parse("fe80::1")->is_link_local());
  EXPECT_FALSE(SocketAddress().valid());
  EXPECT_EQ(SocketAddress().text(), "unspecified");
  SocketAddress other = SocketAddress::loopback_v4(5);
  EXPECT_TRUE(other.same_host(SocketAddress::loopback_v4(6)));
  EXPECT_FALSE(other == SocketAddress::loopback_v4(6));
  other.set_port(6);
  EXPECT_TRUE(other == SocketAddress::loopback_v4(6));
  EXPECT_FALSE(SocketAddress::from(other.data(), 4).valid()) << "too short";
  const std::unordered_set<SocketAddress> set{other, SocketAddress::loopback_v4(6), SocketAddress::loopback_v6(6)};
  EXPECT_EQ(set.size(), 2U);
}

TEST(HostPort, NamesAndTheirPorts) {
  struct Row {
    const char* text;
    const char* host;  // nullptr: refused
    uint16_t port;
  };
  const Row rows[] = {
      {"camera.example:8554", "camera.example", 8554},
      {"camera", "camera", 554},
      {"[fe80::1%eth7]:99", "fe80::1%eth7", 99},
      {"10.0.0.1", "10.0.0.1", 554},
      {"a b:1", nullptr, 0},
      {"user@host:1", nullptr, 0},
      {"host:x", nullptr, 0},
      {"::1", nullptr, 0},
      {"host:1:2", nullptr, 0},
      {"", nullptr, 0},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_host_port(row.text, 554);
    ASSERT_EQ(parsed.ok(), row.host != nullptr) << row.text;
    if (!parsed) continue;
    EXPECT_EQ(parsed->host, row.host);
    EXPECT_EQ(parsed->port, row.port);
  }
  EXPECT_FALSE(parse_host_port(std::string(1000, 'a'), 1));
}

TEST(Interfaces, LoopbackHasItsAddressAndUnknownOnesNameTheKnown) {
  const auto addresses = interface_addresses("lo");
  ASSERT_TRUE(addresses) << addresses.error().text();
  bool found = false;
  for (const SocketAddress& address : *addresses) found = found || address == SocketAddress::loopback_v4(0);
  EXPECT_TRUE(found);
  const auto unknown = interface_addresses("nosuch0");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::not_found);
  EXPECT_NE(unknown.error().what.find("lo"), std::string::npos);
}

}  // namespace
}  // namespace vigie::net
