#include "codec/encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/start_code.h"
#include "codec/encoder_options.h"
#include "codec/frame_pool.h"
#include "codec/libav.h"
#include "codec/quality_guard.h"
#include "codec/quality_probe.h"
#include "codec/rate_guard.h"
#include "media/codec.h"

namespace vigie::codec {
namespace {

constexpr uint8_t kStartCode[] = {0, 0, 0, 1};
constexpr size_t kCachedBytes = size_t{1} << 20;  // of coded pictures waiting for reuse
constexpr int kMaxQuality = 51;
constexpr double kMaxFps = 1000;
constexpr double kMeasureEvery = 30;  // seconds, once the quantiser has found its place

void append_nal(EncodedPicture& picture, ByteSpan nal) {
  picture.payload.append(kStartCode);
  picture.nals.push_back({static_cast<uint32_t>(picture.payload.size()), static_cast<uint32_t>(nal.size())});
  picture.payload.append(nal);
}

class LibavEncoder final : public Encoder {
 public:
  LibavEncoder(const EncoderOptions& options, const char* name, ContextPtr context)
      : options_(options),
        name_(name),
        context_(std::move(context)),
        frame_(av_frame_alloc()),
        packet_(av_packet_alloc()),
        guard_(options.quality, options.bitrate_cap_bps, options.fps),
        quality_(options.quality, options.finest_quality, options.coarsest_quality, options.likeness),
        pool_(kCachedBytes) {}

  // Errors: codec_unsupported when the encoder says nothing of its parameter sets.
  Status read_parameter_sets() {
    if (context_->extradata_size > 0) {
      NalWalker walker({context_->extradata, static_cast<size_t>(context_->extradata_size)});
      for (ByteSpan nal; walker.next(nal);) {
        if (h264_nal_type(nal[0]) == h264::kSps) sps_.assign(nal.begin(), nal.end());
        if (h264_nal_type(nal[0]) == h264::kPps) pps_.assign(nal.begin(), nal.end());
      }
    }
    if (!frame_ || !packet_) return make_error(Code::internal, name_, "no memory");
    if (sps_.empty() || pps_.empty()) return make_error(Code::codec_unsupported, name_, "it tells no parameter sets");
    if (options_.likeness > 0) {
      auto sets = make_ref<ParameterSets>();
      sets->codec = Codec::h264;
      sets->sps = {sps_};
      sets->pps = {pps_};
      sets->picture.reordered_pictures = 0;
      probe_.emplace(std::move(sets));
      probe_->ask();
    }
    return {};
  }

  Result<EncodedPicture> encode(const Frame& frame, bool force_idr) override {
    if (frame.format != options_.format) {
      return make_error(Code::invalid_argument, name_,
                        "the frame's format differs from the encoder's; make another encoder for it");
    }
    const bool due = force_idr || (options_.gop_units > 0 && since_idr_ >= options_.gop_units);
    if (guard_.move(due)) {
      if (Status reopened = reopen(frame); !reopened) return std::move(reopened.error());
    }
    Result<EncodedPicture> picture = encode_one(frame, force_idr);
    if (!picture) return picture;
    guard_.on_picture(picture->payload.size(), picture->keyframe);
    since_idr_ = picture->keyframe ? 1 : since_idr_ + 1;
    if (probe_) measure(*picture, frame);
    return picture;
  }

  const std::vector<uint8_t>& sps() const override { return sps_; }
  const std::vector<uint8_t>& pps() const override { return pps_; }
  std::string_view name() const override { return name_; }
  EncoderQuality quality() const override { return {.quantiser = guard_.quantiser(), .likeness = likeness_}; }
  void set_bitrate_cap(uint32_t bps) override {
    options_.bitrate_cap_bps = bps;
    guard_.set_cap(bps);
  }

 private:
  void measure(const EncodedPicture& picture, const Frame& frame) {
    if (++since_measured_ == std::llround(kMeasureEvery * options_.fps)) probe_->ask();
    const std::optional<double> likeness = probe_->follow(picture, frame);
    if (!likeness) return;
    likeness_ = likeness;
    since_measured_ = 0;
    // What the cap demands says nothing of what the picture needs.
    if (guard_.quantiser() == quality_.quantiser()) quality_.on_measured(*likeness);
    guard_.set_wanted(quality_.quantiser());
    if (quality_.moving()) probe_->ask();
  }

