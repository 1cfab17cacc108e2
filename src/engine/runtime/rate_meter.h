#pragma once
// Units and bytes per second as they really arrive (L-14: never from what the camera declares).
#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.h"

namespace vigie::runtime {

// Counts into ten one-second slots. Thread: one.
class RateMeter {
 public:
  struct Rates {
    double units_per_second = 0;
    double bits_per_second = 0;
  };

  void add(MonoTime at, size_t bytes) {
    Slot& slot = slot_for(second_of(at));
    ++slot.units;
    slot.bytes += bytes;
    if (first_second_ < 0) first_second_ = second_of(at);
  }
  // Over the last ten whole seconds, or as many as there are; 0 before the first whole one.
  Rates rates(MonoTime now) const {
    const int64_t current = second_of(now);
    if (first_second_ < 0) return {};
    uint64_t units = 0;
    uint64_t bytes = 0;
    // The first second was joined in the middle: it does not count.
    const int64_t from = std::max(current - static_cast<int64_t>(kSlots) + 1, first_second_ + 1);
    if (from >= current) return {};
    for (int64_t second = from; second < current; ++second) {
      const Slot& slot = slots_[static_cast<size_t>(second) % kSlots];
      if (slot.second != second) continue;
      units += slot.units;
      bytes += slot.bytes;
    }
    const auto seconds = static_cast<double>(current - from);
    return {static_cast<double>(units) / seconds, static_cast<double>(bytes) * 8 / seconds};
  }

 private:
  struct Slot {
    int64_t second = -1;
    uint64_t units = 0;
    uint64_t bytes = 0;
  };
  static constexpr size_t kSlots = 11;  // ten whole seconds and the current one
  static int64_t second_of(MonoTime at) {
    return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
  }
  Slot& slot_for(int64_t second) {
    Slot& slot = slots_[static_cast<size_t>(second) % kSlots];
    if (slot.second != second) slot = {second, 0, 0};
    return slot;
  }

  std::array<Slot, kSlots> slots_;
  int64_t first_second_ = -1;
};

}  // namespace vigie::runtime
