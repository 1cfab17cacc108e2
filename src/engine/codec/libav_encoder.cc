#include "codec/libav_encoder.h"

#include <utility>

#include "base/bytes.h"
#include "base/start_code.h"
#include "codec/encoder_options.h"
#include "codec/frame_pool.h"
#include "codec/libav.h"
#include "codec/quality_probe.h"
#include "codec/quantiser_control.h"
#include "media/codec.h"

namespace vigie::codec {
namespace {

constexpr size_t kCachedBytes = size_t{1} << 20;  // of coded pictures waiting for reuse
constexpr double kStepsPerHalving = 6;            // of x264's quantiser

class LibavEncoder final : public Encoder {
 public:
  LibavEncoder(const EncoderOptions& options, const char* name, ContextPtr context)
      : Encoder(options.format),
        options_(options),
        name_(name),
        context_(std::move(context)),
        frame_(av_frame_alloc()),
        packet_(av_packet_alloc()),
        control_(options, kStepsPerHalving),
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
    }
    return {};
  }

  const std::vector<uint8_t>& sps() const override { return sps_; }
  const std::vector<uint8_t>& pps() const override { return pps_; }
  std::string_view name() const override { return name_; }
  EncoderQuality quality() const override { return control_.quality(); }
  void set_bitrate_cap(uint32_t bps) override {
    options_.bitrate_cap_bps = bps;
    control_.set_cap(bps);
  }

 private:
  Result<EncodedPicture> code(const Frame& frame, bool force_idr) override {
    const bool due = force_idr || (options_.gop_units > 0 && since_idr_ >= options_.gop_units);
    if (control_.move(due)) {
      if (Status reopened = reopen(frame); !reopened) return std::move(reopened.error());
    }
    Result<EncodedPicture> picture = encode_one(frame, force_idr);
    if (!picture) return picture;
    control_.on_picture(picture->payload.size(), picture->keyframe);
    since_idr_ = picture->keyframe ? 1 : since_idr_ + 1;
    if (!probe_) return picture;
    const std::optional<double> likeness = probe_->follow(*picture, frame, control_.wants_likeness());
    if (likeness) control_.on_likeness(*likeness);
    return picture;
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
      append_nal(picture.payload, picture.nals, sps_);
      append_nal(picture.payload, picture.nals, pps_);
    }
    NalWalker walker(annexb);
    for (ByteSpan nal; walker.next(nal);) {
      const uint8_t type = h264_nal_type(nal[0]);
      if (type >= h264::kSlice && type <= h264::kIdr) append_nal(picture.payload, picture.nals, nal);
    }
  }

  // The same encoder at the guard's quantiser. It begins with an IDR picture, and counts idr_pic_id from 0: where the
  // picture before was an IDR picture of that number, one is coded for nothing.
  Status reopen(const Frame& frame) {
    const bool same_id = since_idr_ == 1 && idrs_ % 2 == 1;
    Result<ContextPtr> opened = open_encoder(name_, options_, control_.quantiser());
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
  QuantiserControl control_;
  std::optional<QualityProbe> probe_;
  BufferPool pool_;
  std::vector<uint8_t> sps_, pps_;
  int64_t coded_ = 0;       // frames given to this context
  uint64_t idrs_ = 0;       // IDR pictures out of this context
  uint64_t since_idr_ = 0;  // pictures since the newest IDR picture, with it
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_libav_encoder(const EncoderOptions& options, const char* name) {
  Result<ContextPtr> context = open_encoder(name, options, options.quality);
  if (!context) return std::move(context.error());
  auto encoder = std::make_unique<LibavEncoder>(options, name, std::move(*context));
  if (Status usable = encoder->read_parameter_sets(); !usable) return std::move(usable.error());
  return std::unique_ptr<Encoder>(std::move(encoder));
}

}  // namespace vigie::codec
