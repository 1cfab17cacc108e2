#include "rtp/srtp.h"

#include <srtp2/srtp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "rtp/packet.h"

namespace vigie::rtp {
namespace {

constexpr size_t kWindow = 1024;  // packets that UDP may bring out of order
constexpr size_t kRtcpHeaderBytes = 8;

void set_up_library() {
  // Once in a process. It says no where the host has done it before us; whether it can be used srtp_create() tells.
  [[maybe_unused]] static const srtp_err_status_t status = srtp_init();
}

void set_suite(SrtpSuite suite, bool short_rtcp_tag, srtp_policy_t& policy) {
  switch (suite) {
    case SrtpSuite::aes_cm_128_hmac_sha1_80:
    case SrtpSuite::aes_cm_128_hmac_sha1_32: srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp); break;
    case SrtpSuite::aes_cm_256_hmac_sha1_80:
    case SrtpSuite::aes_cm_256_hmac_sha1_32: srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy.rtp); break;
    case SrtpSuite::aead_aes_128_gcm: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp); break;
    case SrtpSuite::aead_aes_256_gcm: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp); break;
  }
  policy.rtcp = policy.rtp;
  if (suite == SrtpSuite::aes_cm_128_hmac_sha1_32 || suite == SrtpSuite::aes_cm_256_hmac_sha1_32) {
    policy.rtp.auth_tag_len = 4;
    if (short_rtcp_tag) policy.rtcp.auth_tag_len = 4;
  }
}

}  // namespace

struct Srtp::Sessions {
  Sessions() = default;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;
  ~Sessions() {
    if (in) srtp_dealloc(in);
    if (out) srtp_dealloc(out);
  }
  srtp_t in = nullptr;
  srtp_t out = nullptr;
};

Srtp::Srtp(std::unique_ptr<Sessions> sessions) : sessions_(std::move(sessions)) {}
Srtp::~Srtp() = default;

Result<std::unique_ptr<Srtp>> Srtp::make(const SrtpKeys& keys) {
  const size_t wanted = srtp_key_bytes(keys.suite) + srtp_salt_bytes(keys.suite);
  const size_t mki_bytes = keys.masters.empty() ? 0 : keys.masters.front().mki.size();
  const bool usable = !keys.masters.empty() && keys.masters.size() <= SrtpKeys::kMaxMasters &&
                      mki_bytes <= SrtpKeys::kMaxMkiBytes && (keys.masters.size() == 1 || mki_bytes > 0) &&
                      std::all_of(keys.masters.begin(), keys.masters.end(), [&](const SrtpKeys::Master& master) {
                        return master.key_and_salt.size() == wanted && master.mki.size() == mki_bytes;
                      });
  if (!usable) {
    return make_error(
        Code::invalid_argument, "SRTP",
        "the keys do not fit the suite, which takes " + std::to_string(wanted) + " bytes of key and salt");
  }
  set_up_library();

  std::vector<SrtpKeys::Master> masters = keys.masters;  // libsrtp takes what is not const
  std::vector<srtp_master_key_t> entries(masters.size());
  std::vector<srtp_master_key_t*> list;
  for (size_t i = 0; i < masters.size(); ++i) {
    entries[i] = {masters[i].key_and_salt.data(), masters[i].mki.data(), static_cast<unsigned>(mki_bytes)};
    list.push_back(&entries[i]);
  }
  srtp_policy_t policy{};
  set_suite(keys.suite, keys.short_rtcp_tag, policy);
  policy.window_size = kWindow;
  if (mki_bytes > 0) {
    policy.keys = list.data();
    policy.num_master_keys = list.size();
  } else {
    policy.key = masters.front().key_and_salt.data();
  }
  auto sessions = std::make_unique<Sessions>();
  policy.ssrc.type = ssrc_any_inbound;
  srtp_err_status_t status = srtp_create(&sessions->in, &policy);
  for (const SrtpKeys::Rollover& rollover : keys.rollovers) {
    if (status != srtp_err_status_ok) break;
    srtp_policy_t one = policy;
    one.ssrc = {ssrc_specific, rollover.ssrc};
    status = srtp_add_stream(sessions->in, &one);
    if (status == srtp_err_status_ok) status = srtp_set_stream_roc(sessions->in, rollover.ssrc, rollover.roc);
  }
  policy.ssrc.type = ssrc_any_outbound;
  if (status == srtp_err_status_ok) status = srtp_create(&sessions->out, &policy);
  for (SrtpKeys::Master& master : masters) std::fill(master.key_and_salt.begin(), master.key_and_salt.end(), 0);
  if (status != srtp_err_status_ok) {
    return make_error(Code::rtsp_unsupported, "SRTP",
                      "libsrtp does not take this suite here (its status " + std::to_string(status) + ")");
  }
  std::unique_ptr<Srtp> made(new Srtp(std::move(sessions)));
  made->with_mki_ = mki_bytes > 0;
  return made;
}

