#pragma once
// A camera with deviations, and what its stream's record must hold.
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"
#include "rtp_support.h"

namespace vigie::rtp {

using Ids = std::vector<std::string_view>;

// The ids a record holds, in the order of the table.
inline Ids seen(const Quirks& quirks) { return quirks.seen.ids(); }

// Parameter sets of real encoders, 1920x1080.
inline const Bytes kRealSps = hex_bytes("67640028acd940780227e5c044000003000400000300c83c60c658");
inline const Bytes kRealPps = hex_bytes("68ebe3cb22c0");
inline const Bytes kRealHevcVps = hex_bytes("40010c01ffff016000000300900000030000030078959809");
inline const Bytes kRealHevcSps =
    hex_bytes("420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c84");
inline const Bytes kRealHevcPps = hex_bytes("4401c172b46240");

inline Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

inline Bytes fu_265(const Bytes& nal, size_t begin, size_t end, bool start, bool last) {
  Bytes out{static_cast<uint8_t>((nal[0] & 0x81) | 49 << 1), nal[1],
            static_cast<uint8_t>((start ? 0x80 : 0) | (last ? 0x40 : 0) | (nal[0] >> 1 & 0x3f))};
  out.insert(out.end(), nal.begin() + static_cast<ptrdiff_t>(begin), nal.begin() + static_cast<ptrdiff_t>(end));
  return out;
}

inline DepacketizerConfig with_record(DepacketizerConfig config, Quirks& quirks, std::initializer_list<Quirk> strict) {
  for (const Quirk quirk : strict) quirks.strict.insert(quirk);
  config.quirks = &quirks;
  return config;
}

// Reorder buffer and depacketizer that keep a record.
struct QuirkReceiver {
  explicit QuirkReceiver(Codec codec, std::initializer_list<Quirk> strict = {}, bool tcp = true,
                         const DepacketizerConfig& config = {})
      : rx(codec, tcp, with_record(config, quirks, strict)) {}
  // The next picture of one whole slice, 40 ms on.
  void picture(bool key = false, bool marker = true) {
    rx.now_ms += 40;
    rx.send(timestamp += 3600, marker, nal_of(codec(), key, 30));
  }
  Codec codec() const { return rx.depacketizer->parameter_sets().current()->codec; }
  const DepacketizerStats& stats() const { return rx.depacketizer->stats(); }

  Quirks quirks;
  Receiver rx;
  uint32_t timestamp = 900'000;
};

}  // namespace vigie::rtp
