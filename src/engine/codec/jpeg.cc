#include "codec/jpeg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>

#include "codec/frame_pool.h"
#include "codec/libav.h"

namespace vigie::codec {
namespace {

constexpr const char* kWhere = "JPEG encoder";

// Studio range to full range (ITU-T H.273, 8.3): luma 16..235, chroma 16..240 about 128.
std::array<uint8_t, 256> widening(double from, double span, double centre) {
  std::array<uint8_t, 256> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    const double value = (static_cast<double>(i) - from) * 255 / span + centre;
    table[i] = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
  }
  return table;
}

Ref<Frame> in_full_range(const Frame& frame) {
  static const auto kLuma = widening(16, 219, 0);
  static const auto kChroma = widening(128, 224, 128);
  FramePool pool(0);
  Ref<Frame> full = pool.make(frame.format);
  full->format.colour.full_range = true;
  for (size_t plane = 0; plane < 3; ++plane) {
    const auto& table = plane == 0 ? kLuma : kChroma;
    for (uint32_t y = 0; y < frame.plane_height(plane); ++y) {
      const uint8_t* from = frame.row(plane, y);
      std::transform(from, from + frame.plane_width(plane), full->mutable_row(plane, y),
                     [&table](uint8_t value) { return table[value]; });
    }
  }
  return full;
}

// The customary scale (that of libjpeg: 50 is the standard's tables) to libav's multiplier of its own tables, which are
// about an eighth of those.
int multiplier(int quality) {
  const double scale = quality < 50 ? 50.0 / quality : (100.0 - quality) / 50.0;
  return std::clamp(static_cast<int>(std::lround(scale * 8)), 1, 31);
}

Result<ContextPtr> open_jpeg(const Frame& frame, int quality) {
  const AVCodec* found = avcodec_find_encoder_by_name("mjpeg");
  if (!found) return make_error(Code::codec_unsupported, kWhere, "this libavcodec was built without it");
  ContextPtr context = make_context(found);
  if (!context) return make_error(Code::internal, kWhere, "no memory");
  set_picture_facts(frame.format, *context);
  context->pix_fmt = AV_PIX_FMT_YUVJ420P;
  context->time_base = {1, 25};
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_QSCALE;
  context->global_quality = FF_QP2LAMBDA * multiplier(quality);
  context->qmin = 1;
  if (const int opened = avcodec_open2(context.get(), found, nullptr); opened < 0) {
    return make_error(Code::codec_unsupported, kWhere, "it does not open: " + libav_reason(opened));
  }
  return context;
}

}  // namespace

Result<std::vector<uint8_t>> encode_jpeg(const Frame& frame, int quality) {
  if (quality < 1 || quality > 100) {
    return make_error(Code::invalid_argument, kWhere, "quality " + std::to_string(quality) + "; 1 to 100");
  }
  if (!is_frame_format(frame.format)) return make_error(Code::invalid_argument, kWhere, "no frame can have this size");
  Ref<Frame> full;
  if (!frame.format.colour.full_range) full = in_full_range(frame);
  const Frame& source = full ? *full : frame;
  Result<ContextPtr> context = open_jpeg(source, quality);
  if (!context) return std::move(context.error());
  const FramePtr lent(av_frame_alloc());
  const PacketPtr packet(av_packet_alloc());
  if (!lent || !packet) return make_error(Code::internal, kWhere, "no memory");
  if (Status done = lend_frame(source, *lent); !done) return std::move(done.error());
  lent->format = AV_PIX_FMT_YUVJ420P;
  lent->quality = (*context)->global_quality;
  lent->pts = 0;
  int answer = avcodec_send_frame(context->get(), lent.get());
  if (answer >= 0) answer = avcodec_send_frame(context->get(), nullptr);
  if (answer >= 0) answer = avcodec_receive_packet(context->get(), packet.get());
  if (answer < 0) return make_error(Code::encoder_failed, kWhere, libav_reason(answer));
  return std::vector<uint8_t>(packet->data, packet->data + packet->size);
}

}  // namespace vigie::codec
