// The one copy of a decoded picture: from whatever planar layout to 8 bits, 4:2:0.
extern "C" {
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cstring>
#include <string>

#include "codec/decoder.h"
#include "codec/frame_pool.h"
#include "codec/libav.h"

namespace vigie::codec {
namespace {

constexpr int kMaxDepth = 12;
constexpr uint8_t kGreyChroma = 128;

// One component of a decoded picture, displayed part.
struct Component {
  const uint8_t* data = nullptr;
  ptrdiff_t stride = 0;
  size_t step = 1;     // bytes from one sample to the next
  unsigned shift = 0;  // unused low bits of a sample
  unsigned depth = 8;
  uint32_t width = 0, height = 0;  // samples
};

// How many samples of the source one of the result stands for, along each axis, as a power of two; `widen`: instead, one
// of the source stands for two.
struct Ratio {
  unsigned across = 0, down = 0;
  bool widen = false;
};

Component component_of(const AVFrame& frame, const AVPixFmtDescriptor& layout, size_t index) {
  const AVComponentDescriptor& facts = layout.comp[index];
  Component c;
  c.data = frame.data[facts.plane] + facts.offset;
  c.stride = frame.linesize[facts.plane];
  c.step = static_cast<size_t>(facts.step);
  c.shift = static_cast<unsigned>(facts.shift);
  c.depth = static_cast<unsigned>(facts.depth);
  const bool chroma = index > 0;
  c.width = static_cast<uint32_t>(AV_CEIL_RSHIFT(frame.width, chroma ? layout.log2_chroma_w : 0));
  c.height = static_cast<uint32_t>(AV_CEIL_RSHIFT(frame.height, chroma ? layout.log2_chroma_h : 0));
  return c;
}

// Half of what a shift by `bits` (a few) throws away.
uint32_t rounding(unsigned bits) { return (uint32_t{1} << bits % 32) >> 1; }

// The layouts that come often get a loop of their own, which the compiler turns into vector instructions.
template <class Sample>
void convert_packed(const Component& c, const uint8_t* first_bytes, const uint8_t* second_bytes, bool halve,
                    uint8_t* out, uint32_t width) {
  const auto* first = reinterpret_cast<const Sample*>(first_bytes);
  const auto* second = reinterpret_cast<const Sample*>(second_bytes);
  const unsigned bits = (halve ? 1U : 0U) + (second ? 1U : 0U) + (c.depth - 8);
  const uint32_t half = rounding(bits);
  const auto narrow = [=](uint32_t sum) { return static_cast<uint8_t>(std::min<uint32_t>((sum + half) >> bits, 255)); };
  if (halve && second) {
    for (uint32_t x = 0; x < width; ++x) {
      out[x] = narrow(uint32_t{first[2 * x]} + first[2 * x + 1] + second[2 * x] + second[2 * x + 1]);
    }
  } else if (halve) {
    for (uint32_t x = 0; x < width; ++x) out[x] = narrow(uint32_t{first[2 * x]} + first[2 * x + 1]);
  } else if (second) {
    for (uint32_t x = 0; x < width; ++x) out[x] = narrow(uint32_t{first[x]} + second[x]);
  } else {
    for (uint32_t x = 0; x < width; ++x) out[x] = narrow(first[x]);
  }
}

// What is left: samples between others (NV12), in the high bits (P010), or with chroma a quarter as wide (4:1:1).
uint32_t sample_at(const Component& c, const uint8_t* row, uint32_t x) {
  const uint8_t* p = row + x * c.step;
  if (c.depth == 8) return *p;
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return static_cast<uint32_t>(value >> c.shift);
}

// One row of the result from one of the source, or from two that are averaged.
void convert_row(const Component& c, const uint8_t* first, const uint8_t* second, const Ratio& ratio, uint8_t* out,
                 uint32_t width) {
  const bool packed = c.shift == 0 && !ratio.widen && c.width >= width << ratio.across;
  if (packed && c.depth == 8 && c.step == 1)
    return convert_packed<uint8_t>(c, first, second, ratio.across > 0, out, width);
  if (packed && c.depth > 8 && c.step == 2)
    return convert_packed<uint16_t>(c, first, second, ratio.across > 0, out, width);
  const unsigned bits = ratio.across + (second ? 1U : 0U) + (c.depth - 8);
  const uint32_t half = rounding(bits);
  for (uint32_t x = 0; x < width; ++x) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 1U << ratio.across; ++i) {
      const uint32_t at = std::min(ratio.widen ? x / 2 : (x << ratio.across) + i, c.width - 1);
      sum += sample_at(c, first, at) + (second ? sample_at(c, second, at) : 0);
    }
    out[x] = static_cast<uint8_t>(std::min<uint32_t>((sum + half) >> bits, 255));
  }
}

// Row `y` of a plane half as high comes from two rows; where fields are woven, from two of the same field.
void source_rows(uint32_t y, bool interlaced, uint32_t& first, uint32_t& second) {
  first = interlaced ? y / 2 * 4 + y % 2 : y * 2;
  second = first + (interlaced ? 2 : 1);
}

void convert_plane(const Component& c, const Ratio& ratio, bool interlaced, Frame& out, size_t plane) {
  const uint32_t width = out.plane_width(plane), height = out.plane_height(plane);
  const bool plain = c.depth == 8 && c.step == 1 && ratio.across == 0 && ratio.down == 0 && !ratio.widen;
  for (uint32_t y = 0; y < height; ++y) {
    uint8_t* const to = out.mutable_row(plane, y);
    if (plain) {
      std::memcpy(to, c.data + static_cast<ptrdiff_t>(y) * c.stride, width);
      continue;
    }
    uint32_t first = y, second = y;
    if (ratio.down > 0) source_rows(y, interlaced, first, second);
    const auto row = [&c](uint32_t at) {
      return c.data + static_cast<ptrdiff_t>(std::min(at, c.height - 1)) * c.stride;
    };
    convert_row(c, row(first), ratio.down > 0 ? row(second) : nullptr, ratio, to, width);
  }
}

bool convertible_layout(const AVPixFmtDescriptor& layout) {
  constexpr uint64_t kRefused = AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL |
                                AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_FLOAT |
                                AV_PIX_FMT_FLAG_BAYER;
  if ((layout.flags & kRefused) != 0) return false;
  if (layout.nb_components < 3) return layout.nb_components == 1 && layout.comp[0].depth <= kMaxDepth;
  if ((layout.flags & AV_PIX_FMT_FLAG_PLANAR) == 0 || layout.log2_chroma_w > 2 || layout.log2_chroma_h > 1)
    return false;
  return std::all_of(layout.comp, layout.comp + 3,
                     [](const AVComponentDescriptor& c) { return c.depth >= 8 && c.depth <= kMaxDepth; });
}

}  // namespace

