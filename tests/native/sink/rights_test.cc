// Who may see what, for how long, and how a running session is cut.
#include "rtsp/digest.h"
#include "sink_support.h"

namespace vigie::sink {
namespace {

using testing::HasSubstr;

class Rights : public SinkTest {
 protected:
  static policy::ListenerPolicy digest_listener(bool md5 = true) {
    policy::ListenerPolicy listener = open_listener();
    listener.access = policy::Access::digest;
    listener.allow_md5 = md5;
    return listener;
  }
  // Sends the request, answers a challenge once.
  std::optional<rtsp::Response> ask(Client& viewer, rtsp::ClientAuth& auth, const std::string& method,
                                    const std::string& uri, const std::string& headers = {}) {
    std::optional<rtsp::Response> answer;
    for (int i = 0; i < 2; ++i) {
      std::string all = headers;
      if (auth.ready()) all += "Authorization: " + auth.authorization(method, uri, "0a4f113b") + "\r\n";
      answer = viewer.request(method, uri, all);
      if (!answer || answer->status != 401) break;
      if (auth.on_unauthorized(answer->headers) != rtsp::ClientAuth::Next::retry) break;
    }
    return answer;
  }
  static constexpr const char* kTcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
};

TEST_F(Rights, ChallengesOfferDigestOnlyStrongFirst) {
  open_server({}, digest_listener());
  Client viewer = client();
  auto answer = viewer.request("DESCRIBE", url("/cam"));
  ASSERT_EQ(answer->status, 401);
  const auto offers = answer->headers.get_all("WWW-Authenticate");
  ASSERT_EQ(offers.size(), 2u);
  EXPECT_THAT(std::string(offers[0]), HasSubstr("algorithm=SHA-256"));
  EXPECT_THAT(std::string(offers[1]), HasSubstr("algorithm=MD5"));
  for (const auto offer : offers) EXPECT_TRUE(offer.starts_with("Digest ")) << offer;
  EXPECT_EQ(viewer.request("OPTIONS", "*")->status, 200) << "needs no name";
  EXPECT_TRUE(provider_.requests.empty()) << "the provider is not asked for strangers";
  EXPECT_TRUE(provider_.told(EventKind::viewer_refused).empty()) << "a first challenge is no refusal";
}

struct AuthRow {
  const char* name;
  bool allow_md5;
  const char* offered;  // the algorithm the client takes; empty: the client's own choice
  const char* user;
  const char* password;
  int status;
};
class AuthMatrix : public Rights, public testing::WithParamInterface<AuthRow> {};

TEST_P(AuthMatrix, Describe) {
  const AuthRow& row = GetParam();
  provider_.passwords = {{"ops", "s3cret"}, {"other", "different"}};
  open_server({}, digest_listener(row.allow_md5));
  publish(1);
  Client viewer = client();
  rtsp::ClientAuth auth(row.user, row.password);
  auto first = viewer.request("DESCRIBE", url("/cam"));
  ASSERT_EQ(first->status, 401);
  rtsp::HeaderList offers;
  for (const auto offer : first->headers.get_all("WWW-Authenticate")) {
    if (offer.find(row.offered) != std::string_view::npos) offers.add("WWW-Authenticate", offer);
  }
  if (offers.empty()) {
    EXPECT_EQ(row.status, 401) << "nothing of this kind was offered";
    return;
  }
  ASSERT_EQ(auth.on_unauthorized(offers), rtsp::ClientAuth::Next::retry);
  auto answer = viewer.request("DESCRIBE", url("/cam"),
                               "Authorization: " + auth.authorization("DESCRIBE", url("/cam"), "12ab") + "\r\n");
  EXPECT_EQ(answer->status, row.status);
  const auto refused = provider_.told(EventKind::viewer_refused);
  EXPECT_EQ(refused.size(), row.status == 401 ? 1u : 0u);
  for (const auto& text : refused) EXPECT_EQ(text.find(row.password), std::string::npos);
  if (row.status == 200) {
    EXPECT_EQ(provider_.requests.at(0).agent, row.user);
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, AuthMatrix,
                         testing::Values(AuthRow{"sha256", true, "SHA-256", "ops", "s3cret", 200},
                                         AuthRow{"md5", true, "MD5", "ops", "s3cret", 200},
                                         AuthRow{"sha256_alone", false, "SHA-256", "ops", "s3cret", 200},
                                         AuthRow{"md5_off", false, "MD5", "ops", "s3cret", 401},
                                         AuthRow{"wrong_password", true, "SHA-256", "ops", "guess", 401},
                                         AuthRow{"wrong_password_md5", true, "MD5", "ops", "guess", 401},
                                         AuthRow{"unknown_user", true, "SHA-256", "nobody", "s3cret", 401},
                                         AuthRow{"anothers_password", true, "SHA-256", "ops", "different", 401}),
                         [](const auto& row) { return row.param.name; });

TEST_F(Rights, BasicAndForeignNoncesAreRefused) {
  provider_.passwords = {{"ops", "s3cret"}};
  open_server({}, digest_listener());
  publish(1);
  Client viewer = client(), thief = client();
  EXPECT_EQ(viewer.request("DESCRIBE", url("/cam"), "Authorization: Basic b3BzOnMzY3JldA==\r\n")->status, 401);
  rtsp::ClientAuth auth("ops", "s3cret");
  ASSERT_EQ(auth.on_unauthorized(viewer.request("DESCRIBE", url("/cam"))->headers), rtsp::ClientAuth::Next::retry);
  const std::string proof = "Authorization: " + auth.authorization("DESCRIBE", url("/cam"), "77") + "\r\n";
  EXPECT_EQ(thief.request("DESCRIBE", url("/cam"), proof)->status, 401) << "a nonce belongs to its connection";
  EXPECT_EQ(viewer.request("DESCRIBE", url("/other"), proof)->status, 401) << "and the answer to its URI";
  EXPECT_EQ(viewer.request("DESCRIBE", url("/cam"), proof)->status, 200);
}

TEST_F(Rights, ATicketLetsInWithoutAPassword) {
  provider_.tickets["abc.def"] = {.route = "r1", .agent = "ops", .stream = {"cam", "main", ""}};
  for (const bool setup_repeats_it : {false, true}) {
    open_server({}, digest_listener());
    publish(1);
    provider_.requests.clear();
    Client viewer = client();
    auto described = viewer.request("DESCRIBE", url("/cam") + "?ticket=abc.def");
    ASSERT_EQ(described->status, 200);
    EXPECT_EQ(provider_.requests.at(0).agent, "ops");
    EXPECT_EQ(provider_.requests.at(0).route(), "r1");
    const std::string track = url("/cam") + "/trackID=0" + (setup_repeats_it ? "?ticket=abc.def" : "");
    auto setup = viewer.request("SETUP", track, kTcp);
    ASSERT_EQ(setup->status, 200);
    const std::string session = "Session: " + std::string(setup->headers.get("Session")) + "\r\n";
    EXPECT_EQ(viewer.request("PLAY", url("/cam"), session)->status, 200);
    server_.reset();
  }
}

TEST_F(Rights, ATicketCountsForNothingElse) {
  provider_.tickets["abc.def"] = {.route = "r1", .agent = "ops", .stream = {"cam", "main", ""}};
  provider_.passwords = {{"ops", "s3cret"}};
  open_server({}, digest_listener());
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.request("DESCRIBE", url("/cam") + "?ticket=abc.def")->status, 200);
  EXPECT_EQ(viewer.request("SETUP", url("/other") + "/trackID=0", kTcp)->status, 401) << "another stream";
  EXPECT_EQ(viewer.request("SETUP", url("/cam") + "/trackID=0", kTcp)->status, 401) << "the ticket was put away";
  EXPECT_EQ(viewer.request("GET_PARAMETER", url(""), "Content-Type: text/parameters\r\nContent-Length: 0\r\n")->status,
            401)
      << "and so was the proof";
}

TEST_F(Rights, AnUnknownTicketIsRefusedAndCounted) {
  for (const auto access : {policy::Access::digest, policy::Access::open}) {
    policy::ListenerPolicy listener = digest_listener();
    listener.access = access;
    open_server({}, listener);
    publish(1);
    provider_.events.clear();
    Client viewer = client();
    auto answer = viewer.request("DESCRIBE", url("/cam") + "?ticket=abc.xyz");
    EXPECT_EQ(answer->status, 403);
    EXPECT_EQ(answer->body.find("xyz"), std::string::npos);
    EXPECT_EQ(provider_.told(EventKind::viewer_refused).size(), 1u);
    int asked = 1;
    for (; asked < 40 && !viewer.ended(); ++asked) {
      if (!viewer.request("DESCRIBE", url("/cam") + "?ticket=" + std::to_string(asked))) break;
    }
    EXPECT_LE(asked, 12) << "guessing ends the connection";
    server_.reset();
  }
}

TEST_F(Rights, GuessingEndsTheConnection) {
  provider_.passwords = {{"ops", "s3cret"}};
  open_server({}, digest_listener());
  Client viewer = client();
  int asked = 0;
  for (; asked < 40 && !viewer.ended(); ++asked) {
    rtsp::ClientAuth auth("ops", "guess" + std::to_string(asked));
    if (!ask(viewer, auth, "DESCRIBE", url("/cam"))) break;
  }
  EXPECT_LT(asked, 15);
  EXPECT_GE(server_->counters().refused_authentication, 10u);
}

// Players send keep-alives without credentials or with an old nonce; a stale nonce for a new grant is said to be stale.
TEST_F(Rights, ProvenConnectionsNeedNoProofToStayAlive) {
  provider_.passwords = {{"ops", "s3cret"}};
  open_server({}, digest_listener());
  publish(1);
  Client viewer = client();
  rtsp::ClientAuth auth("ops", "s3cret");
  ASSERT_EQ(ask(viewer, auth, "SETUP", url("/cam/trackID=0"), kTcp)->status, 200);
  ASSERT_EQ(viewer.request("PLAY", url("/cam"))->status, 200);
  EXPECT_EQ(viewer.request("GET_PARAMETER", url("/cam"))->status, 200);
  for (int i = 0; i < 40; ++i) {
    publish(1);
    pass(10s);
    viewer.receive();
    if (i % 3 == 0) viewer.request("GET_PARAMETER", url("/cam"));
  }
  EXPECT_EQ(viewer
                .request("GET_PARAMETER", url("/cam"),
                         "Authorization: " + auth.authorization("GET_PARAMETER", url("/cam"), "1") + "\r\n")
                ->status,
            200)
      << "an aged nonce";
  auto stale = viewer.request("DESCRIBE", url("/cam"),
                              "Authorization: " + auth.authorization("DESCRIBE", url("/cam"), "2") + "\r\n");
  EXPECT_EQ(stale->status, 401);
  EXPECT_THAT(std::string(stale->headers.get("WWW-Authenticate")), HasSubstr("stale=true"));
  // After a change of policy the connection has to prove itself again.
  server_->recheck_rights_blocking();
  EXPECT_EQ(viewer.request("GET_PARAMETER", url("/cam"))->status, 401);
}

TEST_F(Rights, RightEndsByTheServersOwnTimer) {
  provider_.ends = clock_.now_wall() + 3s;
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  for (int i = 0; i < 73; ++i) publish(1);  // 2.96 s with the first
  turn();
  EXPECT_TRUE(viewer.receive());
  publish(2);
  turn();
  viewer.receive();
  EXPECT_TRUE(viewer.was_reset());
  EXPECT_THAT(provider_.told(EventKind::viewer_closed).at(0), HasSubstr("the right to view has ended"));
}

TEST_F(Rights, ASteppedWallClockEndsTheRightToo) {
  provider_.ends = clock_.now_wall() + std::chrono::hours(3);
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  clock_.step_wall(std::chrono::hours(4));
  pass(1s);
  viewer.receive();
  EXPECT_TRUE(viewer.ended());
}

TEST_F(Rights, AWallClockThatIsSetBackProlongsNoRight) {
  provider_.ends = clock_.now_wall() + 10s;
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  clock_.step_wall(-std::chrono::hours(1));
  provider_.set_back = std::chrono::hours(1);
  pass(9s);
  viewer.receive();
  EXPECT_FALSE(viewer.ended());
  pass(2s);
  viewer.receive();
  EXPECT_TRUE(viewer.ended());
}

TEST_F(Rights, PolicyChangeProlongsOrShortens) {
  provider_.ends = clock_.now_wall() + 2s;
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  provider_.ends = clock_.now_wall() + 10s;
  bool done = false;
  server_->recheck_rights([&] { done = true; });
  ASSERT_TRUE(until([&] { return done; }));
  pass(5s);
  EXPECT_TRUE(viewer.receive()) << "prolonged";
  provider_.ends = clock_.now_wall() - 1s;
  server_->recheck_rights_blocking();
  clock_.advance(1ms);
  turn();
  viewer.receive();
  EXPECT_TRUE(viewer.ended()) << "shortened into the past";
}

TEST_F(Rights, AGrantOlderThanThePolicyIsAskedForAgain) {
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.request("DESCRIBE", url("/cam"))->status, 200);
  provider_.no_longer_allowed = make_error(Code::withheld, "cam", "withheld since");
  auto setup = viewer.request("SETUP", url("/cam/trackID=0"), kTcp);
  EXPECT_EQ(setup->status, 403);
  EXPECT_THAT(setup->body, HasSubstr("withheld since"));
  provider_.no_longer_allowed.reset();
  ASSERT_EQ(viewer.request("SETUP", url("/cam/trackID=0"), kTcp)->status, 200);
  provider_.no_longer_allowed = make_error(Code::withheld, "cam", "withheld since");
  EXPECT_EQ(viewer.request("PLAY", url("/cam"))->status, 403);
}

TEST_F(Rights, SetupTakesTheEndAsItIsNow) {
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.request("DESCRIBE", url("/cam"))->status, 200) << "opened without an end";
  provider_.ends = clock_.now_wall() + 1s;
  ASSERT_EQ(viewer.request("SETUP", url("/cam/trackID=0"), kTcp)->status, 200);
  ASSERT_EQ(viewer.request("PLAY", url("/cam"))->status, 200);
  publish(26);
  turn();
  viewer.receive();
  EXPECT_TRUE(viewer.was_reset());
}

