#include "loadgen/loop.h"

#include <sys/resource.h>

#include <array>
#include <csignal>
#include <ctime>

namespace vigie::loadgen {

Loop::Loop(const Clock& clock) : clock_(clock), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void Loop::watch(int fd, uint32_t events, Handler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Loop::unwatch(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Loop::at(MonoTime when, std::function<void()> task) { deadlines_.push({when, order_++, std::move(task)}); }

void Loop::run_deadlines() {
  // Tasks that are set while these run wait for the next round, so descriptors are never starved.
  const MonoTime now = clock_.now_mono();
  while (!deadlines_.empty() && deadlines_.top().when <= now && !stopped_) {
    auto task = std::move(const_cast<Deadline&>(deadlines_.top()).task);
    deadlines_.pop();
    task();
  }
}

void Loop::ask_for_real_time() {
  rank_.look(true);
  after(IoRank::kLookEvery, [this] { ask_for_real_time(); });
}

void Loop::run(bool realtime) {
  rank_.begin();
  if (realtime) ask_for_real_time();
  std::array<epoll_event, 256> events;
  while (!stopped_) {
    run_deadlines();
    run_after_round();
    if (stopped_) break;
    timespec timeout{1, 0};
    if (!deadlines_.empty()) {
      const int64_t wait = std::max<int64_t>(0, (deadlines_.top().when - clock_.now_mono()).count());
      timeout = {wait / 1'000'000'000, wait % 1'000'000'000};
    }
    const int count = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    for (int i = 0; i < count; ++i) static_cast<Handler*>(events[i].data.ptr)->on_ready(events[i].events);
    run_after_round();
  }
}

void Loop::run_after_round() {
  for (size_t i = 0; i < after_round_.size(); ++i) after_round_[i]();
  after_round_.clear();
}

void prepare_process() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace vigie::loadgen
