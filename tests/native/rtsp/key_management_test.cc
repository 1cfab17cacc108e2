// Keys of SRTP from SDES and MIKEY.
#include "rtsp/key_management.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/base64.h"

namespace vigie::rtsp {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<uint8_t> counting(size_t bytes) {
  std::vector<uint8_t> out(bytes);
  std::iota(out.begin(), out.end(), uint8_t{1});
  return out;
}
std::string key64(size_t bytes) { return base64_encode(counting(bytes)); }

struct SuiteCase {
  const char* name;
  SrtpSuite suite;
  size_t bytes;
};
class Sdes : public ::testing::TestWithParam<SuiteCase> {};

TEST_P(Sdes, ReadsTheSuite) {
  const auto keys =
      parse_sdes(std::string("1 ") + GetParam().name + " inline:" + key64(GetParam().bytes) + "|2^20|1:4 WSH=128");
  ASSERT_TRUE(keys.ok()) << keys.error().what;
  EXPECT_EQ(keys->suite, GetParam().suite);
  ASSERT_EQ(keys->masters.size(), 1u);
  EXPECT_EQ(keys->masters[0].key_and_salt, counting(GetParam().bytes));
  EXPECT_EQ(keys->masters[0].mki, (std::vector<uint8_t>{0, 0, 0, 1}));
  EXPECT_FALSE(keys->short_rtcp_tag);
  const auto cut = parse_sdes(std::string("1 ") + GetParam().name + " inline:" + key64(GetParam().bytes - 1));
  ASSERT_FALSE(cut.ok());
  EXPECT_THAT(cut.error().what, HasSubstr(std::to_string(GetParam().bytes) + " bytes"));
  EXPECT_THAT(cut.error().what, Not(HasSubstr(key64(8).substr(0, 8)))) << "a key in an error";
}
INSTANTIATE_TEST_SUITE_P(All, Sdes,
                         ::testing::Values(SuiteCase{"AES_CM_128_HMAC_SHA1_80", SrtpSuite::aes_cm_128_hmac_sha1_80, 30},
                                           SuiteCase{"aes_cm_128_hmac_sha1_32", SrtpSuite::aes_cm_128_hmac_sha1_32, 30},
                                           SuiteCase{"AES_256_CM_HMAC_SHA1_80", SrtpSuite::aes_cm_256_hmac_sha1_80, 46},
                                           SuiteCase{"AES_CM_256_HMAC_SHA1_32", SrtpSuite::aes_cm_256_hmac_sha1_32, 46},
                                           SuiteCase{"AEAD_AES_128_GCM", SrtpSuite::aead_aes_128_gcm, 28},
                                           SuiteCase{"AEAD_AES_256_GCM", SrtpSuite::aead_aes_256_gcm, 44}));

TEST(Sdes, TakesSeveralKeysByTheirMki) {
  const auto keys = parse_sdes("1 AES_CM_128_HMAC_SHA1_80 inline:" + key64(30) + "|1:1;inline:" + key64(30) + "|258:2");
  ASSERT_FALSE(keys.ok());  // lengths differ
  const auto good =
      parse_sdes("1 AES_CM_128_HMAC_SHA1_80 inline:" + key64(30) + "|2^31|1:2;inline:" + key64(30) + "|258:2");
  ASSERT_TRUE(good.ok()) << good.error().what;
  ASSERT_EQ(good->masters.size(), 2u);
  EXPECT_EQ(good->masters[1].mki, (std::vector<uint8_t>{1, 2}));
}

TEST(Sdes, RefusesWithAReason) {
  const std::string key = "inline:" + key64(30);
  const std::string suite = "1 AES_CM_128_HMAC_SHA1_80 ";
  const std::pair<std::string, const char*> cases[] = {
      {"1 F8_128_HMAC_SHA1_80 " + key, "the suite F8_128_HMAC_SHA1_80"},
      {suite + "uri:https://x", "other than inline"},
      {suite, "no key"},
      {"", "the suite"},
      {suite + key + " UNENCRYPTED_SRTP", "UNENCRYPTED_SRTP"},
      {suite + key + " UNAUTHENTICATED_SRTP", "UNAUTHENTICATED_SRTP"},
      {suite + key + " KDR=4", "KDR"},
      {suite + key + " FEC_ORDER=FEC_SRTP", "FEC_ORDER"},
      {suite + key + ";" + key, "MKIs"},
      {suite + key + "|1:17", "MKI"},
      {suite + key + "|256:1", "MKI"},
      {suite + "inline:*!", "not Base64"}};
  for (const auto& [text, says] : cases) {
    const auto keys = parse_sdes(text);
    ASSERT_FALSE(keys.ok()) << text;
    EXPECT_THAT(keys.error().what, HasSubstr(says));
    EXPECT_THAT(keys.error().text(), Not(HasSubstr(key64(30)))) << "a key in an error";
  }
}

// A message as GStreamer's server writes it, or with what the test changes.
struct Mikey {
  uint8_t type = 0;
  uint8_t prf = 0;
  uint32_t roc = 0;
  std::vector<uint8_t> params = {0, 1, 1, 1, 1, 16, 2, 1, 1, 3, 1, 10, 7, 1, 1, 8, 1, 1, 10, 1, 1};
  uint8_t key_type = 2;
  std::vector<uint8_t> key = counting(30);
  std::vector<uint8_t> salt;
  uint8_t cipher = 0;
  uint8_t mac = 0;

  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> out = {1, type, 5, prf, 0, 0, 0, 9, 1, 0, 0, 0xca, 0xfe, 0, 1};
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(roc >> shift));
    const auto add = [&out](std::vector<uint8_t> more) { out.insert(out.end(), more.begin(), more.end()); };
    add({11, 0, 1, 2, 3, 4, 5, 6, 7, 8});  // T, then RAND
    add({10, 4, 9, 9, 9, 9});              // RAND, then SP
    add({1, 0, 0, 0, static_cast<uint8_t>(params.size())});
    add(params);
    std::vector<uint8_t> data = {0, static_cast<uint8_t>(key_type << 4), 0, static_cast<uint8_t>(key.size())};
    data.insert(data.end(), key.begin(), key.end());
    if (key_type == 1 || key_type == 3) {
      data.insert(data.end(), {0, static_cast<uint8_t>(salt.size())});
      data.insert(data.end(), salt.begin(), salt.end());
    }
    add({0, cipher, 0, static_cast<uint8_t>(data.size())});
    add(data);
    out.push_back(mac);
    if (mac != 0) out.insert(out.end(), 20, 0);
    return out;
  }
};

