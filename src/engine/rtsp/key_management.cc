#include "rtsp/key_management.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxSessions = 16;
constexpr size_t kMaxMikeyBytes = 8 << 10;
constexpr size_t kMaxPayloads = 32;

Error refused(std::string what) { return make_error(Code::rtsp_unsupported, "SRTP keys", std::move(what)); }
Error malformed(std::string what) { return make_error(Code::sdp_malformed, "SRTP keys", std::move(what)); }

std::string shown(std::string_view word) { return single_line(word.substr(0, 48)); }

// --- SDES

struct SuiteName {
  std::string_view name;
  SrtpSuite suite;
};
constexpr SuiteName kSuites[] = {{"AES_CM_128_HMAC_SHA1_80", SrtpSuite::aes_cm_128_hmac_sha1_80},
                                 {"AES_CM_128_HMAC_SHA1_32", SrtpSuite::aes_cm_128_hmac_sha1_32},
                                 {"AES_256_CM_HMAC_SHA1_80", SrtpSuite::aes_cm_256_hmac_sha1_80},
                                 {"AES_256_CM_HMAC_SHA1_32", SrtpSuite::aes_cm_256_hmac_sha1_32},
                                 {"AES_CM_256_HMAC_SHA1_80", SrtpSuite::aes_cm_256_hmac_sha1_80},
                                 {"AES_CM_256_HMAC_SHA1_32", SrtpSuite::aes_cm_256_hmac_sha1_32},
                                 {"AEAD_AES_128_GCM", SrtpSuite::aead_aes_128_gcm},
                                 {"AEAD_AES_256_GCM", SrtpSuite::aead_aes_256_gcm}};

// "value:length" as the bytes that packets carry.
std::optional<std::vector<uint8_t>> parse_mki(std::string_view text) {
  const auto value = parse_number<uint64_t>(cut(text, ':'));
  const auto size = parse_number<size_t>(text);
  if (!value || !size || *size == 0 || *size > SrtpKeys::kMaxMkiBytes) return std::nullopt;
  std::vector<uint8_t> mki(*size);
  uint64_t left = *value;
  for (size_t i = *size; i-- > 0; left >>= 8) mki[i] = static_cast<uint8_t>(left);
  if (left != 0) return std::nullopt;
  return mki;
}

Result<SrtpKeys::Master> parse_inline(std::string_view text, SrtpSuite suite) {
  if (!istarts_with(text, "inline:")) return refused("a=crypto has a key method other than inline");
  text.remove_prefix(7);
  SrtpKeys::Master master;
  const auto key = base64_decode_tolerant(cut(text, '|'));
  const size_t wanted = srtp_key_bytes(suite) + srtp_salt_bytes(suite);
  if (!key || key->size() != wanted) {
    return malformed("a key of a=crypto is not Base64 of the " + std::to_string(wanted) + " bytes of its suite");
  }
  master.key_and_salt = *key;
  while (!text.empty()) {
    const std::string_view part = cut(text, '|');
    if (part.find(':') == std::string_view::npos) continue;  // the lifetime
    auto mki = parse_mki(part);
    if (!mki) return malformed("the MKI of a=crypto is not value:length with 1 to 16 bytes");
    master.mki = std::move(*mki);
  }
  return master;
}

Status check_parameter(std::string_view parameter) {
  std::string_view value = parameter;
  const std::string_view name = cut(value, '=');
  if (iequals(name, "WSH") || (iequals(name, "KDR") && trim(value) == "0")) return {};
  return refused("a=crypto asks for " + shown(name) + ", which is not supported");
}

// --- MIKEY

enum : uint8_t {
  kKemac = 1,
  kPke = 2,
  kDh = 3,
  kSign = 4,
  kTime = 5,
  kId = 6,
  kCert = 7,
  kChash = 8,
  kVerify = 9,
  kPolicy = 10,
  kRand = 11,
  kError = 12,
  kKeyData = 20,
  kExtension = 21
};

// What the security policy says; RFC 3830 6.10.1.
struct Policy {
  uint8_t cipher = 1;  // AES-CM; 6 is AES-GCM (RFC 7714)
  uint8_t key_bytes = 16;
  uint8_t auth = 1;  // HMAC-SHA-1
  uint8_t tag_bytes = 10;
  uint8_t salt_bytes = 0;  // 0: the suite's
};

