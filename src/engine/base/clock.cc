#include "base/clock.h"

#include <ctime>

namespace vigie {
namespace {
Nanos read_clock(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return std::chrono::seconds(ts.tv_sec) + Nanos(ts.tv_nsec);
}
}  // namespace

MonoTime SystemClock::now_mono() const { return MonoTime{read_clock(CLOCK_MONOTONIC)}; }
WallTime SystemClock::now_wall() const { return WallTime{read_clock(CLOCK_REALTIME)}; }

Nanos thread_time() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

ManualClock::ManualClock(MonoTime mono, WallTime wall)
    : mono_ns_(mono.time_since_epoch().count()), wall_ns_(wall.time_since_epoch().count()) {}

void ManualClock::advance(Nanos by) {
  mono_ns_.fetch_add(by.count());
  wall_ns_.fetch_add(by.count());
}

}  // namespace vigie
