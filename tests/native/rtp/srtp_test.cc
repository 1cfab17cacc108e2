// SRTP against packets that libsrtp protected by itself, the way a camera does.
#include "rtp/srtp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <srtp2/srtp.h>

#include <cstring>
#include <string>

#include "heap_count.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

namespace vigie::rtp {
namespace {

constexpr uint32_t kSsrc = 0xcafe0001;

std::vector<uint8_t> key_of(size_t bytes, uint8_t first = 1) {
  std::vector<uint8_t> key(bytes);
  for (size_t i = 0; i < bytes; ++i) key[i] = static_cast<uint8_t>(first + 7 * i);
  return key;
}
SrtpKeys keys_of(SrtpSuite suite) {
  SrtpKeys keys;
  keys.suite = suite;
  keys.masters.push_back({key_of(srtp_key_bytes(suite) + srtp_salt_bytes(suite)), {}});
  return keys;
}

// The camera's end.
class Camera {
 public:
  explicit Camera(SrtpKeys keys, uint32_t roc = 0) : keys_(std::move(keys)) {
    srtp_init();
    srtp_policy_t policy{};
    switch (keys_.suite) {
      case SrtpSuite::aes_cm_128_hmac_sha1_80: srtp_crypto_policy_set_rtp_default(&policy.rtp); break;
      case SrtpSuite::aes_cm_128_hmac_sha1_32: srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp); break;
      case SrtpSuite::aes_cm_256_hmac_sha1_80: srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy.rtp); break;
      case SrtpSuite::aes_cm_256_hmac_sha1_32: srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(&policy.rtp); break;
      case SrtpSuite::aead_aes_128_gcm: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp); break;
      case SrtpSuite::aead_aes_256_gcm: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp); break;
    }
    policy.rtcp = policy.rtp;
    if (!srtp_is_gcm(keys_.suite) && !keys_.short_rtcp_tag) policy.rtcp.auth_tag_len = 10;
    policy.window_size = 1024;
    SrtpKeys::Master& master = keys_.masters.back();
    srtp_master_key_t entry{master.key_and_salt.data(), master.mki.data(), static_cast<unsigned>(master.mki.size())};
    srtp_master_key_t* list[] = {&entry};
    mki_ = !master.mki.empty();
    if (mki_) {
      policy.keys = list;
      policy.num_master_keys = 1;
    } else {
      policy.key = master.key_and_salt.data();
    }
    if (roc != 0) {
      policy.ssrc = {ssrc_specific, kSsrc};
      EXPECT_EQ(srtp_create(&out_, &policy), srtp_err_status_ok);
      EXPECT_EQ(srtp_set_stream_roc(out_, kSsrc, roc), srtp_err_status_ok);
    } else {
      policy.ssrc.type = ssrc_any_outbound;
      EXPECT_EQ(srtp_create(&out_, &policy), srtp_err_status_ok);
    }
    policy.ssrc = {ssrc_any_inbound, 0};
    EXPECT_EQ(srtp_create(&in_, &policy), srtp_err_status_ok);
  }
  ~Camera() {
    srtp_dealloc(out_);
    srtp_dealloc(in_);
  }
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;

  static std::string plain(uint16_t sequence, uint32_t ssrc = kSsrc) {
    std::string packet(kHeaderBytes, '\0');
    write_header(reinterpret_cast<uint8_t*>(packet.data()), {true, 96, sequence, sequence * 3600u, ssrc});
    return packet + "picture " + std::to_string(sequence);
  }
  std::string rtp(uint16_t sequence, uint32_t ssrc = kSsrc) { return protect(plain(sequence, ssrc), false); }
  std::string protect(const std::string& plain, bool rtcp) {
    alignas(8) char memory[2048] = {};
    std::memcpy(memory, plain.data(), plain.size());
    int size = static_cast<int>(plain.size());
    EXPECT_EQ(
        rtcp ? srtp_protect_rtcp_mki(out_, memory, &size, mki_, 0) : srtp_protect_mki(out_, memory, &size, mki_, 0),
        srtp_err_status_ok);
    return {memory, static_cast<size_t>(size)};
  }
  // What came from us, plain; empty when it does not authenticate.
  std::string open_rtcp(ByteSpan packet) {
    alignas(8) char memory[2048] = {};
    std::memcpy(memory, packet.data(), packet.size());
    int size = static_cast<int>(packet.size());
    if (srtp_unprotect_rtcp_mki(in_, memory, &size, mki_) != srtp_err_status_ok) return {};
    return {memory, static_cast<size_t>(size)};
  }

 private:
  SrtpKeys keys_;
  srtp_t out_ = nullptr;
  srtp_t in_ = nullptr;
  bool mki_ = false;
};

