#pragma once
// The flight recorder of the RTSP dialogue: what was said in the newest attempt, without its secrets, in bounded memory.
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace vigie::source {

// One message as on the wire: start line, headers, body. What was secret is `***`. Not checked: that it is UTF-8.
struct DialogueLine {
  Nanos since_start{};  // of the attempt
  bool sent = false;    // by us
  std::string text;
  friend bool operator==(const DialogueLine&, const DialogueLine&) = default;
};

// What must not be shown, and how it is taken out of a message.
class Secrets {
 public:
  void clear() { texts_.clear(); }
  void add(std::string_view user, std::string_view password);
  // Blanks the keys of SRTP (KeyMgmt, a=crypto, a=key-mgmt), the values of Authorization and Proxy-Authorization, the
  // nonces and digests of the other headers of authentication, the userinfo of any URL, and the passwords wherever they
  // stand: plain, percent-encoded, or in Base64 behind their user as Basic has them.
  std::string blank(std::string_view message) const;

 private:
  std::vector<std::string> texts_;  // the longest first, so that none leaves a piece of another
};

// Limits: the first 64 lines of an attempt (40 KiB of them) and the newest 16 behind them, 64 KiB in all; 16 KiB of a
// body, 256 bytes of what could not be read.
// Thread: home shard.
class Dialogue {
 public:
  // A new attempt: forgets the one before. Lines added under an older number are dropped, because an attempt may still
  // be saying goodbye when the next one begins.
  uint64_t begin(MonoTime now);
  // Credentials of this attempt; empty ones are ignored.
  void conceal(std::string_view user, std::string_view password) { secrets_.add(user, password); }
  void add(uint64_t attempt, MonoTime now, bool sent, std::string_view message);
  // Bytes that came and are no message; what is not printable becomes \xNN.
  void add_unreadable(uint64_t attempt, MonoTime now, ByteSpan bytes);
  std::vector<DialogueLine> lines() const;

 private:
  void keep(MonoTime now, bool sent, std::string text);

  Secrets secrets_;
  uint64_t attempt_ = 0;
  MonoTime start_{};
  std::deque<DialogueLine> first_;
  std::deque<DialogueLine> newest_;
  size_t first_bytes_ = 0;
  size_t newest_bytes_ = 0;
  bool first_full_ = false;
};

}  // namespace vigie::source
