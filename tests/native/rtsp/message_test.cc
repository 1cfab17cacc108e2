#include "rtsp/message.h"

#include <gtest/gtest.h>

namespace vigie::rtsp {
namespace {

Request request_of(std::string_view head, std::string_view body = {}) {
  auto message = parse_message(head, body);
  EXPECT_TRUE(message.ok()) << (message ? "" : message.error().text());
  return message ? std::get<Request>(*message) : Request{};
}
Response response_of(std::string_view head, std::string_view body = {}) {
  auto message = parse_message(head, body);
  EXPECT_TRUE(message.ok()) << (message ? "" : message.error().text());
  return message ? std::get<Response>(*message) : Response{};
}

TEST(HeaderList, FindsWithoutRegardToCaseAndKeepsRepetitionsInOrder) {
  HeaderList headers;
  headers.add("WWW-Authenticate", "first");
  headers.add("Server", "x");
  headers.add("www-authenticate", "second");
  EXPECT_EQ(headers.get("Www-Authenticate"), "first");
  EXPECT_EQ(headers.get_all("WWW-AUTHENTICATE"), (std::vector<std::string_view>{"first", "second"}));
  EXPECT_TRUE(headers.has("SERVER"));
  EXPECT_FALSE(headers.has("Serve"));
  EXPECT_EQ(headers.get("absent"), "");

  headers.set("WWW-Authenticate", headers.get_all("www-authenticate")[1]);
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.begin()->value, "second");
  headers.remove("server");
  EXPECT_EQ(headers.size(), 1u);
}

TEST(Message, SerialisesCSeqFirstWithExactCase) {  // A9
  Request request{"DESCRIBE", "rtsp://h/cam", "RTSP/1.0", {}, {}};
  request.headers.add("Accept", "application/sdp");
  request.headers.add("cseq", "7");
  EXPECT_EQ(serialise(request), "DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 7\r\nAccept: application/sdp\r\n\r\n");
}

TEST(Message, ContentLengthFollowsTheBody) {
  Response response;
  response.headers.add("Content-Length", "999");
  response.headers.add("CSeq", "2");
  response.body = "v=0\r\n";
  EXPECT_EQ(serialise(response), "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n");
  response.body.clear();
  EXPECT_EQ(serialise(response), "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
}

TEST(Message, NoValueCanAddALine) {
  Request request{"PLAY\r\nX: 1", "rtsp://h/a b\r\nY: 2", "RTSP/1.0", {}, {}};
  request.headers.add("User-Agent", "a\r\nEvil: 1\n\nbody");
  request.headers.add("Content(-Length", "9");
  request.headers.add("Na me\r\nEvil2", "v");
  request.headers.add("\r\n", "nameless");
  const std::string text = serialise(request);
  EXPECT_EQ(text, "PLAY%20%20X:%201 rtsp://h/a%20b%20%20Y:%202 RTSP/1.0\r\nUser-Agent: a  Evil: 1  body\r\n\r\n");
  Response response;
  response.status = 403;
  response.reason = "No\r\nX: 1";
  EXPECT_EQ(serialise(response), "RTSP/1.0 403 No  X: 1\r\n\r\n");
}

TEST(Message, UsualPhraseWhenNoneIsGiven) {
  Response response;
  response.status = 453;
  EXPECT_EQ(serialise(response), "RTSP/1.0 453 Not Enough Bandwidth\r\n\r\n");
  EXPECT_EQ(reason_phrase(461), "Unsupported transport");
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

TEST(Message, ParsesRequest) {
  const Request request =
      request_of("SETUP rtsp://h/cam/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: a;b\r\n\r\n", "xy");
  EXPECT_EQ(request.method_id(), Method::setup);
  EXPECT_EQ(request.uri, "rtsp://h/cam/trackID=0");
  EXPECT_EQ(request.version, "RTSP/1.0");
  EXPECT_EQ(request.cseq(), 3u);
  EXPECT_EQ(request.headers.get("transport"), "a;b");
  EXPECT_EQ(request.body, "xy");
}

TEST(Message, ParsesResponseVariants) {
  struct Row {
    const char* head;
    int status;
    const char* reason;
    std::optional<uint32_t> cseq;
  };
  const Row rows[] = {
      {"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", 200, "OK", 1},
      {"RTSP/1.0 404 Stream Not Found\r\nCSeq: 1\r\n", 404, "Stream Not Found", 1},
      {"RTSP/1.0 200\r\nCSeq: 1\r\n\r\n", 200, "", 1},              // A8
      {"RTSP/1.0 200 \r\nCSeq: 1\r\n\r\n", 200, "", 1},             // A8
      {"RTSP/1.0 200 OK\nCSeq: 1\n\n", 200, "OK", 1},               // bare LF
      {"RTSP/1.0 200 OK  \r\nCSeq: 12   \r\n\r\n", 200, "OK", 12},  // A10
      {"RTSP/1.0 200 OK\r\ncseq:5\r\n\r\n", 200, "OK", 5},
      {"RTSP/1.0 200 OK\r\n\r\n", 200, "OK", std::nullopt},  // A11
      {"RTSP/1.0 200 OK\r\nCSeq: x\r\n\r\n", 200, "OK", std::nullopt},
      {"RTSP/1.0 200 OK\r\nno colon here\r\nCSeq: 1\r\n\r\n", 200, "OK", 1},
      {"RTSP/1.0 200 OK\r\n: nameless\r\nCSeq: 1\r\n\r\n", 200, "OK", 1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.head);
    const Response response = response_of(row.head);
    EXPECT_EQ(response.status, row.status);
    EXPECT_EQ(response.reason, row.reason);
    EXPECT_EQ(response.cseq(), row.cseq);
  }
}

TEST(Message, FoldedLinesContinueTheValue) {
  const Response response =
      response_of("RTSP/1.0 200 OK\r\nPublic: OPTIONS,\r\n  PLAY\r\n \r\n\tPAUSE\r\nCSeq: 1\r\n\r\n");
  EXPECT_EQ(response.headers.get("Public"), "OPTIONS, PLAY  PAUSE");
  EXPECT_EQ(response.cseq(), 1u);
}

TEST(Message, BlanksInAUriArePartOfIt) {
  EXPECT_EQ(request_of("DESCRIBE rtsp://h/cam one RTSP/1.0\r\n\r\n").uri, "rtsp://h/cam one");
}

TEST(Message, RejectsWhatIsNoMessage) {
  for (const char* head :
       {"", "\r\n", "OPTIONS", "OPTIONS *", "OPTIONS * HTTP/1.1\r\n", "OPTIONS  RTSP/1.0", "RTSP/1.0 abc OK\r\n",
        "RTSP/1.0 99 Low\r\n", "RTSP/1.0 1000 High\r\n", "RTSP/1.0 -20 No\r\n", "OP(TIONS * RTSP/1.0\r\n"}) {
    const auto message = parse_message(head, {});
    ASSERT_FALSE(message.ok()) << head;
    EXPECT_EQ(message.error().code, Code::rtsp_malformed) << head;
  }
}

TEST(Message, HeaderCountIsBounded) {
  std::string head = "OPTIONS * RTSP/1.0\r\n";
  for (int i = 0; i < 10; ++i) head += "X: 1\r\n";
  EXPECT_TRUE(parse_message(head, {}, 10).ok());
  const auto message = parse_message(head, {}, 9);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, Code::rtsp_too_large);
}

TEST(Message, ContentLength) {
  const auto of = [](std::initializer_list<const char*> values) {
    HeaderList headers;
    for (const char* value : values) headers.add("Content-Length", value);
    return content_length(headers);
  };
  EXPECT_EQ(*of({}), 0u);
  EXPECT_EQ(*of({"12"}), 12u);
  EXPECT_EQ(*of({"12", "12"}), 12u);
  for (const auto& bad : {of({"12", "13"}), of({"-1"}), of({"1x"}), of({""}), of({"99999999999999999999999"})}) {
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(bad.error().code, Code::rtsp_malformed);
  }
}

TEST(Message, RoundTrip) {
  Request request{"SET_PARAMETER", "rtsp://h/cam?x=1", "RTSP/1.0", {}, "position\r\n"};
  request.headers.add("CSeq", "9");
  request.headers.add("Session", "abc");
  request.headers.add("Session", "again");
  Request back =
      request_of(serialise(request).substr(0, serialise(request).size() - request.body.size()), request.body);
  EXPECT_EQ(back.headers.get("Content-Length"), "10");
  back.headers.remove("Content-Length");
  EXPECT_EQ(back, request);
}

TEST(Message, MethodNames) {
  for (int i = 0; i < static_cast<int>(Method::other); ++i) {
    const auto method = static_cast<Method>(i);
    EXPECT_EQ(method_from(method_name(method)), method);
  }
  EXPECT_EQ(method_from("Get_Parameter"), Method::get_parameter);
  EXPECT_EQ(method_from("OTHER"), Method::other);
  EXPECT_EQ(method_from("GET"), Method::other);
}

}  // namespace
}  // namespace vigie::rtsp
