#include "codec/libav.h"

extern "C" {
#include <libavutil/error.h>
}

namespace vigie::codec {
namespace {

constexpr int kQuiet = 128;  // added to the level of every message; libav looks at its low eight bits alone

AVColorRange range_of(const ColourFacts& colour) { return colour.full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG; }

}  // namespace

ContextPtr make_context(const AVCodec* codec) {
  ContextPtr context(avcodec_alloc_context3(codec));
  if (context) context->log_level_offset = kQuiet;
  return context;
}

std::string libav_reason(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

Status lend_frame(const Frame& frame, AVFrame& out) {
  av_frame_unref(&out);
  // libav wants memory that it could write to by type; the read-only flag keeps it from doing so.
  frame.add_ref();
  out.buf[0] = av_buffer_create(
      const_cast<uint8_t*>(frame.memory.data()), frame.memory.size(),
      [](void* lent, uint8_t*) { static_cast<const Frame*>(lent)->release(); }, const_cast<Frame*>(&frame),
      AV_BUFFER_FLAG_READONLY);
  if (!out.buf[0]) {
    frame.release();
    return make_error(Code::internal, "frame", "no memory to lend it to the encoder");
  }
  for (size_t plane = 0; plane < 3; ++plane) {
    out.data[plane] = const_cast<uint8_t*>(frame.row(plane, 0));
    out.linesize[plane] = static_cast<int>(frame.stride[plane]);
  }
  out.width = static_cast<int>(frame.format.width);
  out.height = static_cast<int>(frame.format.height);
  out.format = AV_PIX_FMT_YUV420P;
  out.color_range = range_of(frame.format.colour);
  out.color_primaries = static_cast<AVColorPrimaries>(frame.format.colour.primaries);
  out.color_trc = static_cast<AVColorTransferCharacteristic>(frame.format.colour.transfer);
  out.colorspace = static_cast<AVColorSpace>(frame.format.colour.matrix);
  return {};
}

void set_picture_facts(const FrameFormat& format, AVCodecContext& context) {
  context.width = static_cast<int>(format.width);
  context.height = static_cast<int>(format.height);
  context.sample_aspect_ratio = {static_cast<int>(format.sar_width), static_cast<int>(format.sar_height)};
  if (format.sar_width == 0 || format.sar_height == 0) context.sample_aspect_ratio = {0, 1};
  context.pix_fmt = AV_PIX_FMT_YUV420P;
  context.color_range = range_of(format.colour);
  context.color_primaries = static_cast<AVColorPrimaries>(format.colour.primaries);
  context.color_trc = static_cast<AVColorTransferCharacteristic>(format.colour.transfer);
  context.colorspace = static_cast<AVColorSpace>(format.colour.matrix);
}

}  // namespace vigie::codec
