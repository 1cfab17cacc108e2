// RTSP inside HTTP: two connections, base64 up, and what HTTP itself may answer.
#include "source/http_tunnel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/test_certificates.h"
#include "heap_count.h"
#include "rtsp/digest_hash.h"
#include "shard_fixture.h"
#include "tunnel_server.h"

namespace vigie::source {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TunnelServer;

const std::string kBasicChallenge = "HTTP/1.0 401 No\r\nWWW-Authenticate: Basic realm=\"cam\"\r\n\r\n";
const std::string kDigestChallenge =
    "HTTP/1.0 401 No\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"n0\", qop=\"auth\"\r\n\r\n";

class HttpTunnelTest : public testing::ShardTest {
 protected:
  HttpTunnelTest() { server = std::make_unique<TunnelServer>(*loop); }
  void connect(policy::StreamPolicy policy = {}) {
    policy.transport = policy::Transport::http;
    policy.silence_limit = 3600s;
    if (policy.url.empty()) policy.url = server->url();
    supervisor = std::make_unique<StreamSupervisor>(*shard, StreamKey{"town", "main"}, policy, observer);
    supervisor->start();
  }
  void connect_as(const std::string& user, const std::string& password) {
    policy::StreamPolicy policy;
    policy.username = user;
    policy.password = policy::Secret(password);
    connect(policy);
  }
  template <class Done>
  bool run_until(Done done) {
    for (int i = 0; i < 3000 && !done(); ++i) loop->run_once(1ms);
    return done();
  }
  bool playing() {
    return run_until([&] { return server->playing && supervisor->state() == StreamState::waiting; });
  }
  bool given_up() {
    return run_until([&] { return supervisor->state() == StreamState::backing_off; });
  }
  void settle() {
    for (int i = 0; i < 20; ++i) loop->run_once(0ms);
  }
  void pictures(int count) {
    for (int i = 0; i < count; ++i) {
      server->send_picture();
      clock.advance(40ms);
      settle();
    }
  }
  std::string last_reason() const { return observer.reasons.empty() ? "" : observer.reasons.back(); }

