#include "rtsp/digest.h"

#include <gtest/gtest.h>

#include "rtsp/digest_hash.h"

namespace vigie::rtsp {
namespace {

using Next = ClientAuth::Next;
using Verdict = ServerAuth::Verdict;
using namespace std::chrono_literals;

HeaderList challenge_headers(std::initializer_list<std::string> values) {
  HeaderList headers;
  for (const std::string& value : values) headers.add("WWW-Authenticate", value);
  return headers;
}

Authorization parsed(std::string_view value) {
  auto authorization = parse_authorization(value);
  EXPECT_TRUE(authorization.ok()) << value;
  return authorization ? *authorization : Authorization{};
}

TEST(Digest, Rfc7616Section391) {
  const std::string common =
      "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "
      "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
      "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
  const struct {
    const char *algorithm, *response;
  } rows[] = {{"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
              {"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"}};
  for (const auto& row : rows) {
    ClientAuth client("Mufasa", "Circle of Life");
    ASSERT_EQ(client.on_unauthorized(challenge_headers({"Digest " + common + ", algorithm=" + row.algorithm})),
              Next::retry);
    const Authorization sent =
        parsed(client.authorization("GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"));
    EXPECT_EQ(sent.response, row.response);
    EXPECT_EQ(sent.user, "Mufasa");
    EXPECT_EQ(sent.nc, "00000001");
    EXPECT_EQ(sent.qop, "auth");
    EXPECT_EQ(sent.opaque, "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS");
    EXPECT_EQ(sent.uri, "/dir/index.html");
    EXPECT_EQ(algorithm_name(sent.algorithm), row.algorithm);
  }
}

// Values computed apart from this code, by the formulas of RFC 7616 (session key) and RFC 2069 (no qop).
TEST(Digest, SessionAndOldForms) {
  const std::string nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
  const std::string cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
  const struct {
    DigestAlgorithm algorithm;
    bool qop;
    const char* response;
  } rows[] = {{DigestAlgorithm::md5_sess, true, "e783283f46242139c486a698fec7211d"},
              {DigestAlgorithm::sha256_sess, true, "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7"},
              {DigestAlgorithm::md5, false, "7b2cc3b30e75b4777ea31027084363fd"},
              {DigestAlgorithm::sha256, false, "a1306b0595a6c7fe96c448631fb5cfbd5107bd1fe1da729d978dd7446b812363"}};
  for (const auto& row : rows) {
    ClientAuth client("Mufasa", "Circle of Life");
    const std::string challenge = "Digest realm=\"http-auth@example.org\",nonce=\"" + nonce +
                                  "\",algorithm=" + std::string(algorithm_name(row.algorithm)) +
                                  (row.qop ? ",qop=auth" : "");
    ASSERT_EQ(client.on_unauthorized(challenge_headers({challenge})), Next::retry);
    const Authorization sent = parsed(client.authorization("GET", "/dir/index.html", cnonce));
    EXPECT_EQ(sent.response, row.response) << challenge;
    EXPECT_EQ(sent.qop, row.qop ? "auth" : "");
    EXPECT_EQ(sent.nc, row.qop ? "00000001" : "");
  }
}

TEST(Digest, Ha1) {
  EXPECT_EQ(make_ha1(DigestAlgorithm::md5, "Mufasa", "testrealm@host.com", "Circle Of Life"),
            "939e7578ed9e3c518a452acee763bce9");  // RFC 2617 section 3.5
  EXPECT_EQ(make_ha1(DigestAlgorithm::md5_sess, "a", "b", "c"), make_ha1(DigestAlgorithm::md5, "a", "b", "c"));
  EXPECT_EQ(make_ha1(DigestAlgorithm::sha256, "a", "b", "c").size(), 64u);
}

TEST(Challenges, ParsesManyForms) {
  const auto schemes = [](std::string_view value) {
    std::string out;
    for (const Challenge& c : parse_challenges(value)) {
      out += c.scheme == AuthScheme::basic ? "basic:" : std::string(algorithm_name(c.algorithm)) + ":";
      out += c.realm + (c.qop_auth ? "+qop" : "") + (c.stale ? "+stale" : "") + " ";
    }
    return out;
  };
  EXPECT_EQ(schemes("Basic realm=\"cam\""), "basic:cam ");
  EXPECT_EQ(schemes("Digest realm=\"a, b\", nonce=\"n\", stale=\"FALSE\""), "MD5:a, b ");
  EXPECT_EQ(schemes("digest REALM=\"r\",NONCE=n,STALE=TRUE,QOP=auth"), "MD5:r+qop+stale ");
  EXPECT_EQ(schemes("Digest realm = \"r\" , nonce = \"n\" , algorithm = \"SHA-256\" , qop = \"auth-int, auth\""),
            "SHA-256:r+qop ");
  EXPECT_EQ(
      schemes("Digest realm=\"d\", nonce=\"n\", algorithm=SHA256, Basic realm=\"b\", Digest realm=\"e\", nonce=\"m\""),
      "SHA-256:d basic:b MD5:e ");  // C2
  EXPECT_EQ(schemes("Negotiate, Digest realm=\"d\", nonce=\"n\""), "MD5:d ");
  EXPECT_EQ(schemes("Bearer realm=\"x\", Digest realm=\"d\", nonce=\"n\",,"), "MD5:d ");
  EXPECT_EQ(schemes("Digest realm=\"d\", nonce=\"n\", algorithm=SHA-512-256"), "");
  EXPECT_EQ(schemes("Digest realm=\"d\", nonce=\"n\", qop=\"auth-int\""), "");
  EXPECT_EQ(schemes("Digest realm=\"d\""), "");  // no nonce
  EXPECT_EQ(schemes("Digest realm=\"d\", nonce=\"n\", qop=\"\""), "MD5:d ");
  EXPECT_EQ(schemes(""), "");
  EXPECT_EQ(schemes("realm=\"x\", nonce=\"n\""), "");
  EXPECT_EQ(parse_challenges("Digest realm=\"q\\\"x\\\\\", nonce=n").at(0).realm, "q\"x\\");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "Basic realm=x,";
  EXPECT_EQ(parse_challenges(many).size(), 16u);
}

TEST(ClientAuth, ChoosesTheStrongest) {
  const std::string basic = "Basic realm=\"r\"";
  const std::string md5 = "Digest realm=\"r\", nonce=\"n\"";
  const std::string md5_qop = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
  const std::string sha = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256";
  const struct {
    HeaderList headers;
    const char* chosen;
  } rows[] = {{challenge_headers({basic, md5, sha}), "Digest SHA-256"},
              {challenge_headers({sha, md5_qop, basic}), "Digest SHA-256"},
              {challenge_headers({md5, basic}), "Digest MD5"},
              {challenge_headers({basic + ", " + md5}), "Digest MD5"},
              {challenge_headers({md5 + ", algorithm=MD5-sess", md5}), "Digest MD5"},
              {challenge_headers({md5 + ", algorithm=MD5-sess"}), "Digest MD5-sess"},
              {challenge_headers({basic}), "Basic"}};
  for (const auto& row : rows) {
    ClientAuth client("u", "p");
    EXPECT_FALSE(client.ready());
    EXPECT_EQ(client.on_unauthorized(row.headers), Next::retry);
    EXPECT_EQ(client.scheme_text(), row.chosen);
  }
  ClientAuth client("u", "p");
  EXPECT_EQ(client.on_unauthorized(challenge_headers({md5, md5_qop})), Next::retry);
  EXPECT_EQ(parsed(client.authorization("PLAY", "u", "c")).qop, "auth");
}

TEST(ClientAuth, BasicHeader) {
  ClientAuth client("Aladdin", "open sesame");
  client.on_unauthorized(challenge_headers({"Basic realm=\"r\""}));
  EXPECT_EQ(client.authorization("DESCRIBE", "rtsp://h/", ""), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617
}

TEST(ClientAuth, CountsNoncesAndStartsAgainWithANewOne) {
  ClientAuth client("u", "p");
  client.on_unauthorized(challenge_headers({"Digest realm=r,nonce=n1,qop=auth"}));
  EXPECT_EQ(parsed(client.authorization("OPTIONS", "x", "c1")).nc, "00000001");
  EXPECT_EQ(parsed(client.authorization("OPTIONS", "x", "c2")).nc, "00000002");
  client.on_accepted();
  EXPECT_EQ(client.on_unauthorized(challenge_headers({"Digest realm=r,nonce=n2,qop=auth,stale=true"})), Next::retry);
  const Authorization sent = parsed(client.authorization("OPTIONS", "x", "c3"));
  EXPECT_EQ(sent.nc, "00000001");
  EXPECT_EQ(sent.nonce, "n2");
  EXPECT_EQ(sent.cnonce, "c3");
}

TEST(ClientAuth, SessKeepsOneCnonce) {
  ClientAuth client("u", "p");
  client.on_unauthorized(challenge_headers({"Digest realm=r,nonce=n,qop=auth,algorithm=MD5-sess"}));
  EXPECT_EQ(parsed(client.authorization("OPTIONS", "x", "c1")).cnonce, "c1");
  EXPECT_EQ(parsed(client.authorization("OPTIONS", "x", "c2")).cnonce, "c1");
}

TEST(ClientAuth, StaleIsNotARefusalButNotForEver) {
  ClientAuth client("u", "p");
  const HeaderList stale = challenge_headers({"Digest realm=r,nonce=n,stale=true"});
  int tries = 0;
  while (client.on_unauthorized(stale) == Next::retry) {
    client.authorization("OPTIONS", "x", "c");
    ASSERT_LT(++tries, 20);
  }
  EXPECT_GE(tries, 2);
}

TEST(ClientAuth, FallsBackWithinDigestButNeverToBasic) {  // C3
  ClientAuth client("u", "p");
  const HeaderList all =
      challenge_headers({"Basic realm=r", "Digest realm=r,nonce=n,algorithm=SHA-256", "Digest realm=r,nonce=n"});
  const HeaderList basic = challenge_headers({"Basic realm=r"});
  EXPECT_EQ(client.on_unauthorized(all), Next::retry);
  client.authorization("DESCRIBE", "x", "c");
  EXPECT_EQ(client.on_unauthorized(all), Next::retry);
  EXPECT_EQ(client.scheme_text(), "Digest MD5");
  client.authorization("DESCRIBE", "x", "c");
  EXPECT_EQ(client.on_unauthorized(all), Next::refused);
  EXPECT_FALSE(client.ready());
  EXPECT_EQ(client.on_unauthorized(basic), Next::refused);
}

TEST(ClientAuth, RefusedOnceIsEnoughWhereOneWayIsOffered) {
  ClientAuth client("u", "p");
  const HeaderList md5 = challenge_headers({"Digest realm=r,nonce=n"});
  EXPECT_EQ(client.on_unauthorized(md5), Next::retry);
  client.authorization("DESCRIBE", "x", "c");
  EXPECT_EQ(client.on_unauthorized(md5), Next::refused);
}

TEST(ClientAuth, AChallengeInMidSessionIsAnsweredOnceMore) {  // C7
  ClientAuth client("u", "p");
  const HeaderList md5 = challenge_headers({"Digest realm=r,nonce=n"});
  client.on_unauthorized(md5);
  client.authorization("DESCRIBE", "x", "c");
  client.on_accepted();
  EXPECT_EQ(client.on_unauthorized(md5), Next::retry);
  client.authorization("SETUP", "x", "c");
  EXPECT_EQ(client.on_unauthorized(md5), Next::refused);
}

TEST(ClientAuth, NothingToOffer) {
  ClientAuth nobody;
  EXPECT_EQ(nobody.on_unauthorized(challenge_headers({"Basic realm=r"})), Next::no_credentials);
  ClientAuth client("u", "p");
  EXPECT_EQ(client.on_unauthorized(challenge_headers({"Negotiate"})), Next::unsupported);
  EXPECT_EQ(client.on_unauthorized({}), Next::unsupported);
  EXPECT_EQ(client.authorization("OPTIONS", "x", "c"), "");
}

TEST(Authorization, RefusesWithoutQuotingTheText) {
  for (const char* value :
       {"", "Bearer hunter2", "Digest", "Digest username=\"hunter2\"", "Basic hunter2!",
        "Basic aHVudGVyMg==", "Digest username=\"hunter2\",realm=r,nonce=n,uri=u,response=x,username=\"hunter2\"",
        "Digest username=\"hunter2\",realm=r,nonce=n,uri=u,response=x,algorithm=hunter2"}) {
    const auto authorization = parse_authorization(value);
    ASSERT_FALSE(authorization.ok()) << value;
    EXPECT_EQ(authorization.error().code, Code::rtsp_malformed);
    EXPECT_EQ(authorization.error().text().find("hunter2"), std::string::npos) << value;
  }
}

constexpr NonceMaker::Key kKey{1, 2, 3};
constexpr MonoTime kNow{Nanos(1'000'000'000'000)};

TEST(NonceMaker, KnowsItsOwnAndTheirAge) {
  using State = NonceMaker::State;
  const NonceMaker nonces(kKey, 60s);
  const std::string nonce = nonces.make(kNow, "conn-1");
  EXPECT_EQ(nonces.check(nonce, kNow, "conn-1"), State::valid);
  EXPECT_EQ(nonces.check(nonce, kNow + 60s, "conn-1"), State::valid);
  EXPECT_EQ(nonces.check(nonce, kNow + 61s, "conn-1"), State::stale);
  EXPECT_EQ(nonces.check(nonce, kNow, "conn-2"), State::forged);
  EXPECT_EQ(NonceMaker({9}, 60s).check(nonce, kNow, "conn-1"), State::forged);
  for (size_t i = 0; i < nonce.size(); ++i) {
    std::string changed = nonce;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_EQ(nonces.check(changed, kNow, "conn-1"), State::forged) << i;
  }
  EXPECT_EQ(nonces.check("", kNow, "conn-1"), State::forged);
  EXPECT_EQ(nonces.check(nonce + "0", kNow, "conn-1"), State::forged);
  EXPECT_NE(nonces.make(kNow + 1ns, "conn-1"), nonce);
}

struct Dialogue {
  ServerAuthOptions options;
  ServerAuth server{options, kKey};
  Secret secret{"pass", {}, {}};
  std::string context = "7";

  HeaderList unauthorized(MonoTime now = kNow, bool stale = false) const {
    HeaderList headers;
    for (const std::string& value : server.challenges(now, context, stale)) headers.add("WWW-Authenticate", value);
    return headers;
  }
  Verdict verify(const Authorization& authorization, MonoTime now = kNow, std::string_view method = "DESCRIBE",
                 std::string_view uri = "rtsp://h/cam", std::string_view base = {}) const {
    return server.verify(authorization, method, uri, base, &secret, now, context);
  }
};

Authorization answer(const Dialogue& dialogue, const char* user, const char* password,
                     std::string_view uri = "rtsp://h/cam", size_t challenge = 0) {
  ClientAuth client(user, password);
  const auto values = dialogue.server.challenges(kNow, dialogue.context, false);
  EXPECT_EQ(client.on_unauthorized(challenge_headers({values.at(challenge)})), Next::retry);
  return parsed(client.authorization("DESCRIBE", uri, "0123456789abcdef"));
}

TEST(ServerAuth, ChallengesSha256FirstMd5Last) {
  const Dialogue dialogue;
  const auto values = dialogue.server.challenges(kNow, "7", true);
  ASSERT_EQ(values.size(), 2u);
  EXPECT_NE(values[0].find("algorithm=SHA-256"), std::string::npos);
  EXPECT_NE(values[0].find("stale=true"), std::string::npos);
  EXPECT_NE(values[1].find("algorithm=MD5"), std::string::npos);
  EXPECT_EQ(ServerAuth({"r", false, 60s}, kKey).challenges(kNow, "7", false).size(), 1u);
}

TEST(ServerAuth, AcceptsTheRightAnswerOnly) {
  const Dialogue dialogue;
  for (size_t way : {0u, 1u}) {
    SCOPED_TRACE(way);
    const Authorization right = answer(dialogue, "ann", "pass", "rtsp://h/cam", way);
    EXPECT_EQ(dialogue.verify(right), Verdict::accepted);
    EXPECT_EQ(dialogue.verify(right, kNow + 6min), Verdict::stale);
    EXPECT_EQ(dialogue.verify(right, kNow, "PLAY"), Verdict::refused);
    EXPECT_EQ(dialogue.verify(right, kNow, "DESCRIBE", "rtsp://h/cam2"), Verdict::refused);
    EXPECT_EQ(dialogue.verify(answer(dialogue, "ann", "Pass", "rtsp://h/cam", way)), Verdict::refused);
    EXPECT_EQ(dialogue.server.verify(right, "DESCRIBE", "rtsp://h/cam", {}, nullptr, kNow, "7"), Verdict::refused);
    EXPECT_EQ(dialogue.server.verify(right, "DESCRIBE", "rtsp://h/cam", {}, &dialogue.secret, kNow, "8"),
              Verdict::refused);
    const Secret empty;
    EXPECT_EQ(dialogue.server.verify(right, "DESCRIBE", "rtsp://h/cam", {}, &empty, kNow, "7"), Verdict::refused);

    for (auto field : {&Authorization::user, &Authorization::realm, &Authorization::nonce, &Authorization::uri,
                       &Authorization::response}) {
      Authorization changed = right;
      (changed.*field).back() ^= 1;
      EXPECT_EQ(dialogue.verify(changed), Verdict::refused);
      (changed.*field).clear();
      EXPECT_EQ(dialogue.verify(changed), Verdict::refused);
    }
  }
  // A wrong password under an old nonce must not be told that only the nonce is old.
  EXPECT_EQ(dialogue.verify(answer(dialogue, "ann", "wrong"), kNow + 6min), Verdict::refused);
}

TEST(ServerAuth, UnknownUserWithTheStandInPasswordIsRefused) {
  const Dialogue dialogue;
  EXPECT_EQ(dialogue.server.verify(answer(dialogue, "nobody", "-"), "DESCRIBE", "rtsp://h/cam", {}, nullptr, kNow, "7"),
            Verdict::refused);
}

TEST(ServerAuth, StoredHashesServeAsWellAsThePassword) {
  Dialogue dialogue;
  const Authorization sha = answer(dialogue, "ann", "pass", "rtsp://h/cam", 0);
  const Authorization md5 = answer(dialogue, "ann", "pass", "rtsp://h/cam", 1);
  dialogue.secret = {{}, make_ha1(DigestAlgorithm::md5, "ann", "vigie", "pass"), {}};
  EXPECT_EQ(dialogue.verify(md5), Verdict::accepted);
  EXPECT_EQ(dialogue.verify(sha), Verdict::refused);
  dialogue.secret = {{}, {}, make_ha1(DigestAlgorithm::sha256, "ann", "vigie", "pass")};
  EXPECT_EQ(dialogue.verify(md5), Verdict::refused);
  EXPECT_EQ(dialogue.verify(sha), Verdict::accepted);
}

TEST(ServerAuth, Md5CanBeSwitchedOff) {
  const Dialogue dialogue;
  const ServerAuth strict({"vigie", false, 60s}, kKey);
  const Secret secret{"pass", {}, {}};
  EXPECT_EQ(strict.verify(answer(dialogue, "ann", "pass", "rtsp://h/cam", 1), "DESCRIBE", "rtsp://h/cam", {}, &secret,
                          kNow, "7"),
            Verdict::refused);
  EXPECT_EQ(strict.verify(answer(dialogue, "ann", "pass", "rtsp://h/cam", 0), "DESCRIBE", "rtsp://h/cam", {}, &secret,
                          kNow, "7"),
            Verdict::accepted);
}

TEST(ServerAuth, TakesTheBaseForATrack) {  // C5: VLC signs SETUP with the presentation's URI
  const Dialogue dialogue;
  const Authorization base = answer(dialogue, "ann", "pass", "rtsp://h/cam/");
  EXPECT_EQ(dialogue.verify(base, kNow, "DESCRIBE", "rtsp://h/cam/trackID=0", "rtsp://h/cam"), Verdict::accepted);
  EXPECT_EQ(dialogue.verify(base, kNow, "DESCRIBE", "rtsp://h/cam/trackID=0"), Verdict::refused);
  EXPECT_EQ(dialogue.verify(base, kNow, "DESCRIBE", "rtsp://h/cam2/trackID=0", "rtsp://h/cam2"), Verdict::refused);
}

TEST(ServerAuth, UriForms) {  // C5
  const struct {
    const char *given, *request;
    bool same;
  } rows[] = {{"rtsp://h/cam", "rtsp://h/cam", true},
              {"rtsp://h/cam/", "rtsp://h/cam", true},
              {"rtsp://h/cam", "rtsp://h/cam/", true},
              {"/cam", "rtsp://h/cam", true},
              {"/cam/", "rtsp://h/cam", true},
              {"rtsp://H:554/cam", "rtsp://h/cam", true},
              {"/cam?x=1", "rtsp://h/cam?x=1", true},
              {"*", "*", true},
              {"", "", false},
              {"/", "rtsp://h", true},
              {"/cam2", "rtsp://h/cam", false},
              {"/ca", "rtsp://h/cam", false},
              {"/cam//", "rtsp://h/cam", false},
              {"/cam/../cam2", "rtsp://h/cam2", false},
              {"/CAM", "rtsp://h/cam", false},
              {"/cam?x=2", "rtsp://h/cam?x=1", false},
              {"/cam", "rtsp://h/cam?x=1", false},
              {"rtsp://other/cam", "rtsp://h/cam", false},
              {"rtsp://h:555/cam", "rtsp://h/cam", false},
              {"*", "rtsp://h/cam", false},
              {"cam", "rtsp://h/cam", false},
              {"", "rtsp://h/cam", false}};
  for (const auto& row : rows)
    EXPECT_EQ(digest_uri_matches(row.given, row.request), row.same) << row.given << " " << row.request;
}

TEST(VerifyBasic, ComparesBoth) {
  const Authorization given = parsed("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_TRUE(verify_basic(given, "Aladdin", "open sesame"));
  EXPECT_FALSE(verify_basic(given, "Aladdin", "open"));
  EXPECT_FALSE(verify_basic(given, "aladdin", "open sesame"));
  EXPECT_FALSE(verify_basic({}, "", ""));
}

}  // namespace
}  // namespace vigie::rtsp
