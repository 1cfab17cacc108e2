#include "codec/decoder_buffers.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <array>
#include <cstddef>
#include <cstring>

namespace vigie::codec {
namespace {

// One mark in each 16 x 16 luma samples: H.265's smallest coding tree block, the least that can be left out. At its left
// upper corner, where a block has 8 samples even at the picture's edge. As samples of more than 8 bits these are too
// large for any picture; 8 of 8 bits in just this order do not occur by chance.
constexpr int kBlock = 16;
constexpr std::array<uint8_t, 8> kMark{0x00, 0xFF, 0x5A, 0xA5, 0xFF, 0x00, 0xC3, 0x3C};

// Of luma, in bytes; 0 for what has no planes of samples.
int sample_bytes(int pixel_format) {
  const AVPixFmtDescriptor* form = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(pixel_format));
  return form && (form->flags & (AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM)) == 0 ? form->comp[0].step : 0;
}

}  // namespace

void DecoderBuffers::watch(AVCodecContext& context) {
  context.thread_type = 0;  // libav warns of buffers that are not its own wherever there could be threads
  context.opaque = this;
  context.get_buffer2 = &DecoderBuffers::give;
}

int DecoderBuffers::give(AVCodecContext* context, AVFrame* frame, int flags) {
  if (const int failed = avcodec_default_get_buffer2(context, frame, flags); failed < 0) return failed;
  ++static_cast<DecoderBuffers*>(context->opaque)->asked_;
  const ptrdiff_t step = ptrdiff_t{kBlock} * sample_bytes(frame->format);
  const ptrdiff_t row_bytes = ptrdiff_t{frame->width} * sample_bytes(frame->format);
  for (int y = 0; step > 0 && y < frame->height; y += kBlock) {
    uint8_t* row = frame->data[0] + ptrdiff_t{y} * frame->linesize[0];
    for (ptrdiff_t x = 0; x + ptrdiff_t{kMark.size()} <= row_bytes; x += step) {
      std::memcpy(row + x, kMark.data(), kMark.size());
    }
  }
  return 0;
}

bool DecoderBuffers::complete(const AVFrame& frame) {
  const ptrdiff_t step = ptrdiff_t{kBlock} * sample_bytes(frame.format);
  if (step == 0 || !frame.buf[0]) return true;
  // Where the shown part begins in the buffer: cropping has moved the plane's pointer.
  const ptrdiff_t line = frame.linesize[0];
  const ptrdiff_t cropped = frame.data[0] - frame.buf[0]->data;
  const ptrdiff_t top = cropped / line;
  const ptrdiff_t left = cropped % line;
  const ptrdiff_t right = left + ptrdiff_t{frame.width} * sample_bytes(frame.format);
  for (ptrdiff_t y = (top + kBlock - 1) / kBlock * kBlock; y < top + frame.height; y += kBlock) {
    const uint8_t* row = frame.buf[0]->data + y * line;
    for (ptrdiff_t x = (left + step - 1) / step * step; x + ptrdiff_t{kMark.size()} <= right; x += step) {
      if (std::memcmp(row + x, kMark.data(), kMark.size()) == 0) return false;
    }
  }
  return true;
}

}  // namespace vigie::codec
