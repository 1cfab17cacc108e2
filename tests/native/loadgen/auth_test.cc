// Digest answers and RTSP text of the simulated peers.
#include <gtest/gtest.h>

#include "loadgen/digest.h"
#include "loadgen/rtsp_text.h"

namespace vigie::loadgen {
namespace {

TEST(Digest, MatchesTheExampleOfRfc7616) {
  // RFC 7616 3.9.1, SHA-256 and MD5; the cnonce and nc are fixed there.
  const Credentials mufasa{"Mufasa", "Circle of Life"};
  const std::string nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
  const std::string cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
  const std::string common = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", nonce=\"" + nonce + "\"";
  EXPECT_EQ(auth_parameter(
                answer_challenge("Digest " + common + ", algorithm=SHA-256", "GET", "/dir/index.html", mufasa, cnonce),
                "response"),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
  EXPECT_EQ(
      auth_parameter(answer_challenge("Digest " + common + ", algorithm=MD5", "GET", "/dir/index.html", mufasa, cnonce),
                     "response"),
      "8ca523f5e9506fed4657c9700eebdbec");
}

TEST(Digest, AcceptsItsOwnAnswersAndNothingElse) {
  const Credentials right{"ops", "secret"};
  for (const bool sha256 : {false, true}) {
    const std::string challenge = digest_challenge("cam", "abc", sha256);
    const std::string answer = answer_challenge(challenge, "PLAY", "rtsp://h/x", right, "11");
    EXPECT_TRUE(digest_accepts(answer, "PLAY", "cam", "abc", right));
    EXPECT_FALSE(digest_accepts(answer, "SETUP", "cam", "abc", right));
    EXPECT_FALSE(digest_accepts(answer, "PLAY", "cam", "abd", right));
    EXPECT_FALSE(digest_accepts(answer_challenge(challenge, "PLAY", "rtsp://h/x", {"ops", "wrong"}, "11"), "PLAY",
                                "cam", "abc", right));
    EXPECT_FALSE(digest_accepts(answer_challenge(challenge, "PLAY", "rtsp://h/x", {"opt", "secret"}, "11"), "PLAY",
                                "cam", "abc", right));
  }
  EXPECT_FALSE(digest_accepts("", "PLAY", "cam", "abc", right));
  EXPECT_FALSE(digest_accepts("Digest", "PLAY", "cam", "abc", right));
  EXPECT_EQ(answer_challenge("Negotiate x", "PLAY", "u", right, "1"), "");
  EXPECT_EQ(answer_challenge("Digest realm=\"r\", nonce=\"n\", algorithm=FOO", "PLAY", "u", right, "1"), "");
  EXPECT_EQ(answer_challenge("Basic realm=\"r\"", "PLAY", "u", {"a", "b"}, ""), "Basic YTpi");
}

TEST(RtspText, ReadsWholeMessagesOnly) {
  const std::string text = "RTSP/1.0 200 OK all fine\r\ncseq: 3\r\nContent-Length: 4\r\n\r\nbody";
  RtspText message;
  bool bad = false;
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(read_message(std::string_view(text).substr(0, size), message, bad), 0u);
    EXPECT_FALSE(bad);
  }
  EXPECT_EQ(read_message(text + "$more", message, bad), text.size());
  EXPECT_EQ(message.second, "200");
  EXPECT_EQ(message.third, "OK all fine");
  EXPECT_EQ(message.header("CSeq"), "3");
  EXPECT_EQ(message.body, "body");
}

TEST(RtspText, RefusesWhatIsTooLargeOrNoRtsp) {
  RtspText message;
  bool bad = false;
  EXPECT_EQ(read_message(std::string(70'000, 'x'), message, bad), 0u);
  EXPECT_TRUE(bad);
  bad = false;
  EXPECT_EQ(read_message("nonsense\r\n\r\n", message, bad), 0u);
  EXPECT_TRUE(bad);
  bad = false;
  EXPECT_EQ(read_message("PLAY x RTSP/1.0\r\nContent-Length: 4294967295\r\n\r\n", message, bad), 0u);
  EXPECT_TRUE(bad);
}

TEST(RtspText, ReadsTransportParameters) {
  const std::string_view transport = "RTP/AVP;unicast;client_port=5000-5001;Server_Port=6000";
  EXPECT_EQ(read_pair(list_parameter(transport, "client_port")), std::pair(5000, 5001));
  EXPECT_EQ(read_pair(list_parameter(transport, "server_port")), std::pair(6000, 6001));
  EXPECT_EQ(list_parameter(transport, "interleaved"), "");
  EXPECT_FALSE(read_pair("x"));
}

}  // namespace
}  // namespace vigie::loadgen
