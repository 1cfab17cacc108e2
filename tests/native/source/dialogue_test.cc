// The record of the dialogue: what is kept, in which bounds, and that no secret is ever in it.
#include "source/dialogue.h"

#include <cstdio>

#include "base/base64.h"
#include "base/random.h"
#include "quirk_script.h"

namespace vigie::source {
namespace {

using ::testing::HasSubstr;
using testing::kSdp;
using ::testing::Not;
using testing::Script;
using ::testing::StartsWith;

constexpr MonoTime kStart{100s};

std::string blanked(std::string_view message) {
  Secrets secrets;
  secrets.add("ops", "hush-hush");
  return secrets.blank(message);
}

struct BlankCase {
  const char* name;
  const char* message;
  const char* shown;
};
class SecretsBlank : public ::testing::TestWithParam<BlankCase> {};
TEST_P(SecretsBlank, ExactlyWhatIsSecret) { EXPECT_EQ(blanked(GetParam().message), GetParam().shown); }
INSTANTIATE_TEST_SUITE_P(
    Cases, SecretsBlank,
    ::testing::Values(
        BlankCase{"nothing", "OPTIONS rtsp://h/a@b RTSP/1.0\r\nCSeq: 1\r\n\r\n",
                  "OPTIONS rtsp://h/a@b RTSP/1.0\r\nCSeq: 1\r\n\r\n"},
        BlankCase{"authorization", "X\r\nauthorization : Basic b3BzOmh1c2gtaHVzaA==\r\nCSeq: 1\r\n\r\n",
                  "X\r\nauthorization : ***\r\nCSeq: 1\r\n\r\n"},
        BlankCase{"folded", "X\r\nProxy-Authorization: Digest a=\"1\",\r\n  response=\"2\"\r\n\tb\r\nCSeq: 1\r\n\r\n",
                  "X\r\nProxy-Authorization: ***\r\nCSeq: 1\r\n\r\n"},
        BlankCase{"bare_line_feeds", "X\nAuthorization: a\n\nAuthorization: b",
                  "X\nAuthorization: ***\n\nAuthorization: b"},
        BlankCase{"cut_off", "X\r\nAuthorization: Digest respon", "X\r\nAuthorization: ***"},
        BlankCase{
            "challenge",
            "X\r\nWWW-Authenticate: Digest realm=\"nonce=1\", Nonce = \"a\\\"b\", opaque=x==, qop=\"auth\"\r\n\r\n",
            "X\r\nWWW-Authenticate: Digest realm=\"nonce=1\", Nonce = ***, opaque=***, qop=\"auth\"\r\n\r\n"},
        BlankCase{"folded_challenge",
                  "X\r\nWWW-Authenticate: Digest realm=\"r\",\r\n nonce=\"abc\r\n def\"\r\nA: b\r\n",
                  "X\r\nWWW-Authenticate: Digest realm=\"r\",\r\n nonce=***\r\nA: b\r\n"},
        BlankCase{"open_quote", "X\r\nWWW-Authenticate: Digest nonce=\"abc\r\nA: b\r\n",
                  "X\r\nWWW-Authenticate: Digest nonce=***\r\nA: b\r\n"},
        BlankCase{"no_value", "X\r\nWWW-Authenticate: Digest nonce=\r\nA: b\r\n",
                  "X\r\nWWW-Authenticate: Digest nonce=***\r\nA: b\r\n"},
        BlankCase{"info", "X\r\nAuthentication-Info: nextnonce=\"a\", rspauth=\"b\", cnonce=\"c\", nc=00000001\r\n\r\n",
                  "X\r\nAuthentication-Info: nextnonce=***, rspauth=***, cnonce=***, nc=00000001\r\n\r\n"},
        BlankCase{"userinfo", "X\r\nContent-Base: rtsp://u:p@h/a@b/\r\n\r\na=control:rtsps://a:b@c@h:1/x\r\n",
                  "X\r\nContent-Base: rtsp://***@h/a@b/\r\n\r\na=control:rtsps://***@h:1/x\r\n"},
        BlankCase{"second_url", "X\r\nRTP-Info: url=rtsp://h/1,url=rtsp://u:p@h/2;seq=1\r\n\r\n",
                  "X\r\nRTP-Info: url=rtsp://h/1,url=rtsp://***@h/2;seq=1\r\n\r\n"},
        BlankCase{"slash_in_password", "GET rtsp://u:p/q@h/1 RTSP/1.0\r\n", "GET rtsp://***@h/1 RTSP/1.0\r\n"},
        BlankCase{"other_scheme", "Location: <http://u:p@h/>\r\n", "Location: <http://***@h/>\r\n"},
        BlankCase{"no_url", "A: x://u:p@[h/ y\r\n", "A: x://***@[h/ y\r\n"},
        BlankCase{"password_in_text", "X\r\nA: say hush-hush\r\n\r\nhush-hush", "X\r\nA: say ***\r\n\r\n***"},
        BlankCase{"percent", "X\r\nA: %68ush%2dhush %68%75%73%68%2D%68%75%73%68\r\n", "X\r\nA: *** ***\r\n"},
        BlankCase{"basic_in_body", "X\r\n\r\nyou sent b3BzOmh1c2gtaHVzaA", "X\r\n\r\nyou sent ***"}),
    [](const auto& param) { return param.param.name; });

TEST(Secrets, OneMayBeAPieceOfAnother) {
  Secrets secrets;
  secrets.add("a", "sh");
  secrets.add("a", "hush-hush");
  secrets.add("a", "");
  EXPECT_EQ(secrets.blank("hush-hush, sh"), "***, ***");
}

TEST(Secrets, AWordOfTheProtocolHidesNoNonce) {
  Secrets secrets;
  secrets.add("a", "nonce");
  EXPECT_THAT(secrets.blank("X\r\nWWW-Authenticate: Digest nonce=\"abc\"\r\n"), Not(HasSubstr("abc")));
}

// Passwords of any letters, put where a device may put them, in any of their spellings.
TEST(Secrets, NoPasswordIsEverLeft) {
  FastRandom random(7);
  static constexpr std::string_view kLetters = "abAB019%25+/@:;=,?&#\"\\ <>-_.~!$'()\xc3\xa4";
  for (int round = 0; round < 3000; ++round) {
    std::string password;
    for (uint64_t i = 0, n = 6 + random.below(10); i < n; ++i) password += kLetters[random.below(kLetters.size())];
    std::string encoded;
    for (const char c : password) {
      char hex[8];
      std::snprintf(hex, sizeof hex, random.chance(0.5) ? "%%%02x" : "%%%02X", static_cast<unsigned char>(c));
      encoded += random.chance(0.5) || c == '%' ? hex : std::string(1, c);
    }
    const std::string basic = base64_encode(as_bytes("ops:" + password));
    const std::string message = "RTSP/1.0 200 OK\r\nA: " + password + "\r\nAuthorization: Basic " + basic +
                                "\r\nContent-Base: rtsp://ops:" + encoded + "@h/x/" + encoded + "\r\n\r\n" + password +
                                encoded + basic + " rtsp://ops:" + password + "@h/";
    Secrets secrets;
    secrets.add("ops", password);
    const std::string shown = secrets.blank(message);
    ASSERT_THAT(shown, Not(HasSubstr(password))) << message;
    ASSERT_THAT(shown, Not(HasSubstr(encoded))) << message;
    ASSERT_THAT(shown, Not(HasSubstr(basic))) << message;
  }
}

// --- bounds

TEST(Dialogue, KeepsTheFirst64AndTheNewest16) {
  Dialogue dialogue;
  const uint64_t attempt = dialogue.begin(kStart);
  for (int i = 0; i < 200; ++i) dialogue.add(attempt, kStart + i * 1s, i % 2 == 0, "message " + std::to_string(i));
  const std::vector<DialogueLine> lines = dialogue.lines();
  ASSERT_EQ(lines.size(), 80u);
  EXPECT_EQ(lines[63], (DialogueLine{63s, false, "message 63"}));
  EXPECT_EQ(lines[64], (DialogueLine{184s, true, "message 184"}));
  EXPECT_EQ(lines[79].text, "message 199");
}

TEST(Dialogue, HoldsAtMost64KiB) {
  for (const size_t bytes : {size_t{1000}, size_t{10'000}, size_t{100'000}}) {
    Dialogue dialogue;
    const uint64_t attempt = dialogue.begin(kStart);
    for (int i = 0; i < 100; ++i) {
      dialogue.add(attempt, kStart, false, std::to_string(i) + std::string(bytes, 'x'));
      size_t all = 0;
      for (const DialogueLine& line : dialogue.lines()) all += line.text.size();
      ASSERT_LE(all, 64u << 10);
      ASSERT_THAT(dialogue.lines().back().text, StartsWith(std::to_string(i) + "x")) << "the newest always has room";
    }
    EXPECT_THAT(dialogue.lines().front().text, StartsWith("0x"));
  }
}

TEST(Dialogue, CutsLongBodiesBehindTheirBlanking) {
  Dialogue dialogue;
  const uint64_t attempt = dialogue.begin(kStart);
  dialogue.conceal("ops", "hush-hush");
  const std::string head = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
  const std::string body = std::string((16 << 10) - 4, 'b') + "hush-hush and more";
  dialogue.add(attempt, kStart, false, head + body);
  const std::string text = dialogue.lines().at(0).text;
  EXPECT_THAT(text, ::testing::EndsWith("b*** \r\n[cut: 8 bytes more]"));
  EXPECT_THAT(text, Not(HasSubstr("hush")));
}

TEST(Dialogue, ShowsWhatCouldNotBeRead) {
  Dialogue dialogue;
  const uint64_t attempt = dialogue.begin(kStart);
  dialogue.conceal("ops", "hush-hush");
  dialogue.add_unreadable(attempt, kStart, as_bytes(std::string_view("\0\xff\r\nHTTP hush-hush~\x7f", 20)));
  dialogue.add_unreadable(attempt, kStart, as_bytes(std::string(300, 'x')));
  EXPECT_EQ(dialogue.lines().at(0).text, "\\x00\\xff\\x0d\\x0aHTTP ***~\\x7f");
  EXPECT_EQ(dialogue.lines().at(1).text, std::string(256, 'x'));
}

TEST(Dialogue, IsTheNewestAttemptsAlone) {
  Dialogue dialogue;
  const uint64_t old = dialogue.begin(kStart);
  dialogue.conceal("ops", "hush-hush");
  dialogue.add(old, kStart, true, "first");
  const uint64_t attempt = dialogue.begin(kStart + 5s);
  dialogue.add(old, kStart + 5s, true, "TEARDOWN");
  dialogue.add(attempt, kStart + 6s, true, "second");
  ASSERT_EQ(dialogue.lines().size(), 1u);
  EXPECT_EQ(dialogue.lines()[0], (DialogueLine{1s, true, "second"}));
}

// --- written by the client

RtspClientConfig in_url() {
  RtspClientConfig config;
  config.url = "rtsp://ops:hush%2Dhush@10.0.0.7/live";
  return config;
}

TEST(DialogueOfTheClient, IsToTheLetterButForSecrets) {
  for (const RtspClientConfig& config : {testing::with_password(), in_url()}) {
    Script device(config);
    device.start();
    device.advance(10ms);
    device.take();
    device.feed(
        "\r\nRTSP/1.0 401\r\nCSeq: 1\r\nX-Odd:  two blanks \r\nWWW-Authenticate: Basic realm=\"hush-hush\"\r\n\r\n");
    device.take();
    device.ok();
    device.take();
    device.ok("Content-Base: rtsp://ops:hush-hush@10.0.0.7/live/\r\n", kSdp);
    const std::vector<DialogueLine> lines = device.dialogue.lines();
    ASSERT_EQ(lines.size(), 7u);
    EXPECT_EQ(lines[0].text, "OPTIONS rtsp://10.0.0.7/live RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: vigie\r\n\r\n");
    EXPECT_TRUE(lines[0].sent);
    EXPECT_EQ(lines[1].text,
              "RTSP/1.0 401\r\nCSeq: 1\r\nX-Odd:  two blanks \r\nWWW-Authenticate: Basic realm=\"***\"\r\n\r\n");
    EXPECT_FALSE(lines[1].sent);
    EXPECT_EQ(lines[1].since_start, 10ms);
    EXPECT_THAT(lines[2].text, HasSubstr("\r\nAuthorization: ***\r\n"));
    EXPECT_THAT(lines[5].text, HasSubstr("Content-Base: rtsp://***@10.0.0.7/live/\r\n"));
    EXPECT_THAT(lines[5].text, ::testing::EndsWith(std::string(kSdp)));
    for (const DialogueLine& line : lines) {
      EXPECT_THAT(line.text, Not(HasSubstr("hush")));
      EXPECT_THAT(line.text, Not(HasSubstr("b3BzOmh1c2gtaHVzaA")));
    }
  }
}

TEST(DialogueOfTheClient, HoldsTheDevicesRequestsAndTheirAnswers) {
  Script device;
  device.play();
  device.feed("OPTIONS rtsp://us RTSP/1.0\r\nCSeq: 500\r\n\r\n");
  const std::vector<DialogueLine> lines = device.dialogue.lines();
  ASSERT_EQ(lines.size(), 10u);
  EXPECT_EQ(lines[8].text, "OPTIONS rtsp://us RTSP/1.0\r\nCSeq: 500\r\n\r\n");
  EXPECT_THAT(lines[9].text, StartsWith("RTSP/1.0 200 OK\r\n"));
  EXPECT_TRUE(lines[9].sent);
}

TEST(DialogueOfTheClient, HasOneLineForARunOfGarbage) {
  Script device;
  device.play();
  const size_t before = device.dialogue.lines().size();
  for (int i = 0; i < 3; ++i) device.feed("\x01\x02rubbish\x03");
  device.frame(0, "\x80 a packet of some length");
  device.feed(
      "\x04"
      "twice");
  device.frame(0, "\x80 a packet of some length");
  const std::vector<DialogueLine> lines = device.dialogue.lines();
  ASSERT_EQ(lines.size(), before + 2);
  EXPECT_EQ(lines[before].text, "\\x01\\x02rubbish\\x03");
  EXPECT_EQ(lines[before + 1].text, "\\x04twice");
  EXPECT_EQ(device.rtp.size(), 2u);
}

TEST(DialogueOfTheClient, ShowsTheMessageThatEndedIt) {
  Script device;
  device.start();
  device.feed("RTSP/1.0 200 OK\r\nContent-Length: many\r\n\r\n");
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.dialogue.lines().back().text, "RTSP/1.0 200 OK\\x0d\\x0aContent-Length: many\\x0d\\x0a\\x0d\\x0a");
  Script rubbish;
  rubbish.start();
  rubbish.feed(std::string(200'000, 'x'));
  ASSERT_TRUE(rubbish.ended);
  EXPECT_EQ(rubbish.dialogue.lines().size(), 2u);
  EXPECT_EQ(rubbish.dialogue.lines().back().text, std::string(256, 'x'));
}

}  // namespace
}  // namespace vigie::source
