// Known deviations of authentication: C3, C7; C1, C2, C5 and C6 as practices.
#include "quirks_support.h"
#include "rtsp/digest.h"
#include "rtsp/digest_hash.h"
#include "rtsp/url.h"

namespace vigie::rtsp {
namespace {

using Next = ClientAuth::Next;

HeaderList offers(std::initializer_list<const char*> values) {
  HeaderList headers;
  for (const char* value : values) headers.add("WWW-Authenticate", value);
  return headers;
}

constexpr char kMd5[] = "Digest realm=\"yard\", nonce=\"91ae\"";
constexpr char kSha[] = "Digest realm=\"yard\", nonce=\"91ae\", algorithm=SHA-256";
constexpr char kBasic[] = "Basic realm=\"yard\"";
constexpr char kUri[] = "rtsp://172.16.4.9/cam/";

std::string answer(ClientAuth& auth) { return auth.authorization("DESCRIBE", kUri, "0123"); }

TEST(QuirksOfAuth, NoneInLegalOnes) {
  Quirks quirks;
  ClientAuth auth("u", "p", &quirks);
  EXPECT_EQ(auth.on_unauthorized(offers({kMd5})), Next::retry);
  answer(auth);
  auth.on_accepted();
  answer(auth);
  // An aged nonce that is called so.
  EXPECT_EQ(auth.on_unauthorized(offers({"Digest realm=\"yard\", nonce=\"91af\", stale=true"})), Next::retry);
  answer(auth);
  auth.on_accepted();
  // A new connection may ask anew.
  auth.on_new_connection();
  answer(auth);
  EXPECT_EQ(auth.on_unauthorized(offers({kMd5})), Next::retry);
  answer(auth);
  auth.on_accepted();
  EXPECT_EQ(ids(quirks.seen), "");
  // A wrong password.
  ClientAuth wrong("u", "x", &quirks);
  EXPECT_EQ(wrong.on_unauthorized(offers({kSha, kMd5})), Next::retry);
  answer(wrong);
  EXPECT_EQ(wrong.on_unauthorized(offers({kSha, kMd5})), Next::retry);
  answer(wrong);
  EXPECT_EQ(wrong.on_unauthorized(offers({kSha, kMd5})), Next::refused);
  EXPECT_EQ(ids(quirks.seen), "");
}

TEST(QuirkC3, Tolerated) {
  Quirks quirks;
  ClientAuth auth("u", "p", &quirks);
  EXPECT_EQ(auth.on_unauthorized(offers({kSha, kMd5, kBasic})), Next::retry);
  answer(auth);
  EXPECT_EQ(auth.scheme_text(), "Digest SHA-256");
  EXPECT_EQ(auth.on_unauthorized(offers({kSha, kMd5, kBasic})), Next::retry);
  EXPECT_EQ(auth.scheme_text(), "Digest MD5");
  answer(auth);
  auth.on_accepted();
  EXPECT_EQ(ids(quirks.seen), "C3");
  // Never Basic after Digest.
  ClientAuth other("u", "p");
  EXPECT_EQ(other.on_unauthorized(offers({kMd5, kBasic})), Next::retry);
  answer(other);
  EXPECT_EQ(other.on_unauthorized(offers({kMd5, kBasic})), Next::refused);
}

TEST(QuirkC3, Strict) {
  Quirks quirks = strict_on(Quirk::C3);
  ClientAuth auth("u", "p", &quirks);
  EXPECT_EQ(auth.on_unauthorized(offers({kSha, kMd5})), Next::retry);
  answer(auth);
  EXPECT_EQ(auth.on_unauthorized(offers({kSha, kMd5})), Next::refused);
  EXPECT_FALSE(auth.ready());
}

TEST(QuirkC7, Tolerated) {
  Quirks quirks;
  ClientAuth auth("u", "p", &quirks);
  EXPECT_EQ(auth.on_unauthorized(offers({kMd5})), Next::retry);
  answer(auth);
  auth.on_accepted();
  answer(auth);
  EXPECT_EQ(auth.on_unauthorized(offers({"Digest realm=\"yard\", nonce=\"b007\""})), Next::retry);
  EXPECT_NE(answer(auth).find("nonce=\"b007\""), std::string::npos);
  auth.on_accepted();
  EXPECT_EQ(ids(quirks.seen), "C7");
}

TEST(QuirkC7, Strict) {
  Quirks quirks = strict_on(Quirk::C7);
  ClientAuth auth("u", "p", &quirks);
  EXPECT_EQ(auth.on_unauthorized(offers({kMd5})), Next::retry);
  answer(auth);
  auth.on_accepted();
  answer(auth);
  EXPECT_EQ(auth.on_unauthorized(offers({"Digest realm=\"yard\", nonce=\"b007\""})), Next::refused);
  EXPECT_FALSE(auth.ready());
  EXPECT_EQ(ids(quirks.seen), "C7");
}

TEST(QuirkC1, Practice) {
  ClientAuth auth("u", "p");
  EXPECT_EQ(auth.on_unauthorized(offers({kSha})), Next::retry);
  const auto sent = parse_authorization(answer(auth));
  ASSERT_TRUE(sent.ok());
  EXPECT_EQ(sent->algorithm, DigestAlgorithm::sha256);
  // The value by the formula of RFC 7616 without qop, put together by hand.
  const auto h = [](std::string_view text) { return hash_hex(DigestAlgorithm::sha256, text); };
  EXPECT_EQ(sent->response, h(h("u:yard:p") + ":91ae:" + h("DESCRIBE:rtsp://172.16.4.9/cam/")));
}

TEST(QuirkC2, Practice) {
  for (const HeaderList& headers :
       {offers({kBasic, kMd5, kSha}), offers({kSha, kBasic, kMd5}),
        offers({"Basic realm=\"yard\", Digest realm=\"yard\", nonce=\"91ae\", algorithm=SHA-256", kMd5})}) {
    ClientAuth auth("u", "p");
    EXPECT_EQ(auth.on_unauthorized(headers), Next::retry);
    EXPECT_EQ(auth.scheme_text(), "Digest SHA-256");
  }
}

TEST(QuirkC5, Practice) {
  for (const char* uri : {kUri, "rtsp://172.16.4.9/cam?x=1&y=2/track1", "*"}) {
    ClientAuth auth("u", "p");
    EXPECT_EQ(auth.on_unauthorized(offers({kMd5})), Next::retry);
    EXPECT_EQ(parse_authorization(auth.authorization("PLAY", uri, "0123"))->uri, uri);
  }
}

TEST(QuirkC6, Practice) {
  struct Row {
    const char *url, *password;
  };
  for (const Row& row : {Row{"rtsp://u:a+b@10.0.0.9/x", "a+b"}, Row{"rtsp://u:a@b@10.0.0.9/x", "a@b"},
                         Row{"rtsp://u:a%b@10.0.0.9/x", "a%b"}, Row{"rtsp://u:a%2540@10.0.0.9/x", "a%40"}}) {
    const auto url = Url::parse(row.url);
    ASSERT_TRUE(url.ok());
    EXPECT_EQ(url->password, row.password);
    EXPECT_EQ(url->host, "10.0.0.9");
  }
}

}  // namespace
}  // namespace vigie::rtsp
