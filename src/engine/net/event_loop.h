#pragma once
// One thread's event loop: descriptors (epoll, level-triggered), timers, a mailbox, and the memory its owners share.
//
//   one wake-up:  wait -> now() is read -> mailbox -> due timers -> ready descriptors -> batch hooks
#include <sys/epoll.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/fd.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "net/timer_heap.h"

namespace vigie::net {

// Bits of an interest and of on_ready. kBroken is always reported, whether asked for or not.
inline constexpr uint32_t kReadable = EPOLLIN;
inline constexpr uint32_t kWritable = EPOLLOUT;
inline constexpr uint32_t kBroken = EPOLLERR | EPOLLHUP;

// Told when a descriptor is ready. Any handler may add, modify or remove any descriptor, its own included, and may die
// in the call: a handler that was removed is not called again, even when its event was in the same batch.
class FdHandler {
 public:
  virtual void on_ready(uint32_t events) = 0;

 protected:
  ~FdHandler() = default;
};

class EventLoop;

// Work to be done once at the end of the current wake-up, however often it was asked for. Unlinks itself when it dies.
class BatchHook {
 public:
  BatchHook() = default;
  BatchHook(const BatchHook&) = delete;
  BatchHook& operator=(const BatchHook&) = delete;
  virtual void on_batch_end() = 0;

 protected:
  ~BatchHook();

 private:
  friend class EventLoop;
  EventLoop* loop_ = nullptr;  // set while queued
  size_t index_ = 0;
};

// What a loop has done. Thread: any may read.
struct LoopStats {
  Counter iterations;
  Counter callbacks;
  Counter slow_callbacks;  // longer than kSlowCallback: the watchdog's count
  Counter busy_ns;         // outside the wait
  Gauge longest_callback_ns;
  Counter posted;
};

struct EventLoopOptions {
  std::string name = "vigie-loop";
  const Clock* clock = nullptr;  // nullptr: the system clock
  size_t read_scratch_bytes = size_t{512} << 10;
  size_t pool_cached_bytes = size_t{32} << 20;
};

// Thread: everything belongs to the loop's thread (the one in run or run_once) except post, wake, stop, stats, clock,
// name and run_blocking. Before the first run_once/run any one thread may prepare it.
class EventLoop final : public Executor {
 public:
  static constexpr Nanos kSlowCallback = 1ms;

  // Errors: socket_failed when the kernel gives no epoll or eventfd descriptor.
  static Result<std::unique_ptr<EventLoop>> make(EventLoopOptions options = {});
  // Tasks still in the mailbox and timers still set are destroyed unrun, then the pool's owner is gone.
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // --- running
  // Runs wake-ups until stop().
  void run();
  // One wake-up, waiting at most `timeout` of real time (negative: for ever). Returns how many callbacks ran.
  // With a ManualClock, timers fire by that clock; after advancing it call run_once or wake.
  size_t run_once(Nanos timeout);
  // Thread: any. run() returns after the wake-up it is in; a stop before run makes run return after one pass.
  void stop();
  // Thread: any. Ends a wait early.
  void wake();
  bool in_loop_thread() const;
  bool on_home_thread() const override { return in_loop_thread(); }

  // --- mailbox
  // Thread: any. Tasks of one poster run in order. False when the loop is closing: the task is destroyed unrun.
  bool post(Task task) override;
  // Thread: any. Runs `f` in the loop and waits for it; at once when called in the loop's thread.
  // Returns false when the loop ended without running it. Never call it while the loop waits for the caller.
  template <class F>
  bool run_blocking(F&& f);
  // No more posts are taken: what is in the mailbox still runs at the next wake-up. Thread: any.
  void close_mailbox();

  // --- timers
  // Calls `task` once, in the first wake-up at or after `when`; timers of one instant run in the order they were set.
  TimerId add_timer(MonoTime when, Task task);
  TimerId add_timer_after(Nanos delay, Task task) { return add_timer(now() + delay, std::move(task)); }
  // False when it has already fired or was cancelled; such ids are safe for ever.
  bool cancel_timer(TimerId id);
  // Moves a set timer. False as above.
  bool move_timer(TimerId id, MonoTime when);
  size_t timers() const { return timers_.size(); }

