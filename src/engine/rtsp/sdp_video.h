#pragma once
// From a session description to the one video track we want, and back for the server.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/codec.h"
#include "media/parameter_sets.h"
#include "rtsp/sdp.h"

namespace vigie::rtsp {

// Parameter sets out of band, as NAL units without start codes, sorted by their NAL unit type (not by key).
struct SpropSets {
  std::vector<std::vector<uint8_t>> vps, sps, pps;
  uint32_t rejected = 0;  // entries that were no parameter set of the codec (B20)
  bool empty() const { return vps.empty() && sps.empty() && pps.empty(); }
};

// The video track a client will SETUP.
struct VideoMedia {
  size_t media_index = 0;  // in SessionDescription::medias
  uint8_t payload_type = 0;
  Codec codec = Codec::h264;
  uint32_t clock_rate = 90000;  // B13: 90000 where the description has none
  std::string control;          // the media's, as written
  double framerate = 0;
  SpropSets sprop;  // may be empty (B16, B17) or incomplete (B18, B21)
};

// The first media that is H.264, H.265 or JPEG (static payload type 26 included).
// A fmtp line under another media is found too (B10); without rtpmap the fmtp's parameters tell the codec; direction
// attributes are not believed (B14, A34).
// Errors: no_video, naming the kinds of media that are there.
Result<VideoMedia> pick_video(const SessionDescription& session);

// Out-of-band parameter sets of `fmtp`: sprop-parameter-sets (H.264), sprop-vps/sps/pps (H.265); Annex B inside is
// split (B19). At most 32 in all, each 1 to 16384 bytes.
SpropSets decode_sprop(Codec codec, const Fmtp& fmtp);

// The media section with which the server announces a track; `control` e.g. "trackID=0".
// H.264: packetization-mode=1, profile-level-id and sprop-parameter-sets; H.265: sprop-vps/sps/pps; MJPEG: payload type
// is 26 whatever is asked for. `sets` may be incomplete: what is missing is left out.
MediaDescription describe_video(const ParameterSets& sets, uint8_t payload_type, std::string_view control,
                                double framerate = 0);

// profile_idc, constraint flags and level_idc of an SPS as six hex digits (RFC 6184 section 8.1); "" for a shorter one.
std::string profile_level_id(ByteSpan sps);

}  // namespace vigie::rtsp
