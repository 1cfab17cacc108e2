#include "codec/encoder.h"

#include <algorithm>
#include <string>
#include <utility>

#include "codec/camera_encoder.h"
#include "codec/encoder_options.h"
#include "codec/frame_pool.h"
#include "codec/libav_encoder.h"

namespace vigie::codec {
namespace {

constexpr int kMaxQuality = 51;
constexpr double kMaxFps = 1000;

Status check(const EncoderOptions& options) {
  if (!is_frame_format(options.format)) {
    return make_error(Code::invalid_argument, "encoder format",
                      std::to_string(options.format.width) + "x" + std::to_string(options.format.height) +
                          "; sides must be even, from 2 to " + std::to_string(kMaxSide));
  }
  if (!(options.fps > 0 && options.fps <= kMaxFps)) {
    return make_error(Code::invalid_argument, "encoder fps", std::to_string(options.fps) + "; over 0, at most 1000");
  }
  if (options.quality < 0 || options.quality > kMaxQuality) {
    return make_error(Code::invalid_argument, "encoder quality", std::to_string(options.quality) + "; 0 to 51");
  }
  return check_encoder_name(options.encoder);
}

}  // namespace

std::vector<std::string> available_encoders() {
  std::vector<std::string> names{std::string(kOwnEncoder)};
  for (const char* name : libav_encoder_names()) {
    if (avcodec_find_encoder_by_name(name)) names.emplace_back(name);
  }
  return names;
}

Status check_encoder_name(std::string_view name) {
  const std::vector<std::string> names = available_encoders();
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return {};
  std::string known;
  for (const std::string& each : names) known += (known.empty() ? "" : ", ") + each;
  return make_error(Code::invalid_argument, "encoder", std::string(name) + " is not here; there are " + known);
}

Result<EncodedPicture> Encoder::encode(const Frame& frame, bool force_idr) {
  if (frame.format == format_) return code(frame, force_idr);
  return make_error(Code::invalid_argument, std::string(name()),
                    "the frame's format differs from the encoder's; make another encoder for it");
}

Result<std::unique_ptr<Encoder>> Encoder::make(const EncoderOptions& options) {
  if (Status good = check(options); !good) return std::move(good.error());
  std::string reasons;
  const auto wanted = [&](std::string_view name) { return options.encoder.empty() || options.encoder == name; };
  if (wanted(kOwnEncoder)) {
    auto own = make_camera_encoder(options);
    if (own) return own;
    reasons = own.error().text();
  }
  for (const char* name : libav_encoder_names()) {
    if (!wanted(name)) continue;
    auto made = make_libav_encoder(options, name);
    if (made) return made;
    reasons += (reasons.empty() ? "" : "; ") + made.error().text();
  }
  return make_error(Code::codec_unsupported, "H.264 encoder", reasons);
}

}  // namespace vigie::codec
