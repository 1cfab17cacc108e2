// Deviations in the answer to SETUP and in what comes on which channel, one suite an id.
#include "quirk_script.h"

namespace vigie::source {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string transport(const std::string& value) { return "Session: 77\r\nTransport: " + value + "\r\n"; }

// SETUP is answered so, PLAY as it should be.
void set_up(QuirkScript& device, const std::string& answer) {
  device.until_play(answer);
  if (!device.ended) device.ok();
}

TEST(QuirkFree, NothingIsNotedOverTcp) {
  QuirkScript device;
  device.play();
  device.frame(0, "picture");
  device.frame(1, "report");
  device.advance(30s);
  device.take();
  device.ok();
  EXPECT_THAT(device.rtp, ElementsAre("picture"));
  expect_plays(device);
}
TEST(QuirkFree, NothingIsNotedOverUdp) {
  QuirkScript device(over_udp());
  device.play();
  device.client->on_udp_packet(false, as_bytes("picture"), {device.now, {}});
  device.client->on_udp_packet(true, as_bytes("report"), {device.now, {}});
  device.advance(30s);
  device.take();
  device.ok();
  EXPECT_THAT(device.rtp, ElementsAre("picture"));
  expect_plays(device);
}

const std::string kA20Answers[] = {
    transport("RTP/AVP;unicast;interleaved=0-1"), transport("RTP/AVP/TCP;unicast;interleaved=0"),
    transport("RTP/AVP/TCP;unicast;interleaved=0-0"), transport("RTP/AVP/TCP;unicast"), "Session: 77\r\n"};
TEST(QuirkA20, Tolerated) {
  for (const std::string& answer : kA20Answers) {
    QuirkScript device;
    set_up(device, answer);
    expect_plays(device, Quirk::A20);
  }
}
TEST(QuirkA20, Strict) {
  for (const std::string& answer : kA20Answers) {
    QuirkScript device(Quirk::A20);
    set_up(device, answer);
    expect_refused(device, Quirk::A20);
  }
}

TEST(QuirkA21, Tolerated) {
  QuirkScript device;
  set_up(device, transport("RTP/AVP/TCP;unicast;interleaved=8-9"));
  expect_plays(device, Quirk::A21, 8);
}
TEST(QuirkA21, Strict) {
  QuirkScript device(Quirk::A21);
  set_up(device, transport("RTP/AVP/TCP;unicast;interleaved=8-9"));
  expect_refused(device, Quirk::A21);
  EXPECT_THAT(device.ended->what, HasSubstr("channels 8-9, asked for 0-1"));
}

const std::string kA24Answers[] = {transport("RTP/AVP;unicast"), transport("RTP/AVP;unicast;server_port=0-1"),
                                   transport("RTP/AVP;unicast;server_port=7000"),
                                   transport("RTP/AVP;unicast;source=;server_port=7000-7001"), "Session: 77\r\n"};
TEST(QuirkA24, Tolerated) {
  for (const std::string& answer : kA24Answers) {
    QuirkScript device(over_udp());
    set_up(device, answer);
    expect_plays(device, Quirk::A24);
  }
}
TEST(QuirkA24, Strict) {
  for (const std::string& answer : kA24Answers) {
    QuirkScript device(Quirk::A24, over_udp());
    set_up(device, answer);
    expect_refused(device, Quirk::A24);
  }
}
TEST(QuirkA24, ASourceThatIsGivenIsNone) {
  QuirkScript device(over_udp());
  set_up(device, transport("RTP/AVP;unicast;source=10.0.0.8;server_port=7000-7001"));
  EXPECT_EQ(device.udp_source, "10.0.0.8");
  expect_plays(device);
}

const std::string kA23Answers[] = {transport("ssrc=0a1b2c3d;unicast;RTP/AVP/TCP;interleaved=0-1"),
                                   transport("interleaved=0-1;RTP/AVP/TCP;unicast")};
TEST(QuirkA23, Tolerated) {
  for (const std::string& answer : kA23Answers) {
    QuirkScript device;
    set_up(device, answer);
    expect_plays(device, Quirk::A23);
  }
}
TEST(QuirkA23, Strict) {
  for (const std::string& answer : kA23Answers) {
    QuirkScript device(Quirk::A23);
    set_up(device, answer);
    expect_refused(device, Quirk::A23);
  }
}

const std::string kA27Answer = "Session: 77 ; timeout=8\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
TEST(QuirkA27, Tolerated) {
  QuirkScript device;
  set_up(device, kA27Answer);
  device.advance(4s);
  EXPECT_THAT(device.expect("GET_PARAMETER "), HasSubstr("Session: 77\r\n"));
  device.ok();
  expect_plays(device, Quirk::A27);
}
TEST(QuirkA27, Strict) {
  QuirkScript device(Quirk::A27);
  set_up(device, kA27Answer);
  expect_refused(device, Quirk::A27);
}

const std::string kTwo = transport("RTP/AVP;unicast;server_port=1-2,RTP/AVP/TCP;unicast;interleaved=0-1");
TEST(QuirkA25, Tolerated) {
  QuirkScript device;
  set_up(device, kTwo);
  expect_plays(device, Quirk::A25);
}
TEST(QuirkA25, Strict) {
  QuirkScript device(Quirk::A25);
  set_up(device, kTwo);
  expect_refused(device, Quirk::A25);
}

void change_session(QuirkScript& device) {
  device.until_play(kTcpAnswer);
  device.ok("Session: 78\r\n");
}
TEST(QuirkA26, Tolerated) {
  QuirkScript device;
  change_session(device);
  expect_plays(device, Quirk::A26);
  device.client->stop(device.now, {});
  EXPECT_THAT(device.expect("TEARDOWN "), HasSubstr("Session: 78\r\n"));
}
TEST(QuirkA26, Strict) {
  QuirkScript device(Quirk::A26);
  change_session(device);
  expect_refused(device, Quirk::A26);
}

// --- packets at the wrong time or place

void send_before_answer(QuirkScript& device) {
  device.until_play(kTcpAnswer);
  device.frame(0, "early");
  device.frame(1, "early report");
  device.ok();
}
TEST(QuirkE3, Tolerated) {
  QuirkScript device;
  send_before_answer(device);
  EXPECT_THAT(device.rtp, ElementsAre("early"));
  EXPECT_THAT(device.rtcp, ElementsAre("early report"));
  expect_plays(device, Quirk::E3);
}
TEST(QuirkE3, Strict) {
  QuirkScript device(Quirk::E3);
  send_before_answer(device);
  EXPECT_THAT(device.rtp, IsEmpty());
  EXPECT_THAT(device.rtcp, IsEmpty());
  expect_plays(device, Quirk::E3);
}

void send_before_answer_over_udp(QuirkScript& device) {
  device.until_play(kUdpAnswer);
  device.client->on_udp_packet(false, as_bytes("early"), {device.now, {}});
  device.client->on_udp_packet(true, as_bytes("early report"), {device.now, {}});
  device.ok();
}
TEST(QuirkJ1, Tolerated) {
  QuirkScript device(over_udp());
  send_before_answer_over_udp(device);
  EXPECT_THAT(device.rtp, ElementsAre("early"));
  EXPECT_THAT(device.rtcp, ElementsAre("early report"));
  expect_plays(device, Quirk::J1);
}
TEST(QuirkJ1, Strict) {
  QuirkScript device(Quirk::J1, over_udp());
  send_before_answer_over_udp(device);
  EXPECT_THAT(device.rtp, IsEmpty());
  EXPECT_THAT(device.rtcp, IsEmpty());
  expect_plays(device, Quirk::J1);
}

void send_on_channel_99(QuirkScript& device) {
  device.play();
  device.frame(99, "nobody's");
}
TEST(QuirkE4, Tolerated) {
  QuirkScript device;
  send_on_channel_99(device);
  EXPECT_THAT(device.rtp, IsEmpty());
  EXPECT_EQ(device.client->stats().unknown_channel_frames, 1u);
  expect_plays(device, Quirk::E4);
}
TEST(QuirkE4, Strict) {
  QuirkScript device(Quirk::E4);
  send_on_channel_99(device);
  expect_refused(device, Quirk::E4);
  EXPECT_THAT(device.ended->what, HasSubstr("channel 99"));
}

// Whoever records the device is told of all that stands between its packets.
TEST(StrayBytesOf, WhatStandsBetweenThePackets) {
  QuirkScript device;
  device.play();
  device.frame(0, "picture");
  EXPECT_THAT(device.strays, IsEmpty());
  device.feed("\r\n");
  device.frame(0, "\x80picture");
  ASSERT_EQ(device.strays.size(), 1u);
  EXPECT_EQ(device.strays[0].line_ends, 1u) << "the other one went with the read before";
  EXPECT_EQ(device.strays[0].garbage, 0u);
  device.frame(99, "nobody's");
  ASSERT_EQ(device.strays.size(), 2u);
  EXPECT_EQ(device.strays[1].channel, 99);
  EXPECT_EQ(device.strays[1].payload_bytes, 8u);
  device.feed(std::string(20, '\x91'));
  device.feed(std::string(10, '\x91'));
  device.frame(0, "\x80picture");
  size_t garbage = 0;
  for (size_t i = 2; i < device.strays.size(); ++i) {
    garbage += device.strays[i].garbage;
    EXPECT_EQ(device.strays[i].line_ends, 0u);
    EXPECT_FALSE(device.strays[i].channel);
  }
  EXPECT_EQ(garbage, 30u);
  EXPECT_THAT(device.rtp, ElementsAre("picture", "\x80picture", "\x80picture"));
}

void send_on_a_new_connection(QuirkScript& device) {
  device.start();
  device.frame(0, "an earlier session's");
  device.take();
  device.ok();
  device.take();
  device.ok(kSdpType, kSdp);
  device.take();
  device.frame(0, "an earlier session's");
  device.ok(kTcpAnswer);
  device.take();
  if (!device.ended) device.ok();
}
TEST(QuirkD12, Tolerated) {
  QuirkScript device;
  send_on_a_new_connection(device);
  EXPECT_THAT(device.rtp, IsEmpty());
  expect_plays(device, Quirk::D12);
}
TEST(QuirkD12, Strict) {
  QuirkScript device(Quirk::D12);
  send_on_a_new_connection(device);
  expect_refused(device, Quirk::D12);
}

// --- another transport

void refuse_first_transport(QuirkScript& device, bool with_461, bool udp_first = true) {
  device.until_setup();
  if (with_461) {
    device.status(461);
  } else {
    device.ok(kTcpAnswer);
  }
  if (device.ended) return;
  device.sent.clear();
  device.open();
  device.take();
  device.ok();
  device.take();
  device.ok(kSdpType, kSdp);
  device.expect("SETUP ");
  device.ok(udp_first ? kTcpAnswer : kUdpAnswer);
  device.expect("PLAY ");
  device.ok();
}
TEST(QuirkJ4, Tolerated) {
  for (const bool with_461 : {true, false}) {
    QuirkScript device(over_udp());
    refuse_first_transport(device, with_461);
    EXPECT_EQ(device.played_over_tcp, true);
    expect_plays(device, Quirk::J4);
  }
  QuirkScript device;
  refuse_first_transport(device, true, false);
  EXPECT_EQ(device.played_over_tcp, false);
  expect_plays(device, Quirk::J4);
}
TEST(QuirkJ4, Strict) {
  for (const bool with_461 : {true, false}) {
    QuirkScript device(Quirk::J4, over_udp());
    refuse_first_transport(device, with_461);
    EXPECT_EQ(device.connects.size(), 1u);
    expect_refused(device, Quirk::J4);
  }
}

}  // namespace
}  // namespace vigie::source
