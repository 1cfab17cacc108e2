#include "net/event_loop.h"

#include <pthread.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace vigie::net {
namespace {

constexpr size_t kReadyPerWakeup = 256;
constexpr Nanos kForever{-1};

int64_t real_now_ns() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

uint64_t this_thread_id() { return static_cast<uint64_t>(pthread_self()); }

Error system_error(const std::string& where, const char* call, int error) {
  return make_error(Code::socket_failed, where, std::string(call) + ": " + std::strerror(error));
}

}  // namespace

BatchHook::~BatchHook() {
  if (!loop_) return;
  for (auto* list : {&loop_->hooks_running_, &loop_->hooks_}) {
    if (index_ < list->size() && (*list)[index_] == this) {
      (*list)[index_] = nullptr;
      return;
    }
  }
}

Result<std::unique_ptr<EventLoop>> EventLoop::make(EventLoopOptions options) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error(options.name, "epoll_create1", errno);
  Fd wakeup(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeup) return system_error(options.name, "eventfd", errno);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // edge-triggered: each write wakes once and nobody has to read it back
  event.data.ptr = nullptr;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wakeup.get(), &event) != 0) {
    return system_error(options.name, "epoll_ctl(eventfd)", errno);
  }
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(options), std::move(epoll), std::move(wakeup)));
}

EventLoop::EventLoop(EventLoopOptions options, Fd epoll, Fd wakeup)
    : name_(std::move(options.name)),
      clock_(options.clock ? *options.clock : system_clock()),
      read_scratch_bytes_(options.read_scratch_bytes),
      pool_(options.pool_cached_bytes),
      epoll_(std::move(epoll)),
      wakeup_(std::move(wakeup)),
      ready_(kReadyPerWakeup) {
  refresh_now();
}

EventLoop::~EventLoop() {
  close_mailbox();
  {
    // Destructors of tasks may come back to this loop, so nothing of it may be half gone or locked meanwhile.
    const std::lock_guard lock(mailbox_mutex_);
    mailbox_running_.swap(mailbox_);
  }
  mailbox_running_.clear();
  timers_.clear();
  for (auto* list : {&hooks_running_, &hooks_}) {
    for (BatchHook* hook : *list) {
      if (hook) hook->loop_ = nullptr;
    }
  }
}

void EventLoop::run() {
  pool_.enter_thread();
  do {
    run_once(stop_.load() ? Nanos{0} : kForever);
  } while (!stop_.load());
  bool closed = false;
  {
    const std::lock_guard lock(mailbox_mutex_);
    closed = mailbox_closed_;
  }
  if (closed) run_mailbox();
  pool_.leave_thread();
  stop_.store(false);
  thread_.store(0);
}

size_t EventLoop::run_once(Nanos timeout) {
  thread_.store(this_thread_id(), std::memory_order_relaxed);
  ready_next_ = 0;
  ready_count_ = static_cast<size_t>(wait_for(timeout));
  const int64_t started = real_now_ns();
  callback_started_ns_ = started;
  refresh_now();
  size_t calls = run_mailbox();
  calls += run_timers();
  calls += run_ready();
  calls += run_hooks();
  stats_.iterations.add();
  stats_.callbacks.add(calls);
  stats_.busy_ns.add(static_cast<uint64_t>(callback_started_ns_ - started));
  return calls;
}

int EventLoop::wait_for(Nanos timeout) {
  if (!hooks_.empty()) timeout = Nanos{0};
  if (const auto next = timers_.next()) {
    const Nanos until = std::max(Nanos{0}, *next - clock_.now_mono());
    if (timeout < Nanos{0} || until < timeout) timeout = until;
  }
  if (timeout != Nanos{0}) {
    const std::lock_guard lock(mailbox_mutex_);
    if (!mailbox_.empty() || wake_pending_) {
      timeout = Nanos{0};
    } else {
      sleeping_ = true;
    }
  }
  const int count = poll_nanos(timeout);
  return count < 0 ? 0 : count;  // EINTR: an empty wake-up
}

