#pragma once
// Sender reports -> capture time of a unit, and how far to trust it.
#include <cstdint>
#include <string_view>

#include "base/quirk.h"
#include "base/time.h"
#include "media/access_unit.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

namespace vigie::rtp {

enum class ReportVerdict : uint8_t {
  first = 0,     // the mapping begins
  accepted = 1,  // agrees with the mapping to 100 ms and refines it
  rejected = 2,  // moves the mapping by more than 100 ms and not three have agreed yet
  moved = 3,     // the third that agreed: the mapping moved (I3: the camera's clock was stepped)
  no_clock = 4,  // the report carries no time (F12)
  refused = 5,   // it carries none, or one that cannot be, and this stream does not tolerate that (F12)
};
std::string_view report_verdict_name(ReportVerdict verdict);

// What a source's sender reports were like since the clock began, or began anew.
struct ReportCounts {
  uint64_t reports = 0;       // all of them
  uint64_t without_time = 0;  // no time of day in them (F12)
  uint64_t since_1970 = 0;    // of these: seconds since 1970, which NTP counts from 1900
  uint64_t rejected = 0;
  uint64_t steps = 0;  // the camera's clock was set to another time (I3)
  Nanos last_step{};
};

// Thread: one. Takes no memory.
class WallClock {
 public:
  explicit WallClock(uint32_t clock_rate = 90000, Quirks* quirks = nullptr)
      : clock_rate_(clock_rate ? clock_rate : 90000), quirks_(quirks) {}

  ReportVerdict on_sender_report(const SenderReport& report, const Arrival& arrival);

  struct Capture {
    WallTime time{};
    ClockQuality quality = ClockQuality::none;
  };
  // Capture time of what carries this timestamp. Before any report: the arrival time, quality none. When the RTP clock
  // jumped since the last report: the report's clock carried on by our monotonic clock, quality suspect.
  Capture map(uint32_t rtp_timestamp, const Arrival& arrival) const;

  bool known() const { return known_; }
  // The camera's clock less ours when the last accepted report arrived; includes the network's delay. 0 before any.
  Nanos error() const { return error_; }
  // What map() says of a unit that goes with the last report.
  ClockQuality quality() const;
  const ReportCounts& counts() const { return counts_; }
  // The source begins anew: waits for a new report.
  void restart();

 private:
  struct Point {
    uint32_t rtp = 0;
    WallTime wall{};
    MonoTime mono{};
  };
  WallTime project(const Point& point, uint32_t rtp) const;
  void accept(const Point& point, const Arrival& arrival);
  ReportVerdict judge(const SenderReport& report, const Arrival& arrival);

  uint32_t clock_rate_;
  Quirks* quirks_;
  bool known_ = false;
  Point base_;
  Nanos error_{};
  Point candidate_;
  int candidate_count_ = 0;
  ReportCounts counts_;
};

}  // namespace vigie::rtp
