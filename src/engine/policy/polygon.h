#pragma once
// Whether a mask region's points make a polygon that can be filled, and which point is wrong if not.
#include <span>
#include <string>

#include "base/result.h"
#include "policy/snapshot.h"

namespace vigie::policy {

// A simple polygon: at least three points, all inside their space, no edge without length, none that crosses or touches
// another, not all on one line. Points on the line between their neighbours are fine, and so is either direction.
//
// Parameters: `where` is the JSON pointer of the list of points.
// Units: of `space`; world edges are straight in pan and tilt.
// Errors: policy_field at `where`/INDEX, or at `where` when it is no single point's.
Status check_simple_polygon(std::span<const MaskPoint> points, MaskSpace space, const std::string& where);

}  // namespace vigie::policy
