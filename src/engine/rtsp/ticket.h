#pragma once
// What lets a viewer in instead of a password: a statement of the control plane about one stream, sealed with a key that
// the engine knows from its policy.
//
//   base64url(text) "." base64url(HMAC-SHA256(key, text)), both without padding
//   text: 1~route~revision~open_by~until~agent~camera[@version]~stream     times in ns since 1970; until 0: no end
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "media/track.h"

namespace vigie::rtsp {

struct Ticket {
  std::string route;
  uint64_t revision = 0;          // of the policy by which it was decided
  WallTime open_by{};             // no session begins with it later
  std::optional<WallTime> until;  // when the right itself ends
  std::string agent;              // for whom
  StreamKey stream;               // of what
  friend bool operator==(const Ticket&, const Ticket&) = default;
};

// The ticket in a sealed text. Not checked: times, revision. Errors: not_authorized, not saying what was wrong with the
// seal. Source: RFC 2104, RFC 4648 section 5.
Result<Ticket> open_ticket(std::string_view sealed, ByteSpan key);
// The other way round. No field may hold a "~".
std::string seal_ticket(const Ticket& ticket, ByteSpan key);

}  // namespace vigie::rtsp
