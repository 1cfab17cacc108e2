#include "codec/camera_encoder.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/bit_writer.h"
#include "codec/h264_writer/headers.h"
#include "codec/h264_writer/picture_coder.h"
#include "codec/likeness.h"
#include "codec/quantiser_control.h"

namespace vigie::codec {
namespace {

using h264_writer::Quantiser;

constexpr size_t kCachedBytes = size_t{1} << 20;  // of coded pictures waiting for reuse
constexpr double kStepsPerHalving = 3;
constexpr int kFinerKeyframe = 3;  // steps: all pictures behind it rest on it
constexpr size_t kHeaderBytes = 64;

class CameraEncoder final : public Encoder {
 public:
  explicit CameraEncoder(const EncoderOptions& options)
      : Encoder(options.format),
        gop_units_(options.gop_units),
        coder_((options.format.width + 15) / 16, (options.format.height + 15) / 16),
        control_(options, kStepsPerHalving),
        pool_(kCachedBytes),
        sps_(h264_writer::make_sps(options.format, options.fps)),
        pps_(h264_writer::make_pps()) {}

  const std::vector<uint8_t>& sps() const override { return sps_; }
  const std::vector<uint8_t>& pps() const override { return pps_; }
  std::string_view name() const override { return kOwnEncoder; }
  EncoderQuality quality() const override { return control_.quality(); }
  void set_bitrate_cap(uint32_t bps) override { control_.set_cap(bps); }

 private:
  Result<EncodedPicture> code(const Frame& frame, bool force_idr) override {
    const bool due = gop_units_ > 0 && since_idr_ + 1 >= gop_units_;
    const bool idr = force_idr || due || !begun_;
    begin(idr);
    const int qp = std::max(Quantiser::kFinest, control_.quantiser() - (idr ? kFinerKeyframe : 0));
    packer_.clear();
    packer_.reserve(kHeaderBytes);
    h264_writer::write_slice_header({.idr = idr, .since_idr = since_idr_, .idr_pic_id = idr_pic_id_, .qp = qp},
                                    packer_);
    coder_.code(frame, idr, qp, packer_);
    EncodedPicture picture = finish(frame, idr);
    control_.on_picture(picture.payload.size(), idr);
    if (control_.wants_likeness() && since_idr_ == settled_) measure(frame);
    return picture;
  }

  void begin(bool idr) {
    control_.move(idr);
    if (!idr) {
      ++since_idr_;
      return;
    }
    // The last picture of a GOP that ended early: the next may be as short.
    if (begun_) settled_ = std::min<uint64_t>(since_idr_, QuantiserControl::kSettled);
    if (begun_) idr_pic_id_ ^= 1;
    begun_ = true;
    since_idr_ = 0;
  }

  EncodedPicture finish(const Frame& frame, bool idr) {
    nal_.assign(1, h264_writer::nal_header(idr));
    append_escaped(packer_.finish(), nal_);
    EncodedPicture picture;
    picture.keyframe = idr;
    picture.pts = frame.pts;
    picture.payload = pool_.make(nal_.size() + sps_.size() + pps_.size() + kHeaderBytes);
    if (idr) {
      append_nal(picture.payload, picture.nals, sps_);
      append_nal(picture.payload, picture.nals, pps_);
    }
    append_nal(picture.payload, picture.nals, nal_);
    return picture;
  }

  void measure(const Frame& frame) {
    const auto& made = coder_.made();
    const PlaneView coded{made.at(0, 0, 0), made.stride[0], frame.format.width, frame.format.height};
    const std::optional<double> likeness = plane_ssim(plane_of(frame, 0), coded, FlatWindows::left_out);
    if (likeness) control_.on_likeness(*likeness);
  }

  uint32_t gop_units_;
  h264_writer::PictureCoder coder_;
  h264_writer::BitPacker packer_;
  QuantiserControl control_;
  BufferPool pool_;
  std::vector<uint8_t> sps_, pps_;
  std::vector<uint8_t> nal_;  // scratch
  bool begun_ = false;
  uint32_t since_idr_ = 0;  // pictures
  uint32_t idr_pic_id_ = 0;
  uint64_t settled_ = QuantiserControl::kSettled;
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_camera_encoder(const EncoderOptions& options) {
  if (options.quality < Quantiser::kFinest || options.finest_quality < Quantiser::kFinest) {
    return make_error(Code::codec_unsupported, std::string(kOwnEncoder),
                      "the finest quantiser of the Baseline profile here is " + std::to_string(Quantiser::kFinest));
  }
  return std::unique_ptr<Encoder>(std::make_unique<CameraEncoder>(options));
}

}  // namespace vigie::codec
