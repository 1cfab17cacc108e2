#pragma once
// Holds back the units of a camera that turns until it is known where it looked: a pose that comes a moment later than
// its picture makes a tight mask, a guess from the one before a wide one.
#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "base/ref.h"
#include "media/access_unit.h"
#include "net/event_loop.h"

namespace vigie::runtime {

// Thread: its loop's.
class PoseWait {
 public:
  // A dome's telemetry is up to 0.4 s late (M-10), the report after a picture is a tenth of a second away, and one may
  // be lost. Whoever steers sees the picture so much later at most.
  static constexpr Nanos kLongest = 600ms;

  // `pass` is called for each unit, in order; maybe from inside push() and on_pose().
  PoseWait(net::EventLoop& loop, std::function<void(const Ref<const AccessUnit>&)> pass)
      : loop_(loop), pass_(std::move(pass)) {}
  ~PoseWait() { loop_.cancel_timer(timer_); }
  PoseWait(const PoseWait&) = delete;
  PoseWait& operator=(const PoseWait&) = delete;

  void push(const Ref<const AccessUnit>& unit) {
    waiting_.push_back({unit, loop_.now() + kLongest});
    pass_on();
  }
  // The camera told where it looked at `at`: what was seen before is settled.
  void on_pose(WallTime at) {
    newest_ = std::max(newest_, at);
    pass_on();
  }
  // The source was lost: what waits goes at once, in order, before anything that follows.
  void flush() {
    while (!waiting_.empty()) pass_first();
  }

 private:
  struct Waiting {
    Ref<const AccessUnit> unit;
    MonoTime until;
  };
  void pass_first() {
    const Ref<const AccessUnit> unit = std::move(waiting_.front().unit);
    waiting_.pop_front();
    pass_(unit);
  }
  void pass_on() {
    while (!waiting_.empty() &&
           (waiting_.front().unit->capture_time <= newest_ || waiting_.front().until <= loop_.now())) {
      pass_first();
    }
    loop_.cancel_timer(std::exchange(timer_, {}));
    if (waiting_.empty()) return;
    timer_ = loop_.add_timer(waiting_.front().until, [this] {
      timer_ = {};
      pass_on();
    });
  }

  net::EventLoop& loop_;
  const std::function<void(const Ref<const AccessUnit>&)> pass_;
  std::deque<Waiting> waiting_;
  WallTime newest_ = WallTime::min();
  net::TimerId timer_;
};

}  // namespace vigie::runtime