TEST(Mikey, ReadsWhatGStreamerWrites) {
  Mikey message;
  message.roc = 3;
  const auto keys = parse_mikey(message.bytes());
  ASSERT_TRUE(keys.ok()) << keys.error().what;
  EXPECT_EQ(keys->suite, SrtpSuite::aes_cm_128_hmac_sha1_80);
  EXPECT_EQ(keys->masters[0].key_and_salt, counting(30));
  ASSERT_EQ(keys->rollovers.size(), 1u);
  EXPECT_EQ(keys->rollovers[0].ssrc, 0xcafe0001u);
  EXPECT_EQ(keys->rollovers[0].roc, 3u);
}

TEST(Mikey, ReadsKeyAndSaltApart) {
  Mikey message;
  message.key_type = 3;
  message.key = counting(16);
  message.salt = counting(14);
  const auto keys = parse_mikey(message.bytes());
  ASSERT_TRUE(keys.ok()) << keys.error().what;
  std::vector<uint8_t> both = counting(16);
  const auto salt = counting(14);
  both.insert(both.end(), salt.begin(), salt.end());
  EXPECT_EQ(keys->masters[0].key_and_salt, both);
}

TEST(Mikey, ReadsThePolicy) {
  const auto suite = [](std::vector<uint8_t> params, size_t key) {
    Mikey message;
    message.params = std::move(params);
    message.key = counting(key);
    const auto keys = parse_mikey(message.bytes());
    EXPECT_TRUE(keys.ok()) << keys.error().what;
    return keys ? keys->suite : SrtpSuite::aead_aes_256_gcm;
  };
  EXPECT_EQ(suite({}, 30), SrtpSuite::aes_cm_128_hmac_sha1_80);
  EXPECT_EQ(suite({3, 1, 4}, 30), SrtpSuite::aes_cm_128_hmac_sha1_32);
  EXPECT_EQ(suite({3, 1, 20, 11, 1, 4}, 30), SrtpSuite::aes_cm_128_hmac_sha1_32);
  EXPECT_EQ(suite({1, 1, 32}, 46), SrtpSuite::aes_cm_256_hmac_sha1_80);
  EXPECT_EQ(suite({0, 1, 6, 20, 1, 16}, 28), SrtpSuite::aead_aes_128_gcm);
}

