// Credentials in the RTSP client: which are sent, when, to whom, and what refusals mean.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_script.h"
#include "rtsp/digest.h"

namespace vigie::source {
namespace {

using testing::Connect;
using ::testing::HasSubstr;
using testing::kSdp;
using ::testing::Not;
using testing::Script;

RtspClientConfig with_password() {
  RtspClientConfig config;
  config.username = "ops";
  config.password = "hush-hush";
  return config;
}

std::string digest_challenge(const std::string& nonce, const std::string& more = "") {
  return "WWW-Authenticate: Digest realm=\"cam\", nonce=\"" + nonce + "\"" + more + "\r\n";
}

// The request's Authorization is right for this nonce.
bool authorised(const std::string& request, const std::string& nonce) {
  const size_t at = request.find("Authorization: ");
  if (at == std::string::npos) return false;
  const size_t begin = at + 15;
  const auto fields = rtsp::parse_authorization(request.substr(begin, request.find("\r\n", begin) - begin));
  if (!fields || fields->nonce != nonce) return false;
  const std::string method = request.substr(0, request.find(' '));
  const std::string uri = request.substr(method.size() + 1, request.find(" RTSP/") - method.size() - 1);
  if (fields->uri != uri) return false;  // C5
  // A server with the same key would do this; without qop the response is H(HA1:nonce:H(method:uri)), which a second
  // client with the same credentials must arrive at too.
  rtsp::ClientAuth twin("ops", "hush-hush");
  rtsp::HeaderList headers;
  headers.add("WWW-Authenticate", "Digest realm=\"cam\", nonce=\"" + nonce + "\"");
  twin.on_unauthorized(headers);
  const auto expected = rtsp::parse_authorization(twin.authorization(method, uri, "00"));
  return expected && fields->response == expected->response;
}

TEST(RtspAuth, AnswersAChallengeAndGoesOnAuthorised) {
  Script device(with_password());
  device.start();
  EXPECT_THAT(device.expect("OPTIONS "), Not(HasSubstr("Authorization")));
  device.status(401, digest_challenge("n1"));
  EXPECT_TRUE(authorised(device.expect("OPTIONS "), "n1"));
  device.ok();
  EXPECT_TRUE(authorised(device.expect("DESCRIBE "), "n1"));
  device.ok("", kSdp);
  EXPECT_TRUE(authorised(device.expect("SETUP "), "n1"));
}

TEST(RtspAuth, TakesAFreshNonceWhenItsOwnIsStale) {
  Script device(with_password());
  device.start();
  device.take();
  device.status(401, digest_challenge("n1"));
  device.take();
  device.ok();
  EXPECT_TRUE(authorised(device.expect("DESCRIBE "), "n1"));
  device.status(401, digest_challenge("n2", ", stale=true"));
  EXPECT_TRUE(authorised(device.expect("DESCRIBE "), "n2"));
  device.ok("", kSdp);
  EXPECT_FALSE(device.ended);
}

TEST(RtspAuth, AnswersAChallengeInTheMiddleOfASession) {  // C7
  Script device(with_password());
  device.play();
  device.advance(30s);
  device.expect("GET_PARAMETER ");
  device.status(401, digest_challenge("later"));
  EXPECT_TRUE(authorised(device.expect("GET_PARAMETER "), "later"));
  device.ok();
  EXPECT_FALSE(device.ended);
}

TEST(RtspAuth, RefusedTwiceIsAFault) {
  Script device(with_password());
  device.start();
  device.take();
  device.status(401, digest_challenge("n1"));
  device.take();
  device.status(401, digest_challenge("n2"));
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.ended->code, Code::rtsp_auth);
  EXPECT_TRUE(device.sent.empty()) << "a third try helps to lock the account";
}

TEST(RtspAuth, SaysWhenNoneAreConfigured) {
  Script device;
  device.start();
  device.take();
  device.status(401, digest_challenge("n1"));
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.ended->code, Code::rtsp_auth);
  EXPECT_THAT(device.ended->what, HasSubstr("none are configured"));
}

TEST(RtspAuth, UsesBasicWhereNothingElseIsOffered) {
  Script device(with_password());
  device.start();
  device.take();
  device.status(401, "WWW-Authenticate: Basic realm=\"cam\"\r\n");
  EXPECT_THAT(device.expect("OPTIONS "), HasSubstr("Authorization: Basic b3BzOmh1c2gtaHVzaA==\r\n"));
}

