#pragma once
// RTP timestamps -> a track's media time, which only ever goes forward and keeps to real time.
#include <cstdint>

#include "base/quirk.h"
#include "base/time.h"

namespace vigie::rtp {

struct TimelineStats {
  uint64_t jumps = 0;      // re-anchored on arrival time (I1, I2, I4)
  uint64_t returns = 0;    // came back to the timeline from before a jump (isolated wrong stamps, I1)
  uint64_t repeated = 0;   // same timestamp as the unit before (I5)
  uint64_t backwards = 0;  // a little earlier than the unit before: pictures in decoding order
};

// Where a unit stands. pts is strictly increasing in decoding order; pictures that are sent before others they are
// shown after (B pictures) carry the difference to their presentation time.
struct MediaTime {
  Ticks90k pts{0};
  Ticks90k presentation_offset{0};  // presentation time = pts + presentation_offset
  bool refused = false;             // the timestamp did what this stream does not tolerate (I1, I4)
};

// Thread: one. Takes no memory.
class Timeline {
 public:
  explicit Timeline(uint32_t clock_rate = 90000, Quirks* quirks = nullptr)
      : clock_rate_(clock_rate ? clock_rate : 90000), quirks_(quirks) {}

  // Media time of the next unit: 0 for the first, then strictly greater each time.
  // Small steps forward are believed whatever the network does; a step that real time does not bear out, or one back,
  // puts the unit at the media time of its arrival, and the timeline goes on from there. Whether a jump was one wrong
  // stamp (I1) or the clock itself (I4) shows with the unit after it, which is the one `refused` where not tolerated.
  MediaTime map(uint32_t rtp_timestamp, MonoTime arrival);
  // The source begins anew (reconnect): the next unit is placed by its arrival time.
  void restart() {
    restart_ = started_;
    wild_ = jumped_back_ = false;
  }
  // The sender began anew (F7, F8): a jump of the units around it is no deviation of its own.
  void expect_jump() { expected_jumps_ = 2; }

  // The latest media time given out; 0 before any.
  Ticks90k last() const { return Ticks90k{last_pts_}; }
  const TimelineStats& stats() const { return stats_; }

 private:
  int64_t to_90k(int64_t units) const;
  int64_t real_time(MonoTime arrival) const;
  int64_t jump(MonoTime arrival, bool& refused);
  void follow(int64_t pts, MonoTime arrival);

  uint32_t clock_rate_;
  Quirks* quirks_;
  bool started_ = false;
  bool restart_ = false;
  uint32_t last_timestamp_ = 0;
  int64_t unwrapped_ = 0;   // source units since the first unit
  int64_t offset_ = 0;      // pts = to_90k(unwrapped) + offset
  int64_t old_offset_ = 0;  // before the last jump, relative to the same unwrapped scale
  bool have_old_offset_ = false;
  int64_t last_pts_ = 0;
  bool wild_ = false;         // the unit before jumped: its stamp may be alone
  bool jumped_back_ = false;  // and went back
  int expected_jumps_ = 0;    // units left that may jump for a good reason
  int behind_ = 0;            // units in a row that the mapping placed before last_pts_
  int repeated_ = 0;          // units in a row with one timestamp
  MonoTime epoch_{};          // arrival of the first unit
  int64_t lead_ = 0;          // ticks: media time less time since epoch_, upper envelope
  MonoTime lead_at_{};
  TimelineStats stats_;
};

}  // namespace vigie::rtp