  // --- descriptors
  // Errors: socket_failed (invalid or already added descriptor, or the kernel's limit of watches).
  Status add_fd(int fd, uint32_t interest, FdHandler& handler);
  Status modify_fd(int fd, uint32_t interest);
  // Call it before closing the descriptor. Harmless when it was not added.
  void remove_fd(int fd);

  // Queues the hook for the end of this wake-up (of the next one when called from a hook). Idempotent.
  void at_batch_end(BatchHook& hook);

  // --- what the owners on this loop share
  BufferPool& pool() { return pool_; }
  // Memory to receive into; its content is yours until your callback returns.
  std::span<uint8_t> read_scratch();
  const Clock& clock() const { return clock_; }
  // The time of this wake-up; exact enough for timers and ages within it.
  MonoTime now() const { return now_; }
  WallTime wall_now() const { return clock_.now_wall(); }
  const LoopStats& stats() const { return stats_; }
  // How often a post or wake had to wake the kernel's wait. Thread: any.
  uint64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }
  const std::string& name() const { return name_; }

 private:
  struct FdSlot {
    FdHandler* handler = nullptr;
    uint32_t interest = 0;
  };
  friend class BatchHook;

  EventLoop(EventLoopOptions options, Fd epoll, Fd wakeup);
  int wait_for(Nanos timeout);
  int poll_nanos(Nanos timeout);
  size_t run_mailbox();
  size_t run_timers();
  size_t run_ready();
  size_t run_hooks();
  void refresh_now() { now_ = clock_.now_mono(); }
  void end_callback();  // measures from the end of the previous one
  void signal_wakeup();

  const std::string name_;
  const Clock& clock_;
  const size_t read_scratch_bytes_;
  BufferPool pool_;
  Fd epoll_;
  Fd wakeup_;
  MonoTime now_{};
  LoopStats stats_;
  int64_t callback_started_ns_ = 0;

  std::vector<FdSlot> fds_;  // by descriptor
  // What the kernel has told: the handler itself, so that an event costs no look into fds_.
  std::vector<epoll_event> ready_;
  size_t ready_next_ = 0;  // of them the first that was not handled yet
  size_t ready_count_ = 0;
  std::vector<BatchHook*> hooks_;
  std::vector<BatchHook*> hooks_running_;
  TimerHeap timers_;
  std::unique_ptr<uint8_t[]> read_scratch_;
  bool no_pwait2_ = false;

  std::mutex mailbox_mutex_;
  std::vector<Task> mailbox_;    // guarded by mailbox_mutex_
  bool mailbox_closed_ = false;  // guarded by mailbox_mutex_
  bool sleeping_ = false;        // guarded by mailbox_mutex_: a post must write to wakeup_
  bool wake_pending_ = false;    // guarded by mailbox_mutex_
  std::vector<Task> mailbox_running_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> thread_{0};
  std::atomic<uint64_t> wakeups_{0};
};

namespace internal {
// Lets one thread wait until a task has run or died unrun.
class Handshake {
 public:
  void finish(bool ran) {
    const std::lock_guard lock(mutex_);
    done_ = true;
    ran_ = ran;
    ready_.notify_all();
  }
  bool wait_blocking() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return done_; });
    return ran_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  bool done_ = false;
  bool ran_ = false;
};

// Travels inside the task; reports "died unrun" when nobody called it.
class HandshakeTicket {
 public:
  explicit HandshakeTicket(Handshake* handshake) : handshake_(handshake) {}
  HandshakeTicket(HandshakeTicket&& other) noexcept : handshake_(std::exchange(other.handshake_, nullptr)) {}
  HandshakeTicket& operator=(HandshakeTicket&&) = delete;
  ~HandshakeTicket() {
    if (handshake_) handshake_->finish(false);
  }
  void ran() { std::exchange(handshake_, nullptr)->finish(true); }

 private:
  Handshake* handshake_;
};
}  // namespace internal

template <class F>
bool EventLoop::run_blocking(F&& f) {
  if (in_loop_thread()) {
    f();
    return true;
  }
  internal::Handshake handshake;
  auto* call = &f;
  post([ticket = internal::HandshakeTicket(&handshake), call]() mutable {
    (*call)();
    ticket.ran();
  });
  return handshake.wait_blocking();
}

}  // namespace vigie::net
