#pragma once
// Events on their way up: bounded, numbered, repetitions merged.
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "media/event.h"
#include "runtime/waitable.h"

namespace vigie::runtime {

// Only kinds that can repeat without end are merged: faults, drops, refusals and warnings (same kind, object and code:
// the first at once, then at most one a second with a count). State changes and viewers coming and going never are.
// When full the oldest event goes: the hole in `seq` shows it.
// Thread: any.
class EventQueue {
 public:
  EventQueue(const Clock& clock, size_t capacity) : clock_(clock), capacity_(capacity) {}

  void push(Event event);
  // Merged events whose second is over become visible; call it about once a second.
  void flush_merged();
  // The next event. Errors: timed_out, closed (after close(), once the queue is empty).
  Result<Event> next_blocking(WaitLimit limit);
  int fd() const { return waitable_.fd(); }
  // Wakes everybody who waits; what is queued can still be taken.
  void close();
  uint64_t overflowed() const;

 private:
  using Key = std::tuple<EventKind, std::string, uint16_t>;
  struct Repeat {
    MonoTime last_out{};
    uint32_t held = 0;
    Event newest;
  };
  static constexpr size_t kMaxKeys = 8192;  // beyond it events are not merged

  void append(Event event);

  const Clock& clock_;
  const size_t capacity_;
  mutable Waitable waitable_;
  std::deque<Event> events_;
  std::map<Key, Repeat> repeats_;
  uint64_t next_seq_ = 1;
  uint64_t overflowed_ = 0;
  bool closed_ = false;
};

}  // namespace vigie::runtime
