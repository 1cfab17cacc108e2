#pragma once
// How much of the codec workers the lanes use, and whether one more fits.
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace vigie::mask {

// Shares are of one processor: 0.2 means 200 ms of work a second.
// Thread: any.
class LaneBudget {
 public:
  // Of all workers' time so much is given out: the rest is for the peaks that keyframes make.
  static constexpr double kUsable = 0.85;

  explicit LaneBudget(double processors) : usable_(processors * kUsable) {}

  // One more published form of a stream is to be masked, at so many pixels a second; `needs_decoder`: its lane sleeps.
  // Counts it in at its likely cost, by what others have cost so far, until measured() knows better.
  // Errors: admission_refused, with figures.
  Status reserve(uint64_t lane, double pixels_per_second, bool needs_decoder);
  // The same without asking: for pictures that somebody watches already and that are to be masked from now on.
  void count_in(uint64_t lane, double pixels_per_second, bool needs_decoder);
  // What the lane really used in the last second or so. `late`: it had to leave pictures out, so it would need more.
  // `pixels_per_second` as decoded and as coded over all forms: what later estimates learn from.
  void measured(uint64_t lane, double share, bool late, double decoded, double coded);
  // The lane sleeps.
  void release(uint64_t lane);

  struct Usage {
    double used = 0, usable = 0;
    size_t lanes = 0;
    bool late = false;
  };
  Usage usage() const;

 private:
  struct Lane {
    double share = 0;    // measured
    double pending = 0;  // reserved since
    bool late = false;
  };
  Usage usage_locked() const;
  double likely_cost(double pixels_per_second, bool needs_decoder) const;

  const double usable_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Lane> lanes_;
  // Nanoseconds a pixel, first from an ordinary server processor, then from what is measured.
  double decode_ns_ = 2.0, code_ns_ = 2.0;
};

}  // namespace vigie::mask
