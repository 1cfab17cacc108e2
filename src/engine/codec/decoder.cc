#include "codec/decoder.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/start_code.h"
#include "codec/decoder_buffers.h"
#include "codec/libav.h"

namespace vigie::codec {
namespace {

constexpr int64_t kMaxPixels = 40'000'000;  // above level 6.2's 35.7 million

AVCodecID id_of(Codec codec) {
  switch (codec) {
    case Codec::h264: return AV_CODEC_ID_H264;
    case Codec::h265: return AV_CODEC_ID_HEVC;
    case Codec::mjpeg: return AV_CODEC_ID_MJPEG;
  }
  return AV_CODEC_ID_NONE;
}

// What a decoder needs. SEI, delimiters and filler only cost time, and SEI may carry what nobody has masked.
bool decoder_needs(Codec codec, ByteSpan nal) {
  if (nal.empty()) return false;
  if (codec == Codec::h264) {
    const uint8_t type = h264_nal_type(nal[0]);
    return type != h264::kSei && type != h264::kAud && type != h264::kFiller;
  }
  constexpr uint8_t kFiller = 38, kPrefixSei = 39, kSuffixSei = 40;
  const uint8_t type = h265_nal_type(nal[0]);
  return type != h265::kAud && type != kFiller && type != kPrefixSei && type != kSuffixSei;
}

// Goes behind each slice of H.265. A whole slice has said before that it ends, and nobody reads on; of one that was cut
// short, zeroes (which libavcodec would read) mean "as predicted, and another block" up to the picture's last, while ones
// soon mean the end. Of small pictures 64 of them find a fifth of what 1024 find, and 8192 no more.
constexpr std::array<uint8_t, 1024> kSliceTail = [] {
  std::array<uint8_t, 1024> ones{};
  ones.fill(0xFF);
  return ones;
}();

constexpr size_t kMostSlices = 600;  // of a picture, at the highest levels (H.265 A.4.1)

bool needs_tail(Codec codec, ByteSpan nal) {
  return codec == Codec::h265 && !nal.empty() && h265::is_vcl(h265_nal_type(nal[0]));
}

size_t tails_of(const AccessUnit& unit) {
  size_t tails = 0;
  for (size_t i = 0; i < unit.nals.size(); ++i) tails += needs_tail(unit.codec, unit.nal(i)) ? 1 : 0;
  return tails;
}

// The decoder's input: the bytes, and behind them the zeroes it reads over the end into. One buffer for all units, another
// one only while the decoder still holds the last.
class PaddedPacket {
 public:
  PaddedPacket() : packet_(av_packet_alloc()) {}
  ~PaddedPacket() { av_buffer_unref(&buffer_); }
  PaddedPacket(const PaddedPacket&) = delete;
  PaddedPacket& operator=(const PaddedPacket&) = delete;

