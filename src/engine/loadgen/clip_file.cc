// Clips from files: Annex B byte streams cut into access units, JPEG rows cut into images.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "loadgen/clip.h"
#include "loadgen/jpeg.h"

namespace vigie::loadgen {
namespace {

// NAL units of an Annex B stream without start codes and trailing zeros (H.264 B.1).
std::vector<ByteSpan> split_nals(ByteSpan stream) {
  std::vector<ByteSpan> nals;
  size_t start = SIZE_MAX;
  auto close = [&](size_t end) {
    if (start == SIZE_MAX) return;
    while (end > start && stream[end - 1] == 0) --end;
    if (end > start) nals.push_back(stream.subspan(start, end - start));
  };
  for (size_t i = 0; i + 3 <= stream.size();) {
    if (stream[i + 2] > 1) {
      i += 3;
    } else if (stream[i] == 0 && stream[i + 1] == 0 && stream[i + 2] == 1) {
      close(i);
      start = i + 3;
      i += 3;
    } else {
      ++i;
    }
  }
  close(stream.size());
  return nals;
}

struct NalFacts {
  bool vcl = false;
  bool first_slice = false;  // begins a picture
  bool starts_unit = false;  // a non-VCL NAL unit that can only lie before the next picture
  bool keyframe = false;
  bool aud = false;
};

NalFacts facts_of(Codec codec, ByteSpan nal) {
  NalFacts facts;
  if (codec == Codec::h265) {
    const uint8_t type = h265_nal_type(nal[0]);
    facts.vcl = h265::is_vcl(type);
    facts.first_slice = facts.vcl && nal.size() > 2 && (nal[2] & 0x80);
    facts.keyframe = h265::is_irap(type);
    facts.aud = type == h265::kAud;
    // VPS to AUD, prefix SEI, reserved and unspecified types (H.265 7.4.2.4.4).
    facts.starts_unit = (type >= h265::kVps && type <= h265::kAud) || type == 39 || (type >= 41 && type <= 44) ||
                        (type >= 48 && type <= 55);
  } else {
    const uint8_t type = h264_nal_type(nal[0]);
    facts.vcl = type >= 1 && type <= 5;
    facts.first_slice = facts.vcl && type != 3 && type != 4 && nal.size() > 1 && (nal[1] & 0x80);  // first_mb == 0
    facts.keyframe = type == h264::kIdr;
    facts.aud = type == h264::kAud;
    // SEI, SPS, PPS, AUD and 14 to 18 (H.264 7.4.1.2.3).
    facts.starts_unit = (type >= 6 && type <= 9) || (type >= 14 && type <= 18);
  }
  return facts;
}

void keep_parameter_set(Clip& clip, ByteSpan nal) {
  std::vector<uint8_t>* place = nullptr;
  if (clip.codec == Codec::h265) {
    const uint8_t type = h265_nal_type(nal[0]);
    place = type == h265::kVps ? &clip.vps : type == h265::kSps ? &clip.sps : type == h265::kPps ? &clip.pps : nullptr;
  } else {
    const uint8_t type = h264_nal_type(nal[0]);
    place = type == h264::kSps ? &clip.sps : type == h264::kPps ? &clip.pps : nullptr;
  }
  if (place != nullptr && place->empty()) place->assign(nal.begin(), nal.end());
}

void add_annexb_units(Clip& clip, ByteSpan stream, const FileOptions& options) {
  std::vector<ByteSpan> unit;
  bool has_picture = false, key = false;
  auto close = [&] {
    if (!has_picture) return;
    TrainBuilder builder(clip.codec, options.max_payload);
    size_t at = 0;
    if (facts_of(clip.codec, unit[0]).aud) builder.add_nal(unit[at++]);
    if (options.stamp) builder.add_nal(stamp_sei(clip.codec));
    for (; at < unit.size(); ++at) builder.add_nal(unit[at]);
    clip.units.push_back(builder.finish(key));
    unit.clear();
    has_picture = key = false;
  };
  for (const ByteSpan nal : split_nals(stream)) {
    const NalFacts facts = facts_of(clip.codec, nal);
    if (has_picture && (facts.first_slice || facts.starts_unit)) close();
    keep_parameter_set(clip, nal);
    unit.push_back(nal);
    has_picture = has_picture || facts.vcl;
    key = key || facts.keyframe;
  }
  close();
}

Status apply_timing(Clip& clip, const FileOptions& options) {
  const auto count = clip.units.size();
  if (options.timing.empty()) {
    for (size_t i = 0; i < count; ++i) {
      clip.units[i].pts_ticks = clip.units[i].dts_ticks = std::llround(90000.0 * static_cast<double>(i) / options.fps);
    }
    clip.duration_ticks = std::llround(90000.0 * static_cast<double>(count) / options.fps);
    return {};
  }
  std::ifstream file(options.timing);
  if (!file) return make_error(Code::invalid_argument, options.timing, "the timing file cannot be read");
  size_t read = 0;
  int64_t pts = 0, dts = 0;
  for (; read < count && file >> pts >> dts; ++read) {
    if (read > 0 && dts <= clip.units[read - 1].dts_ticks) {
      return make_error(Code::invalid_argument, options.timing,
                        "dts must strictly follow, line " + std::to_string(read + 1));
    }
    clip.units[read].pts_ticks = pts;
    clip.units[read].dts_ticks = dts;
  }
  if (read != count) {
    return make_error(Code::invalid_argument, options.timing,
                      "holds " + std::to_string(read) + " lines for " + std::to_string(count) + " access units");
  }
  const int64_t first = clip.units.front().dts_ticks;
  for (UnitTrain& unit : clip.units) {
    unit.dts_ticks -= first;
    unit.pts_ticks -= first;
  }
  clip.duration_ticks = clip.units.back().dts_ticks + std::llround(90000.0 / options.fps);
  return {};
}

bool ends_with(const std::string& text, std::initializer_list<const char*> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](const char* ending) { return text.ends_with(ending); });
}

}  // namespace

Result<Clip> load_clip(const std::string& path, const FileOptions& options) {
  Clip clip;
  if (ends_with(path, {".h265", ".265", ".hevc"})) {
    clip.codec = Codec::h265;
  } else if (ends_with(path, {".mjpeg", ".mjpg"})) {
    clip.codec = Codec::mjpeg;
    clip.payload_type = 26;
  } else if (!ends_with(path, {".h264", ".264"})) {
    return make_error(Code::invalid_argument, path,
                      "the name must end in .h264, .264, .h265, .265, .hevc, .mjpeg or .mjpg");
  }
  if (!(options.fps > 0)) return make_error(Code::invalid_argument, path, "the frame rate must be above 0");
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(Code::invalid_argument, path, "the file cannot be read");
  std::vector<uint8_t> content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  clip.fps = options.fps;
  if (clip.codec == Codec::mjpeg) {
    const Status added = add_jpeg_units(clip, content, options.max_payload);
    if (!added.ok()) return make_error(added.error().code, path, added.error().what);
  } else {
    add_annexb_units(clip, content, options);
  }
  if (clip.units.empty()) return make_error(Code::invalid_argument, path, "the file holds no picture");
  if (const Status timed = apply_timing(clip, options); !timed.ok()) return timed.error();
  return clip;
}

}  // namespace vigie::loadgen
