// Known deviations in the text of session descriptions: B1 to B8, B11, B12.
#include "quirks_support.h"
#include "rtsp/sdp.h"

namespace vigie::rtsp {
namespace {

// The parts of a description by RFC 8866; a test replaces or leaves out one of them.
struct Parts {
  std::string origin = "o=- 81 2 IN IP4 172.16.4.9\r\n";
  std::string name = "s=yard\r\n";
  std::string connection = "c=IN IP4 0.0.0.0\r\n";
  std::string time = "t=0 0\r\n";
  std::string control = "a=control:*\r\n";
  std::string media = "m=video 0 RTP/AVP 97\r\n";
  std::string rtpmap = "a=rtpmap:97 H264/90000\r\n";
  std::string fmtp = "a=fmtp:97 packetization-mode=1\r\n";
  std::string more;

  std::string text() const {
    return "v=0\r\n" + origin + name + connection + time + control + media + rtpmap + fmtp + more;
  }
};

// Parses what must be tolerated, looks for exactly `id`, and for what every one of these texts says.
SessionDescription tolerated(const std::string& text, std::string_view id) {
  Quirks quirks;
  auto session = parse_sdp(text, &quirks);
  EXPECT_TRUE(session.ok()) << text;
  EXPECT_EQ(ids(quirks.seen), id) << text;
  if (!session) return {};
  EXPECT_FALSE(session->medias.empty());
  if (session->medias.empty()) return {};
  EXPECT_EQ(session->control, "*");
  EXPECT_EQ(session->medias[0].type, "video");
  EXPECT_EQ(session->medias[0].rtpmaps, (std::vector<RtpMap>{{97, "H264", 90000, 0}}));
  return std::move(session).value();
}

void strict(const std::string& text, Quirk quirk) {
  Quirks quirks = strict_on(quirk);
  const std::string id(quirk_facts(quirk).id);
  expect_refused(parse_sdp(text, &quirks), Code::sdp_malformed, id);
  EXPECT_EQ(ids(quirks.seen), id);
  EXPECT_TRUE(parse_sdp(Parts().text(), &quirks).ok());
}

TEST(QuirksOfSdp, NoneInLegalOnes) {
  tolerated(Parts().text(), "");
  Parts full;
  full.origin = "o=user 18446744073709551616 2890842807 IN IP6 fd00::9\r\n";
  full.name = "s=a yard\r\ni=words\r\nu=http://h/\r\ne=x@h\r\np=+1\r\n";
  full.connection = "c=IN IP4 224.2.1.1/127/3\r\nb=AS:500\r\n";
  full.time = "t=3034423619 3042462419\r\nr=7d 1h 0 25h\r\nr=604800 3600 0 -90000\r\nz=2882844526 -1h 2898848070 0\r\n";
  full.media = "m=video 0 RTP/AVP 97\r\ni=x\r\nc=IN IP6 ::\r\nb=AS:90\r\na=recvonly\r\n";
  full.more = "a=fmtp:98 x\r\nm=application 0 RTP/AVP 107\r\nm=Audio 0 RTP/AVP 0\r\nm=text 0 RTP/AVP 99\r\n";
  tolerated(full.text(), "");
  Parts bare;  // no control attribute is as good as "*"
  bare.control.clear();
  bare.connection.clear();
  Quirks quirks;
  EXPECT_TRUE(parse_sdp(bare.text(), &quirks).ok());
  EXPECT_EQ(ids(quirks.seen), "");
}

TEST(QuirksOfSdp, NoneWhereThereIsNoDescription) {
  Quirks quirks;
  EXPECT_FALSE(parse_sdp("<html>\n</html>", &quirks).ok());
  EXPECT_EQ(ids(quirks.seen), "");
}

std::string b1() {
  Parts parts;
  parts.origin.clear();
  return parts.text();
}
TEST(QuirkB1, Tolerated) { EXPECT_EQ(tolerated(b1(), "B1").session_id, 0u); }
TEST(QuirkB1, Strict) { strict(b1(), Quirk::B1); }

std::string b2(std::string names) {
  Parts parts;
  parts.name = std::move(names);
  return parts.text();
}
TEST(QuirkB2, Tolerated) {
  EXPECT_EQ(tolerated(b2(""), "B2").name, "");
  EXPECT_EQ(tolerated(b2("s=yard\r\ns=gate\r\n"), "B2").name, "yard");
}
TEST(QuirkB2, Strict) {
  strict(b2(""), Quirk::B2);
  strict(b2("s=yard\r\ns=gate\r\n"), Quirk::B2);
}

std::string b3(std::string connection) {
  Parts parts;
  parts.connection = std::move(connection);
  return parts.text();
}
TEST(QuirkB3, Tolerated) {
  for (const char* line : {"c=IN \r\n", "c=\r\n", "c=IN IP4\r\n", "c=IP4 0.0.0.0\r\n", "c=IN IPV4 0.0.0.0\r\n"}) {
    tolerated(b3(line), "B3");
  }
}
TEST(QuirkB3, Strict) { strict(b3("c=IN \r\n"), Quirk::B3); }

std::string b4(std::string time) {
  Parts parts;
  parts.time = std::move(time);
  return parts.text();
}
TEST(QuirkB4, Tolerated) {
  for (const char* lines :
       {"", "t=\r\n", "t=0\r\n", "t=now later\r\n", "t=0 0\r\nr=7d\r\n", "t=0 0\r\nr=7d 1h x\r\n"}) {
    tolerated(b4(lines), "B4");
  }
}
TEST(QuirkB4, Strict) {
  strict(b4(""), Quirk::B4);
  strict(b4("t=0\r\n"), Quirk::B4);
  strict(b4("t=0 0\r\nr=7d\r\n"), Quirk::B4);
}

std::string b5(std::string origin) {
  Parts parts;
  parts.origin = std::move(origin);
  return parts.text();
}
TEST(QuirkB5, Tolerated) {
  EXPECT_EQ(tolerated(b5("o=- 1f3 1.5 IN IP4 172.16.4.9\r\n"), "B5").origin_address, "172.16.4.9");
  EXPECT_EQ(tolerated(b5("o=- 81 2 IN IP4 \r\n"), "B5").session_id, 81u);
  EXPECT_EQ(tolerated(b5("o=- 81 2 IP IP4 172.16.4.9\r\n"), "B5").session_version, 2u);
  tolerated(b5("o=\r\n"), "B5");
}
TEST(QuirkB5, Strict) { strict(b5("o=- 81 2 IP IP4 172.16.4.9\r\n"), Quirk::B5); }

std::string b6() {
  Parts parts;
  std::swap(parts.time, parts.control);
  return parts.text();
}
std::string b6_behind_media() {
  Parts parts;
  std::swap(parts.time, parts.more);
  return parts.text();
}
TEST(QuirkB6, Tolerated) {
  EXPECT_EQ(tolerated(b6(), "B6").name, "yard");
  EXPECT_EQ(tolerated(b6_behind_media(), "B6").name, "yard");
}
TEST(QuirkB6, Strict) {
  strict(b6(), Quirk::B6);
  strict(b6_behind_media(), Quirk::B6);
}

std::string b7_bare() {
  std::string text = Parts().text();
  std::erase(text, '\r');
  return text;
}
std::string b7_blank_line() {
  Parts parts;
  parts.media.insert(0, "\r\n");
  return parts.text();
}
std::string b7_no_end() {
  std::string text = Parts().text();
  text.resize(text.size() - 2);
  return text;
}
TEST(QuirkB7, Tolerated) {
  tolerated(b7_bare(), "B7");
  tolerated(b7_blank_line(), "B7");
  EXPECT_EQ(tolerated(b7_no_end(), "B7").medias[0].fmtps.at(0).get("packetization-mode"), "1");
}
TEST(QuirkB7, Strict) {
  strict(b7_bare(), Quirk::B7);
  strict(b7_blank_line(), Quirk::B7);
  strict(b7_no_end(), Quirk::B7);
}

std::string b8() {
  Parts parts;
  parts.more = "m=vnd.example.meta 0 RTP/AVP 110\r\n";
  return parts.text();
}
TEST(QuirkB8, Tolerated) { EXPECT_EQ(tolerated(b8(), "B8").medias.at(1).type, "vnd.example.meta"); }
TEST(QuirkB8, Strict) { strict(b8(), Quirk::B8); }

std::string b11() {
  Parts parts;
  parts.fmtp = "a=fmtp:97\r\n";
  return parts.text();
}
TEST(QuirkB11, Tolerated) { EXPECT_TRUE(tolerated(b11(), "B11").medias[0].fmtps.at(0).parameters.empty()); }
TEST(QuirkB11, Strict) { strict(b11(), Quirk::B11); }

std::string b12() {
  Parts parts;
  parts.rtpmap = "a=rtpmap:97 H264/90000 \r\n";
  return parts.text();
}
TEST(QuirkB12, Tolerated) { tolerated(b12(), "B12"); }
TEST(QuirkB12, Strict) { strict(b12(), Quirk::B12); }

}  // namespace
}  // namespace vigie::rtsp
