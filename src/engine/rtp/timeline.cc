#include "rtp/timeline.h"

#include <algorithm>

namespace vigie::rtp {
namespace {

constexpr int64_t kSecond = 90000;
// Pictures in decoding order: this many in a row may lie before the newest one (a B pyramid); more is a stepped clock.
constexpr int kMaxBehind = 16;
// One timestamp for two units happens (I5); from the third on the clock stands still.
constexpr int kFrozenAfter = 2;
// How fast the idea of real time gives way to a camera whose clock is slow: 500 ppm.
constexpr int64_t kFollowDivisor = 2000;

int64_t ticks(Nanos span) { return std::chrono::duration_cast<Ticks90k>(span).count(); }

}  // namespace

int64_t Timeline::to_90k(int64_t units) const {
  if (clock_rate_ == 90000) return units;
  const int64_t whole = units / clock_rate_;
  return whole * kSecond + (units % clock_rate_) * kSecond / clock_rate_;
}

// The media time that a unit arriving now would have, had it come as promptly as the promptest so far.
int64_t Timeline::real_time(MonoTime arrival) const { return ticks(arrival - epoch_) + lead_; }

void Timeline::follow(int64_t pts, MonoTime arrival) {
  const int64_t lead = pts - ticks(arrival - epoch_);
  if (lead >= lead_) {
    lead_ = lead;
  } else {
    const int64_t give = std::max<int64_t>(0, ticks(arrival - lead_at_)) / kFollowDivisor;
    if (give == 0) return;  // too little time has gone by to count: leave lead_at_ as it is
    lead_ -= std::min(lead_ - lead, give);
  }
  lead_at_ = arrival;
}

int64_t Timeline::jump(MonoTime arrival, bool& refused) {
  const int64_t raw = to_90k(unwrapped_);
  const int64_t now = real_time(arrival);
  if (have_old_offset_) {
    const int64_t old = raw + old_offset_;
    if (old > last_pts_ && old > now - kSecond && old < now + kSecond) {
      ++stats_.returns;
      std::swap(offset_, old_offset_);
      if (!restart_) refused = !tolerates(quirks_, Quirk::I1);
      wild_ = jumped_back_ = false;
      return old;
    }
  }
  ++stats_.jumps;
  if (!wild_) old_offset_ = offset_;  // several wrong stamps in a row do not make the right timeline forgotten
  have_old_offset_ = true;
  wild_ = true;
  const int64_t pts = std::max(last_pts_ + 1, now);
  offset_ = pts - raw;
  return pts;
}

MediaTime Timeline::map(uint32_t rtp_timestamp, MonoTime arrival) {
  if (!started_) {
    started_ = true;
    last_timestamp_ = rtp_timestamp;
    epoch_ = lead_at_ = arrival;
    return {};
  }
  const bool was_wild = wild_;
  MediaTime time;
  const int64_t before = to_90k(unwrapped_);
  const auto delta = static_cast<int32_t>(rtp_timestamp - last_timestamp_);
  last_timestamp_ = rtp_timestamp;
  unwrapped_ += delta;
  const int64_t step = to_90k(unwrapped_) - before;
  int64_t place = to_90k(unwrapped_) + offset_;
  repeated_ = delta == 0 ? repeated_ + 1 : 0;
  if (delta == 0) ++stats_.repeated;

  // A long step forward is real when as much time went by; a short one is believed, so that units which the network
  // held back and now come in a burst keep their distances.
  const bool too_early = step > kSecond && place > real_time(arrival) + kSecond;
  const bool too_late = step < -kSecond || (delta != 0 && place < last_pts_ - kSecond);
  if (restart_) {
    behind_ = 0;
    place = jump(arrival, time.refused);
    restart_ = wild_ = false;
  } else if (too_early || too_late) {
    behind_ = 0;
    place = jump(arrival, time.refused);
    jumped_back_ = wild_ && too_late && expected_jumps_ == 0;
  } else if (was_wild) {
    // The timeline goes on from where the jump led.
    if (jumped_back_) time.refused = !tolerates(quirks_, Quirk::I4);
    wild_ = jumped_back_ = false;
  }
  if (expected_jumps_ > 0) --expected_jumps_;

  if (place > last_pts_) {
    behind_ = 0;
    time.pts = Ticks90k{place};
  } else if (delta == 0) {
    time.pts = Ticks90k{repeated_ < kFrozenAfter ? last_pts_ + 1 : std::max(last_pts_ + 1, real_time(arrival))};
  } else if (++behind_ > kMaxBehind) {
    behind_ = 0;
    have_old_offset_ = false;
    time.refused = !tolerates(quirks_, Quirk::I4);
    time.pts = Ticks90k{jump(arrival, time.refused)};
    wild_ = false;
  } else {
    ++stats_.backwards;
    time.pts = Ticks90k{last_pts_ + 1};
    time.presentation_offset = Ticks90k{place} - time.pts;
  }
  last_pts_ = time.pts.count();
  follow(last_pts_, arrival);
  return time;
}

}  // namespace vigie::rtp
