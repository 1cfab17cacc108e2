#pragma once
// Frames in, H.264 access units out, one for one and without delay.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/time.h"
#include "media/frame.h"
#include "media/nal_table.h"

namespace vigie::codec {

struct EncoderOptions {
  std::string encoder;  // one of available_encoders(); empty: the first of them that opens
  FrameFormat format;   // of every frame, colour facts included: they go into the SPS
  double fps = 25;      // of the rate control and of the SPS's timing; frames may come at any time
  // A keyframe at least every so many frames; 0: only the first, and on request.
  uint32_t gop_units = 50;
  // Bits a second over a GOP that must not be gone over; 0: none. Held by coding more coarsely, not by leaving frames out.
  uint32_t bitrate_cap_bps = 0;
  // The quantiser, where the cap allows it: x264's scale, 0 to 51, lower is better, 6 less is half as coarse.
  int quality = 20;
  // Above 0: now and then one of the coded pictures is decoded and compared, and the quantiser moves between these two: as
  // coarse as SSIM of luma stays above this. 0: it stays.
  double likeness = 0;
  int finest_quality = 18, coarsest_quality = 26;
};

struct EncodedPicture {
  // Annex B behind 4-byte start codes, as in AccessUnit: SPS and PPS in front of each IDR picture, no SEI, no delimiter.
  Buffer payload;
  NalTable nals;
  bool keyframe = false;  // IDR
  Ticks90k pts{0};        // the frame's
};

struct EncoderQuality {
  int quantiser = 0;               // in force
  std::optional<double> likeness;  // SSIM of luma when it was measured last
};

// Names of the encoders that make() knows and that are here, first choice first: our own (kOwnEncoder), then those that this
// libavcodec was built with. Of these only libx264 has been tested; libopenh264 and h264_nvenc are given the settings that
// libavcodec documents.
inline constexpr std::string_view kOwnEncoder = "vigie";
std::vector<std::string> available_encoders();
// Errors: invalid_argument for a name that is neither empty nor among them.
Status check_encoder_name(std::string_view name);

// No B pictures, no look-ahead, no scene cuts, one thread (the caller's). Thread: one at a time.
class Encoder {
 public:
  // Errors: invalid_argument for a format or figure that cannot be, and for an encoder that is not available, with those that
  // are; codec_unsupported when none opens, with the reasons.
  static Result<std::unique_ptr<Encoder>> make(const EncoderOptions& options);
  virtual ~Encoder() = default;

  // Codes `frame` from its own memory, to which it holds a reference while it works. `force_idr`: as an IDR picture;
  // two in a row differ in idr_pic_id.
  // Errors: invalid_argument for another format, encoder_failed.
  Result<EncodedPicture> encode(const Frame& frame, bool force_idr);

  // NAL units without start code, the same for the encoder's whole life.
  virtual const std::vector<uint8_t>& sps() const = 0;
  virtual const std::vector<uint8_t>& pps() const = 0;
  virtual std::string_view name() const = 0;
  virtual EncoderQuality quality() const = 0;
  // EncoderOptions::bitrate_cap_bps from now on.
  virtual void set_bitrate_cap(uint32_t bps) = 0;

 protected:
  explicit Encoder(const FrameFormat& format) : format_(format) {}

 private:
  // `frame` is of the encoder's format.
  virtual Result<EncodedPicture> code(const Frame& frame, bool force_idr) = 0;

  FrameFormat format_;
};

}  // namespace vigie::codec