  testing::Observer observer;
  std::unique_ptr<TunnelServer> server;
  std::unique_ptr<StreamSupervisor> supervisor;
};

TEST_F(HttpTunnelTest, PlaysAndSendsReportsKeepAlivesAndGoodbyeByPost) {
  connect();
  ASSERT_TRUE(playing()) << last_reason();
  pictures(30);
  EXPECT_GE(observer.units.size(), 26u);
  expect_strictly_increasing(observer.units);
  EXPECT_EQ(supervisor->counters().lost_packets, 0u);
  EXPECT_THAT(observer.reasons, Contains("RTSP over HTTP"));
  clock.advance(5s);
  settle();
  EXPECT_FALSE(server->reports.empty()) << "receiver reports";
  server->send_picture();
  settle();
  for (int i = 0; i < 8; ++i) {  // keep-alives are due every 30 s; pictures go on meanwhile
    clock.advance(4s);
    pictures(1);
  }
  EXPECT_THAT(server->methods, Contains("GET_PARAMETER"));
  bool done = false;
  supervisor->stop([&] { done = true; });
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_THAT(server->methods, Contains("TEARDOWN"));
  ASSERT_EQ(server->gets.size(), 1u);
  ASSERT_EQ(server->posts.size(), 1u);
  EXPECT_THAT(server->gets[0], StartsWith("GET /live?channel=1 HTTP/1.0\r\n"));
  EXPECT_THAT(server->gets[0], HasSubstr("Accept: application/x-rtsp-tunnelled\r\n"));
  EXPECT_THAT(server->gets[0], HasSubstr("Host: 127.0.0.1:" + std::to_string(server->port) + "\r\n"));
  EXPECT_THAT(server->posts[0], StartsWith("POST /live?channel=1 HTTP/1.0\r\n"));
  EXPECT_THAT(server->posts[0], HasSubstr("Content-Type: application/x-rtsp-tunnelled\r\n"));
  EXPECT_THAT(server->posts[0], HasSubstr("Content-Length: 32767\r\n"));
  EXPECT_EQ(TunnelServer::cookie_of(server->gets[0]).size(), 22u);
}

TEST_F(HttpTunnelTest, TakesTheAnswersHeadInPieces) {
  server->answer_get = false;
  connect();
  ASSERT_TRUE(run_until([&] { return server->get != nullptr; }));
  for (const char c : std::string("HTTP/1.1 200\r\nServer: x\r\n\r\n")) {
    server->write(std::string(1, c));
    loop->run_once(1ms);
  }
  EXPECT_TRUE(playing()) << last_reason();
}

TEST_F(HttpTunnelTest, EachAttemptHasACookieOfItsOwn) {
  connect();
  ASSERT_TRUE(playing());
  server->playing = false;
  server->get->stream.reset();
  ASSERT_TRUE(given_up());
  clock.advance(1s);
  ASSERT_TRUE(playing());
  ASSERT_EQ(server->gets.size(), 2u);
  EXPECT_NE(TunnelServer::cookie_of(server->gets[0]), TunnelServer::cookie_of(server->gets[1]));
}

TEST_F(HttpTunnelTest, PlaysThroughHttps) {
  const net::TestCertificates certificates;
  net::TlsServerOptions options;
  options.certificate_file = certificates.certificate("good");
  options.key_file = certificates.key("good");
  server = std::make_unique<TunnelServer>(*loop, net::TlsServerContext::make(options).value());
  policy::StreamPolicy policy;
  policy.tls_ca_file = certificates.certificate("ca");
  connect(policy);
  ASSERT_TRUE(playing()) << last_reason();
  pictures(10);
  EXPECT_GE(observer.count, 5u);
  EXPECT_THAT(observer.reasons, Contains("RTSP over HTTPS"));
  observer = testing::Observer();
  connect();  // without the authority
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::tls_failed));
}

TEST_F(HttpTunnelTest, AnswersBasicOnANewConnection) {  // C8
  server->get_answers = {kBasicChallenge};
  connect_as("ops", "pw");
  ASSERT_TRUE(playing()) << last_reason();
  ASSERT_EQ(server->gets.size(), 2u);
  EXPECT_THAT(server->gets[0], Not(HasSubstr("Authorization")));
  EXPECT_THAT(server->gets[1], HasSubstr("Authorization: Basic b3BzOnB3\r\n"));
  EXPECT_THAT(server->posts[0], HasSubstr("Authorization: Basic b3BzOnB3\r\n"));
}

TEST_F(HttpTunnelTest, AnswersDigestForEachMethodWithItsOwnCount) {
  server->get_answers = {kDigestChallenge};
  connect_as("ops", "pw");
  ASSERT_TRUE(playing()) << last_reason();
  const auto check = [](const std::string& head, const std::string& method, const std::string& count) {
    const size_t at = head.find("Authorization: ");
    ASSERT_NE(at, std::string::npos);
    const std::string value = head.substr(at + 15, head.find('\r', at) - at - 15);
    const auto given = rtsp::parse_authorization(value).value();
    EXPECT_EQ(given.uri, "/live?channel=1");
    EXPECT_EQ(given.nc, count);
    const auto algorithm = rtsp::DigestAlgorithm::md5;
    const std::string ha1 = rtsp::make_ha1(algorithm, "ops", "cam", "pw");
    const std::string ha2 = rtsp::hash_hex(algorithm, method + ":/live?channel=1");
    EXPECT_EQ(given.response, rtsp::hash_hex(algorithm, ha1 + ":n0:" + count + ":" + given.cnonce + ":auth:" + ha2));
  };
  check(server->gets[1], "GET", "00000001");
  check(server->posts[0], "POST", "00000002");
}