TEST_F(Rights, ADescriptionThatComesAfterTheRightIsRefused) {
  open_server();
  publish(1);
  provider_.streams["/cam"].late = true;
  Client viewer = client();
  viewer.send("DESCRIBE " + url("/cam") + " RTSP/1.0\r\nCSeq: 1\r\n\r\n");
  ASSERT_TRUE(until([&] { return provider_.pending.size() == 1; }));
  provider_.no_longer_allowed = make_error(Code::withheld, "cam", "withheld since");
  server_->recheck_rights_blocking();
  provider_.answer_late();
  EXPECT_EQ(viewer.response()->status, 403);
  EXPECT_EQ(provider_.holds, 0);
}

// By this the provider knows who is in by a password that was changed since.
TEST_F(Rights, ARequestSaysWhenTheAgentProvedItself) {
  provider_.passwords = {{"ops", "s3cret"}};
  provider_.policy_revision = 7;
  open_server({}, digest_listener());
  publish(1);
  Client viewer = client();
  rtsp::ClientAuth auth("ops", "s3cret");
  ASSERT_EQ(ask(viewer, auth, "DESCRIBE", url("/cam"))->status, 200);
  EXPECT_EQ(provider_.requests.back().proven_at, 7u);
  provider_.policy_revision = 8;
  ASSERT_EQ(ask(viewer, auth, "DESCRIBE", url("/cam"))->status, 200);
  EXPECT_EQ(provider_.requests.back().proven_at, 8u);
}

TEST_F(Rights, AnotherConnectionCannotSteerATcpSession) {
  open_server();
  publish(1);
  Client viewer = client(), other = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  other.session = viewer.session;
  for (const char* method : {"TEARDOWN", "PAUSE", "PLAY", "GET_PARAMETER"}) {
    EXPECT_EQ(other.request(method, url("/cam"))->status, 454) << method;
  }
  EXPECT_EQ(server_->counters().sessions_open, 1u);
}

}  // namespace
}  // namespace vigie::sink
