#pragma once
// Where a dome looks: what it reports, and what can be said of it at the instant of a picture.
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace vigie::mask {

// unknown: the dome does not know where it looks (M-3). A dome that knows its position but not whether it moves is
// `moving`.
enum class PoseState : uint8_t { unknown, idle, moving };

// One report of a dome.
// Units: degrees; pan to the right and tilt up, in the dome's own axes; `at` is when the dome was there, by the clock
// that also stamps its pictures. Not checked: that clock; a difference of x s costs max_speed * x degrees.
struct Pose {
  double pan_deg = 0, tilt_deg = 0;
  double hfov_deg = 0;  // of the whole width of the picture
  WallTime at{};
  PoseState state = PoseState::unknown;
};

// A box that holds the true pose at one instant, or the demand to hide everything.
// Units: degrees. pan_deg is not reduced to a turn.
struct PoseEstimate {
  bool whole_picture = true;
  std::string_view reason = "no pose yet";  // for whole_picture, in words a viewer may read; static text
  double pan_deg = 0, tilt_deg = 0, hfov_deg = 0;
  double pan_error_deg = 0, tilt_error_deg = 0;  // the true value is at most so far away, calibration included
  double hfov_min_deg = 0, hfov_max_deg = 0;
};

}  // namespace vigie::mask
