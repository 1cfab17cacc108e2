#include "source/rtp_track.h"

#include <utility>

#include "rtsp/text.h"

namespace vigie::source {
namespace {

// Picture size where RTP/JPEG cannot carry it: a=x-dimensions:W,H or a=framesize:PT W-H.
void read_dimensions(const rtsp::MediaDescription& media, RtpTrack& track) {
  for (const rtsp::SdpAttribute& attribute : media.attributes) {
    std::string_view rest = attribute.value;
    char separator = ',';
    if (rtsp::iequals(attribute.name, "framesize")) {
      rtsp::cut(rest, ' ');
      separator = '-';
    } else if (!rtsp::iequals(attribute.name, "x-dimensions")) {
      continue;
    }
    const auto width = rtsp::parse_number<uint32_t>(rtsp::cut(rest, separator));
    const auto height = rtsp::parse_number<uint32_t>(rest);
    if (width && height && *width <= 65535 && *height <= 65535) {
      track.width = *width;
      track.height = *height;
    }
  }
}

}  // namespace

RtpTrack make_track(const rtsp::MediaDescription& media, rtsp::VideoMedia video) {
  RtpTrack track;
  track.codec = video.codec;
  track.payload_type = video.payload_type;
  track.clock_rate = video.clock_rate;
  track.framerate = video.framerate;
  track.sprop = std::move(video.sprop);
  if (const rtsp::Fmtp* fmtp = media.fmtp(track.payload_type)) {
    track.donl = rtsp::parse_number<uint32_t>(fmtp->get("sprop-max-don-diff")).value_or(0) > 0;
    track.packetization_mode = rtsp::parse_number<uint8_t>(fmtp->get("packetization-mode")).value_or(1);
  }
  if (track.codec == Codec::mjpeg) read_dimensions(media, track);
  return track;
}

}  // namespace vigie::source
