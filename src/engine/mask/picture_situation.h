#pragma once
// How a picture was coded and when it was seen: what regions are drawn for.
#include "base/time.h"
#include "codec/decoder.h"
#include "media/access_unit.h"
#include "media/codec.h"
#include "media/frame.h"
#include "policy/snapshot.h"

namespace vigie::mask {

struct PictureSituation {
  FrameFormat format;
  Codec codec = Codec::h264;  // of the source: its block size widens every region (M-7)
  bool interlaced = false;
  WallTime capture_time{};  // for the pose
  bool capture_time_known = true;
  WallTime arrival{};  // for the regions' dates: our own clock
};

// Of a picture that was decoded from `unit`.
inline PictureSituation situation_of(const codec::DecodedPicture& picture, const AccessUnit& unit) {
  return {.format = picture.format,
          .codec = unit.codec,
          .interlaced = picture.interlaced,
          .capture_time = unit.capture_time,
          .capture_time_known = unit.clock_quality == ClockQuality::reported,
          .arrival = unit.arrival_wall};
}

// Whether what was drawn for one fits the other.
inline bool same_grid(const PictureSituation& a, const PictureSituation& b) {
  return a.format.width == b.format.width && a.format.height == b.format.height && a.format.colour == b.format.colour &&
         a.codec == b.codec && a.interlaced == b.interlaced;
}

inline bool in_force(const policy::MaskRegion& region, WallTime now) {
  return (!region.from || *region.from <= now) && (!region.until || now < *region.until);
}

}  // namespace vigie::mask
