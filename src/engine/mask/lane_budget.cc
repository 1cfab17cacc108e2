#include "mask/lane_budget.h"

#include <cstdio>

namespace vigie::mask {
namespace {

constexpr double kLearning = 0.1;  // of each measurement, into what estimates are made from

std::string with_two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

}  // namespace

LaneBudget::Usage LaneBudget::usage_locked() const {
  Usage usage{.used = 0, .usable = usable_, .lanes = lanes_.size(), .late = false};
  for (const auto& [id, lane] : lanes_) {
    usage.used += lane.share + lane.pending;
    usage.late = usage.late || lane.late;
  }
  return usage;
}

LaneBudget::Usage LaneBudget::usage() const {
  const std::lock_guard lock(mutex_);
  return usage_locked();
}

double LaneBudget::likely_cost(double pixels_per_second, bool needs_decoder) const {
  return pixels_per_second * (code_ns_ + (needs_decoder ? decode_ns_ : 0)) / 1e9;
}

void LaneBudget::count_in(uint64_t lane, double pixels_per_second, bool needs_decoder) {
  const std::lock_guard lock(mutex_);
  lanes_[lane].pending += likely_cost(pixels_per_second, needs_decoder);
}

Status LaneBudget::reserve(uint64_t lane, double pixels_per_second, bool needs_decoder) {
  const std::lock_guard lock(mutex_);
  const double cost = likely_cost(pixels_per_second, needs_decoder);
  const Usage usage = usage_locked();
  // The first lane of all always runs: a machine too slow for one picture shows what it can.
  if (!lanes_.empty() && (usage.late || usage.used + cost > usage.usable)) {
    return make_error(Code::admission_refused, "masking",
                      "this picture would need about " + with_two_digits(cost) + " processor to mask, and " +
                          with_two_digits(usage.used) + " of " + with_two_digits(usage.usable) + " are in use by " +
                          std::to_string(usage.lanes) + " lanes" + (usage.late ? ", which are late already" : "") +
                          "; try again later, or a smaller stream");
  }
  lanes_[lane].pending += cost;
  return {};
}

void LaneBudget::measured(uint64_t lane, double share, bool late, double decoded, double coded) {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return;
  found->second = {.share = share, .pending = 0, .late = late};
  const double expected = (decoded * decode_ns_ + coded * code_ns_) / 1e9;
  if (expected <= 0 || share <= 0) return;
  // Both parts by the same factor: which of them was dearer than thought cannot be told from the sum.
  const double factor = 1 + kLearning * (share / expected - 1);
  decode_ns_ *= factor;
  code_ns_ *= factor;
}

void LaneBudget::release(uint64_t lane) {
  const std::lock_guard lock(mutex_);
  lanes_.erase(lane);
}

}  // namespace vigie::mask