Status DecodedPicture::convertible() const {
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(decoded->format));
  if (!layout || !convertible_layout(*layout)) {
    return make_error(Code::codec_unsupported, "decoded picture",
                      "its samples are " + std::string(layout ? layout->name : "of an unknown kind") +
                          "; planar YUV or grey of 8 to 12 bits can be used");
  }
  if (!is_frame_format(format)) {
    return make_error(Code::codec_unsupported, "decoded picture",
                      "its size is " + std::to_string(decoded->width) + "x" + std::to_string(decoded->height) +
                          "; a side may have 2 to " + std::to_string(kMaxSide) + " samples");
  }
  return {};
}

Status DecodedPicture::copy_to(Frame& out) const {
  if (Status possible = convertible(); !possible) return possible;
  if (out.format.width != format.width || out.format.height != format.height) {
    return make_error(Code::invalid_argument, "decoded picture",
                      "the frame is " + std::to_string(out.format.width) + "x" + std::to_string(out.format.height) +
                          ", the picture " + std::to_string(format.width) + "x" + std::to_string(format.height));
  }
  out.format = format;
  const AVPixFmtDescriptor& layout = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(decoded->format));
  convert_plane(component_of(*decoded, layout, 0), {}, interlaced, out, 0);
  for (size_t plane = 1; plane < 3; ++plane) {
    if (layout.nb_components < 3) {
      for (uint32_t y = 0; y < out.plane_height(plane); ++y) {
        std::memset(out.mutable_row(plane, y), kGreyChroma, out.plane_width(plane));
      }
      continue;
    }
    Ratio ratio;
    ratio.across = layout.log2_chroma_w == 0 ? 1 : 0;
    ratio.down = layout.log2_chroma_h == 0 ? 1 : 0;
    ratio.widen = layout.log2_chroma_w == 2;
    convert_plane(component_of(*decoded, layout, plane), ratio, interlaced, out, plane);
  }
  return {};
}

}  // namespace vigie::codec
