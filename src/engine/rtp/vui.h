#pragma once
// The part of the video usability information that H.264 and H.265 have in common (H.264 E.1.1, H.265 E.2.1).
#include "base/bytes.h"
#include "media/picture_facts.h"

namespace vigie::rtp {

// From aspect_ratio_info_present_flag up to and with the chroma sample locations.
void read_vui_head(BitReader& r, PictureFacts& picture);
// From timing_info_present_flag up to, without, what follows time_scale. `ticks_per_picture`: 2 in H.264, 1 in H.265.
// Returns whether there was timing.
bool read_vui_timing(BitReader& r, PictureFacts& picture, unsigned ticks_per_picture);

}  // namespace vigie::rtp
