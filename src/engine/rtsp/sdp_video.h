#pragma once
// From a session description to the one video track we want, and back for the server.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/quirk.h"
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
// A fmtp line under another media is found too (B10); without rtpmap the fmtp's parameters tell the codec (B13); other
// protocols than RTP/AVP (B9) do not matter; direction attributes are not believed: `sendonly`, ONVIF's mark of a back
// channel (A34), and `inactive` (B14). `recvonly`, `sendrecv` and none are what a camera's video should have.
// Where B9, B13, B14 or A34 is not tolerated the media is passed over, where B10 is not, the strayed line.
// Errors: no_video, naming the kinds of media that are there, and what was passed over; those of decode_sprop().
Result<VideoMedia> pick_video(const SessionDescription& session, Quirks* quirks = nullptr);

// Out-of-band parameter sets of `fmtp`: sprop-parameter-sets (H.264), sprop-vps/sps/pps (H.265); Annex B inside is
// split (B19). At most 32 in all, each 1 to 16384 bytes. A key without a value is B17, an entry that is no parameter
// set B20; sets that are missing although no entry was refused are B18 or B21. None of the keys at all is legal (B16).
// Errors: sdp_malformed for one of these that is not tolerated.
Result<SpropSets> decode_sprop(Codec codec, const Fmtp& fmtp, Quirks* quirks = nullptr);

// The media section with which the server announces a track; `control` e.g. "trackID=0".
// H.264: packetization-mode=1, profile-level-id and sprop-parameter-sets; H.265: sprop-vps/sps/pps; MJPEG: payload type
// is 26 whatever is asked for. `sets` may be incomplete: what is missing is left out.
MediaDescription describe_video(const ParameterSets& sets, uint8_t payload_type, std::string_view control,
                                double framerate = 0);

// profile_idc, constraint flags and level_idc of an SPS as six hex digits (RFC 6184 section 8.1); "" for a shorter one.
std::string profile_level_id(ByteSpan sps);

}  // namespace vigie::rtsp
