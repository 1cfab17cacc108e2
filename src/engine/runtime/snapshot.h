#pragma once
// One masked picture as a still, with what can be said for it: for tickets and thumbnails.
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ref.h"
#include "base/time.h"
#include "media/access_unit.h"
#include "media/frame.h"
#include "media/published_unit.h"

namespace vigie::runtime {

struct Snapshot {
  std::vector<uint8_t> jpeg;       // a JFIF image in full range
  uint32_t width = 0, height = 0;  // pixels
  // Of the picture; of a card, of the picture since which it stands.
  WallTime capture_time{};
  WallTime arrival_time{};
  ClockQuality clock_quality = ClockQuality::none;
  std::optional<Nanos> error_bound;  // of capture_time, as capture_error_bound() says
  Ref<const Provenance> provenance;  // never null: state, reason, revisions
};

// How far a frame's capture time may be from the true instant, by this machine's clock, whose own error is not in it
// (L-30, R-1). `camera_clock_error`: of the stream, by its sender reports; none where it has none.
// * reported: |camera_clock_error| + kReportDrift (reports that differ by less are taken as agreeing) + kReportTransit
//   (a report is taken to be so long on its way at most: the error as measured has that time in it).
// * reported without sender reports: a host gave the time with the picture, and only it knows the bound: nothing.
// * none, suspect: the arrival is all that is known. A picture is taken to need kLongestDelay at most from the lens to
//   here, so the bound is the distance from capture time to arrival, plus that.
constexpr Nanos kReportDrift = 100ms;
constexpr Nanos kReportTransit = 100ms;
constexpr Nanos kLongestDelay = 2s;
std::optional<Nanos> capture_error_bound(const Frame& frame, std::optional<Nanos> camera_clock_error);

}  // namespace vigie::runtime
