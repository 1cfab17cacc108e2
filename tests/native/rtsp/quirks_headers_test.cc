// Known deviations in messages and their headers: A8, A10, A22, A23, A27, A28.
#include "quirks_support.h"
#include "rtsp/message.h"
#include "rtsp/transport.h"

namespace vigie::rtsp {
namespace {

Response parsed(std::string_view head, Quirks& quirks) {
  auto message = parse_message(head, {}, 128, &quirks);
  EXPECT_TRUE(message.ok()) << head;
  return message ? std::get<Response>(*message) : Response{};
}

TEST(QuirksOfMessages, NoneInLegalOnes) {
  for (const char* head : {"RTSP/1.0 200 OK\r\nCSeq: 3\r\nPublic: OPTIONS, PLAY\r\n\r\n",
                           "RTSP/1.0 200 \r\nCSeq: 1\r\n\r\n",              // an empty phrase behind its blank
                           "RTSP/1.0 404 Stream Not Found \r\n\r\n",        // blanks are part of a phrase
                           "RTSP/1.0 200 OK\r\nCSeq:\t 3\r\nX: \r\n\r\n",   // blanks in front of a value, or of none
                           "RTSP/1.0 200 OK\r\nPublic: A,\r\n B\r\n\r\n"})  // a folded line
  {
    Quirks quirks;
    parsed(head, quirks);
    EXPECT_EQ(ids(quirks.seen), "") << head;
  }
}

TEST(QuirkA8, Tolerated) {
  for (const char* head : {"RTSP/1.0 200\r\nCSeq: 4\r\n\r\n", "RTSP/1.0 200\nCSeq: 4\n\n"}) {
    Quirks quirks;
    const Response response = parsed(head, quirks);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.cseq(), 4u);
    EXPECT_EQ(ids(quirks.seen), "A8");
  }
}

TEST(QuirkA8, Strict) {
  Quirks quirks = strict_on(Quirk::A8);
  const auto message = parse_message("RTSP/1.0 200\r\nCSeq: 4\r\n\r\n", {}, 128, &quirks);
  expect_refused(message, Code::rtsp_malformed, "A8");
  EXPECT_EQ(ids(quirks.seen), "A8");
  EXPECT_TRUE(parse_message("RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n", {}, 128, &quirks).ok());
}

TEST(QuirkA10, Tolerated) {
  Quirks quirks;
  const Response response = parsed("RTSP/1.0 200 OK\r\nCSeq: 12   \r\nSession: 5f01\t\r\n\r\n", quirks);
  EXPECT_EQ(response.cseq(), 12u);
  EXPECT_EQ(response.headers.get("Session"), "5f01");
  EXPECT_EQ(ids(quirks.seen), "A10");
}

TEST(QuirkA10, Strict) {
  Quirks quirks = strict_on(Quirk::A10);
  const auto message = parse_message("RTSP/1.0 200 OK\r\nServer: x\r\nCSeq: 12 \r\n\r\n", {}, 128, &quirks);
  expect_refused(message, Code::rtsp_malformed, "A10");
  EXPECT_NE(message.error().what.find("line 2"), std::string::npos);
}

constexpr char kCleanTransport[] = "RTP/AVP/TCP; unicast; interleaved=0-1;ssrc=4d01a2B3;mode=\"PLAY\"";

TEST(QuirksOfTransport, NoneInLegalOnes) {
  for (const char* value : {kCleanTransport, "RTP/AVP;ssrc=0000001f;unicast;client_port=5000-5001",
                            "RTP/AVP,RTP/AVP/TCP", "RTP/AVP;mode=\"PLAY,RECORD\";unicast", "RTP/AVP;ssrc="}) {
    Quirks quirks;
    EXPECT_TRUE(parse_transport(value, &quirks).ok());
    EXPECT_EQ(ids(quirks.seen), "") << value;
  }
}

TEST(QuirkA22, Tolerated) {
  struct Row {
    const char* written;
    uint32_t ssrc;
  };
  for (const Row& row : {Row{" 51a7c", 0x51a7c}, Row{"     E02BB", 0xE02BB}, Row{"7AB", 0x7AB},
                         Row{"2864434397", 0xaabbccdd}, Row{"0x1f", 0x1f}, Row{" 00C0FFEE", 0xC0FFEE}}) {
    Quirks quirks;
    const auto list = parse_transport(std::string("RTP/AVP/TCP;interleaved=0-1;ssrc=") + row.written, &quirks);
    ASSERT_TRUE(list.ok());
    EXPECT_EQ(list->front().ssrc, row.ssrc) << row.written;
    EXPECT_EQ(ids(quirks.seen), "A22") << row.written;
  }
}

TEST(QuirkA22, Strict) {
  Quirks quirks = strict_on(Quirk::A22);
  const auto list = parse_transport("RTP/AVP/TCP;ssrc= 51a7c;interleaved=2-3", &quirks);
  ASSERT_TRUE(list.ok());
  EXPECT_FALSE(list->front().ssrc.has_value());
  EXPECT_EQ(list->front().interleaved, (ChannelPair{2, 3}));
  EXPECT_EQ(parse_transport(kCleanTransport, &quirks)->front().ssrc, 0x4d01a2b3u);
}

// Whether it is tolerated the dialogue decides (source/quirks_setup_test.cc).
TEST(QuirkA23, IsReadAndSeen) {
  const auto list = parse_transport("ssrc=0a1b2c3d;unicast;RTP/AVP/TCP;interleaved=4-5");
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().lower, LowerTransport::tcp);
  EXPECT_EQ(list->front().delivery, Delivery::unicast);
  EXPECT_EQ(list->front().interleaved, (ChannelPair{4, 5}));
  EXPECT_EQ(list->front().ssrc, 0x0a1b2c3du);
  EXPECT_TRUE(list->front().protocol_behind);
  EXPECT_FALSE(parse_transport(kCleanTransport)->front().protocol_behind);
}

