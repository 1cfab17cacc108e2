#include "rtsp/sdp_video.h"

#include <algorithm>
#include <cstdio>

#include "base/base64.h"
#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxSets = 32;
constexpr size_t kMaxSetBytes = 16384;
constexpr uint8_t kStaticJpeg = 26;  // RFC 3551 section 6

using NalList = std::vector<std::vector<uint8_t>>;

std::optional<Codec> codec_from(std::string_view encoding) {
  if (iequals(encoding, "H264")) return Codec::h264;
  if (iequals(encoding, "H265") || iequals(encoding, "HEVC")) return Codec::h265;
  if (iequals(encoding, "JPEG")) return Codec::mjpeg;
  return std::nullopt;
}

// What the parameters alone tell, for a media without rtpmap.
std::optional<Codec> codec_from(const Fmtp& fmtp) {
  if (fmtp.has("sprop-vps") || fmtp.has("sprop-sps")) return Codec::h265;
  if (fmtp.has("sprop-parameter-sets") || fmtp.has("packetization-mode")) return Codec::h264;
  return std::nullopt;
}

// The media's own fmtp if it says something, else one that strayed under another media (B10).
const Fmtp* find_fmtp(const SessionDescription& session, const MediaDescription& media, uint8_t payload_type) {
  const Fmtp* own = media.fmtp(payload_type);
  if (own != nullptr && codec_from(*own)) return own;
  for (const MediaDescription& other : session.medias) {
    if (&other == &media || other.rtpmap(payload_type) != nullptr) continue;
    const Fmtp* strayed = other.fmtp(payload_type);
    if (strayed != nullptr && codec_from(*strayed)) return strayed;
  }
  return own;
}

void add_nal(Codec codec, std::vector<uint8_t> nal, SpropSets& out) {
  if (nal.empty()) return;
  NalList* list = nullptr;
  if (codec == Codec::h264 && nal[0] < 0x80) {
    const uint8_t type = h264_nal_type(nal[0]);
    list = type == h264::kSps ? &out.sps : type == h264::kPps ? &out.pps : nullptr;
  } else if (codec == Codec::h265 && nal[0] < 0x80 && nal.size() > 2) {
    const uint8_t type = h265_nal_type(nal[0]);
    list = type == h265::kVps ? &out.vps : type == h265::kSps ? &out.sps : type == h265::kPps ? &out.pps : nullptr;
  }
  const bool full = out.vps.size() + out.sps.size() + out.pps.size() >= kMaxSets;
  if (list == nullptr || full || nal.size() > kMaxSetBytes || nal.size() < 2) {
    ++out.rejected;
  } else if (std::find(list->begin(), list->end(), nal) == list->end()) {
    list->push_back(std::move(nal));
  }
}

// B19: splits at 00 00 01 when the bytes begin with a start code, else takes them as one NAL unit.
void add_decoded(Codec codec, const std::vector<uint8_t>& bytes, SpropSets& out) {
  const auto start_code = [&](size_t at) {
    return at + 3 <= bytes.size() && bytes[at] == 0 && bytes[at + 1] == 0 && bytes[at + 2] == 1;
  };
  const size_t zeros = static_cast<size_t>(
      std::find_if(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; }) - bytes.begin());
  if (zeros < 2 || zeros == bytes.size() || bytes[zeros] != 1) return add_nal(codec, bytes, out);
  size_t at = zeros + 1;
  while (at < bytes.size()) {
    size_t end = at;
    while (end < bytes.size() && !start_code(end)) ++end;
    size_t trimmed = end;
    while (trimmed > at && bytes[trimmed - 1] == 0) --trimmed;  // of a four-byte start code or trailing_zero_8bits
    add_nal(codec,
            {bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(trimmed)},
            out);
    at = end + 3;
  }
}

void decode_list(Codec codec, std::string_view value, SpropSets& out) {
  while (!value.empty()) {
    const std::string_view entry = trim(cut(value, ','));
    if (entry.empty()) continue;  // B17, B18
    const auto bytes = base64_decode_tolerant(entry);
    if (bytes) {
      add_decoded(codec, *bytes, out);
    } else {
      ++out.rejected;
    }
  }
}

std::string encode_list(const NalList& nals) {
  std::string out;
  for (const auto& nal : nals) {
    if (!out.empty()) out.append(",");
    out.append(base64_encode(nal));
  }
  return out;
}

