#include "mask/overload_watch.h"

#include <algorithm>

namespace vigie::mask {

std::string_view overload_name(Overload state) {
  switch (state) {
    case Overload::in_time: return "in_time";
    case Overload::late: return "late";
    case Overload::below_floor: return "below_floor";
  }
  return "unknown";
}

std::optional<OverloadReport> OverloadWatch::add(double seconds, uint64_t offered, uint64_t left_out) {
  window_[next_] = {.seconds = seconds, .offered = offered, .left_out = std::min(left_out, offered)};
  next_ = (next_ + 1) % window_.size();
  filled_ = std::min(filled_ + 1, window_.size());
  Second sum;
  for (size_t i = 0; i < filled_; ++i) {
    sum.seconds += window_[i].seconds;
    sum.offered += window_[i].offered;
    sum.left_out += window_[i].left_out;
  }
  OverloadReport report{.state = state_,
                        .shown_fps = static_cast<double>(sum.offered - sum.left_out) / sum.seconds,
                        .offered_fps = static_cast<double>(sum.offered) / sum.seconds};
  const bool known = filled_ == window_.size();
  if (known && report.offered_fps >= kFloorFps && report.shown_fps < kFloorFps) {
    report.state = Overload::below_floor;
  } else if (sum.left_out > 0) {
    report.state = Overload::late;
  } else if (known) {
    report.state = Overload::in_time;
  }
  return become(report);
}

std::optional<OverloadReport> OverloadWatch::reset() {
  filled_ = next_ = 0;
  return become({});
}

std::optional<OverloadReport> OverloadWatch::become(OverloadReport report) {
  if (report.state == state_) return std::nullopt;
  state_ = report.state;
  return report;
}

}  // namespace vigie::mask
