#pragma once
// The access units since a stream's newest keyframe, as they came: what a lane needs to begin in the middle of a GOP.
// Raw pictures, which fan-out cannot accept (it takes PublishedUnit alone).
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "media/access_unit.h"

namespace vigie::mask {

struct RawGopLimits {
  size_t bytes = size_t{16} << 20;
  size_t units = 1000;
};

// Thread: one shard.
class RawGop {
 public:
  explicit RawGop(RawGopLimits limits = {}) : limits_(limits) {}

  // A GOP that outgrows the limits is given up whole: a part of it is of no use, and the next keyframe begins another.
  void push(Ref<const AccessUnit> unit) {
    if (unit->keyframe) clear();
    const bool begins = unit->keyframe && !unit->damaged;
    if (units_.empty() && !begins) return;
    const bool breaks = !unit->keyframe && (unit->gap || unit->damaged);
    bytes_ += unit->payload.size();
    units_.push_back(std::move(unit));
    if (breaks || bytes_ > limits_.bytes || units_.size() > limits_.units) clear();
  }
  void clear() {
    units_.clear();
    bytes_ = 0;
  }
  std::span<const Ref<const AccessUnit>> units() const { return units_; }
  size_t bytes() const { return bytes_; }

 private:
  const RawGopLimits limits_;
  std::vector<Ref<const AccessUnit>> units_;
  size_t bytes_ = 0;
};

}  // namespace vigie::mask
