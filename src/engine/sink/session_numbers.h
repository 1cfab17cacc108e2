#pragma once
// From the hub's sequence numbers and timestamps to what one session sends.
//
//   hub       seq 10 11 12 | 13 14 (never sent) | 15 16      ts  0  3600  7200 (live) 10800
//   session   seq 10 11 12 |                    | 13 14      ts  7020 7110 7200 (live) 10800   <- catch-up
//
// Units that a session passed over as a whole leave no hole in its sequence (no false loss). Packets of a unit that was
// begun and not finished do leave one: they really are missing and the receiver must not trust that picture.
#include <cstdint>

#include "fanout/log_entry.h"

namespace vigie::sink {

class SessionNumbers {
 public:
  // Catch-up never claims to span more than this before the live edge, or a player would stay that far behind.
  static constexpr uint32_t kMaxSpanTicks = 9000;  // 100 ms
  static constexpr uint32_t kSpacingTicks = 90;    // 1 ms

  struct Mapped {
    uint16_t first_sequence = 0;
    uint32_t timestamp = 0;
    bool shared = false;  // both equal the hub's: the shared bytes can be sent as they are
  };

  // Units `first` to `edge`, the newest one, are about to be sent at once: all but `edge` get timestamps packed before
  // the edge's, 1 ms apart, closer when they are many. Where pictures are coded in another order than they are shown in,
  // time shrinks by the same measure, up to the moment before which nothing more will be shown: the order stays.
  void begin_catch_up(const fanout::LogEntry& first, const fanout::LogEntry& edge);
  // This entry lay in the log already when catching up began.
  bool catching_up(const fanout::LogEntry& entry) const { return entry.number <= edge_; }
  // The numbers with which this entry would be sent now.
  Mapped preview(const fanout::LogEntry& entry) const;
  // The same, and counts it as begun.
  Mapped take(const fanout::LogEntry& entry);

 private:
  uint32_t catch_up_timestamp(const fanout::LogEntry& entry) const;

  bool started_ = false;
  uint16_t next_sequence_ = 0;
  uint32_t last_timestamp_ = 0;  // the latest
  uint64_t edge_ = 0;            // 0 = no catch-up was begun
  uint32_t edge_timestamp_ = 0;
  bool reordered_ = false;
  uint32_t settled_ = 0;  // where reordered: times after this one stay as they are
  uint32_t spacing_ = kSpacingTicks;
  int64_t interval_ = 0;  // mean distance of the units, in ticks
  uint32_t shift_ = 0;    // keeps time growing after a jump or a pause
};

}  // namespace vigie::sink
