#pragma once
// Where a host's threads wait for native ones: with a condition, or with a descriptor for poll().
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "base/fd.h"

namespace vigie::runtime {

// How long a host's call may wait: nothing, so long, or for ever (negative).
using WaitLimit = std::chrono::milliseconds;

// The lock and the two ways of waiting; what is queued and dropped is the owner's business.
// Invariant: the descriptor is readable exactly while `ready` was last set true.
class Waitable {
 public:
  Waitable() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  int fd() const { return event_.get(); }
  std::mutex& mutex() { return mutex_; }

  // Caller holds the lock.
  void set_ready(bool ready) {
    if (ready == ready_) return;
    ready_ = ready;
    uint64_t word = 1;
    if (ready) {
      [[maybe_unused]] const ssize_t written = ::write(event_.get(), &word, sizeof word);
      condition_.notify_all();
    } else {
      [[maybe_unused]] const ssize_t taken = ::read(event_.get(), &word, sizeof word);
    }
  }
  // Waits until ready or the limit is over; returns ready.
  bool wait_blocking(std::unique_lock<std::mutex>& lock, WaitLimit limit) {
    const auto is_ready = [this] { return ready_; };
    if (limit.count() < 0) {
      condition_.wait(lock, is_ready);
    } else {
      condition_.wait_for(lock, limit, is_ready);
    }
    return ready_;
  }

 private:
  Fd event_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool ready_ = false;
};

}  // namespace vigie::runtime
