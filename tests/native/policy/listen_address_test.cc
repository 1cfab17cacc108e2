#include "policy/listen_address.h"

#include <gtest/gtest.h>

namespace vigie::policy {
namespace {

using Kind = ListenAddress::Kind;

TEST(ListenAddress, ReadsEveryForm) {
  const struct {
    const char* text;
    Kind kind;
    const char* host;
    uint16_t port;
    bool loopback;
  } kCases[] = {
      {"127.0.0.1:8554", Kind::ipv4, "127.0.0.1", 8554, true},
      {"127.9.9.9:0", Kind::ipv4, "127.9.9.9", 0, true},
      {"0.0.0.0:65535", Kind::ipv4, "0.0.0.0", 65535, false},
      {"[::1]:554", Kind::ipv6, "::1", 554, true},
      {"[::]:554", Kind::ipv6, "::", 554, false},
      {"[::ffff:127.0.0.1]:554", Kind::ipv6, "::ffff:127.0.0.1", 554, false},
      {"localhost:8554", Kind::localhost, "localhost", 8554, true},
      {"%lo:8554", Kind::interface, "lo", 8554, true},
      {"%eth0.12:8554", Kind::interface, "eth0.12", 8554, false},
  };
  for (const auto& test_case : kCases) {
    SCOPED_TRACE(test_case.text);
    const auto address = parse_listen_address(test_case.text);
    ASSERT_TRUE(address);
    EXPECT_EQ(address->kind, test_case.kind);
    EXPECT_EQ(address->host, test_case.host);
    EXPECT_EQ(address->port, test_case.port);
    EXPECT_EQ(address->loopback(), test_case.loopback);
  }
}

TEST(ListenAddress, RefusesTheRest) {
  const std::string_view kBad[] = {"",
                                   ":",
                                   ":1",
                                   "1",
                                   "127.0.0.1",
                                   "127.0.0.1:",
                                   "127.0.0.1:x",
                                   "127.0.0.1:65536",
                                   "127.0.0.1:000080",
                                   "127.1:1",
                                   "::1:1",
                                   "[::1]",
                                   "[::1:1",
                                   "[]:1",
                                   "%:1",
                                   "% :1",
                                   "%sixteen-letters-:1",
                                   "cam.example:1",
                                   "localhost.:1",
                                   std::string_view("127.0.0.1\0x:1", 13)};
  for (const auto text : kBad) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
}

}  // namespace
}  // namespace vigie::policy