Status read_policy(ByteReader params, Policy& policy) {
  while (params.remaining() > 0) {
    const uint8_t type = params.u8();
    const uint8_t size = params.u8();
    const ByteSpan value = params.bytes(size);
    if (params.failed()) return malformed("a parameter of MIKEY's policy is cut off");
    if (size != 1) continue;
    const uint8_t number = value[0];
    switch (type) {
      case 0: policy.cipher = number; break;
      case 1: policy.key_bytes = number; break;
      case 2: policy.auth = number; break;
      case 3:
        // The length of a key of 160 bits; GStreamer has the tag's length here.
        if (number == 4 || number == 10) policy.tag_bytes = number;
        break;
      case 4: policy.salt_bytes = number; break;
      case 5:
        if (number != 0) return refused("MIKEY asks for a pseudo-random function that is not supported");
        break;
      case 6:
        if (number != 0) return refused("MIKEY asks for a key derivation rate, which is not supported");
        break;
      case 7:
      case 8:
        if (number == 0) return refused("MIKEY switches encryption off, which is not supported");
        break;
      case 10:
        if (number == 0) return refused("MIKEY switches authentication off, which is not supported");
        break;
      case 11:
      case 20: policy.tag_bytes = number; break;
      default: break;
    }
  }
  return {};
}

Result<SrtpSuite> suite_of(const Policy& policy) {
  const bool long_key = policy.key_bytes == 32;
  if (policy.key_bytes != 16 && !long_key) {
    return refused("MIKEY asks for a cipher key of " + std::to_string(policy.key_bytes) + " bytes");
  }
  if (policy.cipher == 6) {
    if (policy.tag_bytes != 16 && policy.tag_bytes != 10) return refused("MIKEY asks for a short tag of AES-GCM");
    return long_key ? SrtpSuite::aead_aes_256_gcm : SrtpSuite::aead_aes_128_gcm;
  }
  if (policy.cipher != 1) return refused("MIKEY asks for cipher " + std::to_string(policy.cipher));
  if (policy.auth != 1) return refused("MIKEY asks for authentication " + std::to_string(policy.auth));
  if (policy.tag_bytes == 10) {
    return long_key ? SrtpSuite::aes_cm_256_hmac_sha1_80 : SrtpSuite::aes_cm_128_hmac_sha1_80;
  }
  if (policy.tag_bytes == 4) {
    return long_key ? SrtpSuite::aes_cm_256_hmac_sha1_32 : SrtpSuite::aes_cm_128_hmac_sha1_32;
  }
  return refused("MIKEY asks for an authentication tag of " + std::to_string(policy.tag_bytes) + " bytes");
}

struct KeyData {
  uint8_t type = 0;
  ByteSpan key, salt, mki;
};

Result<KeyData> read_key_data(ByteReader data) {
  KeyData found;
  data.u8();  // next payload: one key is what SRTP of one media needs
  const uint8_t kinds = data.u8();
  found.type = kinds >> 4;
  found.key = data.bytes(data.u16());
  if (found.type == 1 || found.type == 3) found.salt = data.bytes(data.u16());
  if ((kinds & 0x0f) == 1) found.mki = data.bytes(data.u8());
  if (data.failed()) return malformed("the key data of MIKEY are cut off");
  if (found.type != 2 && found.type != 3) return refused("MIKEY gives a key to derive others from (TGK)");
  return found;
}

// Everything of the message in front of its payloads.
struct Header {
  uint8_t next = 0;
  ByteSpan csb_id;
  std::vector<SrtpKeys::Rollover> sessions;
  size_t bytes = 0;
};

Result<Header> read_header(ByteSpan message) {
  ByteReader reader(message);
  Header header;
  const uint8_t version = reader.u8();
  const uint8_t type = reader.u8();
  header.next = reader.u8();
  const uint8_t prf = reader.u8() & 0x7f;
  header.csb_id = reader.bytes(4);
  const uint8_t sessions = reader.u8();
  const uint8_t map = reader.u8();
  if (reader.failed()) return malformed("the MIKEY message is cut off");
  if (version != 1) return refused("MIKEY of version " + std::to_string(version));
  if (type != 0 && type != 1) {
    return refused("MIKEY's message of type " + std::to_string(type) + "; right would be pre-shared mode, 0");
  }
  if (prf != 0) return refused("MIKEY's pseudo-random function " + std::to_string(prf));
  if (map != 0) return refused("MIKEY is not for SRTP");
  for (uint8_t i = 0; i < sessions; ++i) {
    reader.u8();  // policy number
    SrtpKeys::Rollover session;
    session.ssrc = reader.u32();
    session.roc = reader.u32();
    if (header.sessions.size() < kMaxSessions) header.sessions.push_back(session);
  }
  if (reader.failed()) return malformed("the crypto sessions of MIKEY are cut off");
  header.bytes = message.size() - reader.remaining();
  return header;
}

