#pragma once
// The parameter sets in force for a track, as an immutable shared value.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ref.h"
#include "media/codec.h"
#include "media/picture_facts.h"

namespace vigie {

// What pictures are like that refer to one H.264 PPS.
struct PpsFacts {
  uint32_t id = 0;
  std::optional<PictureFacts> picture;  // by its SPS; none where that is missing or could not be read
  friend bool operator==(const PpsFacts&, const PpsFacts&) = default;
};

// NAL units without start codes. H.264 uses sps and pps; H.265 all three; MJPEG none.
// `revision` counts changes of content on one track, from 1. width and height are the displayed (cropped) luma size in
// pixels, 0 while unknown.
struct ParameterSets : RefCounted<ParameterSets> {
  Codec codec = Codec::h264;
  uint64_t revision = 0;
  std::vector<std::vector<uint8_t>> vps, sps, pps;
  uint32_t width = 0;
  uint32_t height = 0;
  PictureFacts picture;             // by the newest SPS that could be read; MJPEG: nothing known
  std::vector<PpsFacts> pps_facts;  // H.264, one for each of pps
  // Enough to decode: H.264 sps+pps, H.265 vps+sps+pps, MJPEG always.
  bool complete() const {
    if (codec == Codec::mjpeg) return true;
    return !sps.empty() && !pps.empty() && (codec == Codec::h264 || !vps.empty());
  }
};

}  // namespace vigie
