#include "net/timer_heap.h"

#include <utility>

namespace vigie::net {

TimerId TimerHeap::add(MonoTime when, Task task) {
  uint32_t index = 0;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.task = std::move(task);
  slot.used = true;
  heap_.push_back({when, next_order_++, index});
  slot.position = static_cast<uint32_t>(heap_.size() - 1);
  sift_up(heap_.size() - 1);
  return TimerId{uint64_t{slot.generation} << 32 | index};
}

TimerHeap::Slot* TimerHeap::find(TimerId id) {
  const auto index = static_cast<uint32_t>(id.value);
  if (!id || index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  return slot.used && slot.generation == id.value >> 32 ? &slot : nullptr;
}

bool TimerHeap::cancel(TimerId id) {
  const Slot* slot = find(id);
  if (!slot) return false;
  const Task dying = remove_at(slot->position);  // destroyed last: its destructor may come back here
  return true;
}

bool TimerHeap::move(TimerId id, MonoTime when) {
  const Slot* slot = find(id);
  if (!slot) return false;
  const size_t position = slot->position;
  const bool earlier = when < heap_[position].when;
  heap_[position].when = when;
  earlier ? sift_up(position) : sift_down(position);
  return true;
}

std::optional<MonoTime> TimerHeap::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().when;
}

Task TimerHeap::take_due(MonoTime now, uint64_t mark) {
  if (heap_.empty() || heap_.front().when > now || heap_.front().order >= mark) return {};
  return remove_at(0);
}

void TimerHeap::clear() {
  heap_.clear();
  free_slots_.clear();
  const std::vector<Slot> dying = std::exchange(slots_, {});
}

void TimerHeap::place(size_t position, const Node& node) {
  heap_[position] = node;
  slots_[node.slot].position = static_cast<uint32_t>(position);
}

void TimerHeap::sift_up(size_t position) {
  const Node node = heap_[position];
  while (position > 0 && before(node, heap_[(position - 1) / 2])) {
    place(position, heap_[(position - 1) / 2]);
    position = (position - 1) / 2;
  }
  place(position, node);
}

void TimerHeap::sift_down(size_t position) {
  const Node node = heap_[position];
  for (size_t child = 2 * position + 1; child < heap_.size(); child = 2 * position + 1) {
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], node)) break;
    place(position, heap_[child]);
    position = child;
  }
  place(position, node);
}

Task TimerHeap::remove_at(size_t position) {
  const uint32_t index = heap_[position].slot;
  const Node last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    place(position, last);
    sift_up(position);
    sift_down(slots_[last.slot].position);
  }
  Slot& slot = slots_[index];
  Task task = std::move(slot.task);
  slot.used = false;
  if (++slot.generation == 0) slot.generation = 1;
  free_slots_.push_back(index);
  return task;
}

}  // namespace vigie::net
