#include "base/io_rank.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace vigie {
namespace {

void in_a_thread(const std::function<void()>& body) { std::thread(body).join(); }

int policy_of_this_thread() { return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK; }

// Whether the system gives real time to this process, asked another way than the code under test does.
bool real_time_is_allowed() {
  bool allowed = false;
  in_a_thread([&] {
    const sched_param lowest{.sched_priority = 1};
    allowed = sched_setscheduler(0, SCHED_RR, &lowest) == 0;
  });
  return allowed;
}

void compute_for(Nanos processor_time) {
  const Nanos end = thread_time() + processor_time;
  while (thread_time() < end) {
  }
}

TEST(RankRule, BusyOnesGoBackUntilTheyHaveBeenCalmForAWhile) {
  struct Step {
    double busy;
    Nanos elapsed;
    bool realtime;
  };
  const std::vector<Step> kSteps = {
      {0.1, 100ms, true},   {0.69, 100ms, true}, {0.6, 10s, true},    // nearly too busy, for ever
      {0.71, 100ms, false},                                           // too busy once
      {0.1, 1s, false},     {0.1, 900ms, false},                      // not calm for long enough
      {0.6, 100ms, false},                                            // not calm: from the start again
      {0.1, 1900ms, false}, {0.1, 100ms, true},  {0.1, 100ms, true},  // calm for two seconds
      {1.01, 100ms, false}, {0.0, 3s, true},                          // clocks differ; one long wait
  };
  RankRule rule;
  for (size_t i = 0; i < kSteps.size(); ++i) {
    EXPECT_EQ(rule.after(kSteps[i].busy, kSteps[i].elapsed), kSteps[i].realtime) << "step " << i;
  }
}

TEST(IoRank, BeginsWithShortTurnsAtTheOldRank) {
  in_a_thread([] {
    const auto self = static_cast<id_t>(::syscall(SYS_gettid));
    ASSERT_EQ(setpriority(PRIO_PROCESS, self, 3), 0);
    IoRank rank;
    rank.begin();
    EXPECT_FALSE(rank.is_realtime());
    EXPECT_EQ(getpriority(PRIO_PROCESS, self), 3);
    EXPECT_EQ(policy_of_this_thread(), SCHED_OTHER);
  });
}

TEST(IoRank, RealTimeIsTakenWhileItIsWantedAndAllowedAndNotHandedOn) {
  const bool allowed = real_time_is_allowed();
  in_a_thread([&] {
    IoRank rank;
    rank.begin();
    for (int turn = 0; turn < 2; ++turn) {
      rank.look(true);
      EXPECT_EQ(rank.is_realtime(), allowed);
      EXPECT_EQ(policy_of_this_thread(), allowed ? SCHED_RR : SCHED_OTHER);
      in_a_thread([] { EXPECT_EQ(policy_of_this_thread(), SCHED_OTHER) << "a thread that it started"; });
      rank.look(false);
      EXPECT_FALSE(rank.is_realtime());
      EXPECT_EQ(policy_of_this_thread(), SCHED_OTHER);
    }
  });
}

TEST(IoRank, AThreadThatComputesGoesBackToShortTurns) {
  const bool allowed = real_time_is_allowed();
  in_a_thread([&] {
    IoRank rank;
    rank.begin();
    rank.look(true);
    EXPECT_EQ(rank.is_realtime(), allowed) << "too early to tell";
    // Beside others it may have to wait: judged is what it uses of the time.
    for (int i = 0; i < 40 && (i == 0 || rank.is_realtime()); ++i) {
      compute_for(IoRank::kLookEvery);
      rank.look(true);
    }
    EXPECT_FALSE(rank.is_realtime());
    EXPECT_EQ(policy_of_this_thread(), SCHED_OTHER);
  });
}

}  // namespace
}  // namespace vigie
