#include "base/io_rank.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "base/clock.h"

namespace vigie {
namespace {

// The kernel's sched_attr in its first form; its own header cannot be had beside <sched.h>.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 1;  // SCHED_FLAG_RESET_ON_FORK: not inherited by threads and processes that it starts
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};

bool set_on_this_thread(SchedulingAttributes& attributes) {
  return ::syscall(SYS_sched_setattr, 0, &attributes, 0U) == 0;
}

bool ask_for_real_time() {
  SchedulingAttributes attributes;
  attributes.policy = SCHED_RR;
  attributes.priority = 1;
  return set_on_this_thread(attributes);
}

// Whether the thread has them. Not known to an old kernel: then it has the usual rank, without.
bool ask_for_short_turns() {
  constexpr uint64_t kTurnNs = 200'000;  // usual are 1 to 3 ms; the least that Linux takes is 0.1 ms
  SchedulingAttributes attributes;
  attributes.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)));
  attributes.runtime_ns = kTurnNs;
  if (set_on_this_thread(attributes)) return true;
  const sched_param none{};
  return ::sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) == 0;
}

}  // namespace

bool RankRule::after(double busy, Nanos elapsed) {
  calm_ = busy < kCalm ? calm_ + elapsed : Nanos{};
  waits_ = waits_ ? busy <= kTooBusy : calm_ >= kCalmFor;
  return waits_;
}

void IoRank::begin() {
  ask_for_short_turns();
  used_ = thread_time();
  looked_ = system_clock().now_mono();
}

void IoRank::look(bool realtime) {
  const Nanos used = thread_time();
  const MonoTime now = system_clock().now_mono();
  const Nanos elapsed = now - looked_;
  if (elapsed >= kLookEvery / 2) {  // else it is too short to tell
    const double busy = static_cast<double>((used - used_).count()) / static_cast<double>(elapsed.count());
    rule_.after(busy, elapsed);
    used_ = used;
    looked_ = now;
  }
  const bool wanted = realtime && rule_.waits() && !refused_;
  if (wanted == is_realtime()) return;
  const bool done = wanted ? ask_for_real_time() : ask_for_short_turns();
  refused_ = wanted && !done;
  if (done) realtime_.store(wanted, std::memory_order_relaxed);  // else it is tried again at the next look
}

}  // namespace vigie