// Passes over a payload that says nothing to us; false for one that cannot be.
bool skip_payload(uint8_t type, ByteReader& reader) {
  switch (type) {
    case kTime: {
      const uint8_t kind = reader.u8();
      reader.bytes(kind == 2 ? 4 : 8);
      return true;
    }
    case kId:
    case kExtension:
      reader.u8();
      reader.bytes(reader.u16());
      return true;
    case kVerify: reader.bytes(reader.u8() == 0 ? 0 : 20); return true;
    case kRand: reader.bytes(reader.u8()); return true;
    default: return false;
  }
}

Status read_kemac(ByteReader& reader, std::optional<KeyData>& found) {
  const uint8_t cipher = reader.u8();
  const ByteSpan data = reader.bytes(reader.u16());
  const uint8_t mac = reader.u8();
  if (mac != 0) reader.bytes(20);
  if (reader.failed()) return malformed("the keys of MIKEY are cut off");
  if (cipher != 0) return refused("MIKEY's keys are encrypted, by a key that we do not have");
  if (mac > 1) return refused("MIKEY's MAC " + std::to_string(mac));
  auto key = read_key_data(ByteReader(data));
  if (!key) return std::move(key).error();
  found = *key;
  return {};
}

Result<KeyOffer> offer_of_mikey(std::string_view text) {
  auto message = base64_decode_tolerant(text);
  if (!message) return malformed("a=key-mgmt is not Base64");
  auto keys = parse_mikey(*message);
  if (!keys) return std::move(keys).error();
  return KeyOffer{std::move(*keys), std::move(*message)};
}

// The data of `prot=mikey;uri="…";data="…"`, the first entry of it.
std::string_view mikey_of_header(std::string_view header) {
  while (!header.empty()) {
    std::string_view entry = cut_quoted(header, ',');
    bool mikey = false;
    std::string_view data;
    while (!entry.empty()) {
      std::string_view value = trim(cut_quoted(entry, ';'));
      const std::string_view name = trim(cut(value, '='));
      value = trim(value);
      if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
      if (iequals(name, "prot")) mikey = iequals(value, "mikey");
      if (iequals(name, "data")) data = value;
    }
    if (mikey && !data.empty()) return data;
  }
  return {};
}

}  // namespace

bool is_secure(const MediaDescription& media) {
  return iequals(media.protocol, "RTP/SAVP") || iequals(media.protocol, "RTP/SAVPF");
}

bool brings_keys(const MediaDescription& media) {
  return std::any_of(media.attributes.begin(), media.attributes.end(), [](const SdpAttribute& attribute) {
    return iequals(attribute.name, "crypto") || iequals(attribute.name, "key-mgmt");
  });
}

Result<SrtpKeys> parse_sdes(std::string_view value) {
  next_word(value);  // the tag, which only an answer would need
  const std::string_view name = next_word(value);
  const auto known = std::find_if(std::begin(kSuites), std::end(kSuites),
                                  [name](const SuiteName& entry) { return iequals(entry.name, name); });
  if (known == std::end(kSuites)) return refused("a=crypto has the suite " + shown(name) + ", which is not supported");
  SrtpKeys keys;
  keys.suite = known->suite;
  std::string_view parameters = next_word(value);
  while (!parameters.empty()) {
    if (keys.masters.size() == SrtpKeys::kMaxMasters) return refused("a=crypto has more than 8 keys");
    auto master = parse_inline(cut(parameters, ';'), keys.suite);
    if (!master) return std::move(master).error();
    keys.masters.push_back(std::move(*master));
  }
  if (keys.masters.empty()) return malformed("a=crypto has no key");
  const size_t mki_bytes = keys.masters.front().mki.size();
  const bool alike = std::all_of(keys.masters.begin(), keys.masters.end(),
                                 [mki_bytes](const auto& master) { return master.mki.size() == mki_bytes; });
  if (!alike || (keys.masters.size() > 1 && mki_bytes == 0)) {
    return malformed("the keys of a=crypto need MKIs of one length");
  }
  while (!trim(value).empty()) {
    if (Status status = check_parameter(next_word(value)); !status) return std::move(status).error();
  }
  return keys;
}

