#pragma once
// One epoll set and one heap of deadlines: all that one thread of cameras or viewers needs.
#include <sys/epoll.h>

#include <functional>
#include <queue>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/io_rank.h"

namespace vigie::loadgen {

// What waits for a descriptor. Must not be destroyed inside on_ready of another handler of the same round: defer it
// with Loop::after_round.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void on_ready(uint32_t events) = 0;
};

// Thread: one owner.
class Loop {
 public:
  explicit Loop(const Clock& clock);
  MonoTime now() const { return clock_.now_mono(); }
  const Clock& clock() const { return clock_; }

  // Level-triggered. `watch` again with other events changes them.
  void watch(int fd, uint32_t events, Handler* handler);
  void unwatch(int fd);
  // Runs `task` once, not before `when`.
  void at(MonoTime when, std::function<void()> task);
  void after(Nanos delay, std::function<void()> task) { at(now() + delay, std::move(task)); }
  // Runs `task` when every deadline or ready descriptor of this round has been served, before waiting again.
  void after_round(std::function<void()> task) { after_round_.push_back(std::move(task)); }
  // Until stop(). `realtime`: in real time where the system allows it, for measurements beside what computes: they tell how
  // long this program waits for a processor else.
  void run(bool realtime = false);
  void stop() { stopped_ = true; }

 private:
  struct Deadline {
    MonoTime when;
    uint64_t order;
    std::function<void()> task;
    bool operator<(const Deadline& other) const {  // the heap has the largest on top
      return when != other.when ? when > other.when : order > other.order;
    }
  };
  void run_deadlines();
  void ask_for_real_time();
  void run_after_round();

  const Clock& clock_;
  IoRank rank_;
  Fd epoll_;
  std::priority_queue<Deadline> deadlines_;
  std::vector<std::function<void()>> after_round_;
  uint64_t order_ = 0;
  bool stopped_ = false;
};

// Raises the limit of open descriptors to what the system allows and ignores SIGPIPE.
void prepare_process();

}  // namespace vigie::loadgen