int EventLoop::poll_nanos(Nanos timeout) {
  const int capacity = static_cast<int>(ready_.size());
  if (timeout <= Nanos{0}) return epoll_wait(epoll_.get(), ready_.data(), capacity, timeout < Nanos{0} ? -1 : 0);
  if (!no_pwait2_) {
    timespec ts{};
    ts.tv_sec = static_cast<time_t>(timeout.count() / 1'000'000'000);
    ts.tv_nsec = static_cast<long>(timeout.count() % 1'000'000'000);
    const int count = epoll_pwait2(epoll_.get(), ready_.data(), capacity, &ts, nullptr);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    no_pwait2_ = true;  // kernels before 5.11, and sandboxes
  }
  const int64_t ms = std::min<int64_t>((timeout.count() + 999'999) / 1'000'000, INT32_MAX);
  return epoll_wait(epoll_.get(), ready_.data(), capacity, static_cast<int>(ms));
}

void EventLoop::end_callback() {
  const int64_t now = real_now_ns();
  const int64_t took = now - callback_started_ns_;
  callback_started_ns_ = now;
  stats_.longest_callback_ns.raise_to(took);
  if (took > kSlowCallback.count()) stats_.slow_callbacks.add();
}

size_t EventLoop::run_mailbox() {
  {
    const std::lock_guard lock(mailbox_mutex_);
    sleeping_ = false;
    wake_pending_ = false;
    if (mailbox_.empty()) return 0;
    mailbox_running_.swap(mailbox_);
  }
  const size_t count = mailbox_running_.size();
  stats_.posted.add(count);
  for (size_t i = 0; i < count; ++i) {
    Task task = std::move(mailbox_running_[i]);
    task();
    task = Task();
    end_callback();
  }
  mailbox_running_.clear();
  return count;
}

size_t EventLoop::run_timers() {
  size_t count = 0;
  const uint64_t mark = timers_.mark();
  while (Task task = timers_.take_due(now_, mark)) {
    task();
    task = Task();
    end_callback();
    ++count;
  }
  return count;
}

size_t EventLoop::run_ready() {
  size_t calls = 0;
  while (ready_next_ < ready_count_) {
    const epoll_event& event = ready_[ready_next_++];
    if (!event.data.ptr) continue;  // the mailbox, or a handler that was removed since
    static_cast<FdHandler*>(event.data.ptr)->on_ready(event.events);
    end_callback();
    ++calls;
  }
  return calls;
}

size_t EventLoop::run_hooks() {
  if (hooks_.empty()) return 0;
  size_t count = 0;
  hooks_running_.swap(hooks_);
  for (size_t i = 0; i < hooks_running_.size(); ++i) {
    BatchHook* hook = std::exchange(hooks_running_[i], nullptr);
    if (!hook) continue;
    hook->loop_ = nullptr;
    hook->on_batch_end();
    end_callback();
    ++count;
  }
  hooks_running_.clear();
  return count;
}

void EventLoop::stop() {
  stop_.store(true);
  wake();
}

void EventLoop::wake() {
  bool write_needed = false;
  {
    const std::lock_guard lock(mailbox_mutex_);
    write_needed = sleeping_ && !wake_pending_;
    wake_pending_ = true;
  }
  if (write_needed) signal_wakeup();
}

void EventLoop::signal_wakeup() {
  const uint64_t one = 1;
  // Fails only when 2^64 - 2 wake-ups were written, which no machine lives to see.
  [[maybe_unused]] const ssize_t written = ::write(wakeup_.get(), &one, sizeof(one));
  wakeups_.fetch_add(1, std::memory_order_relaxed);
}

bool EventLoop::in_loop_thread() const { return thread_.load(std::memory_order_relaxed) == this_thread_id(); }

bool EventLoop::post(Task task) {
  bool write_needed = false;
  {
    const std::lock_guard lock(mailbox_mutex_);
    if (mailbox_closed_) return false;
    mailbox_.push_back(std::move(task));
    write_needed = sleeping_ && !wake_pending_;
    wake_pending_ = true;
  }
  if (write_needed) signal_wakeup();
  return true;
}

void EventLoop::close_mailbox() {
  const std::lock_guard lock(mailbox_mutex_);
  mailbox_closed_ = true;
}

TimerId EventLoop::add_timer(MonoTime when, Task task) { return timers_.add(when, std::move(task)); }
bool EventLoop::cancel_timer(TimerId id) { return timers_.cancel(id); }
bool EventLoop::move_timer(TimerId id, MonoTime when) { return timers_.move(id, when); }

Status EventLoop::add_fd(int fd, uint32_t interest, FdHandler& handler) {
  const std::string where = name_ + ", descriptor " + std::to_string(fd);
  if (fd < 0) return make_error(Code::socket_failed, where, "not a descriptor");
  const auto index = static_cast<size_t>(fd);
  if (index >= fds_.size()) fds_.resize(std::max(index + 1, fds_.size() * 2));
  FdSlot& slot = fds_[index];
  if (slot.handler) return make_error(Code::socket_failed, where, "already watched");
  epoll_event event{};
  event.events = interest;
  event.data.ptr = &handler;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error(where, "epoll_ctl(add)", errno);
  slot.handler = &handler;
  slot.interest = interest;
  return {};
}

Status EventLoop::modify_fd(int fd, uint32_t interest) {
  const auto index = static_cast<size_t>(fd);
  if (fd < 0 || index >= fds_.size() || !fds_[index].handler) {
    return make_error(Code::socket_failed, name_ + ", descriptor " + std::to_string(fd), "not watched");
  }
  FdSlot& slot = fds_[index];
  if (slot.interest == interest) return {};
  epoll_event event{};
  event.events = interest;
  event.data.ptr = slot.handler;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) {
    return system_error(name_ + ", descriptor " + std::to_string(fd), "epoll_ctl(mod)", errno);
  }
  slot.interest = interest;
  return {};
}

void EventLoop::remove_fd(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (fd < 0 || index >= fds_.size() || !fds_[index].handler) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  const FdHandler* const gone = std::exchange(fds_[index].handler, nullptr);
  // Another descriptor of the same handler may lose its event too: the kernel tells it again.
  for (size_t i = ready_next_; i < ready_count_; ++i) {
    if (ready_[i].data.ptr == gone) ready_[i].data.ptr = nullptr;
  }
}

void EventLoop::at_batch_end(BatchHook& hook) {
  if (hook.loop_) return;
  hook.loop_ = this;
  hook.index_ = hooks_.size();
  hooks_.push_back(&hook);
}

std::span<uint8_t> EventLoop::read_scratch() {
  if (!read_scratch_) read_scratch_.reset(new uint8_t[read_scratch_bytes_]);  // not cleared: it is scratch
  return {read_scratch_.get(), read_scratch_bytes_};
}

}  // namespace vigie::net
