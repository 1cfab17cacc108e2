#include "codec/coded_clip.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
#include <libavutil/pixdesc.h>
}
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "rtp/unit_maker.h"

namespace vigie::codec {
namespace {

const char* encoder_of(Codec codec) {
  switch (codec) {
    case Codec::h264: return "libx264";
    case Codec::h265: return "libx265";
    case Codec::mjpeg: return "mjpeg";
  }
  return "";
}

// The scene is a sum of what changes across and what changes down: computed once a row and once a column.
double across(size_t plane, double x, int t) { return std::sin((x + 3 * t) / 23 + 0.7 * static_cast<double>(plane)); }
double down(size_t plane, double y, int t) { return std::cos((y - 2 * t) / 31 - 0.7 * static_cast<double>(plane)); }
double value_of(double sum) { return 126 + 45 * sum; }

std::vector<double> row_of(size_t plane, int width, double unit, int t) {
  std::vector<double> row(static_cast<size_t>(width));
  for (size_t x = 0; x < row.size(); ++x) row[x] = across(plane, (static_cast<double>(x) + 0.5) * unit, t);
  return row;
}

void paint(AVFrame& frame, int t) {
  const AVPixFmtDescriptor& layout = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  for (size_t plane = 0; plane < layout.nb_components; ++plane) {
    const AVComponentDescriptor& c = layout.comp[plane];
    const int log2_w = plane > 0 ? layout.log2_chroma_w : 0, log2_h = plane > 0 ? layout.log2_chroma_h : 0;
    const int width = AV_CEIL_RSHIFT(frame.width, log2_w);
    const std::vector<double> columns = row_of(plane, width, 1 << log2_w, t);
    for (int y = 0; y < AV_CEIL_RSHIFT(frame.height, log2_h); ++y) {
      uint8_t* row = frame.data[c.plane] + static_cast<ptrdiff_t>(y) * frame.linesize[c.plane] + c.offset;
      const double rest = down(plane, (y + 0.5) * (1 << log2_h), t);
      for (int x = 0; x < width; ++x) {
        const double value = value_of(columns[static_cast<size_t>(x)] + rest);
        if (c.depth == 8) {
          row[x * c.step] = static_cast<uint8_t>(std::lround(value));
        } else {
          const auto deep = static_cast<uint16_t>(std::lround(value * (1 << (c.depth - 8))));
          std::memcpy(row + x * c.step, &deep, sizeof deep);
        }
      }
    }
  }
}

}  // namespace

double scene(size_t plane, double x, double y, int t) { return value_of(across(plane, x, t) + down(plane, y, t)); }

Ref<Frame> scene_frame(FramePool& pool, const FrameFormat& format, int t) {
  Ref<Frame> frame = pool.make(format);
  frame->pts = Ticks90k{3600 * t};
  for (size_t plane = 0; plane < 3; ++plane) {
    const unsigned scale = plane == 0 ? 1 : 2;
    const std::vector<double> columns = row_of(plane, static_cast<int>(frame->plane_width(plane)), scale, t);
    for (uint32_t y = 0; y < frame->plane_height(plane); ++y) {
      uint8_t* row = frame->mutable_row(plane, y);
      const double rest = down(plane, (y + 0.5) * scale, t);
      for (uint32_t x = 0; x < frame->plane_width(plane); ++x) {
        row[x] = static_cast<uint8_t>(std::lround(value_of(columns[x] + rest)));
      }
    }
  }
  return frame;
}

double psnr(const Frame& a, const Frame& b) {
  double sum = 0, count = 0;
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < a.plane_height(plane); ++y) {
      for (uint32_t x = 0; x < a.plane_width(plane); ++x) {
        const double difference = a.row(plane, y)[x] - b.row(plane, y)[x];
        sum += difference * difference;
      }
    }
    count += static_cast<double>(a.plane_width(plane)) * a.plane_height(plane);
  }
  return sum == 0 ? 99 : 10 * std::log10(255 * 255 * count / sum);
}

bool can_encode(Codec codec) { return avcodec_find_encoder_by_name(encoder_of(codec)) != nullptr; }

std::vector<Ref<const AccessUnit>> make_clip(const ClipOptions& options) {
  const AVCodec* found = avcodec_find_encoder_by_name(encoder_of(options.codec));
  AVCodecContext* context = avcodec_alloc_context3(found);
  context->log_level_offset = 128;
  context->width = options.width;
  context->height = options.height;
  context->pix_fmt = av_get_pix_fmt(options.pixels.c_str());
  context->time_base = {1, 25};
  context->gop_size = 1000;
  context->max_b_frames = 0;
  context->thread_count = 1;
  if (options.codec == Codec::mjpeg) context->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
  if (options.tune) options.tune(*context);
  AVDictionary* dictionary = nullptr;
  if (options.codec == Codec::h264) av_dict_set(&dictionary, "crf", "12", 0);
  if (options.codec == Codec::h265) {
    av_dict_set(&dictionary, "crf", "12", 0);
    av_dict_set(&dictionary, "x265-params", "log-level=none:bframes=0", 0);
  }
  if (options.codec == Codec::mjpeg) av_dict_set(&dictionary, "qmin", "1", 0);
  if (options.codec == Codec::mjpeg) av_dict_set(&dictionary, "qmax", "2", 0);
  av_dict_parse_string(&dictionary, options.options.c_str(), "=", ";", 0);
  EXPECT_GE(avcodec_open2(context, found, &dictionary), 0) << options.pixels << " " << options.options;
  av_dict_free(&dictionary);
  std::vector<std::vector<uint8_t>> units;
  AVPacket* packet = av_packet_alloc();
  const auto take = [&] {
    while (avcodec_receive_packet(context, packet) >= 0) {
      units.emplace_back(packet->data, packet->data + packet->size);
      av_packet_unref(packet);
    }
  };
  for (int t = 0; t < options.pictures && avcodec_is_open(context); ++t) {
    AVFrame* frame = av_frame_alloc();
    frame->width = options.width;
    frame->height = options.height;
    frame->format = context->pix_fmt;
    frame->pts = t;
    av_frame_get_buffer(frame, 0);
    paint(*frame, t);
    EXPECT_GE(avcodec_send_frame(context, frame), 0);
    av_frame_free(&frame);
    take();
  }
  if (avcodec_is_open(context)) avcodec_send_frame(context, nullptr);
  take();
  av_packet_free(&packet);
  avcodec_free_context(&context);
  return units_of(options.codec, units);
}

std::vector<Ref<const AccessUnit>> units_of(Codec codec, const std::vector<std::vector<uint8_t>>& annexb) {
  std::vector<Ref<const AccessUnit>> units;
  BufferPool pool;
  rtp::ParameterSetTracker tracker(codec);
  for (const std::vector<uint8_t>& bytes : annexb) {
    rtp::UnitFacts facts;
    facts.pts = Ticks90k{static_cast<int64_t>(units.size())};
    auto unit = rtp::make_access_unit(codec, bytes, facts, tracker, pool);
    EXPECT_TRUE(unit.ok()) << unit.error().text();
    if (unit) units.push_back(std::move(*unit));
  }
  return units;
}

void Collector::on_picture(const DecodedPicture& picture) {
  Picture kept{picture, nullptr, picture.convertible()};
  if (kept.copied) {
    kept.frame = pool_.make(picture.format);
    kept.copied = picture.copy_to(*kept.frame);
  }
  kept.facts.decoded = nullptr;
  pictures.push_back(std::move(kept));
}

}  // namespace vigie::codec