TEST_F(HttpTunnelTest, RepeatsTheRequestWhenPostIsAskedForCredentials) {
  server->post_answers = {"HTTP/1.0 401 No\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\"\r\n\r\n"};
  connect_as("ops", "pw");
  ASSERT_TRUE(playing()) << last_reason();
  EXPECT_EQ(server->posts.size(), 2u);
  EXPECT_THAT(server->posts[1], HasSubstr("nonce=\"n1\""));
  EXPECT_THAT(server->methods, ElementsAre("OPTIONS", "DESCRIBE", "SETUP", "PLAY"));
}

TEST_F(HttpTunnelTest, WrongPasswordsAreTriedOnceAndSaid) {
  server->get_answers = {kBasicChallenge, kBasicChallenge};
  connect_as("ops", "wrong-pw");
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::rtsp_auth));
  EXPECT_THAT(last_reason(), HasSubstr("the tunnel's GET was refused with the configured user and password"));
  EXPECT_THAT(last_reason(), Not(HasSubstr("wrong-pw")));
  EXPECT_EQ(server->gets.size(), 2u);
}

TEST_F(HttpTunnelTest, SaysThatCredentialsAreMissing) {
  server->get_answers = {kBasicChallenge};
  connect();
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::rtsp_auth));
  EXPECT_THAT(last_reason(), HasSubstr("none are configured"));
}

struct Refusal {
  const char* answer;
  Code code;
  const char* says;
};
class HttpTunnelRefusals : public HttpTunnelTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(HttpTunnelRefusals, AreSaid) {
  server->get_answers = {GetParam().answer};
  connect();
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(GetParam().code));
  EXPECT_THAT(last_reason(), HasSubstr(GetParam().says));
  EXPECT_THAT(last_reason(), HasSubstr("127.0.0.1:" + std::to_string(server->port)));
}

const std::string kLongHead = "HTTP/1.0 200 OK\r\nX: " + std::string(20000, 'a');
INSTANTIATE_TEST_SUITE_P(
    Http, HttpTunnelRefusals,
    ::testing::Values(
        Refusal{"HTTP/1.1 404 Not Found\r\n\r\n", Code::rtsp_status, "the tunnel's GET was answered 404 Not Found"},
        Refusal{"HTTP/1.1 503 \tOn\x01 Leave\r\n\r\n", Code::rtsp_status, "answered 503 On  Leave"},
        Refusal{"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", Code::rtsp_unsupported,
                "answered with text/html"},
        Refusal{"RTSP/1.0 400 Bad Request\r\nCSeq: 0\r\n\r\n", Code::rtsp_unsupported, "the answer is not HTTP"},
        Refusal{"HTTP/1.1 banana\r\n\r\n", Code::rtsp_malformed, "the tunnel's GET"},
        Refusal{kLongHead.c_str(), Code::rtsp_too_large, "too long"},
        Refusal{"HTTP/1.1 302 Found\r\n\r\n", Code::redirect_refused, "302 without a Location"},
        Refusal{"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\n\r\n", Code::redirect_refused, "no usable rtsp URL"},
        Refusal{"HTTP/1.1 401 No\r\nWWW-Authenticate: Kerberos\r\n\r\n", Code::rtsp_auth, "not known here"}));

TEST_F(HttpTunnelTest, ARefusedPostIsSaid) {
  server->post_answers = {"HTTP/1.0 405 Method Not Allowed\r\n\r\n"};
  connect();
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::rtsp_status));
  EXPECT_THAT(last_reason(), HasSubstr("the tunnel's POST was answered 405 Method Not Allowed"));
}

TEST_F(HttpTunnelTest, AnEarlySuccessOfPostIsNoMatter) {
  connect();
  ASSERT_TRUE(run_until([&] { return server->post != nullptr && server->post->stream; }));
  const std::string answer = "HTTP/1.0 200 OK\r\n\r\n";
  (void)server->post->stream->write(as_bytes(answer));
  ASSERT_TRUE(playing());
  pictures(5);
  EXPECT_GE(observer.count, 3u);
}

