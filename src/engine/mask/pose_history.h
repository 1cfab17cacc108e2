#pragma once
// The last poses of one dome, and what follows from them for the instant of a picture.
//
// What is assumed, and covered. Every report is right for its own instant but for DomePolicy::calibration_error (pan and
// tilt, each) and zoom_error; the dome turns by at most max_speed degrees a second about each axis and zooms by at most
// kZoomSpeed. Then the true pose lies within reach of the report before the picture and within reach of the one after
// it, and the estimate is the box around what both allow. No path is assumed between reports, so curves, reversals and
// dropped reports (M-10) are covered: they only make the box larger. A late report (M-10: 0 to 400 ms) is one that is
// not there yet: the box then grows with the age of the last report, by step 8 of the projection, whether that report
// says idle or moving, since an idle dome may start right after it. Whoever wants tight masks on a late link waits for
// `settled` before he asks.
//
// The one allowance, M-2's: a dome that is idle at one place before and after the picture, at most max_age_idle apart,
// is taken as having stayed from the one to the other place, be it still, drifting or by one small move (one place: as
// far as the calibration error can tell). Not covered: a move there and back that no report shows, a speed beyond
// max_speed before the first report that shows it, reports whose time is not the dome's own (a position read late and
// stamped now), capture times that are wrong.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "mask/pose.h"
#include "policy/snapshot.h"

namespace vigie::mask {

// Why the poses of a dome are not to be believed until a calibration check has passed (M-3).
enum class PoseDoubt : uint8_t { none, unknown, reboot, homing, e_flip, digital_zoom, bounds_changed };
// What a viewer may read of it; static text.
std::string_view doubt_text(PoseDoubt doubt);

// Thread: one at a time, its owner's. Allocates nothing.
class PoseHistory {
 public:
  static constexpr size_t kCapacity = 256;
  static constexpr Nanos kSpan = 10s;
  // Of the logarithm of the focal length, a second: a 30x zoom from end to end in 1.7 s.
  static constexpr double kZoomSpeed = 2;
  // A box wider than this either way hides so much that the whole picture is hidden.
  static constexpr double kMaxErrorDeg = 30;

  // Takes the next report. One in state `unknown` is a doubt of its own, as by invalidate(). While there is a doubt
  // reports are checked and not kept.
  // Errors: invalid_argument (where = the field) for values that are not finite, a tilt beyond +-180, a field of view
  // outside 0.1..170 and a time before the newest report's; the history then stays as it was.
  Status push(const Pose& pose);

  // The dome was restarted, homed, flipped …: forgets every report, and hides everything until confirm().
  void invalidate(PoseDoubt doubt);
  // The calibration check has passed: reports pushed from now on count.
  void confirm() { doubt_ = PoseDoubt::none; }

  // The true pose at `capture`, calibration error included. The whole picture when there is a doubt (M-3), no report
  // before the picture, none near enough in time (M-2: max_age_idle after an idle report, else max_age_moving), or when
  // the dome moved faster than max_speed.
  PoseEstimate at(WallTime capture, const policy::DomePolicy& policy) const;

  // Whether a report at or after `capture` is here, so that waiting makes at() no tighter.
  bool settled(WallTime capture) const { return count_ > 0 && newest().at >= capture; }

 private:
  const Pose& sample(size_t index) const { return ring_[(first_ + index) % kCapacity]; }
  const Pose& newest() const { return sample(count_ - 1); }
  PoseEstimate between(const Pose& before, const Pose& after, WallTime capture, const policy::DomePolicy& policy) const;
  PoseEstimate after_last(WallTime capture, const policy::DomePolicy& policy) const;

  std::array<Pose, kCapacity> ring_{};
  size_t first_ = 0, count_ = 0;
  WallTime newest_at_ = WallTime::min();  // of every report taken, kept or not
  PoseDoubt doubt_ = PoseDoubt::none;
};

}  // namespace vigie::mask
