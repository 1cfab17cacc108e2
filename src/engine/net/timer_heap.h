#pragma once
// Timers of one loop: a binary heap over stable slots, so that cancelling and moving cost O(log n) and no allocation.
#include <cstdint>
#include <optional>
#include <vector>

#include "base/task.h"
#include "base/time.h"

namespace vigie::net {

// Names a timer; a default one names none. An id stays safe to use after its timer has fired.
struct TimerId {
  uint64_t value = 0;
  explicit operator bool() const { return value != 0; }
  friend bool operator==(TimerId a, TimerId b) { return a.value == b.value; }
};

// Thread: one owner. Tasks that are due leave one at a time, so each may add, cancel and move the others.
class TimerHeap {
 public:
  TimerId add(MonoTime when, Task task);
  bool cancel(TimerId id);
  bool move(TimerId id, MonoTime when);
  size_t size() const { return heap_.size(); }
  std::optional<MonoTime> next() const;
  // Takes the first task that is due at `now` and was set before the mark; an empty task when there is none.
  Task take_due(MonoTime now, uint64_t mark);
  // Everything added from here on has a later mark: timers set by timers wait for the next wake-up.
  uint64_t mark() const { return next_order_; }
  void clear();

 private:
  struct Node {
    MonoTime when;
    uint64_t order;  // breaks ties: first set, first run
    uint32_t slot;
  };
  struct Slot {
    Task task;
    uint32_t generation = 1;
    uint32_t position = 0;  // in heap_
    bool used = false;
  };
  static bool before(const Node& a, const Node& b) {
    return a.when < b.when || (a.when == b.when && a.order < b.order);
  }
  Slot* find(TimerId id);
  void place(size_t position, const Node& node);
  void sift_up(size_t position);
  void sift_down(size_t position);
  Task remove_at(size_t position);

  std::vector<Node> heap_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  uint64_t next_order_ = 1;
};

}  // namespace vigie::net
