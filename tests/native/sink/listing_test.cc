// GET_PARAMETER vigie.cameras: what another vigie is told, and what it is not.
#include <nlohmann/json.hpp>

#include "rtsp/digest.h"
#include "sink/rtsp_connection.h"
#include "sink_support.h"

namespace vigie::sink {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Json = nlohmann::json;

class Listing : public SinkTest {
 protected:
  std::optional<rtsp::Response> ask(Client& viewer, const std::string& uri, const std::string& headers = {},
                                    const std::string& body = "vigie.cameras\r\n",
                                    const std::string& method = "GET_PARAMETER") {
    viewer.send(method + " " + uri + " RTSP/1.0\r\nCSeq: " + std::to_string(++viewer.cseq) + "\r\n" + headers +
                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return viewer.response();
  }
  // The parameter's value; an empty page, and a failure, when there is none.
  static Json value_of(const std::optional<rtsp::Response>& response) {
    Json value = Json::parse(R"({"cameras": [], "more": false})");
    if (!response || response->status != 200) {
      ADD_FAILURE() << (response ? "status " + std::to_string(response->status) : "no answer");
      return value;
    }
    EXPECT_EQ(response->headers.get("Content-Type"), "text/parameters");
    EXPECT_THAT(response->body, StartsWith("vigie.cameras: "));
    EXPECT_EQ(response->body.find("\r\n"), response->body.size() - 2) << "one parameter, one line";
    Json parsed = Json::parse(response->body.substr(response->body.find(' ') + 1), nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << response->body;
    return parsed.is_discarded() ? value : parsed;
  }
  static OfferedCamera camera(const std::string& name, const std::string& title = {}) {
    return {.name = name, .title = title, .number = 0, .streams = {{.name = "main", .codec = std::nullopt}}};
  }
  static std::vector<std::string> names(const Json& page) {
    std::vector<std::string> out;
    for (const Json& one : page["cameras"]) out.push_back(one["name"]);
    return out;
  }
  void offer(size_t count, const std::string& title = {}) {
    for (size_t i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      provider_.offered.push_back(camera("c" + std::string(4 - number.size(), '0') + number, title));
    }
  }
};

TEST_F(Listing, SaysNamesTitlesNumbersAndPictures) {
  open_server();
  provider_.policy_revision = 7;
  provider_.offered = {camera("bridge", "Pont \"neuf\"\\"), camera("place")};
  provider_.offered[1].number = 101;
  provider_.offered[1].streams = {{.name = "main", .codec = Codec::h265, .width = 1920, .height = 1080},
                                  {.name = "sub", .codec = std::nullopt}};
  Client viewer = client();
  const Json page = value_of(ask(viewer, url("/"), "Content-Type: text/parameters\r\n"));
  EXPECT_EQ(page, Json::parse(R"({"revision": 7, "more": false, "cameras": [
    {"name": "bridge", "title": "Pont \"neuf\"\\", "number": 0,
     "streams": [{"name": "main", "codec": null, "width": 0, "height": 0}]},
    {"name": "place", "title": "", "number": 101,
     "streams": [{"name": "main", "codec": "H265", "width": 1920, "height": 1080},
                 {"name": "sub", "codec": null, "width": 0, "height": 0}]}]})"));
  ASSERT_EQ(provider_.requests.size(), 1u);
  EXPECT_EQ(provider_.requests[0].listener, open_listener().name);
}

TEST_F(Listing, ComesInPagesThatStayBelowTheQueuesLimit) {
  open_server();
  offer(200, std::string(256, 'x'));
  provider_.offered[150].streams.assign(16, {.name = std::string(64, 's'), .codec = Codec::h264});
  Client viewer = client();
  std::vector<std::string> all;
  std::string after;
  for (bool more = true; more;) {
    const auto answer = ask(viewer, url("/?after=" + after));
    ASSERT_TRUE(answer);
    EXPECT_LT(answer->body.size(), RtspConnection::kMaxListingBytes * 2);
    const Json page = value_of(answer);
    const auto part = names(page);
    ASSERT_FALSE(part.empty());
    EXPECT_LE(part.size(), RtspConnection::kMaxListedCameras);
    all.insert(all.end(), part.begin(), part.end());
    after = part.back();
    more = page["more"];
    ASSERT_LE(all.size(), 200u);
  }
  ASSERT_EQ(all.size(), 200u);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], provider_.offered[i].name);
  EXPECT_TRUE(names(value_of(ask(viewer, url("?after=c0199")))).empty()) << "no slash before the query is fine too";
  EXPECT_EQ(names(value_of(ask(viewer, url("/?after=c019%38")))), std::vector<std::string>{"c0199"});
}

