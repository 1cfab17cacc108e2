#pragma once
// What a description or a dialogue found out about the one track that is received, and how its packets come.
#include <cstdint>

#include "media/codec.h"
#include "rtsp/sdp_video.h"

namespace vigie::source {

// How the packets of a connection come.
enum class RtpPath : uint8_t {
  interleaved,  // in order, from the first one on
  datagrams,    // from the first one on
  joined,       // datagrams of a sender that was there before us: what came before the first one is unknown
};

struct RtpTrack {
  Codec codec = Codec::h264;
  uint8_t payload_type = 96;
  uint32_t clock_rate = 90000;
  double framerate = 0;
  rtsp::SpropSets sprop;
  bool donl = false;
  uint8_t packetization_mode = 1;  // of H.264, as announced (B22); 1 where nothing is said
  uint32_t width = 0, height = 0;  // MJPEG beyond 2040 pixels
};

// `media` is the one that `video` was picked from.
RtpTrack make_track(const rtsp::MediaDescription& media, rtsp::VideoMedia video);

}  // namespace vigie::source
