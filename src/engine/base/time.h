#pragma once
// Strong time types. Durations are std::chrono's, so that units are checked by the compiler.
#include <chrono>
#include <cstdint>

namespace vigie {

using Nanos = std::chrono::nanoseconds;
using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers)

// Tag clock for CLOCK_MONOTONIC instants; never call ::now() on it, ask a `Clock`.
struct MonoClockTag {
  using duration = Nanos;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClockTag, Nanos>;
  static constexpr bool is_steady = true;
};
// An instant of the monotonic clock, nanoseconds since boot.
using MonoTime = MonoClockTag::time_point;
// An instant of civil time, nanoseconds since 1970-01-01T00:00:00Z (no leap seconds).
using WallTime = std::chrono::time_point<std::chrono::system_clock, Nanos>;
// Media time in 1/90000 s since the track's epoch (RFC 3551); signed and 64-bit, so it does not wrap.
using Ticks90k = std::chrono::duration<int64_t, std::ratio<1, 90000>>;

}  // namespace vigie
