#pragma once
// The keys of SRTP as a session description brings them: SDES (RFC 4568) and MIKEY (RFC 3830, 4567).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/srtp_keys.h"
#include "rtsp/sdp.h"

namespace vigie::rtsp {

// No text of an error here holds any part of a key.
struct KeyOffer {
  SrtpKeys keys;
  std::vector<uint8_t> mikey;  // the message, which wants an answer; empty for SDES
  friend bool operator==(const KeyOffer&, const KeyOffer&) = default;
};

// Whether the media's profile is RTP/SAVP or RTP/SAVPF.
bool is_secure(const MediaDescription& media);
// Whether the media has a line with a key, whatever its profile.
bool brings_keys(const MediaDescription& media);

// The first usable of the media's a=crypto and a=key-mgmt lines in their order, then of the session's, then what
// DESCRIBE's KeyMgmt header has. Outside of SAVP they are an offer at most; ask is_secure() first.
// Errors: rtsp_unsupported with why the first one cannot be used, or that there is none.
Result<KeyOffer> choose_keys(const SessionDescription& session, const MediaDescription& media,
                             std::string_view key_mgmt_header);

// The value of a=crypto: tag, suite, inline keys (at most 8, by MKI), session parameters.
// Not looked at: the lifetime (libsrtp keeps the limit of the algorithm).
// Errors: rtsp_unsupported (suite, key method, parameters that switch protection off or change the derivation),
// sdp_malformed.
Result<SrtpKeys> parse_sdes(std::string_view value);

// A MIKEY message with a key in the clear: pre-shared mode, NULL encryption and NULL or no MAC, as it is used inside TLS;
// key and salt apart, or together as GStreamer has them.
// Errors: rtsp_unsupported (public-key and Diffie-Hellman modes, encrypted keys, algorithms), sdp_malformed.
Result<SrtpKeys> parse_mikey(ByteSpan message);

// The value of a KeyMgmt header for SETUP of `uri`: the offered keys, taken for what we send under `ssrc`. `mikey` must
// be what parse_mikey() accepted.
std::string answer_key_mgmt(ByteSpan mikey, uint32_t ssrc, std::string_view uri);

}  // namespace vigie::rtsp
