#include "rtp/wall_clock.h"

#include <chrono>

namespace vigie::rtp {
namespace {

constexpr Nanos kMaxMove = 100ms;
constexpr Nanos kMaxError = 1s;
// A unit's capture time may differ by this much from the report's clock carried on by ours.
constexpr Nanos kMaxStray = 5s;
constexpr int kAgreeing = 3;
// Clocks that nobody set are off by some time; one that is off by more tells another time altogether (F12).
constexpr Nanos kMaxClockError = 24h;
// Unix seconds read as NTP seconds lie in the era that begins in 2036, this far ahead.
constexpr Nanos kEraTo1970 = 1s * ((int64_t{1} << 32) - 2'208'988'800);

Nanos magnitude(Nanos span) { return span < Nanos{0} ? -span : span; }

}  // namespace

std::string_view report_verdict_name(ReportVerdict verdict) {
  switch (verdict) {
    case ReportVerdict::first: return "first";
    case ReportVerdict::accepted: return "accepted";
    case ReportVerdict::rejected: return "rejected";
    case ReportVerdict::moved: return "moved";
    case ReportVerdict::no_clock: return "no_clock";
    case ReportVerdict::refused: return "refused";
  }
  return "unknown";
}

WallTime WallClock::project(const Point& point, uint32_t rtp) const {
  const int64_t units = static_cast<int32_t>(rtp - point.rtp);
  return point.wall + Nanos{units * 1'000'000'000 / static_cast<int64_t>(clock_rate_)};
}

void WallClock::accept(const Point& point, const Arrival& arrival) {
  known_ = true;
  base_ = point;
  error_ = point.wall - arrival.wall;
  candidate_count_ = 0;
}

void WallClock::restart() {
  known_ = false;
  candidate_count_ = 0;
  error_ = Nanos{0};
  counts_ = {};
}

ReportVerdict WallClock::on_sender_report(const SenderReport& report, const Arrival& arrival) {
  ++counts_.reports;
  const Nanos before = error_;
  const ReportVerdict verdict = judge(report, arrival);
  counts_.rejected += verdict == ReportVerdict::rejected;
  if (verdict == ReportVerdict::moved && magnitude(error_ - before) > kMaxMove) {
    ++counts_.steps;
    counts_.last_step = error_ - before;
  }
  return verdict;
}

ReportVerdict WallClock::judge(const SenderReport& report, const Arrival& arrival) {
  // Some cameras send zero, or seconds since their start or since 1970, which would lie before 1990 (F12).
  constexpr uint32_t kNtp1990 = 2'840'140'800U;
  const auto seconds = static_cast<uint32_t>(report.ntp >> 32);
  const WallTime wall = wall_from_ntp(report.ntp);
  const Nanos error = wall - arrival.wall;
  const bool since_1970 = seconds < 0x80000000U && magnitude(error - kEraTo1970) < kMaxClockError;
  if ((seconds < kNtp1990 && (seconds >= 0x80000000U || seconds < 86400U * 365)) || since_1970) {
    ++counts_.without_time;
    counts_.since_1970 += since_1970;
    return tolerates(quirks_, Quirk::F12) ? ReportVerdict::no_clock : ReportVerdict::refused;
  }
  if (magnitude(error) > kMaxClockError && !tolerates(quirks_, Quirk::F12)) return ReportVerdict::refused;
  const Point point{report.rtp_timestamp, wall, arrival.mono};
  if (!known_) {
    accept(point, arrival);
    return ReportVerdict::first;
  }
  if (magnitude(point.wall - project(base_, point.rtp)) <= kMaxMove) {
    accept(point, arrival);
    return ReportVerdict::accepted;
  }
  const bool agrees = candidate_count_ > 0 && magnitude(point.wall - project(candidate_, point.rtp)) <= kMaxMove;
  candidate_count_ = agrees ? candidate_count_ + 1 : 1;
  candidate_ = point;
  // The camera's clock moved against ours (I3), or only its RTP clock did.
  const bool stepped = magnitude(error - error_) > kMaxMove;
  if (candidate_count_ >= kAgreeing && (!stepped || tolerates(quirks_, Quirk::I3))) {
    accept(point, arrival);
    return ReportVerdict::moved;
  }
  return ReportVerdict::rejected;
}

WallClock::Capture WallClock::map(uint32_t rtp_timestamp, const Arrival& arrival) const {
  if (!known_) return {arrival.wall, ClockQuality::none};
  const WallTime carried = base_.wall + (arrival.mono - base_.mono);
  const WallTime capture = project(base_, rtp_timestamp);
  if (magnitude(capture - carried) > kMaxStray) return {carried, ClockQuality::suspect};
  return {capture, quality()};
}

ClockQuality WallClock::quality() const {
  if (!known_) return ClockQuality::none;
  const bool doubtful = magnitude(error_) > kMaxError || candidate_count_ > 0;
  return doubtful ? ClockQuality::suspect : ClockQuality::reported;
}

}  // namespace vigie::rtp