Srtp::Verdict Srtp::open(ByteSpan packet, ByteSpan& plain, bool rtcp) {
  if (packet.size() < (rtcp ? kRtcpHeaderBytes : kHeaderBytes) || packet.size() > 65535) return Verdict::malformed;
  const size_t words = packet.size() / sizeof(uint32_t) + 1;
  if (words_.size() < words) words_.resize(words);
  std::memcpy(words_.data(), packet.data(), packet.size());
  int size = static_cast<int>(packet.size());
  const srtp_err_status_t status = rtcp ? srtp_unprotect_rtcp_mki(sessions_->in, words_.data(), &size, with_mki_)
                                        : srtp_unprotect_mki(sessions_->in, words_.data(), &size, with_mki_);
  switch (status) {
    case srtp_err_status_ok: break;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old: return Verdict::replayed;
    case srtp_err_status_auth_fail:
    case srtp_err_status_bad_mki:
    case srtp_err_status_cipher_fail: return Verdict::not_authentic;
    default: return Verdict::malformed;
  }
  plain = {reinterpret_cast<const uint8_t*>(words_.data()), static_cast<size_t>(size)};
  const uint32_t ssrc = load_be32(packet.data() + (rtcp ? 4 : 8));
  if (sender_count_ == 0 || ssrc != newest_sender_) remember(ssrc);
  return Verdict::ok;
}

void Srtp::remember(uint32_t ssrc) {
  newest_sender_ = ssrc;
  const auto end = senders_.begin() + static_cast<ptrdiff_t>(sender_count_);
  if (std::find(senders_.begin(), end, ssrc) != end) return;
  if (sender_count_ == kMaxSenders) {
    // In the order of the network, as libsrtp's interface has it.
    std::array<uint8_t, 4> wire;
    store_be32(wire.data(), senders_[next_sender_]);
    uint32_t oldest = 0;
    std::memcpy(&oldest, wire.data(), sizeof oldest);
    srtp_remove_stream(sessions_->in, oldest);
  } else {
    ++sender_count_;
  }
  senders_[next_sender_] = ssrc;
  next_sender_ = (next_sender_ + 1) % kMaxSenders;
}

ByteSpan Srtp::protect_rtcp(std::span<uint8_t> memory, size_t bytes) {
  if (bytes < kRtcpHeaderBytes) return {};
  const size_t words = (bytes + SRTP_MAX_TRAILER_LEN + sizeof(uint32_t)) / sizeof(uint32_t) + 1;
  if (words_.size() < words) words_.resize(words);
  std::memcpy(words_.data(), memory.data(), bytes);
  int size = static_cast<int>(bytes);
  if (srtp_protect_rtcp_mki(sessions_->out, words_.data(), &size, with_mki_, 0) != srtp_err_status_ok) return {};
  if (static_cast<size_t>(size) > memory.size()) return {};
  std::memcpy(memory.data(), words_.data(), static_cast<size_t>(size));
  return memory.first(static_cast<size_t>(size));
}

}  // namespace vigie::rtp
