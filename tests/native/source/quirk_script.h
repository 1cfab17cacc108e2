#pragma once
// What the tests of single quirks have in common: the dialogue up to a point, and what must come of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "client_script.h"

namespace vigie::source::testing {

inline constexpr const char* kSdpType = "Content-Type: application/sdp\r\n";
inline constexpr const char* kTcpAnswer = "Session: 77\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
inline constexpr const char* kUdpAnswer =
    "Session: 77\r\nTransport: RTP/AVP;unicast;client_port=5000-5001;server_port=7000-7001\r\n";

// A device that does one thing that it should not.
struct QuirkScript : Script {
  explicit QuirkScript(RtspClientConfig config = {}) : Script(std::move(config)) {}
  explicit QuirkScript(Quirk strict, RtspClientConfig config = {}) : Script(std::move(config)) {
    quirks.strict.insert(strict);
  }
  // Each takes the dialogue up to the request of its name, which is taken too.
  void until_describe() {
    start();
    take();
    ok("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n");
    take();
  }
  std::string until_setup(std::string_view sdp = kSdp, const std::string& headers = "") {
    until_describe();
    ok(kSdpType + headers, sdp);
    return take();
  }
  void until_play(const std::string& setup_answer) {
    until_setup();
    ok(setup_answer);
    take();
  }
};

inline RtspClientConfig over_udp() {
  RtspClientConfig config;
  config.transport = policy::Transport::udp;
  return config;
}
inline RtspClientConfig with_password() {
  RtspClientConfig config;
  config.username = "ops";
  config.password = "hush-hush";
  return config;
}
inline std::string sdp_with_control(std::string_view control) {
  return std::string(
             "v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=cam\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
             "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:")
      .append(control)
      .append("\r\n");
}
inline constexpr const char* kChallenge = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\"\r\n";

// It plays, a picture arrives, and exactly `quirk` was noted.
inline void expect_plays(Script& device, Quirk quirk, uint8_t channel = 0) {
  EXPECT_FALSE(device.ended) << device.ended->text();
  ASSERT_EQ(device.client->phase(), RtspClient::Phase::playing);
  const size_t before = device.rtp.size();
  if (device.played_over_tcp.value_or(true)) {
    device.frame(channel, "picture");
  } else {
    device.client->on_udp_packet(false, as_bytes("picture"), {device.now, {}});
  }
  EXPECT_EQ(device.rtp.size(), before + 1);
  EXPECT_THAT(device.quirks.seen.list(), ::testing::ElementsAre(quirk));
}
// The same for what is nothing to note.
inline void expect_plays(Script& device) {
  EXPECT_FALSE(device.ended) << device.ended->text();
  EXPECT_EQ(device.client->phase(), RtspClient::Phase::playing);
  EXPECT_THAT(device.quirks.seen.list(), ::testing::IsEmpty());
}
// The attempt has ended, with an error that names exactly `quirk`.
inline void expect_refused(const Script& device, Quirk quirk, Code code = Code::rtsp_unsupported) {
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.ended->code, code);
  const std::string id(quirk_facts(quirk).id);
  EXPECT_THAT(device.ended->what, ::testing::HasSubstr("(" + id + " is not tolerated)"));
  EXPECT_THAT(device.quirks.seen.list(), ::testing::ElementsAre(quirk));
}

}  // namespace vigie::source::testing
