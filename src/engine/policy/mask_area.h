#pragma once
// What mask sets hide, compared: whether a later one leaves something open that an earlier one hid.
#include <optional>
#include <string>

#include "policy/snapshot.h"

namespace vigie::policy {

// The name of a region of `before`, part of whose area `after` leaves open at some time, or nothing.
//
// Every region counts while it is in force, and their union is compared, so cutting a region in two takes nothing away.
// Picture space is looked at in 1024 x 1024 cells, world space in cells of 0.25 degrees (pan modulo 360, edges straight
// in pan and tilt); a region fills every cell that it touches. So whatever only grows is never reported, no region is
// too small to be seen, and what goes unseen is less than one cell, however many steps it is taken in.
// Source: M-8.
std::optional<std::string> region_left_open(const MaskSetPolicy& before, const MaskSetPolicy& after);

// Whether directions are trusted more than before: world masks grow by less, or fall elsewhere.
bool trusts_more(const std::optional<DomePolicy>& before, const std::optional<DomePolicy>& after);

bool has_world_region(const MaskSetPolicy& masks);

// How much a camera's own picture shows: 0 nothing (withheld, or covered as masked without masks, M-1), 1 masked, 2 masked
// at its source, 3 clear.
int openness(const CameraPolicy& camera);

// Whether the camera shows anything that it hid before: in its own set, in a version that is in both, by its dome, or by
// turning clear. Sets and versions that are not in both count for nothing, nor does a camera that shows nothing now.
bool hides_less(const CameraPolicy& before, const CameraPolicy& after);

}  // namespace vigie::policy
