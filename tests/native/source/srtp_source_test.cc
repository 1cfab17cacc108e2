// SRTP from the description to the picture: the dialogue by itself, and over real sockets with a camera that encrypts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <srtp2/srtp.h>

#include <cstring>

#include "../net/test_certificates.h"
#include "base/base64.h"
#include "source_fixture.h"

namespace vigie::source {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Script;
using testing::TinyServer;

// Keys that are easily found wherever they should not be.
std::vector<uint8_t> key_of(uint8_t first) {
  std::vector<uint8_t> key(30);
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(first + 11 * i);
  return key;
}
std::string sdp_with(const std::string& lines, const std::string& profile = "RTP/SAVP") {
  return "v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=cam\r\nt=0 0\r\na=control:*\r\nm=video 0 " + profile +
         " 96\r\na=rtpmap:96 H264/90000\r\n" + lines + "a=control:trackID=1\r\n";
}
std::string crypto(uint8_t first, const std::string& suite = "AES_CM_128_HMAC_SHA1_80") {
  return "a=crypto:1 " + suite + " inline:" + base64_encode(key_of(first)) + "|2^31\r\n";
}
// A MIKEY message of pre-shared mode without encryption, without a policy of its own.
std::vector<uint8_t> mikey() {
  std::vector<uint8_t> out = {1, 0, 5, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0xca, 0xfe, 0, 0, 0, 0};
  const std::vector<uint8_t> tail = {1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 34, 0, 0x20, 0, 30};
  out.insert(out.end(), tail.begin(), tail.end());
  const auto key = key_of(50);
  out.insert(out.end(), key.begin(), key.end());
  out.push_back(0);
  return out;
}

RtspClientConfig secure(policy::Transport transport = policy::Transport::automatic) {
  RtspClientConfig config;
  config.url = "rtsps://10.0.0.7/live";
  config.transport = transport;
  return config;
}
// Up to SETUP, which is returned.
std::string set_up(Script& script, const std::string& sdp) {
  script.start();
  script.expect("OPTIONS");
  script.ok();
  script.expect("DESCRIBE");
  script.ok("Content-Type: application/sdp\r\n", sdp);
  return script.take();
}

TEST(SrtpDialogue, SdesOverRtsps) {
  Script script(secure());
  const std::string setup = set_up(script, sdp_with(crypto(1)));
  EXPECT_THAT(setup, HasSubstr("Transport: RTP/SAVP/TCP;unicast;interleaved=0-1\r\n"));
  EXPECT_THAT(setup, Not(HasSubstr("KeyMgmt")));
  ASSERT_TRUE(script.keys.has_value());
  EXPECT_EQ(script.keys->masters.at(0).key_and_salt, key_of(1));
  script.ok("Session: 7\r\nTransport: RTP/SAVP/TCP;unicast;interleaved=0-1\r\n");
  script.expect("PLAY");
}

TEST(SrtpDialogue, MikeyIsAnsweredInSetup) {
  Script script(secure());
  const std::string setup =
      set_up(script, sdp_with("a=key-mgmt:mikey " + base64_encode(mikey()) + "\r\n", "RTP/SAVPF"));
  EXPECT_THAT(setup, HasSubstr("Transport: RTP/SAVPF/TCP;unicast;interleaved=0-1\r\n"));
  const size_t at = setup.find("KeyMgmt: prot=mikey; uri=\"rtsps://10.0.0.7/live/trackID=1\"; data=\"");
  ASSERT_NE(at, std::string::npos) << setup;
  const size_t data = setup.find("data=\"", at) + 6;
  const auto answer = base64_decode_strict(setup.substr(data, setup.find('"', data) - data));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(load_be32(answer->data() + 11), 0x11223344u) << "the SSRC of our reports";
}

TEST(SrtpDialogue, KeysInTheClearAreRefused) {
  Script script;
  EXPECT_EQ(set_up(script, sdp_with(crypto(1))), "");
  ASSERT_TRUE(script.ended);
  EXPECT_EQ(script.ended->code, Code::rtsp_unsupported);
  EXPECT_THAT(script.ended->what, HasSubstr("right would be rtsps://"));
}

TEST(SrtpDialogue, KeysBesidePlainRtpMeanNothing) {
  Script script;
  EXPECT_THAT(set_up(script, sdp_with(crypto(1), "RTP/AVP")), HasSubstr("Transport: RTP/AVP/TCP"));
  EXPECT_FALSE(script.keys.has_value());
}

TEST(SrtpDialogue, SrtpWithoutAKeyIsRefused) {
  Script script(secure());
  set_up(script, sdp_with(""));
  ASSERT_TRUE(script.ended);
  EXPECT_THAT(script.ended->what, HasSubstr("no key for it"));
}

TEST(SrtpDialogue, NeitherSideMaySwitchProtectionOff) {
  Script off(secure());
  set_up(off, sdp_with(crypto(1)));
  off.ok("Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
  ASSERT_TRUE(off.ended);
  EXPECT_THAT(off.ended->what, HasSubstr("asked for SRTP, the device set up plain RTP"));
  Script on(secure());
  set_up(on, sdp_with("", "RTP/AVP"));
  on.ok("Session: 7\r\nTransport: RTP/SAVP/TCP;unicast;interleaved=0-1\r\n");
  ASSERT_TRUE(on.ended);
  EXPECT_THAT(on.ended->what, HasSubstr("SRTP, for which it gave no key"));
}

TEST(SrtpDialogue, OnlyProtectedMediaMayLeaveTls) {
  Script srtp(secure(policy::Transport::udp));
  EXPECT_THAT(set_up(srtp, sdp_with(crypto(1))), HasSubstr("Transport: RTP/SAVP;unicast;client_port=5000-5001\r\n"));
  Script plain(secure(policy::Transport::udp));
  EXPECT_THAT(set_up(plain, sdp_with("", "RTP/AVP")), HasSubstr("Transport: RTP/AVP/TCP;"));
}

TEST(SrtpDialogue, ANewDescriptionBringsNewKeys) {
  Script script(secure());
  set_up(script, sdp_with(crypto(1)));
  script.status(302, "Location: rtsps://10.0.0.7/other\r\n");
  script.open();
  script.expect("OPTIONS");
  script.ok();
  script.expect("DESCRIBE");
  script.ok("Content-Type: application/sdp\r\n", sdp_with(crypto(2)));
  ASSERT_TRUE(script.keys.has_value());
  EXPECT_EQ(script.keys->masters.at(0).key_and_salt, key_of(2));
}

TEST(SrtpDialogue, NoKeyIsRecorded) {
  for (const std::string& lines : {crypto(1), "a=key-mgmt:mikey " + base64_encode(mikey()) + "\r\n",
                                   "A=Crypto: 1 AES_CM_128_HMAC_SHA1_80 inline:" + base64_encode(key_of(1)) + "\r\n",
                                   "a=x:inline:" + base64_encode(key_of(1)) + "\r\n" + crypto(3)}) {
    Script script(secure());
    set_up(script, sdp_with(lines));
    script.ok("KeyMgmt: prot=mikey; data=\"" + base64_encode(mikey()) + "\"\r\nSession: 7\r\n");
    std::string all;
    for (const DialogueLine& line : script.dialogue.lines()) all += line.text;
    EXPECT_THAT(all, HasSubstr("a=control:trackID=1")) << "the rest is there";
    for (const std::vector<uint8_t>& secret : {key_of(1), key_of(3), mikey()}) {
      const std::string text = base64_encode(secret);
      EXPECT_THAT(all, Not(HasSubstr(text.substr(0, 12)))) << lines;
      EXPECT_THAT(all, Not(HasSubstr(text.substr(text.size() - 12)))) << lines;
    }
  }
}

// --- over sockets

class Encryption {
 public:
  explicit Encryption(uint8_t first) : key_(key_of(first)) {
    srtp_init();
    srtp_policy_t policy{};
    srtp_crypto_policy_set_rtp_default(&policy.rtp);
    srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
    policy.key = key_.data();
    policy.ssrc.type = ssrc_any_outbound;
    EXPECT_EQ(srtp_create(&out_, &policy), srtp_err_status_ok);
    policy.ssrc.type = ssrc_any_inbound;
    EXPECT_EQ(srtp_create(&in_, &policy), srtp_err_status_ok);
  }
  ~Encryption() {
    srtp_dealloc(out_);
    srtp_dealloc(in_);
  }
  Encryption(const Encryption&) = delete;
  Encryption& operator=(const Encryption&) = delete;
  std::string protect(const std::string& plain) {
    alignas(8) char memory[2048] = {};
    std::memcpy(memory, plain.data(), plain.size());
    int size = static_cast<int>(plain.size());
    EXPECT_EQ(srtp_protect(out_, memory, &size), srtp_err_status_ok);
    return {memory, static_cast<size_t>(size)};
  }
  bool authenticates_report(const std::string& report) {
    alignas(8) char memory[2048] = {};
    std::memcpy(memory, report.data(), report.size());
    int size = static_cast<int>(report.size());
    return srtp_unprotect_rtcp(in_, memory, &size) == srtp_err_status_ok;
  }

 private:
  std::vector<uint8_t> key_;
  srtp_t out_ = nullptr;
  srtp_t in_ = nullptr;
};

class SrtpSourceTest : public testing::SourceTest {
 protected:
  SrtpSourceTest() {
    net::TlsServerOptions options;
    options.certificate_file = certificates.certificate("good");
    options.key_file = certificates.key("good");
    server = std::make_unique<TinyServer>(*loop, net::TlsServerContext::make(options).value());
    server->sdp = sdp_with(crypto(1));
    server->protect = [this](const std::string& plain) { return encryption->protect(plain); };
  }
  void connect_secure(policy::Transport transport = policy::Transport::automatic) {
    policy::StreamPolicy policy;
    policy.tls_ca_file = certificates.certificate("ca");
    policy.transport = transport;
    policy.silence_limit = 3600s;
    policy.first_picture_deadline = 3600s;
    connect(policy);
  }
  const net::TestCertificates certificates;
  std::unique_ptr<Encryption> encryption = std::make_unique<Encryption>(1);
};

TEST_F(SrtpSourceTest, PlaysOverTcpAndReportsProtected) {
  connect_secure();
  ASSERT_TRUE(playing()) << (observer.reasons.empty() ? "" : observer.reasons.back());
  for (int i = 0; i < 30; ++i) picture();
  EXPECT_GE(observer.units.size(), 26u);
  EXPECT_EQ(supervisor->counters().malformed, 0u);
  EXPECT_EQ(supervisor->counters().lost_packets, 0u);
  clock.advance(5s);
  settle();
  ASSERT_FALSE(server->reports.empty());
  EXPECT_TRUE(encryption->authenticates_report(server->reports));
}

TEST_F(SrtpSourceTest, PlaysOverUdp) {
  connect_secure(policy::Transport::udp);
  ASSERT_TRUE(playing());
  for (int i = 0; i < 30; ++i) picture();
  EXPECT_GE(observer.units.size(), 26u);
  EXPECT_THAT(observer.reasons, Contains("RTSP over UDP"));
}

TEST_F(SrtpSourceTest, CountsReplaysAndTakesThemOnce) {
  connect_secure();
  ASSERT_TRUE(playing());
  std::string last;
  server->protect = [this, &last](const std::string& plain) { return last = encryption->protect(plain); };
  for (int i = 0; i < 10; ++i) picture();
  const uint64_t packets = supervisor->counters().packets;
  server->protect = [&last](const std::string&) { return last; };
  picture();
  EXPECT_EQ(supervisor->counters().packets, packets);
  EXPECT_EQ(supervisor->counters().duplicate_packets, 1u);
}

TEST_F(SrtpSourceTest, ForgedPacketsAreCountedToldAndDisturbNothing) {
  connect_secure();
  ASSERT_TRUE(playing());
  for (int i = 0; i < 5; ++i) picture();
  Encryption forger(9);
  for (int i = 0; i < 300; ++i)
    server->write(std::string("$\0", 2) + std::string("\x00\x0c", 2) + "\x80\x60" + std::string(10, 'x'));
  server->protect = [&forger](const std::string& plain) { return forger.protect(plain); };
  for (int i = 0; i < 3; ++i) picture();
  EXPECT_EQ(supervisor->counters().malformed, 303u);
  ASSERT_FALSE(observer.faults.empty());
  EXPECT_EQ(observer.faults[0].code, Code::rtp_malformed);
  EXPECT_THAT(observer.faults[0].what, HasSubstr("do not authenticate"));
  EXPECT_LT(observer.faults.size(), 4u) << "merged";
  server->protect = [this](const std::string& plain) { return encryption->protect(plain); };
  const size_t before = observer.count;
  for (int i = 0; i < 20; ++i) picture();
  EXPECT_GT(observer.count, before + 10);
}

TEST_F(SrtpSourceTest, AStreamWhereNothingAuthenticatesIsGivenUp) {
  encryption = std::make_unique<Encryption>(2);
  connect_secure();
  ASSERT_TRUE(playing());
  for (int i = 0; i < 210 && supervisor->state() != StreamState::backing_off; ++i) picture();
  ASSERT_EQ(supervisor->state(), StreamState::backing_off);
  EXPECT_THAT(observer.reasons.back(), HasSubstr("none of 200 SRTP packets authenticates"));
  EXPECT_EQ(observer.count, 0u);
}

TEST_F(SrtpSourceTest, EachConnectionTakesTheKeysOfItsOwnDescription) {
  connect_secure();
  ASSERT_TRUE(playing());
  for (int i = 0; i < 10; ++i) picture();
  server->cut();
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  server->sdp = sdp_with(crypto(7));
  encryption = std::make_unique<Encryption>(7);
  clock.advance(1s);
  ASSERT_TRUE(playing());
  const size_t before = observer.count;
  for (int i = 0; i < 10; ++i) picture();
  EXPECT_GT(observer.count, before + 6);
}

}  // namespace
}  // namespace vigie::source
