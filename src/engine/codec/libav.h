#pragma once
// What the files of this folder share about libav: ownership, error texts, one frame's memory lent to it. Included by
// this folder's .cc files alone.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
}

#include <memory>
#include <string>

#include "base/result.h"
#include "media/frame.h"

namespace vigie::codec {

struct ContextDeleter {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct PacketDeleter {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FrameDeleter {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
using ContextPtr = std::unique_ptr<AVCodecContext, ContextDeleter>;
using PacketPtr = std::unique_ptr<AVPacket, PacketDeleter>;
using FramePtr = std::unique_ptr<AVFrame, FrameDeleter>;

// A context that prints nothing, whatever level the host has chosen; what matters comes back as an Error.
ContextPtr make_context(const AVCodec* codec);

std::string libav_reason(int error);

// Points `out` at the frame's planes, without a copy; libav holds a reference to the frame until it lets `out` go.
// What it says of colour and sample shape is the frame's. Errors: internal when there is no memory.
Status lend_frame(const Frame& frame, AVFrame& out);

// Puts colour facts and sample shape into a context of an encoder.
void set_picture_facts(const FrameFormat& format, AVCodecContext& context);

}  // namespace vigie::codec
