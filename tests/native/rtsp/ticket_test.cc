#include "rtsp/ticket.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "rtsp/digest_hash.h"

namespace vigie::rtsp {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

Ticket ticket() {
  return {.route = "a1b2",
          .revision = 41,
          .open_by = WallTime(Nanos(1'800'000'000'000'000'001)),
          .until = WallTime(Nanos(1'800'000'100'000'000'002)),
          .agent = "m.weber@police",
          .stream = {"place-armes-01", "sub", "police"}};
}

TEST(Ticket, ComesBackAsItWasSealed) {
  Ticket other = ticket();
  other.until.reset();
  other.stream.version.clear();
  for (const Ticket& each : {ticket(), other}) {
    const std::string sealed = seal_ticket(each, as_bytes(kKey));
    EXPECT_EQ(sealed.find_first_of("+/=&?# "), std::string::npos) << "must stand in a URL as it is";
    const auto opened = open_ticket(sealed, as_bytes(kKey));
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    EXPECT_EQ(*opened, each);
  }
}

// The other side is Python's hmac and base64 (tests/python/control/test_tickets.py has the same line).
TEST(Ticket, IsTheAgreedText) {
  EXPECT_EQ(seal_ticket(ticket(), as_bytes(kKey)),
            "MX5hMWIyfjQxfjE4MDAwMDAwMDAwMDAwMDAwMDF-MTgwMDAwMDEwMDAwMDAwMDAwMn5tLndlYmVyQHBvbGljZX5wbGFjZS1hcm1lcy0wMU"
            "Bwb2xpY2V-c3Vi.X8VRzaU7k-uZMUqKIzoRmpw4pVMzOxkrdYle_DQ176M");
}

TEST(Ticket, NoByteOfItCanBeChanged) {
  const std::string sealed = seal_ticket(ticket(), as_bytes(kKey));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto opened = open_ticket(changed, as_bytes(kKey));
    // The last character of each half holds bits that belong to no byte.
    if (opened.ok()) {
      EXPECT_EQ(*opened, ticket()) << i;
    }
    EXPECT_FALSE(open_ticket(sealed.substr(0, i), as_bytes(kKey)).ok()) << i;
  }
  EXPECT_FALSE(open_ticket(sealed, as_bytes("another key, that is long enough")).ok());
}

TEST(Ticket, OtherFormsAreRefusedThoughWellSealed) {
  for (const std::string text : {"", "1", "2~a~1~2~3~b~c~d", "1~a~1~2~3~b~c", "1~a~1~2~3~b~c~d~e", "1~a~x~2~3~b~c~d",
                                 "1~a~1~99999999999999999999~3~b~c~d", "1~a~1~2~~b~c~d"}) {
    const auto seal = hmac_sha256(as_bytes(kKey), text);
    const std::string sealed = base64_encode(as_bytes(text)) + "." + base64_encode(seal);
    const auto opened = open_ticket(sealed, as_bytes(kKey));
    ASSERT_FALSE(opened.ok()) << text;
    EXPECT_EQ(opened.error().code, Code::not_authorized);
  }
  EXPECT_FALSE(open_ticket("", as_bytes(kKey)).ok());
  EXPECT_FALSE(open_ticket(std::string(100000, 'A') + ".A", as_bytes(kKey)).ok());
}

}  // namespace
}  // namespace vigie::rtsp
