#pragma once
// How threads that wait for the network, and do little at a time, stand beside threads that compute.
#include <atomic>

#include "base/time.h"

namespace vigie {

// Whether a thread does little enough to go before all others. No clock, no system calls.
class RankRule {
 public:
  // What it is told, again and again: for how much of the time since the last telling the thread ran (0 to 1, or more by
  // what a clock is off), and how long that was. Returns whether it should be in real time from now on.
  bool after(double busy, Nanos elapsed);
  // What it returned last; true before.
  bool waits() const { return waits_; }

 private:
  static constexpr double kTooBusy = 0.7, kCalm = 0.5;  // of one processor
  static constexpr Nanos kCalmFor = 2s;                 // before it may come back
  bool waits_ = true;
  Nanos calm_{};
};

// The rank of one thread: short turns, with which it soon runs when it wakes (no effect before Linux 6.12); or real time,
// SCHED_RR at the lowest priority, with which it runs at once, whatever computes. Threads that it starts have neither. Real
// time is dear where nothing else computes: the kernel wakes such a thread where it ran last, whoever runs there now.
// Thread: the one that is ranked; `is_realtime`: any.
class IoRank {
 public:
  static constexpr Nanos kLookEvery = 100ms;

  // Gives the calling thread short turns.
  void begin();
  // To be called every kLookEvery or so. `realtime`: it should be in real time. Where the system does not allow that
  // (RLIMIT_RTPRIO, CAP_SYS_NICE) it is asked once. A thread that hardly waits would keep all others from its processor: it
  // has short turns until it waits again (RankRule).
  void look(bool realtime);
  bool is_realtime() const { return realtime_.load(std::memory_order_relaxed); }

 private:
  bool refused_ = false;
  std::atomic<bool> realtime_{false};
  RankRule rule_;
  Nanos used_{};  // the thread's processor time at the last look
  MonoTime looked_{};
};

}  // namespace vigie