  // Room for `bytes`; false when there is no memory.
  bool begin(size_t bytes) {
    const size_t needed = bytes + AV_INPUT_BUFFER_PADDING_SIZE;
    size_ = 0;
    if (packet_) av_packet_unref(packet_.get());
    if (!buffer_ || buffer_->size < needed || !av_buffer_is_writable(buffer_)) {
      av_buffer_unref(&buffer_);
      buffer_ = av_buffer_alloc(needed + needed / 4);
    }
    return packet_ && buffer_;
  }
  void append(ByteSpan bytes) {
    std::memcpy(buffer_->data + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // Null when there is no memory.
  AVPacket* finish(uint64_t tag) {
    std::memset(buffer_->data + size_, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    packet_->buf = av_buffer_ref(buffer_);
    packet_->data = buffer_->data;
    packet_->size = static_cast<int>(size_);
    packet_->pts = static_cast<int64_t>(tag);
    return packet_->buf ? packet_.get() : nullptr;
  }
  void release() { av_packet_unref(packet_.get()); }

 private:
  PacketPtr packet_;
  AVBufferRef* buffer_ = nullptr;
  size_t size_ = 0;
};

bool is_keyframe(const AVFrame& frame) {
#ifdef AV_FRAME_FLAG_KEY
  return (frame.flags & AV_FRAME_FLAG_KEY) != 0;
#else
  return frame.key_frame != 0;
#endif
}

bool is_interlaced(const AVFrame& frame) {
#ifdef AV_FRAME_FLAG_INTERLACED
  return (frame.flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
  return frame.interlaced_frame != 0;
#endif
}

bool is_full_range(const AVFrame& frame) {
  switch (frame.format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P: return true;
    default: return frame.color_range == AVCOL_RANGE_JPEG;
  }
}

FrameFormat format_of(const AVFrame& frame) {
  FrameFormat format;
  format.width = static_cast<uint32_t>(frame.width) & ~1U;
  format.height = static_cast<uint32_t>(frame.height) & ~1U;
  if (frame.sample_aspect_ratio.num > 0 && frame.sample_aspect_ratio.den > 0) {
    format.sar_width = static_cast<uint32_t>(frame.sample_aspect_ratio.num);
    format.sar_height = static_cast<uint32_t>(frame.sample_aspect_ratio.den);
  }
  format.colour.full_range = is_full_range(frame);
  format.colour.primaries = static_cast<uint8_t>(frame.color_primaries);
  format.colour.transfer = static_cast<uint8_t>(frame.color_trc);
  format.colour.matrix = static_cast<uint8_t>(frame.colorspace);
  return format;
}

// Annex B, as the decoders take it for their private data.
std::vector<uint8_t> private_data(const ParameterSets& sets) {
  std::vector<uint8_t> bytes;
  for (const auto* list : {&sets.vps, &sets.sps, &sets.pps}) {
    for (const std::vector<uint8_t>& nal : *list) {
      bytes.insert(bytes.end(), std::begin(kStartCode), std::end(kStartCode));
      bytes.insert(bytes.end(), nal.begin(), nal.end());
    }
  }
  return bytes;
}

void configure(AVCodecContext& context, Codec codec, const ParameterSets& sets) {
  context.thread_count = 1;  // every frame thread would hold a picture back
  context.max_pixels = kMaxPixels;
  // Cropped to the sample: libav would else leave some columns in front for the sake of alignment.
  context.flags |= AV_CODEC_FLAG_UNALIGNED;
  if (codec == Codec::mjpeg || sets.picture.reordered_pictures == 0U) context.flags |= AV_CODEC_FLAG_LOW_DELAY;
  // Not none, or missing parts would go unnoticed; this kind costs the least, for what it makes up is thrown away.
  context.error_concealment = FF_EC_FAVOR_INTER;
  context.err_recognition = AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
}

// A context that has seen nothing yet.
Result<ContextPtr> open_context(Codec codec, const ParameterSets& sets, DecoderBuffers& buffers) {
  const std::string where = std::string(codec_name(codec)) + " decoder";
  const AVCodec* found = avcodec_find_decoder(id_of(codec));
  if (!found) return make_error(Code::codec_unsupported, where, "this libavcodec was built without it");
  ContextPtr context = make_context(found);
  if (!context) return make_error(Code::internal, where, "no memory");
  configure(*context, codec, sets);
  if (codec == Codec::h265) buffers.watch(*context);  // the others say what they leave out
  if (codec != Codec::mjpeg) {
    const std::vector<uint8_t> bytes = private_data(sets);
    context->extradata = static_cast<uint8_t*>(av_mallocz(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    if (!context->extradata) return make_error(Code::internal, where, "no memory");
    std::memcpy(context->extradata, bytes.data(), bytes.size());
    context->extradata_size = static_cast<int>(bytes.size());
  }
  // A parameter set that no picture refers to may be anything; a picture that refers to a bad one fails by itself.
  context->err_recognition &= ~AV_EF_EXPLODE;
  if (const int opened = avcodec_open2(context.get(), found, nullptr); opened < 0) {
    return make_error(Code::parameter_sets, where, "the decoder refuses them: " + libav_reason(opened));
  }
  // Cameras break many small rules of H.264 that no picture suffers from; what one suffers from is in its error flags.
  if (codec != Codec::h264) context->err_recognition |= AV_EF_EXPLODE;
  return context;
}

class LibavDecoder final : public Decoder {
 public:
  LibavDecoder(Codec codec, Ref<const ParameterSets> sets)
      : codec_(codec), sets_(std::move(sets)), frame_(av_frame_alloc()) {}

  Status open() {
    Result<ContextPtr> opened = open_context(codec_, *sets_, buffers_);
    if (!opened.ok()) return std::move(opened).error();
    context_ = std::move(opened).value();
    return {};
  }

  Status decode(const AccessUnit& unit, uint64_t tag, PictureSink& sink) override {
    if (unit.codec != codec_) {
      return make_error(Code::invalid_argument, std::string(codec_name(codec_)) + " decoder",
                        "a unit of " + std::string(codec_name(unit.codec)) + "; make a decoder for each codec");
    }
    if (!context_) {
      if (Status opened = open(); !opened.ok()) return opened;
    }
    const size_t tails = tails_of(unit);
    if (tails > kMostSlices) {
      return damaged(std::to_string(tails) + " slices in a picture, at most " + std::to_string(kMostSlices));
    }
    const size_t more = unit.nals.size() * kStartCode.size() + tails * kSliceTail.size();
    if (!packet_.begin(unit.payload.size() + more)) return no_memory();
    if (codec_ == Codec::mjpeg) {
      packet_.append(unit.payload.bytes());
    } else {
      for (size_t i = 0; i < unit.nals.size(); ++i) {
        if (!decoder_needs(codec_, unit.nal(i))) continue;
        packet_.append(kStartCode);
        packet_.append(unit.nal(i));
        if (needs_tail(codec_, unit.nal(i))) packet_.append(kSliceTail);
      }
    }
    AVPacket* packet = packet_.finish(tag);
    if (!packet) return no_memory();
    if (packet->size == 0) {  // libav would take it for the end
      packet_.release();
      return damaged("it has nothing to decode");
    }
    buffers_.begin_unit(unit.keyframe);
    const int sent = avcodec_send_packet(context_.get(), packet);
    packet_.release();
    Status taken = take_pictures(sink);
    return sent < 0 ? damaged(libav_reason(sent)) : std::move(taken);
  }

  Status drain(PictureSink& sink) override {
    if (!context_) return {};
    if (const int sent = avcodec_send_packet(context_.get(), nullptr); sent < 0) return damaged(libav_reason(sent));
    return take_pictures(sink);
  }

  // Not avcodec_flush_buffers: libavcodec's H.264 keeps what a block it gave up in had of coefficients, and adds them to the
  // next picture, which may be intact: a private place's colour over everything that is predicted from there.
  void flush() override { context_.reset(); }

 private:
  Error damaged(std::string why) const {
    return make_error(Code::picture_damaged, std::string(codec_name(codec_)) + " decoder", std::move(why));
  }
  Error no_memory() const { return make_error(Code::internal, "decoder", "no memory"); }

  Status take_pictures(PictureSink& sink) {
    if (!frame_) return no_memory();
    for (;;) {
      const int got = avcodec_receive_frame(context_.get(), frame_.get());
      if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return {};
      if (got < 0) return damaged(libav_reason(got));
      DecodedPicture picture;
      picture.format = format_of(*frame_);
      picture.corrupt = is_corrupt(*frame_);
      picture.keyframe = is_keyframe(*frame_);
      picture.interlaced = is_interlaced(*frame_);
      picture.tag = static_cast<uint64_t>(frame_->pts);
      picture.decoded = frame_.get();
      sink.on_picture(picture);
      av_frame_unref(frame_.get());
    }
  }

  bool is_corrupt(const AVFrame& frame) const {
    if ((frame.flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame.decode_error_flags != 0) return true;
    return codec_ == Codec::h265 && (buffers_.made_up_reference() || !DecoderBuffers::complete(frame));
  }

  Codec codec_;
  Ref<const ParameterSets> sets_;
  DecoderBuffers buffers_;
  ContextPtr context_;  // null before open() and after flush()
  PaddedPacket packet_;
  FramePtr frame_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> Decoder::make(Codec codec, const Ref<const ParameterSets>& sets) {
  const std::string where = std::string(codec_name(codec)) + " decoder";
  if (sets->codec != codec) {
    return make_error(Code::parameter_sets, where, "they are of " + std::string(codec_name(sets->codec)));
  }
  if (!sets->complete()) return make_error(Code::parameter_sets, where, "they are not complete");
  auto decoder = std::make_unique<LibavDecoder>(codec, sets);
  if (Status opened = decoder->open(); !opened.ok()) return std::move(opened).error();
  return std::unique_ptr<Decoder>(std::move(decoder));
}

}  // namespace vigie::codec