  Result<EncodedPicture> encode_one(const Frame& frame, bool force_idr) {
    if (Status lent = lend_frame(frame, *frame_); !lent) return std::move(lent.error());
    frame_->pts = coded_++;
    frame_->pict_type = force_idr ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    const int sent = avcodec_send_frame(context_.get(), frame_.get());
    av_frame_unref(frame_.get());
    if (sent < 0) return make_error(Code::encoder_failed, name_, libav_reason(sent));
    const int got = avcodec_receive_packet(context_.get(), packet_.get());
    if (got < 0) {
      return make_error(Code::encoder_failed, name_,
                        got == AVERROR(EAGAIN) ? "it keeps the picture back" : libav_reason(got));
    }
    EncodedPicture picture;
    picture.keyframe = (packet_->flags & AV_PKT_FLAG_KEY) != 0;
    picture.pts = frame.pts;
    fill(picture, {packet_->data, static_cast<size_t>(packet_->size)});
    av_packet_unref(packet_.get());
    if (picture.keyframe) ++idrs_;
    return picture;
  }

  void fill(EncodedPicture& picture, ByteSpan annexb) {
    picture.payload = pool_.make(annexb.size() + sps_.size() + pps_.size() + 64);
    if (picture.keyframe) {
      append_nal(picture, sps_);
      append_nal(picture, pps_);
    }
    NalWalker walker(annexb);
    for (ByteSpan nal; walker.next(nal);) {
      const uint8_t type = h264_nal_type(nal[0]);
      if (type >= h264::kSlice && type <= h264::kIdr) append_nal(picture, nal);
    }
  }

  // The same encoder at the guard's quantiser. It begins with an IDR picture, and counts idr_pic_id from 0: where the
  // picture before was an IDR picture of that number, one is coded for nothing.
  Status reopen(const Frame& frame) {
    const bool same_id = since_idr_ == 1 && idrs_ % 2 == 1;
    Result<ContextPtr> opened = open_encoder(name_, options_, guard_.quantiser());
    if (!opened) return std::move(opened.error());
    context_ = std::move(*opened);
    coded_ = 0;
    idrs_ = 0;
    if (!same_id) return {};
    Result<EncodedPicture> unused = encode_one(frame, true);
    return unused ? Status() : Status(std::move(unused.error()));
  }

  EncoderOptions options_;
  const char* name_;
  ContextPtr context_;
  FramePtr frame_;
  PacketPtr packet_;
  RateGuard guard_;
  QualityGuard quality_;
  std::optional<QualityProbe> probe_;
  std::optional<double> likeness_;
  int64_t since_measured_ = 0;  // pictures
  BufferPool pool_;
  std::vector<uint8_t> sps_, pps_;
  int64_t coded_ = 0;       // frames given to this context
  uint64_t idrs_ = 0;       // IDR pictures out of this context
  uint64_t since_idr_ = 0;  // pictures since the newest IDR picture, with it
};

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
  return {};
}

}  // namespace

std::vector<std::string> available_encoders() {
  std::vector<std::string> names;
  for (const char* name : encoder_names()) {
    if (avcodec_find_encoder_by_name(name)) names.emplace_back(name);
  }
  return names;
}

Result<std::unique_ptr<Encoder>> Encoder::make(const EncoderOptions& options) {
  if (Status good = check(options); !good) return std::move(good.error());
  std::string reasons;
  for (const char* name : encoder_names()) {
    Result<ContextPtr> context = open_encoder(name, options, options.quality);
    Status usable = context ? Status() : Status(context.error());
    if (context) {
      auto encoder = std::make_unique<LibavEncoder>(options, name, std::move(*context));
      usable = encoder->read_parameter_sets();
      if (usable) return std::unique_ptr<Encoder>(std::move(encoder));
    }
    reasons += (reasons.empty() ? "" : "; ") + std::string(name) + ": " + usable.error().what;
  }
  return make_error(Code::codec_unsupported, "H.264 encoder", reasons);
}

}  // namespace vigie::codec
