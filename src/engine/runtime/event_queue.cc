#include "runtime/event_queue.h"

#include <utility>

namespace vigie::runtime {
namespace {

constexpr Nanos kMergeWindow = 1s;

bool can_repeat(EventKind kind) {
  return kind == EventKind::stream_fault || kind == EventKind::viewer_dropped || kind == EventKind::viewer_refused ||
         kind == EventKind::engine_warning;
}

}  // namespace

void EventQueue::push(Event event) {
  const MonoTime now = clock_.now_mono();
  if (event.at == WallTime{}) event.at = clock_.now_wall();
  const std::lock_guard lock(waitable_.mutex());
  if (closed_) return;
  if (!can_repeat(event.kind)) return append(std::move(event));
  Key key{event.kind, event.object, event.code};
  const auto found = repeats_.find(key);
  if (found == repeats_.end()) {
    if (repeats_.size() < kMaxKeys) repeats_.emplace(std::move(key), Repeat{now, 0, {}});
    return append(std::move(event));
  }
  Repeat& repeat = found->second;
  if (repeat.held == 0 && repeat.last_out + kMergeWindow <= now) {
    repeat.last_out = now;
    return append(std::move(event));
  }
  ++repeat.held;
  repeat.newest = std::move(event);
}

void EventQueue::flush_merged() {
  const MonoTime now = clock_.now_mono();
  const std::lock_guard lock(waitable_.mutex());
  for (auto it = repeats_.begin(); it != repeats_.end();) {
    Repeat& repeat = it->second;
    if (repeat.last_out + kMergeWindow > now) {
      ++it;
    } else if (repeat.held == 0) {
      it = repeats_.erase(it);
    } else {
      Event event = std::move(repeat.newest);
      event.merged = repeat.held - 1;
      repeat.held = 0;
      repeat.last_out = now;
      append(std::move(event));
      ++it;
    }
  }
}

void EventQueue::append(Event event) {
  event.seq = next_seq_++;
  if (events_.size() >= capacity_) {
    events_.pop_front();
    ++overflowed_;
  }
  events_.push_back(std::move(event));
  waitable_.set_ready(true);
}

Result<Event> EventQueue::next_blocking(WaitLimit limit) {
  std::unique_lock lock(waitable_.mutex());
  if (!waitable_.wait_blocking(lock, limit)) return make_error(Code::timed_out, "events", "no event");
  if (events_.empty()) return make_error(Code::closed, "events", "the engine is closed");
  Event event = std::move(events_.front());
  events_.pop_front();
  waitable_.set_ready(!events_.empty() || closed_);
  return event;
}

void EventQueue::close() {
  const std::lock_guard lock(waitable_.mutex());
  closed_ = true;
  waitable_.set_ready(true);
}

uint64_t EventQueue::overflowed() const {
  const std::lock_guard lock(waitable_.mutex());
  return overflowed_;
}

}  // namespace vigie::runtime
