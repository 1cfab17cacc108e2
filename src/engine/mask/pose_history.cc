#include "mask/pose_history.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <string>

namespace vigie::mask {
namespace {

constexpr double kHalfRadian = std::numbers::pi / 360;
constexpr double kMinHfovDeg = 0.1, kMaxHfovDeg = 170;

double seconds(Nanos time) { return std::chrono::duration<double>(time).count(); }
double log_focal(double hfov_deg) { return -std::log(std::tan(hfov_deg * kHalfRadian)); }
double hfov_of(double log_focal_length) { return std::atan(std::exp(-log_focal_length)) / kHalfRadian; }

struct Interval {
  double low = 0, high = 0;
  bool empty() const { return low > high; }
  double middle() const { return (low + high) / 2; }
  double half() const { return (high - low) / 2; }
};
Interval widened(Interval a, double by) { return {a.low - by, a.high + by}; }
Interval common(Interval a, Interval b) { return {std::max(a.low, b.low), std::min(a.high, b.high)}; }
Interval around(Interval a, Interval b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

// Where the dome truly was at a report's instant. Pan is unrolled to the turn nearest `pan_near`.
struct Box {
  Interval pan, tilt, focal;
  bool empty() const { return pan.empty() || tilt.empty() || focal.empty(); }
};

Box box_of(const Pose& pose, double pan_near, const policy::DomePolicy& policy) {
  const double pan = pan_near + std::remainder(pose.pan_deg - pan_near, 360);
  const double error = policy.calibration_error;
  const double widest = std::min(pose.hfov_deg * (1 + policy.zoom_error), 179.0);
  return {{pan - error, pan + error},
          {pose.tilt_deg - error, pose.tilt_deg + error},
          {log_focal(widest), log_focal(pose.hfov_deg * (1 - policy.zoom_error))}};
}

// What the dome can reach from there, or have come from, in so much time.
Box reach(const Box& box, Nanos time, const policy::DomePolicy& policy) {
  const double turn = policy.max_speed * seconds(time);
  return {widened(box.pan, turn), widened(box.tilt, turn), widened(box.focal, PoseHistory::kZoomSpeed * seconds(time))};
}

Box common(const Box& a, const Box& b) {
  return {common(a.pan, b.pan), common(a.tilt, b.tilt), common(a.focal, b.focal)};
}

Box around(const Box& a, const Box& b) {
  return {around(a.pan, b.pan), around(a.tilt, b.tilt), around(a.focal, b.focal)};
}

PoseEstimate whole(std::string_view reason) {
  PoseEstimate estimate;
  estimate.reason = reason;
  return estimate;
}

PoseEstimate estimate_of(const Box& box) {
  if (box.empty()) return whole("the camera is moving too fast");
  PoseEstimate estimate;
  estimate.pan_deg = box.pan.middle();
  estimate.tilt_deg = box.tilt.middle();
  estimate.hfov_deg = hfov_of(box.focal.middle());
  estimate.pan_error_deg = box.pan.half();
  estimate.tilt_error_deg = box.tilt.half();
  estimate.hfov_min_deg = hfov_of(box.focal.high);
  estimate.hfov_max_deg = hfov_of(box.focal.low);
  if (std::max(estimate.pan_error_deg, estimate.tilt_error_deg) > PoseHistory::kMaxErrorDeg) {
    return whole("the camera's position is too old");
  }
  if (!(estimate.hfov_max_deg <= kMaxHfovDeg)) return whole("the camera's field of view is not known well enough");
  estimate.whole_picture = false;
  estimate.reason = {};
  return estimate;
}

Status check(const Pose& pose, WallTime newest_at) {
  const auto refuse = [](const char* field, std::string what) {
    return make_error(Code::invalid_argument, field, std::move(what));
  };
  if (!std::isfinite(pose.pan_deg)) return refuse("pan_deg", "not a number of degrees");
  if (!(std::abs(pose.tilt_deg) <= 180)) return refuse("tilt_deg", "not within -180 to 180 degrees");
  if (!(pose.hfov_deg >= kMinHfovDeg && pose.hfov_deg <= kMaxHfovDeg)) {
    return refuse("hfov_deg", std::to_string(pose.hfov_deg) + " is not within 0.1 to 170 degrees");
  }
  if (pose.at < newest_at) {
    return refuse("at", "older than the newest report by " + std::to_string(seconds(newest_at - pose.at)) +
                            " s; reports come in the order of their times");
  }
  return {};
}

}  // namespace

std::string_view doubt_text(PoseDoubt doubt) {
  switch (doubt) {
    case PoseDoubt::none: return "";
    case PoseDoubt::unknown: return "the camera does not know where it looks";
    case PoseDoubt::reboot: return "the camera was restarted";
    case PoseDoubt::homing: return "the camera is finding its position";
    case PoseDoubt::e_flip: return "the camera has flipped over";
    case PoseDoubt::digital_zoom: return "the camera's digital zoom was switched";
    case PoseDoubt::bounds_changed: return "the camera's rotation or bounds were changed";
  }
  return "the camera's position is in doubt";
}

Status PoseHistory::push(const Pose& pose) {
  if (Status status = check(pose, newest_at_); !status.ok()) return status;
  newest_at_ = pose.at;
  if (pose.state == PoseState::unknown) invalidate(PoseDoubt::unknown);
  if (doubt_ != PoseDoubt::none) return {};
  while (count_ > 0 && (count_ == kCapacity || pose.at - sample(0).at > kSpan)) {
    first_ = (first_ + 1) % kCapacity;
    --count_;
  }
  ring_[(first_ + count_) % kCapacity] = pose;
  ++count_;
  return {};
}

void PoseHistory::invalidate(PoseDoubt doubt) {
  doubt_ = doubt;
  count_ = 0;
  newest_at_ = WallTime::min();  // its clock may have been set
}

PoseEstimate PoseHistory::at(WallTime capture, const policy::DomePolicy& policy) const {
  if (doubt_ != PoseDoubt::none) return whole(doubt_text(doubt_));
  if (count_ == 0) return whole("no pose yet");
  if (capture > newest().at) return after_last(capture, policy);
  size_t after = count_ - 1;
  while (after > 0 && sample(after - 1).at >= capture) --after;
  if (sample(after).at == capture) return between(sample(after), sample(after), capture, policy);
  if (after == 0) return whole("no pose before this picture");
  return between(sample(after - 1), sample(after), capture, policy);
}

PoseEstimate PoseHistory::between(const Pose& before, const Pose& after, WallTime capture,
                                  const policy::DomePolicy& policy) const {
  const Box first = box_of(before, before.pan_deg, policy);
  const Box second = box_of(after, before.pan_deg, policy);
  const bool idle = before.state == PoseState::idle && after.state == PoseState::idle;
  if (idle && after.at - before.at <= policy.max_age_idle && !common(first, second).empty()) {
    return estimate_of(around(first, second));
  }
  if (std::min(capture - before.at, after.at - capture) > policy.max_age_moving) {
    return whole("the camera's position is too old");
  }
  return estimate_of(common(reach(first, capture - before.at, policy), reach(second, after.at - capture, policy)));
}

PoseEstimate PoseHistory::after_last(WallTime capture, const policy::DomePolicy& policy) const {
  const Pose& last = newest();
  const Nanos age = capture - last.at;
  if (age > (last.state == PoseState::idle ? policy.max_age_idle : policy.max_age_moving)) {
    return whole("the camera's position is too old");
  }
  const Box box = box_of(last, last.pan_deg, policy);
  if (count_ > 1) {
    const Pose& previous = sample(count_ - 2);
    if (common(box, reach(box_of(previous, last.pan_deg, policy), last.at - previous.at, policy)).empty()) {
      return whole("the camera is moving too fast");
    }
  }
  return estimate_of(reach(box, age, policy));
}

}  // namespace vigie::mask