TEST_F(HttpTunnelTest, AServerThatDoesNotAnswerIsGivenUp) {
  server->answer_get = false;
  connect();
  ASSERT_TRUE(run_until([&] { return !server->gets.empty(); }));
  clock.advance(4s);
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::timed_out));
  EXPECT_THAT(last_reason(), HasSubstr("the tunnel's GET was not answered within 4000 ms"));
}

TEST_F(HttpTunnelTest, RedirectsAreFollowedOnTheSameHostWithTheCredentials) {
  TunnelServer other(*loop);
  other.get_answers = {kBasicChallenge};
  server->get_answers = {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" + std::to_string(other.port) +
                         "/moved\r\n\r\n"};
  connect_as("ops", "pw");
  ASSERT_TRUE(run_until([&] { return other.playing; })) << last_reason();
  EXPECT_THAT(other.gets.back(), StartsWith("GET /moved HTTP/1.0\r\n"));
  EXPECT_THAT(other.gets.back(), HasSubstr("Authorization: Basic b3BzOnB3\r\n"));
}

TEST_F(HttpTunnelTest, RedirectsMayNameAPathOnly) {
  server->get_answers = {"HTTP/1.1 301 Moved\r\nLocation: /other\r\n\r\n"};
  connect();
  ASSERT_TRUE(playing()) << last_reason();
  EXPECT_THAT(server->gets.back(), StartsWith("GET /other HTTP/1.0\r\n"));
}

TEST_F(HttpTunnelTest, CredentialsDoNotFollowToAnotherHost) {  // A14
  TunnelServer other(*loop);
  other.get_answers = {kBasicChallenge};
  server->get_answers = {kBasicChallenge, "HTTP/1.1 302 Found\r\nLocation: http://localhost:" +
                                              std::to_string(other.port) + "/live\r\n\r\n"};
  connect_as("ops", "pw");
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::rtsp_auth));
  EXPECT_THAT(last_reason(), HasSubstr("none are configured"));
  ASSERT_EQ(other.gets.size(), 1u);
  EXPECT_THAT(other.gets[0], Not(HasSubstr("Authorization")));
}

TEST_F(HttpTunnelTest, RedirectsEnd) {
  for (int i = 0; i < 6; ++i) {
    server->get_answers.push_back("HTTP/1.1 302 Found\r\nLocation: " + std::to_string(i).insert(0, "/") + "\r\n\r\n");
  }
  connect();
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::redirect_refused));
  EXPECT_THAT(last_reason(), HasSubstr("more than 4 redirects"));
}

TEST_F(HttpTunnelTest, HttpsIsNotLeftByARedirect) {
  testing::Script script([] {
    RtspClientConfig config;
    config.url = "rtsps://10.0.0.7/live";
    config.transport = policy::Transport::http;
    return config;
  }());
  script.client->start(script.now);
  script.client->on_redirected(script.now, "http://10.0.0.7/live");
  ASSERT_TRUE(script.ended);
  EXPECT_EQ(script.ended->code, Code::redirect_refused);
}

TEST_F(HttpTunnelTest, GoesToThePortsOfTheWeb) {
  for (const auto& [url, port] : {std::pair("rtsp://10.0.0.7/live", 80), std::pair("rtsps://10.0.0.7/live", 443),
                                  std::pair("rtsp://10.0.0.7:554/live", 554)}) {
    RtspClientConfig config;
    config.url = url;
    config.transport = policy::Transport::http;
    testing::Script script(config);
    script.client->start(script.now);
    ASSERT_EQ(script.connects.size(), 1u);
    EXPECT_EQ(script.connects[0].port, port) << url;
    EXPECT_EQ(script.tunnels.size(), 1u);
  }
}