TEST_F(Listing, AnAnswerThatIsTooLongEndsEarlier) {
  open_server();
  offer(64, std::string(2000, 'x'));
  Client viewer = client();
  const Json page = value_of(ask(viewer, url("/")));
  EXPECT_LT(page["cameras"].size(), 20u);
  EXPECT_TRUE(page["more"]);
}

TEST_F(Listing, TextThatIsNoUtf8IsReplacedAndAddsNoLine) {
  open_server();
  provider_.offered = {camera("a", "\xff\r\nSession: 1\x01")};
  Client viewer = client();
  const Json page = value_of(ask(viewer, url("/")));
  EXPECT_EQ(page["cameras"][0]["title"], "\xef\xbf\xbd\r\nSession: 1\x01");
}

TEST_F(Listing, IsAboutTheServerAlone) {
  open_server();
  offer(1);
  Client viewer = client();
  EXPECT_EQ(ask(viewer, url("/cam"))->status, 451);
  EXPECT_EQ(ask(viewer, url("/trackID=0"))->status, 451);
  EXPECT_EQ(ask(viewer, url("/?after=%zz"))->status, 404);
  EXPECT_EQ(names(value_of(ask(viewer, "*"))).size(), 1u);
  for (const char* body : {"vigie.camera", "vigie.cameras\r\njitter", "VIGIE.CAMERAS", ""}) {
    const auto answer = ask(viewer, url("/"), {}, body);
    ASSERT_TRUE(answer) << body;
    EXPECT_TRUE(answer->body.empty()) << "as every other keep-alive: " << body;
  }
  const auto set = ask(viewer, url("/"), {}, "vigie.cameras", "SET_PARAMETER");
  EXPECT_TRUE(set->body.empty());
}

TEST_F(Listing, NeedsAProofOfItsOwn) {
  policy::ListenerPolicy listener = open_listener();
  listener.access = policy::Access::digest;
  provider_.passwords = {{"ops", "s3cret"}};
  open_server({}, listener);
  offer(2);
  publish(1);
  Client viewer = client();
  auto answer = ask(viewer, url("/"));
  ASSERT_EQ(answer->status, 401);
  EXPECT_TRUE(answer->body.empty());
  EXPECT_TRUE(provider_.requests.empty()) << "the provider is not asked for strangers";
  rtsp::ClientAuth auth("ops", "s3cret");
  ASSERT_EQ(auth.on_unauthorized(answer->headers), rtsp::ClientAuth::Next::retry);
  const auto proof = [&] { return "Authorization: " + auth.authorization("GET_PARAMETER", url("/"), "12ab") + "\r\n"; };
  EXPECT_EQ(names(value_of(ask(viewer, url("/"), proof()))).size(), 2u);
  EXPECT_EQ(provider_.requests.back().agent, "ops");
  EXPECT_EQ(ask(viewer, url("/"))->status, 401) << "the connection's earlier proof is not enough";
  EXPECT_EQ(ask(viewer, url("/"), {}, "")->status, 200) << "for a sign of life it is";

  provider_.no_longer_allowed = make_error(Code::not_authorized, "ops", "the agent's right has ended");
  answer = ask(viewer, url("/"), proof());
  EXPECT_EQ(answer->status, 403);
  EXPECT_THAT(answer->body, HasSubstr("right has ended"));
  EXPECT_EQ(provider_.told(EventKind::viewer_refused).size(), 1u);
}

TEST_F(Listing, ASessionThatPlaysGoesOn) {
  open_server();
  offer(1);
  publish(2);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  for (int i = 0; i < 5; ++i) {
    pass(std::chrono::seconds(40));
    EXPECT_EQ(names(value_of(ask(viewer, url("/")))).size(), 1u);
  }
  EXPECT_EQ(server_->counters().sessions_open, 1u) << "it was a sign of life as well";
  publish(2);
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer);
  EXPECT_GE(reader.units.size(), 3u);
}

}  // namespace
}  // namespace vigie::sink
