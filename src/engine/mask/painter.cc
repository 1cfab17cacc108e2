#include "mask/painter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "mask/card.h"

namespace vigie::mask {
namespace {

// Shares of red and blue in luma.
struct Weights {
  double red, blue;
};
constexpr Weights kBt601{0.299, 0.114}, kBt709{0.2126, 0.0722}, kBt2020{0.2627, 0.0593}, kFcc{0.30, 0.11},
    kSmpte240{0.212, 0.087};

Weights weights_of(const FrameFormat& format) {
  switch (format.colour.matrix) {
    case 1: return kBt709;
    case 4: return kFcc;
    case 5:
    case 6: return kBt601;
    case 7: return kSmpte240;
    case 9:
    case 10: return kBt2020;
    default: return format.height >= 720 ? kBt709 : kBt601;
  }
}

uint8_t sample(double value) { return static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L)); }

std::string size_text(uint32_t width, uint32_t height) { return std::to_string(width) + "x" + std::to_string(height); }

Status check_writable(const Ref<Frame>& frame) {
  if (!frame) return make_error(Code::internal, "painter", "no frame");
  if (!frame->unique() || !frame->memory.unique()) {
    return make_error(Code::internal, "painter", "the frame is shared; only a sole owner may paint");
  }
  const FrameFormat& format = frame->format;
  if (format.width == 0 || format.height == 0 || format.width % 2 != 0 || format.height % 2 != 0) {
    return make_error(Code::internal, "painter",
                      "the frame is " + size_text(format.width, format.height) + "; both must be even and not 0");
  }
  for (size_t plane = 0; plane < 3; ++plane) {
    const uint64_t end = frame->offset[plane] + uint64_t{frame->plane_height(plane) - 1} * frame->stride[plane] +
                         frame->plane_width(plane);
    if (frame->stride[plane] < frame->plane_width(plane) || end > frame->memory.capacity()) {
      return make_error(Code::internal, "painter", "plane " + std::to_string(plane) + " reaches beyond the memory");
    }
  }
  return {};
}

void paint(Frame& frame, const Layer& layer) {
  for (uint32_t y = 0; y < frame.format.height; ++y) {
    const auto spans = layer.spans->row(y);
    if (spans.empty()) continue;
    uint8_t* luma = frame.mutable_row(0, y);
    for (const Span& span : spans) std::memset(luma + span.begin, layer.colour.y, span.end - span.begin);
    if (y % 2 != 0) continue;
    uint8_t *u = frame.mutable_row(1, y / 2), *v = frame.mutable_row(2, y / 2);
    for (const Span& span : spans) {
      std::memset(u + span.begin / 2, layer.colour.u, (span.end - span.begin) / 2);
      std::memset(v + span.begin / 2, layer.colour.v, (span.end - span.begin) / 2);
    }
  }
}

}  // namespace

FillColour fill_colour(uint32_t rgb, const FrameFormat& format) {
  const Weights weights = weights_of(format);
  const double red = (rgb >> 16 & 0xff) / 255.0, green = (rgb >> 8 & 0xff) / 255.0, blue = (rgb & 0xff) / 255.0;
  const double luma = weights.red * red + (1 - weights.red - weights.blue) * green + weights.blue * blue;
  const double u = (blue - luma) / (2 * (1 - weights.blue)), v = (red - luma) / (2 * (1 - weights.red));
  if (format.colour.full_range) return {sample(255 * luma), sample(128 + 255 * u), sample(128 + 255 * v)};
  return {sample(16 + 219 * luma), sample(128 + 224 * u), sample(128 + 224 * v)};
}

Result<FilledFrame> Painter::fill(Ref<Frame> frame, std::span<const Layer> layers, uint64_t mask_revision) {
  if (Status writable = check_writable(frame); !writable) return std::move(writable).error();
  if (layers.empty()) {
    return make_error(Code::invalid_argument, "painter",
                      "no layer; that nothing is private is said by empty spans of the picture's size");
  }
  if (mask_revision == 0) return make_error(Code::invalid_argument, "painter", "a masked picture needs its revision");
  const FrameFormat& format = frame->format;
  for (const Layer& layer : layers) {
    if (layer.spans == nullptr || layer.spans->width() != format.width || layer.spans->height() != format.height) {
      const std::string found = layer.spans ? size_text(layer.spans->width(), layer.spans->height()) : "none";
      return make_error(Code::invalid_argument, "painter",
                        "spans of " + found + " for a picture of " + size_text(format.width, format.height));
    }
  }
  for (const Layer& layer : layers) paint(*frame, layer);
  return FilledFrame(std::move(frame), mask_revision, PrivacyState::masked);
}

Result<FilledFrame> Painter::cover(Ref<Frame> frame, std::span<const std::string_view> lines, uint64_t mask_revision) {
  if (Status writable = check_writable(frame); !writable) return std::move(writable).error();
  draw_card(*frame, lines);
  return FilledFrame(std::move(frame), mask_revision, PrivacyState::covered);
}

}  // namespace vigie::mask