TEST_F(HttpTunnelTest, UdpIsNotTriedThroughATunnel) {
  RtspClientConfig config;
  config.transport = policy::Transport::http;
  testing::Script script(config);
  script.start();
  script.expect("OPTIONS");
  script.ok();
  script.expect("DESCRIBE");
  script.ok("Content-Type: application/sdp\r\n", testing::kSdp);
  script.expect("SETUP");
  script.status(461);
  ASSERT_TRUE(script.ended);
  EXPECT_EQ(script.ended->code, Code::rtsp_unsupported);
}

TEST_F(HttpTunnelTest, TheEndOfGetEndsTheAttempt) {
  connect();
  ASSERT_TRUE(playing());
  pictures(5);
  server->get->stream.reset();
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::connection_lost));
}

TEST_F(HttpTunnelTest, ABrokenPostEndsTheAttempt) {
  connect();
  ASSERT_TRUE(playing());
  pictures(5);
  server->post->stream->reset_close();
  ASSERT_TRUE(given_up());
  EXPECT_THAT(observer.codes, ElementsAre(Code::connection_lost));
}

TEST_F(HttpTunnelTest, APostClosedBehindEachRequestIsOpenedAnewWithTheSameCookie) {
  server->close_post_behind_request = true;
  connect();
  ASSERT_TRUE(playing()) << last_reason();
  EXPECT_EQ(server->posts.size(), 4u);
  for (const std::string& post : server->posts) {
    EXPECT_EQ(TunnelServer::cookie_of(post), TunnelServer::cookie_of(server->gets[0]));
  }
  pictures(5);
  EXPECT_GE(observer.count, 3u);
  EXPECT_EQ(server->gets.size(), 1u);
}

TEST_F(HttpTunnelTest, APostWhoseLengthIsUsedUpIsReplaced) {
  connect();
  ASSERT_TRUE(playing());
  // Reports every 5 s; pictures go on between them.
  for (int i = 0; i < 500; ++i) {
    clock.advance(4s);
    pictures(1);
    clock.advance(1s);
    settle();
  }
  ASSERT_GE(server->posts.size(), 2u);
  EXPECT_EQ(supervisor->state(), StreamState::playing);
  EXPECT_EQ(supervisor->counters().connects, 1u);
  EXPECT_EQ(server->gets.size(), 1u);
  for (const std::string& body : server->post_bodies) EXPECT_LE(body.size(), 32767u);
  EXPECT_GT(server->post_bodies[0].size(), 32000u);
}

TEST_F(HttpTunnelTest, TakesNoMemoryPerPacket) {
  if (!kHeapIsCounted) GTEST_SKIP() << "the sanitizer owns the heap";
  observer.keep = false;
  connect();
  ASSERT_TRUE(playing());
  pictures(20);
  const auto taken_by = [&](int packets) {
    uint64_t calls = 0;
    for (int i = 0; i < 20; ++i) {
      for (int p = 0; p < packets; ++p) {
        std::string payload = testing::slice(false, 400);
        if (p > 0) payload[1] = 0x11;
        const bool last = p + 1 == packets;
        server->write(testing::interleaved(testing::packet(server->sequence++, server->timestamp, payload, last)));
      }
      server->timestamp += 3600;
      clock.advance(40ms);
      const uint64_t before = heap_calls();
      settle();
      calls += heap_calls() - before;
    }
    return calls;
  };
  taken_by(100);
  const uint64_t few = taken_by(10);
  const uint64_t many = taken_by(100);
  EXPECT_LT(many, few + 20 * 8) << few << " and " << many;
}

TEST_F(HttpTunnelTest, GoingAwayAtAnyMomentIsSafe) {
  for (int turns = 0; turns < 60; ++turns) {
    if (turns % 3 == 1) server->get_answers = {kBasicChallenge};
    if (turns % 3 == 2) server->close_post_behind_request = true;
    connect_as("ops", "pw");
    for (int i = 0; i < turns; ++i) loop->run_once(0ms);
    supervisor.reset();
    server->get_answers.clear();
    server->close_post_behind_request = false;
  }
  settle();
}

}  // namespace
}  // namespace vigie::source