TEST(Mikey, RefusesWithAReason) {
  const auto says = [](auto change) {
    Mikey message;
    change(message);
    const auto keys = parse_mikey(message.bytes());
    return keys ? std::string("taken") : keys.error().text();
  };
  EXPECT_THAT(says([](Mikey& m) { m.type = 2; }), HasSubstr("pre-shared mode"));  // public key
  EXPECT_THAT(says([](Mikey& m) { m.type = 4; }), HasSubstr("pre-shared mode"));  // Diffie-Hellman
  EXPECT_THAT(says([](Mikey& m) { m.prf = 1; }), HasSubstr("pseudo-random"));
  EXPECT_THAT(says([](Mikey& m) { m.cipher = 1; }), HasSubstr("encrypted"));
  EXPECT_THAT(says([](Mikey& m) { m.key_type = 0; }), HasSubstr("TGK"));
  EXPECT_THAT(says([](Mikey& m) { m.params = {0, 1, 0}; }), HasSubstr("cipher 0"));
  EXPECT_THAT(says([](Mikey& m) { m.params = {2, 1, 0}; }), HasSubstr("authentication 0"));
  EXPECT_THAT(says([](Mikey& m) { m.params = {7, 1, 0}; }), HasSubstr("encryption off"));
  EXPECT_THAT(says([](Mikey& m) { m.params = {10, 1, 0}; }), HasSubstr("authentication off"));
  EXPECT_THAT(says([](Mikey& m) { m.params = {6, 1, 2}; }), HasSubstr("derivation rate"));
  EXPECT_THAT(says([](Mikey& m) { m.params = {11, 1, 7}; }), HasSubstr("tag of 7"));
  EXPECT_THAT(says([](Mikey& m) { m.params = {1, 1}; }), HasSubstr("cut off"));
  EXPECT_THAT(says([](Mikey& m) { m.key = counting(16); }), HasSubstr("16 bytes; right would be 30"));
}

TEST(Mikey, EveryCutIsRefused) {
  const std::vector<uint8_t> whole = Mikey().bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_mikey(ByteSpan(whole).first(size)).ok()) << size;
  }
}

TEST(Mikey, TheAnswerIsTheOfferUnderOurSsrc) {
  Mikey message;
  message.roc = 3;
  const std::vector<uint8_t> offer = message.bytes();
  const std::string value = answer_key_mgmt(offer, 0x12345678, "rtsps://h/a\"b");
  EXPECT_THAT(value, ::testing::StartsWith("prot=mikey; uri=\"rtsps://h/a\\\"b\"; data=\""));
  const size_t at = value.find("data=\"") + 6;
  const auto bytes = base64_decode_strict(value.substr(at, value.size() - at - 1));
  ASSERT_TRUE(bytes.has_value());
  ASSERT_EQ(bytes->size(), offer.size());
  EXPECT_EQ(load_be32(bytes->data() + 11), 0x12345678u);
  EXPECT_EQ(load_be32(bytes->data() + 15), 0u) << "we begin at 0";
  const auto keys = parse_mikey(*bytes);
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->masters, parse_mikey(offer)->masters);
}

SessionDescription described(const std::string& session, const std::string& media) {
  return parse_sdp("v=0\r\n" + session + "m=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\n" + media).value();
}

TEST(KeyManagement, ChoosesTheFirstThatCanBeUsed) {
  const std::string good = "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:" + key64(30) + "\r\n";
  const std::string bad = "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + key64(30) + "\r\n";
  const std::string mikey = "a=key-mgmt:mikey " + base64_encode(Mikey().bytes()) + "\r\n";
  const auto choose = [](const SessionDescription& sdp, std::string_view header = {}) {
    return choose_keys(sdp, sdp.medias.at(0), header);
  };
  EXPECT_EQ(choose(described("", bad + good))->keys.suite, SrtpSuite::aes_cm_128_hmac_sha1_32);
  EXPECT_TRUE(choose(described("", good + mikey))->mikey.empty());
  EXPECT_EQ(choose(described("", mikey + good))->mikey, Mikey().bytes());
  EXPECT_EQ(choose(described(mikey, bad))->mikey, Mikey().bytes());
  const std::string header =
      "prot=other;data=\"AA==\", prot=mikey; uri=\"rtsps://h/\"; data=\"" + base64_encode(Mikey().bytes()) + "\"";
  EXPECT_EQ(choose(described("", ""), header)->mikey, Mikey().bytes());
  EXPECT_THAT(choose(described("", bad)).error().what, HasSubstr("F8_128_HMAC_SHA1_80"));
  EXPECT_THAT(choose(described("", "a=key-mgmt:kerberos x\r\n")).error().what, HasSubstr("kerberos"));
  EXPECT_THAT(choose(described("", "a=key-mgmt:mikey ***\r\n")).error().what, HasSubstr("not Base64"));
  EXPECT_THAT(choose(described("", "")).error().what, HasSubstr("no key"));
}

}  // namespace
}  // namespace vigie::rtsp