bool take_video(const SessionDescription& session, size_t index, uint8_t payload_type, VideoMedia& out) {
  const MediaDescription& media = session.medias[index];
  const RtpMap* map = media.rtpmap(payload_type);
  const Fmtp* fmtp = find_fmtp(session, media, payload_type);
  std::optional<Codec> codec;
  if (map != nullptr) {
    codec = codec_from(map->encoding);
  } else if (payload_type == kStaticJpeg) {
    codec = Codec::mjpeg;
  } else if (fmtp != nullptr) {
    codec = codec_from(*fmtp);
  }
  if (!codec) return false;
  out = {};
  out.media_index = index;
  out.payload_type = payload_type;
  out.codec = *codec;
  if (map != nullptr && map->clock_rate != 0) out.clock_rate = map->clock_rate;  // B13
  out.control = media.control;
  out.framerate = media.framerate;
  if (fmtp != nullptr) out.sprop = decode_sprop(*codec, *fmtp);
  return true;
}

}  // namespace

SpropSets decode_sprop(Codec codec, const Fmtp& fmtp) {
  SpropSets sets;
  if (codec == Codec::h264) {
    decode_list(codec, fmtp.get("sprop-parameter-sets"), sets);
  } else if (codec == Codec::h265) {
    for (const char* key : {"sprop-vps", "sprop-sps", "sprop-pps"}) decode_list(codec, fmtp.get(key), sets);
  }
  return sets;
}

Result<VideoMedia> pick_video(const SessionDescription& session) {
  VideoMedia video;
  std::string found;
  for (size_t i = 0; i < session.medias.size(); ++i) {
    const MediaDescription& media = session.medias[i];
    if (iequals(media.type, "video")) {
      for (uint8_t payload_type : media.payload_types) {
        if (take_video(session, i, payload_type, video)) return video;
      }
      // Some write the payload type into the rtpmap only.
      for (const RtpMap& map : media.rtpmaps) {
        if (take_video(session, i, map.payload_type, video)) return video;
      }
    }
    if (i < 8) {
      const std::string encoding = media.rtpmaps.empty() ? "no rtpmap" : media.rtpmaps.front().encoding;
      found.append(found.empty() ? "" : ", ").append(single_line(media.type.substr(0, 32)));
      found.append(" ").append(single_line(encoding.substr(0, 32)));
    }
  }
  return make_error(Code::no_video, "SDP",
                    found.empty() ? "no media at all" : "found " + found + "; wanted video H264, H265 or JPEG");
}

std::string profile_level_id(ByteSpan sps) {
  if (sps.size() < 4) return {};
  char text[8];
  std::snprintf(text, sizeof text, "%02X%02X%02X", sps[1], sps[2], sps[3]);
  return text;
}

MediaDescription describe_video(const ParameterSets& sets, uint8_t payload_type, std::string_view control,
                                double framerate) {
  MediaDescription media;
  media.type = "video";
  media.protocol = "RTP/AVP";
  media.control = control;
  media.framerate = framerate;
  if (sets.codec == Codec::mjpeg) payload_type = kStaticJpeg;
  media.payload_types = {payload_type};
  media.rtpmaps.push_back({payload_type, std::string(codec_name(sets.codec)), 90000, 0});
  Fmtp fmtp{payload_type, {}};
  const auto add = [&fmtp](std::string name, std::string value) {
    if (!value.empty()) fmtp.parameters.push_back({std::move(name), std::move(value)});
  };
  if (sets.codec == Codec::h264) {
    add("packetization-mode", "1");
    if (!sets.sps.empty()) add("profile-level-id", profile_level_id(sets.sps.front()));
    NalList all = sets.sps;
    all.insert(all.end(), sets.pps.begin(), sets.pps.end());
    // An SPS alone is left out too: players that get half of the sets here wait for no more.
    if (!sets.sps.empty() && !sets.pps.empty()) add("sprop-parameter-sets", encode_list(all));
  } else if (sets.codec == Codec::h265) {
    add("sprop-vps", encode_list(sets.vps));
    add("sprop-sps", encode_list(sets.sps));
    add("sprop-pps", encode_list(sets.pps));
  }
  if (!fmtp.parameters.empty()) media.fmtps.push_back(std::move(fmtp));
  return media;
}

}  // namespace vigie::rtsp