TEST(QuirkA27, IsReadAndSeen) {
  for (const char* value : {"7c2e; timeout=15", "7c2e ;timeout=15", "7c2e;timeout = 15"}) {
    const auto session = parse_session(value);
    ASSERT_TRUE(session.ok());
    EXPECT_EQ(session->id, "7c2e");
    EXPECT_EQ(session->timeout_s, 15u);
    EXPECT_TRUE(session->blanks) << value;
  }
  EXPECT_FALSE(parse_session(" 7c2e;timeout=15 ")->blanks);
}

TEST(QuirkA28, Practice) {
  struct Row {
    const char* value;
    RtpInfo info;
  };
  const Row rows[] = {
      {"url=rtsp://10.0.0.9/v/t1;seq=7;rtptime=90;", {"rtsp://10.0.0.9/v/t1", uint16_t{7}, 90u, {}}},
      {"url=/v/t1;seq=7;rtptime=90", {"/v/t1", uint16_t{7}, 90u, {}}},
      {"url=rtsp://10.0.0.9/v/t1", {"rtsp://10.0.0.9/v/t1", {}, {}, {}}},
      {"url=rtsp://10.0.0.9/v/t1;seq=none;rtptime=90", {"rtsp://10.0.0.9/v/t1", {}, 90u, {}}},
      {"url=rtsp://10.0.0.9/v/t1;;seq=7", {"rtsp://10.0.0.9/v/t1", uint16_t{7}, {}, {}}},
      {"seq=7;rtptime=90", {"", uint16_t{7}, 90u, {}}},
  };
  for (const Row& row : rows) {
    Quirks quirks;
    EXPECT_EQ(parse_rtp_info(row.value, &quirks), std::vector<RtpInfo>{row.info}) << row.value;
    EXPECT_EQ(ids(quirks.seen), "A28") << row.value;
  }
  for (const char* value : {"", "url=rtsp://10.0.0.9/v/t1;seq=7;rtptime=90,url=rtsp://10.0.0.9/v/t2;seq=1;rtptime=2",
                            "url=rtsp://10.0.0.9/v/t1; seq=7", "url=rtsp://10.0.0.9/a,b;rtptime=1"}) {
    Quirks quirks;
    parse_rtp_info(value, &quirks);
    EXPECT_EQ(ids(quirks.seen), "") << value;
  }
}

}  // namespace
}  // namespace vigie::rtsp
