#include "rtp/packet.h"

#include <gtest/gtest.h>

#include "rtp_support.h"

namespace vigie::rtp {
namespace {

TEST(Packet, HeaderRoundTrip) {
  const Bytes bytes = packet_bytes(0xfffe, 0x89abcdef, true, {1, 2, 3}, 0xdeadbeef);
  PacketView view;
  ASSERT_EQ(try_parse_packet(bytes, view), PacketFault::none);
  EXPECT_TRUE(view.marker);
  EXPECT_EQ(view.payload_type, 96);
  EXPECT_EQ(view.sequence, 0xfffe);
  EXPECT_EQ(view.timestamp, 0x89abcdef);
  EXPECT_EQ(view.ssrc, 0xdeadbeef);
  EXPECT_EQ(Bytes(view.payload.begin(), view.payload.end()), (Bytes{1, 2, 3}));
}

// Quirk F9: extension, padding and CSRCs are not payload.
TEST(Packet, TakesOffWhatIsNotPayload) {
  Bytes bytes = packet_bytes(1, 2, false, {});
  bytes[0] |= 0x20 | 0x10 | 2;
  bytes.insert(bytes.end(), {0, 0, 0, 1, 0, 0, 0, 2});        // CSRCs
  bytes.insert(bytes.end(), {0xab, 0xac, 0, 1, 9, 9, 9, 9});  // extension of one word
  bytes.insert(bytes.end(), {0x65, 0x88, 0, 0, 3});           // payload and three bytes of padding
  PacketView view;
  ASSERT_EQ(try_parse_packet(bytes, view), PacketFault::none);
  EXPECT_EQ(Bytes(view.payload.begin(), view.payload.end()), (Bytes{0x65, 0x88}));
  EXPECT_EQ(view.extension_profile, 0xabac);
  EXPECT_EQ(Bytes(view.extension.begin(), view.extension.end()), (Bytes{9, 9, 9, 9}));
}

TEST(Packet, Faults) {
  const Bytes good = packet_bytes(1, 2, false, {1});
  const auto fault = [](Bytes bytes) {
    PacketView view;
    return try_parse_packet(bytes, view);
  };
  EXPECT_EQ(fault(Bytes(good.begin(), good.begin() + 11)), PacketFault::too_short);
  Bytes bytes = good;
  bytes[0] = 0x40;
  EXPECT_EQ(fault(bytes), PacketFault::version);
  bytes[0] = 0x8f;
  EXPECT_EQ(fault(bytes), PacketFault::csrc);
  bytes[0] = 0x90;
  EXPECT_EQ(fault(bytes), PacketFault::extension);
  bytes.insert(bytes.end(), {0, 0, 0xff, 0xff, 0});
  EXPECT_EQ(fault(bytes), PacketFault::extension);
  for (const int padding : {0, 2, 255}) {
    bytes = good;
    bytes[0] = 0xa0;
    bytes.back() = static_cast<uint8_t>(padding);
    EXPECT_EQ(fault(bytes), PacketFault::padding) << padding;
  }
  bytes.back() = 1;  // padding only: no payload, no fault (F10)
  EXPECT_EQ(fault(bytes), PacketFault::none);
}

}  // namespace
}  // namespace vigie::rtp
