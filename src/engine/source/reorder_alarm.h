#pragma once
// Wakes a receiver when it has waited long enough for a packet that is missing.
#include <optional>
#include <utility>

#include "net/event_loop.h"
#include "source/source_memory.h"

namespace vigie::source {

// For receivers of UDP; over TCP nothing is ever waited for. Thread: home shard.
class ReorderAlarm {
 public:
  ReorderAlarm(net::EventLoop& loop, SourceMemory& memory) : loop_(loop), memory_(memory) {}
  ~ReorderAlarm() { cancel(); }
  ReorderAlarm(const ReorderAlarm&) = delete;
  ReorderAlarm& operator=(const ReorderAlarm&) = delete;

  // Packets have come; call it after each wake-up.
  void arm() {
    armed_ = true;
    const std::optional<MonoTime> deadline = memory_.receiver->deadline();
    if (deadline == deadline_) return;
    deadline_ = deadline;
    if (!deadline) {
      loop_.cancel_timer(std::exchange(timer_, {}));
    } else if (!timer_ || !loop_.move_timer(timer_, *deadline)) {
      timer_ = loop_.add_timer(*deadline, [this] { on_deadline(); });
    }
  }
  void cancel() {
    armed_ = false;
    loop_.cancel_timer(std::exchange(timer_, {}));
    deadline_.reset();
  }

 private:
  void on_deadline() {
    timer_ = {};
    deadline_.reset();
    memory_.receiver->on_time(loop_.clock().now_mono());
    if (armed_) arm();  // unless a unit that came out ended it all
  }

  net::EventLoop& loop_;
  SourceMemory& memory_;
  net::TimerId timer_;
  std::optional<MonoTime> deadline_;
  bool armed_ = false;
};

}  // namespace vigie::source
