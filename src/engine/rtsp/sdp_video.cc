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

// The media's own fmtp if it says something, else one that strayed under another media (B10). `codec`: what the media's
// rtpmap says, if there is one.
const Fmtp* find_fmtp(const SessionDescription& session, const MediaDescription& media, uint8_t payload_type,
                      std::optional<Codec> codec, Quirks* quirks) {
  const Fmtp* own = media.fmtp(payload_type);
  if (own != nullptr && codec_from(*own)) return own;
  for (const MediaDescription& other : session.medias) {
    if (&other == &media || other.rtpmap(payload_type) != nullptr) continue;
    const Fmtp* strayed = other.fmtp(payload_type);
    const auto meant = strayed == nullptr ? std::nullopt : codec_from(*strayed);
    if (meant && (!codec || *codec == *meant)) return tolerates(quirks, Quirk::B10) ? strayed : own;
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

bool begins_with_start_code(const std::vector<uint8_t>& bytes) {
  const auto first = std::find_if(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; });
  return first - bytes.begin() >= 2 && first != bytes.end() && *first == 1;
}

// B19: splits at 00 00 01.
void add_annex_b(Codec codec, const std::vector<uint8_t>& bytes, SpropSets& out) {
  const auto start_code = [&](size_t at) {
    return at + 3 <= bytes.size() && bytes[at] == 0 && bytes[at + 1] == 0 && bytes[at + 2] == 1;
  };
  size_t at = static_cast<size_t>(std::find(bytes.begin(), bytes.end(), 1) - bytes.begin()) + 1;
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

// What the entries of one key were, apart from the parameter sets in them.
struct Entries {
  size_t count = 0;
  size_t annex_b = 0;
};

void decode_list(Codec codec, std::string_view value, SpropSets& out, Entries& entries) {
  while (!value.empty()) {
    const std::string_view entry = trim(cut(value, ','));
    if (entry.empty()) continue;  // B17, B18
    ++entries.count;
    const auto bytes = base64_decode_tolerant(entry);
    if (!bytes) {
      ++out.rejected;
    } else if (begins_with_start_code(*bytes)) {
      ++entries.annex_b;
      add_annex_b(codec, *bytes, out);
    } else {
      add_nal(codec, *bytes, out);
    }
  }
}

Error refused_sets(std::string what, Quirk quirk) {
  return make_error(Code::sdp_malformed, "SDP", not_tolerated(std::move(what), quirk));
}

Status note_sprop(Codec codec, bool key_given, const SpropSets& sets, const Entries& entries, Quirks* quirks) {
  if (key_given && entries.count == 0 && !tolerates(quirks, Quirk::B17)) {
    return refused_sets("the parameter sets are announced and empty", Quirk::B17);
  }
  if (entries.annex_b > 0 && !tolerates(quirks, Quirk::B19)) {
    return refused_sets("the parameter sets have start codes", Quirk::B19);
  }
  if (sets.rejected > 0) {
    if (tolerates(quirks, Quirk::B20)) return {};
    return refused_sets(std::to_string(sets.rejected) + " of the parameter sets are none", Quirk::B20);
  }
  if (codec == Codec::h264 && !sets.sps.empty() && sets.pps.empty() && !tolerates(quirks, Quirk::B18)) {
    return refused_sets("there is an SPS and no PPS", Quirk::B18);
  }
  const bool partial = !sets.empty() && (sets.vps.empty() || sets.sps.empty() || sets.pps.empty());
  if (codec == Codec::h265 && partial && !tolerates(quirks, Quirk::B21)) {
    return refused_sets("VPS, SPS or PPS is missing beside the others", Quirk::B21);
  }
  return {};
}

std::string encode_list(const NalList& nals) {
  std::string out;
  for (const auto& nal : nals) {
    if (!out.empty()) out.append(",");
    out.append(base64_encode(nal));
  }
  return out;
}

bool is_rtp(std::string_view protocol) {
  constexpr std::string_view kKnown[] = {"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"};
  return std::any_of(std::begin(kKnown), std::end(kKnown), [&](auto name) { return iequals(name, protocol); });
}

// Tries one payload type of a media after the other.
class Picker {
 public:
  Picker(const SessionDescription& session, Quirks* quirks) : session_(session), quirks_(quirks) {}

  // Whether that is a video we can take; then `video` is it.
  Result<bool> take(size_t index, uint8_t payload_type) {
    const MediaDescription& media = session_.medias[index];
    const RtpMap* map = media.rtpmap(payload_type);
    std::optional<Codec> codec;
    if (map != nullptr) {
      codec = codec_from(map->encoding);
      if (!codec) return false;
    } else if (payload_type == kStaticJpeg) {
      codec = Codec::mjpeg;
    }
    const Fmtp* fmtp = codec == Codec::mjpeg ? nullptr : find_fmtp(session_, media, payload_type, codec, quirks_);
    if (!codec && fmtp != nullptr) codec = codec_from(*fmtp);
    if (!codec || passes_over(media, map, payload_type)) return false;
    video = {};
    video.media_index = index;
    video.payload_type = payload_type;
    video.codec = *codec;
    if (map != nullptr && map->clock_rate != 0) video.clock_rate = map->clock_rate;
    video.control = media.control;
    video.framerate = media.framerate;
    if (fmtp == nullptr) return true;
    auto sprop = decode_sprop(*codec, *fmtp, quirks_);
    if (!sprop) return sprop.error();
    video.sprop = std::move(*sprop);
    return true;
  }

  VideoMedia video;
  std::string passed_over;  // the first video that would have been taken but for a deviation, and why

 private:
  bool passes_over(const MediaDescription& media, const RtpMap* map, uint8_t payload_type) {
    const bool no_rate = map == nullptr ? payload_type != kStaticJpeg : map->clock_rate == 0;
    if (no_rate && !tolerates(quirks_, Quirk::B13)) return pass_over("has no clock rate", Quirk::B13);
    if (!is_rtp(media.protocol) && !tolerates(quirks_, Quirk::B9)) return pass_over("is not RTP/AVP", Quirk::B9);
    const Direction direction = media.direction == Direction::unspecified ? session_.direction : media.direction;
    if (direction == Direction::sendonly && !tolerates(quirks_, Quirk::A34)) {
      return pass_over("is marked as a back channel, sendonly", Quirk::A34);
    }
    if (direction == Direction::inactive && !tolerates(quirks_, Quirk::B14)) {
      return pass_over("is marked inactive", Quirk::B14);
    }
    return false;
  }

  bool pass_over(std::string why, Quirk quirk) {
    if (passed_over.empty()) passed_over = not_tolerated("; a video " + std::move(why), quirk);
    return true;
  }

  const SessionDescription& session_;
  Quirks* const quirks_;
};

}  // namespace

Result<SpropSets> decode_sprop(Codec codec, const Fmtp& fmtp, Quirks* quirks) {
  SpropSets sets;
  Entries entries;
  bool key_given = false;
  const auto decode = [&](const char* key) {
    key_given |= fmtp.has(key);
    decode_list(codec, fmtp.get(key), sets, entries);
  };
  if (codec == Codec::h264) {
    decode("sprop-parameter-sets");
  } else if (codec == Codec::h265) {
    for (const char* key : {"sprop-vps", "sprop-sps", "sprop-pps"}) decode(key);
  }
  if (Status status = note_sprop(codec, key_given, sets, entries, quirks); !status) return status.error();
  return sets;
}

Result<VideoMedia> pick_video(const SessionDescription& session, Quirks* quirks) {
  Picker picker(session, quirks);
  std::string found;
  for (size_t i = 0; i < session.medias.size(); ++i) {
    const MediaDescription& media = session.medias[i];
    if (iequals(media.type, "video")) {
      std::vector<uint8_t> payload_types = media.payload_types;
      // Some write the payload type into the rtpmap only.
      for (const RtpMap& map : media.rtpmaps) payload_types.push_back(map.payload_type);
      for (uint8_t payload_type : payload_types) {
        const Result<bool> taken = picker.take(i, payload_type);
        if (!taken) return taken.error();
        if (*taken) return std::move(picker.video);
      }
    }
    if (i < 8) {
      const std::string encoding = media.rtpmaps.empty() ? "no rtpmap" : media.rtpmaps.front().encoding;
      found.append(found.empty() ? "" : ", ").append(single_line(media.type.substr(0, 32)));
      found.append(" ").append(single_line(encoding.substr(0, 32)));
    }
  }
  return make_error(Code::no_video, "SDP",
                    (found.empty() ? "no media at all" : "found " + found + "; wanted video H264, H265 or JPEG") +
                        picker.passed_over);
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
