#include "codec/scale.h"

extern "C" {
#include <libavutil/pixfmt.h>
#include <libswscale/swscale.h>
}

#include <cstdint>
#include <limits>
#include <numeric>
#include <string>

#include "codec/frame_pool.h"

namespace vigie::codec {
namespace {

// The shape of out's samples such that the picture keeps its own; nothing is said where in said nothing and both scales
// are alike.
void set_sample_shape(const Frame& in, Frame& out) {
  const bool said = in.format.sar_width > 0 && in.format.sar_height > 0;
  uint64_t width = uint64_t{said ? in.format.sar_width : 1} * in.format.width * out.format.height;
  uint64_t height = uint64_t{said ? in.format.sar_height : 1} * in.format.height * out.format.width;
  const uint64_t common = std::gcd(width, height);
  width /= common;
  height /= common;
  const bool square = width == height;
  constexpr uint64_t kMost = std::numeric_limits<uint16_t>::max();  // as much as an SPS can say
  while (width > kMost || height > kMost) {
    width = (width + 1) / 2;
    height = (height + 1) / 2;
  }
  out.format.sar_width = square && !said ? 0 : static_cast<uint32_t>(width);
  out.format.sar_height = square && !said ? 0 : static_cast<uint32_t>(height);
}

}  // namespace

void Scaler::Deleter::operator()(SwsContext* context) const { sws_freeContext(context); }

Status Scaler::scale(const Frame& in, Frame& out) {
  if (!is_frame_format(in.format) || !is_frame_format(out.format)) {
    return make_error(Code::invalid_argument, "scaler", "sides must be even, from 2 to " + std::to_string(kMaxSide));
  }
  if (!context_ || in.format.width != from_width_ || in.format.height != from_height_ ||
      out.format.width != to_width_ || out.format.height != to_height_) {
    from_width_ = in.format.width;
    from_height_ = in.format.height;
    to_width_ = out.format.width;
    to_height_ = out.format.height;
    // Both sides are named alike, so ranges and matrices pass through untouched.
    context_.reset(sws_getContext(static_cast<int>(from_width_), static_cast<int>(from_height_), AV_PIX_FMT_YUV420P,
                                  static_cast<int>(to_width_), static_cast<int>(to_height_), AV_PIX_FMT_YUV420P,
                                  SWS_AREA, nullptr, nullptr, nullptr));
    if (!context_) return make_error(Code::internal, "scaler", "it cannot be made");
  }
  const uint8_t* from[3];
  uint8_t* to[3];
  int from_stride[3], to_stride[3];
  for (size_t plane = 0; plane < 3; ++plane) {
    from[plane] = in.row(plane, 0);
    to[plane] = out.mutable_row(plane, 0);
    from_stride[plane] = static_cast<int>(in.stride[plane]);
    to_stride[plane] = static_cast<int>(out.stride[plane]);
  }
  const int rows = sws_scale(context_.get(), from, from_stride, 0, static_cast<int>(from_height_), to, to_stride);
  if (rows != static_cast<int>(to_height_)) return make_error(Code::internal, "scaler", "it stopped half way");
  out.format.colour = in.format.colour;
  set_sample_shape(in, out);
  out.pts = in.pts;
  out.clock_quality = in.clock_quality;
  out.capture_time = in.capture_time;
  out.last_arrival = in.last_arrival;
  out.arrival_wall = in.arrival_wall;
  return {};
}

}  // namespace vigie::codec