std::string report(uint32_t ssrc) {
  std::string out(128, '\0');
  RtcpWriter writer({reinterpret_cast<uint8_t*>(out.data()), out.size()});
  writer.receiver_report(ssrc);
  writer.sdes_cname(ssrc, "name");
  out.resize(writer.bytes().size());
  return out;
}

std::string opened(Srtp& srtp, const std::string& packet) {
  ByteSpan plain;
  // At an odd address, as interleaved packets are.
  const std::string moved = "x" + packet;
  return srtp.open_rtp(as_bytes(moved).subspan(1), plain) == Srtp::Verdict::ok ? std::string(as_text(plain)) : "";
}

class SrtpSuites : public ::testing::TestWithParam<SrtpSuite> {};

TEST_P(SrtpSuites, OpenWhatACameraSendsAndProtectWhatItReads) {
  const SrtpKeys keys = keys_of(GetParam());
  Camera camera(keys);
  auto srtp = Srtp::make(keys);
  ASSERT_TRUE(srtp.ok()) << srtp.error().what;
  for (uint16_t sequence = 100; sequence < 110; ++sequence) {
    const std::string packet = camera.rtp(sequence);
    EXPECT_EQ(packet.find("picture"), std::string::npos) << "sent in the clear";
    EXPECT_EQ(opened(**srtp, packet), Camera::plain(sequence));
  }
  const std::string sr = report(kSsrc);
  ByteSpan plain;
  const std::string sealed = camera.protect(sr, true);
  ASSERT_EQ((*srtp)->open_rtcp(as_bytes(sealed), plain), Srtp::Verdict::ok);
  EXPECT_EQ(as_text(plain), sr);

  std::string ours = report(0x1234);
  const std::string before = ours;
  const size_t bytes = ours.size();
  ours.resize(160);
  const ByteSpan sent = (*srtp)->protect_rtcp({reinterpret_cast<uint8_t*>(ours.data()), ours.size()}, bytes);
  ASSERT_GT(sent.size(), bytes);
  EXPECT_EQ(camera.open_rtcp(sent), before);
  EXPECT_EQ(load_be32(sent.data() + 4), 0x1234u) << "the sender's SSRC stays readable";
}

INSTANTIATE_TEST_SUITE_P(All, SrtpSuites,
                         ::testing::Values(SrtpSuite::aes_cm_128_hmac_sha1_80, SrtpSuite::aes_cm_128_hmac_sha1_32,
                                           SrtpSuite::aes_cm_256_hmac_sha1_80, SrtpSuite::aes_cm_256_hmac_sha1_32,
                                           SrtpSuite::aead_aes_128_gcm, SrtpSuite::aead_aes_256_gcm));

TEST(Srtp, TakesTheShortTagForReportsWhereMikeySaysSo) {
  SrtpKeys keys = keys_of(SrtpSuite::aes_cm_128_hmac_sha1_32);
  keys.short_rtcp_tag = true;
  Camera camera(keys);
  auto srtp = Srtp::make(keys).value();
  ByteSpan plain;
  const std::string sealed = camera.protect(report(kSsrc), true);
  EXPECT_EQ(srtp->open_rtcp(as_bytes(sealed), plain), Srtp::Verdict::ok);
  keys.short_rtcp_tag = false;
  srtp = Srtp::make(keys).value();
  EXPECT_EQ(srtp->open_rtcp(as_bytes(sealed), plain), Srtp::Verdict::not_authentic);
}

TEST(Srtp, RefusesReplaysWrongKeysAndDamage) {
  const SrtpKeys keys = keys_of(SrtpSuite::aes_cm_128_hmac_sha1_80);
  Camera camera(keys);
  auto srtp = Srtp::make(keys).value();
  const std::string packet = camera.rtp(7);
  ByteSpan plain;
  EXPECT_EQ(srtp->open_rtp(as_bytes(packet), plain), Srtp::Verdict::ok);
  EXPECT_EQ(srtp->open_rtp(as_bytes(packet), plain), Srtp::Verdict::replayed);
  std::string damaged = camera.rtp(8);
  damaged[20] = static_cast<char>(damaged[20] ^ 1);
  EXPECT_EQ(srtp->open_rtp(as_bytes(damaged), plain), Srtp::Verdict::not_authentic);
  const std::string bare = Camera::plain(9) + "and more";
  EXPECT_EQ(srtp->open_rtp(as_bytes(bare), plain), Srtp::Verdict::not_authentic) << "not protected at all";
  for (size_t size = 0; size < packet.size(); ++size) {
    EXPECT_NE(srtp->open_rtp(as_bytes(packet).first(size), plain), Srtp::Verdict::ok) << size;
    EXPECT_NE(srtp->open_rtcp(as_bytes(packet).first(size), plain), Srtp::Verdict::ok) << size;
  }
  SrtpKeys wrong = keys;
  wrong.masters[0].key_and_salt[3] ^= 1;
  auto other = Srtp::make(wrong).value();
  EXPECT_EQ(other->open_rtp(as_bytes(camera.rtp(10)), plain), Srtp::Verdict::not_authentic);
}