Result<SrtpKeys> parse_mikey(ByteSpan message) {
  if (message.size() > kMaxMikeyBytes) return malformed("the MIKEY message is longer than 8 KiB");
  auto header = read_header(message);
  if (!header) return std::move(header).error();
  ByteReader reader(message.subspan(header->bytes));
  Policy policy;
  bool have_policy = false;
  std::optional<KeyData> key;
  uint8_t type = header->next;
  for (size_t count = 0; type != 0; ++count) {
    if (count == kMaxPayloads) return malformed("MIKEY has more than 32 payloads");
    const uint8_t next = reader.u8();
    Status status;
    switch (type) {
      case kKemac: status = read_kemac(reader, key); break;
      case kPolicy: {
        reader.u8();  // its number
        const uint8_t protocol = reader.u8();
        const ByteSpan params = reader.bytes(reader.u16());
        if (protocol != 0) return refused("MIKEY's policy is not for SRTP");
        if (!std::exchange(have_policy, true)) status = read_policy(ByteReader(params), policy);
        break;
      }
      case kPke:
      case kDh:
      case kSign:
      case kCert:
      case kChash: return refused("MIKEY's public-key and Diffie-Hellman modes are not supported");
      case kError: return refused("the device answers with an error of MIKEY");
      default:
        if (!skip_payload(type, reader))
          return malformed("MIKEY has a payload of unknown type " + std::to_string(type));
        break;
    }
    if (!status) return std::move(status).error();
    if (reader.failed()) return malformed("a payload of MIKEY is cut off");
    type = next;
  }
  if (!key) return malformed("the MIKEY message has no key");
  auto suite = suite_of(policy);
  if (!suite) return std::move(suite).error();
  SrtpKeys keys;
  keys.suite = *suite;
  keys.short_rtcp_tag = true;  // one policy for both
  SrtpKeys::Master master;
  master.key_and_salt.assign(key->key.begin(), key->key.end());
  master.key_and_salt.insert(master.key_and_salt.end(), key->salt.begin(), key->salt.end());
  master.mki.assign(key->mki.begin(), key->mki.end());
  const size_t wanted = srtp_key_bytes(*suite) + srtp_salt_bytes(*suite);
  if (master.key_and_salt.size() != wanted || master.mki.size() > SrtpKeys::kMaxMkiBytes) {
    return malformed("MIKEY's key and salt have " + std::to_string(master.key_and_salt.size()) +
                     " bytes; right would be " + std::to_string(wanted));
  }
  keys.masters.push_back(std::move(master));
  keys.rollovers = std::move(header->sessions);
  // 0 is where everybody begins, and stands there where the sender did not know its SSRC yet.
  std::erase_if(keys.rollovers, [](const SrtpKeys::Rollover& session) { return session.roc == 0; });
  std::sort(keys.rollovers.begin(), keys.rollovers.end(), [](const auto& a, const auto& b) { return a.ssrc < b.ssrc; });
  keys.rollovers.erase(std::unique(keys.rollovers.begin(), keys.rollovers.end(),
                                   [](const auto& a, const auto& b) { return a.ssrc == b.ssrc; }),
                       keys.rollovers.end());
  return keys;
}

Result<KeyOffer> choose_keys(const SessionDescription& session, const MediaDescription& media,
                             std::string_view key_mgmt_header) {
  std::optional<Error> first;
  const auto take = [&first](Result<KeyOffer> offer) -> std::optional<KeyOffer> {
    if (offer) return std::move(*offer);
    if (!first) first = offer.error();
    return std::nullopt;
  };
  for (const auto* attributes : {&media.attributes, &session.attributes}) {
    for (const SdpAttribute& attribute : *attributes) {
      std::optional<KeyOffer> offer;
      if (iequals(attribute.name, "crypto")) {
        auto keys = parse_sdes(attribute.value);
        offer = take(keys ? Result<KeyOffer>(KeyOffer{std::move(*keys), {}}) : Result<KeyOffer>(keys.error()));
      } else if (iequals(attribute.name, "key-mgmt")) {
        std::string_view value = attribute.value;
        const std::string_view protocol = next_word(value);
        offer = take(iequals(protocol, "mikey")
                         ? offer_of_mikey(trim(value))
                         : Result<KeyOffer>(refused("a=key-mgmt has the protocol " + shown(protocol))));
      }
      if (offer) return std::move(*offer);
    }
  }
  if (const std::string_view data = mikey_of_header(key_mgmt_header); !data.empty()) {
    if (auto offer = take(offer_of_mikey(data))) return std::move(*offer);
  }
  if (first) return std::move(*first);
  return refused("the description offers SRTP and no key for it; wanted a=crypto or a=key-mgmt:mikey");
}

std::string answer_key_mgmt(ByteSpan mikey, uint32_t ssrc, std::string_view uri) {
  auto header = read_header(mikey);
  if (!header) return {};
  // One crypto session: ours, under policy 0, from the beginning.
  std::vector<uint8_t> message(mikey.begin(), mikey.begin() + 10);
  message[8] = 1;
  std::array<uint8_t, 9> session{};
  store_be32(&session[1], ssrc);
  message.insert(message.end(), session.begin(), session.end());
  message.insert(message.end(), mikey.begin() + static_cast<std::ptrdiff_t>(header->bytes), mikey.end());
  return "prot=mikey; uri=" + quote(uri) + "; data=\"" + base64_encode(message) + "\"";
}

}  // namespace vigie::rtsp
