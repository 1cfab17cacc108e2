#pragma once
// Where time comes from. Everything that needs time takes a `const Clock&`, so tests turn it by hand.
#include <atomic>

#include "base/time.h"

namespace vigie {

// Thread: every method may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now_mono() const = 0;
  virtual WallTime now_wall() const = 0;
};

// The machine's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME).
class SystemClock final : public Clock {
 public:
  MonoTime now_mono() const override;
  WallTime now_wall() const override;
};

// Processor time of the calling thread.
Nanos thread_time();

// The process-wide SystemClock: stateless, safe to share.
const Clock& system_clock();

// A clock that moves only when told to.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(MonoTime mono = MonoTime{1000s}, WallTime wall = WallTime{1'800'000'000s});
  MonoTime now_mono() const override { return MonoTime{Nanos{mono_ns_.load()}}; }
  WallTime now_wall() const override { return WallTime{Nanos{wall_ns_.load()}}; }
  // Moves both clocks forward.
  void advance(Nanos by);
  // Steps the wall clock alone, as NTP or an operator does; may be negative.
  void step_wall(Nanos by) { wall_ns_.fetch_add(by.count()); }

 private:
  std::atomic<int64_t> mono_ns_;
  std::atomic<int64_t> wall_ns_;
};

}  // namespace vigie