TEST(Srtp, TakesPacketsOutOfOrderAndAcrossTheEndOfTheSequenceNumbers) {
  const SrtpKeys keys = keys_of(SrtpSuite::aes_cm_128_hmac_sha1_80);
  Camera camera(keys);
  auto srtp = Srtp::make(keys).value();
  std::vector<std::string> packets;
  for (uint32_t i = 0; i < 40; ++i) packets.push_back(camera.rtp(static_cast<uint16_t>(65520 + i)));
  std::swap(packets[14], packets[17]);
  for (const std::string& packet : packets) EXPECT_NE(opened(*srtp, packet), "");
}

TEST(Srtp, BeginsAtTheRolloverCounterThatItWasTold) {
  SrtpKeys keys = keys_of(SrtpSuite::aes_cm_128_hmac_sha1_80);
  Camera camera(keys, 5);
  ByteSpan plain;
  const std::string packet = camera.rtp(100);
  EXPECT_EQ(Srtp::make(keys).value()->open_rtp(as_bytes(packet), plain), Srtp::Verdict::not_authentic);
  keys.rollovers.push_back({kSsrc, 5});
  EXPECT_EQ(opened(*Srtp::make(keys).value(), packet), Camera::plain(100));
}

TEST(Srtp, KnowsTheKeyByItsMki) {
  SrtpKeys keys = keys_of(SrtpSuite::aes_cm_128_hmac_sha1_80);
  keys.masters[0].mki = {0, 0, 0, 1};
  keys.masters.push_back({key_of(30, 99), {0, 0, 0, 2}});
  SrtpKeys second = keys;
  second.masters.erase(second.masters.begin());
  Camera camera(second);
  auto srtp = Srtp::make(keys).value();
  EXPECT_EQ(opened(*srtp, camera.rtp(1)), Camera::plain(1));
  SrtpKeys stranger = second;
  stranger.masters[0].mki = {0, 0, 0, 3};
  Camera other(stranger);
  ByteSpan plain;
  EXPECT_EQ(srtp->open_rtp(as_bytes(other.rtp(2)), plain), Srtp::Verdict::not_authentic);
}

TEST(Srtp, ForgetsTheOldestOfManySenders) {
  const SrtpKeys keys = keys_of(SrtpSuite::aes_cm_128_hmac_sha1_80);
  Camera camera(keys);
  auto srtp = Srtp::make(keys).value();
  const std::string first = camera.rtp(1, 1);
  EXPECT_NE(opened(*srtp, first), "");
  for (uint32_t ssrc = 2; ssrc <= Srtp::kMaxSenders; ++ssrc) EXPECT_NE(opened(*srtp, camera.rtp(1, ssrc)), "");
  EXPECT_EQ(opened(*srtp, first), "") << "a replay";
  EXPECT_NE(opened(*srtp, camera.rtp(1, 100)), "");
  EXPECT_NE(opened(*srtp, first), "") << "its sender was forgotten, and its replay window with it";
}

TEST(Srtp, SaysThatKeysDoNotFit) {
  SrtpKeys keys = keys_of(SrtpSuite::aes_cm_256_hmac_sha1_80);
  keys.masters[0].key_and_salt.pop_back();
  const auto made = Srtp::make(keys);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::invalid_argument);
  EXPECT_THAT(made.error().what, ::testing::HasSubstr("46 bytes"));
  EXPECT_FALSE(Srtp::make(SrtpKeys{}).ok());
}

TEST(Srtp, TakesNoMemoryPerPacket) {
  if (!kHeapIsCounted) GTEST_SKIP() << "the sanitizer owns the heap";
  const SrtpKeys keys = keys_of(SrtpSuite::aes_cm_128_hmac_sha1_80);
  Camera camera(keys);
  auto srtp = Srtp::make(keys).value();
  std::vector<std::string> packets;
  for (uint16_t i = 0; i < 300; ++i) packets.push_back(camera.rtp(i));
  ByteSpan plain;
  for (size_t i = 0; i < 100; ++i) ASSERT_EQ(srtp->open_rtp(as_bytes(packets[i]), plain), Srtp::Verdict::ok);
  const uint64_t before = heap_calls();
  for (size_t i = 100; i < 300; ++i) (void)srtp->open_rtp(as_bytes(packets[i]), plain);
  EXPECT_EQ(heap_calls(), before);
}

}  // namespace
}  // namespace vigie::rtp
