#pragma once
// How old the oldest byte in a socket's kernel queue is, from marks left while sending.
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace vigie::sink {

// Keeps (bytes sent so far, arrival of that unit) at intervals; SIOCOUTQ then says where in that history the kernel is.
// Exact to one interval, without a clock and without assuming a bit rate.
class KernelLag {
 public:
  static constexpr size_t kMarks = 16;

  // An eighth of the lag limit lets the marks span twice the limit.
  void set_interval(Nanos interval) { interval_ = interval; }

  // A unit that arrived at `arrival` was taken up to the socket's byte `end`.
  void on_sent(uint64_t end, MonoTime arrival) {
    if (count_ > 0 && arrival - newest_ < interval_) return;
    marks_[next_] = {end, newest_ = arrival};
    next_ = (next_ + 1) % kMarks;
    if (count_ < kMarks) ++count_;
  }

  // `sent`: bytes taken in all; `unacknowledged`: how many of them the kernel still holds; `newest`: arrival of the
  // newest unit. An answer that lies before all marks is given as their whole span.
  Nanos age(uint64_t sent, size_t unacknowledged, MonoTime newest) const {
    if (unacknowledged == 0 || count_ == 0) return Nanos{0};
    const uint64_t acknowledged = sent - (unacknowledged < sent ? unacknowledged : sent);
    // The newest mark at or below `acknowledged` belongs to a unit that is wholly delivered; the oldest byte held came
    // with one that arrived after it.
    MonoTime oldest_held = newest;
    for (size_t i = 0; i < count_; ++i) {
      const Mark& mark = marks_[(next_ + kMarks - 1 - i) % kMarks];
      if (mark.end <= acknowledged) break;
      oldest_held = mark.arrival;
    }
    return newest > oldest_held ? newest - oldest_held : Nanos{0};
  }
  void clear() { count_ = 0; }

 private:
  struct Mark {
    uint64_t end = 0;
    MonoTime arrival{};
  };
  MonoTime newest_{};  // mark's arrival
  Nanos interval_ = std::chrono::milliseconds(125);
  size_t next_ = 0;
  size_t count_ = 0;
  std::array<Mark, kMarks> marks_{};
};

}  // namespace vigie::sink
