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

 private:
  static constexpr double kTooBusy = 0.7, kCalm = 0.5;  // of one processor
  static constexpr Nanos kCalmFor = 2s;                 // before it may come back
  bool realtime_ = true;
  Nanos calm_{};
};

// The rank of one thread. Thread: the one that is ranked; `is_realtime`: any.
class IoRank {
 public:
  static constexpr Nanos kLookEvery = 100ms;

  // Gives the calling thread its rank. `realtime`: it asks for real time, SCHED_RR at the lowest priority, in which it runs
  // at once when it wakes; threads that it starts do not have it. Where that is not asked for, or the system does not
  // allow it (RLIMIT_RTPRIO, CAP_SYS_NICE), it asks for short turns, which have the same end but no promise, and no
  // effect before Linux 6.12.
  void begin(bool realtime);
  // To be called every kLookEvery or so: a thread in real time that hardly waits any more would keep all others from its
  // processor, so it has the usual rank until it waits again (RankRule).
  void look();
  bool is_realtime() const { return realtime_.load(std::memory_order_relaxed); }

 private:
  void rank(bool realtime);

  bool allowed_ = false;
  std::atomic<bool> realtime_{false};
  RankRule rule_;
  Nanos used_{}, looked_{};  // the thread's processor time and the monotonic time at the last look
};

}  // namespace vigie