TEST(RtspAuth, GoesOnWhereTheDeviceClosesBehindA401) {  // C8
  Script device(with_password());
  device.start();
  device.take();
  device.status(401, digest_challenge("n1"));
  device.take();
  device.closed();
  ASSERT_FALSE(device.ended);
  ASSERT_EQ(device.connects.size(), 2u);
  device.open();
  EXPECT_TRUE(authorised(device.expect("OPTIONS "), "n1"));
  device.closed();
  ASSERT_TRUE(device.ended) << "once is enough";
  EXPECT_EQ(device.ended->code, Code::connection_lost);
}

TEST(RtspAuth, NoTextHoldsThePassword) {
  Script device(with_password());
  device.start();
  device.take();
  device.status(401, digest_challenge("n1"));
  EXPECT_THAT(device.take(), Not(HasSubstr("hush-hush")));
  device.status(401, digest_challenge("n2"));
  ASSERT_TRUE(device.ended);
  EXPECT_THAT(device.ended->text(), Not(HasSubstr("hush-hush")));
  RtspClientConfig config;
  config.url = "rtsp://ops:hush-hush@10.0.0.7/live";
  Script inside(config);
  inside.start();
  inside.advance(5s);
  ASSERT_TRUE(inside.ended);
  EXPECT_THAT(inside.ended->text(), Not(HasSubstr("hush-hush")));
  EXPECT_THAT(inside.everything_sent, Not(HasSubstr("hush-hush")));
  EXPECT_THAT(inside.client->shown_url(), Not(HasSubstr("ops")));
}

// --- redirects

struct RedirectCase {
  const char* name;
  const char* from;
  int status;
  const char* location;
  bool followed;
  Connect to;
  bool keeps_credentials;
};
class RtspRedirect : public ::testing::TestWithParam<RedirectCase> {};
TEST_P(RtspRedirect, NeverCarriesCredentialsElsewhere) {
  const RedirectCase& c = GetParam();
  RtspClientConfig config = with_password();
  config.url = c.from;
  Script device(config);
  device.start();
  device.take();
  device.status(401, digest_challenge("n1"));
  device.take();
  device.ok();
  device.expect("DESCRIBE ");
  device.status(c.status, std::string("Location: ") + c.location + "\r\n");
  if (!c.followed) {
    ASSERT_TRUE(device.ended);
    EXPECT_EQ(device.ended->code, Code::redirect_refused);
    EXPECT_EQ(device.connects.size(), 1u);
    return;
  }
  ASSERT_FALSE(device.ended) << device.ended->text();
  ASSERT_EQ(device.connects.size(), 2u);
  EXPECT_EQ(device.connects[1], c.to);
  device.open();
  const std::string options = device.expect("OPTIONS ");
  EXPECT_EQ(options.find("Authorization") != std::string::npos, c.keeps_credentials);
  // Not even when the new host asks for them.
  device.status(401, digest_challenge("n9"));
  EXPECT_EQ(device.take().find("Authorization") != std::string::npos, c.keeps_credentials);
  EXPECT_EQ(device.ended.has_value(), !c.keeps_credentials);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RtspRedirect,
    ::testing::Values(
        RedirectCase{"same_host_other_port",
                     "rtsp://10.0.0.7/live",
                     302,
                     "rtsp://10.0.0.7:8554/x",
                     true,
                     {"10.0.0.7", 8554, false},
                     true},
        RedirectCase{
            "other_host", "rtsp://10.0.0.7/live", 301, "rtsp://10.6.6.6/x", true, {"10.6.6.6", 554, false}, false},
        RedirectCase{
            "see_other", "rtsp://10.0.0.7/live", 303, "rtsp://10.6.6.6/x", true, {"10.6.6.6", 554, false}, false},
        RedirectCase{"to_tls", "rtsp://10.0.0.7/live", 307, "rtsps://10.0.0.7/x", true, {"10.0.0.7", 322, true}, true},
        RedirectCase{"from_tls_to_plain", "rtsps://10.0.0.7/live", 302, "rtsp://10.0.0.7/x", false, {}, false},
        RedirectCase{"to_http", "rtsp://10.0.0.7/live", 302, "http://10.0.0.7/x", false, {}, false},
        RedirectCase{"nowhere", "rtsp://10.0.0.7/live", 302, "", false, {}, false}),
    [](const auto& param) { return param.param.name; });

TEST(RtspRedirect, EndsInTheEnd) {
  Script device;
  device.start();
  for (int i = 0; i < 20 && !device.ended; ++i) {
    device.take();
    device.ok();
    device.take();
    device.status(302, "Location: rtsp://10.0.0.7/again" + std::to_string(i) + "\r\n");
    if (!device.ended) device.open();
  }
  ASSERT_TRUE(device.ended);
  EXPECT_EQ(device.ended->code, Code::redirect_refused);
  EXPECT_EQ(device.connects.size(), 5u);
}

}  // namespace
}  // namespace vigie::source
