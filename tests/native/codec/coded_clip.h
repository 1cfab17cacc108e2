#pragma once
// Coded test streams, made on the spot from a synthetic scene, in every form that a camera may send.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/ref.h"
#include "codec/decoder.h"
#include "codec/frame_pool.h"
#include "media/access_unit.h"
#include "media/frame.h"

struct AVCodecContext;

namespace vigie::codec {

// A sample of the scene, 0 to 255, at a luma position of picture `t`: smooth, moving, different in each plane.
double scene(size_t plane, double x, double y, int t);

// The scene as a frame.
Ref<Frame> scene_frame(FramePool& pool, const FrameFormat& format, int t);
// Over all planes, in dB; 99 where they are equal. Sizes must be equal.
double psnr(const Frame& a, const Frame& b);

struct ClipOptions {
  Codec codec = Codec::h264;
  std::string pixels = "yuv420p";  // libav's name
  int width = 320, height = 192;
  int pictures = 8;
  std::string options;  // of the encoder, "name=value:name=value"
  std::function<void(AVCodecContext&)> tune;
};

// False where this machine's libavcodec lacks an encoder for it.
bool can_encode(Codec codec);
// Fails the test when the encoder does not take the options. In decoding order; pts is the picture's number.
std::vector<Ref<const AccessUnit>> make_clip(const ClipOptions& options);

// Annex B bytes as an access unit; `sets` null: those inside.
std::vector<Ref<const AccessUnit>> units_of(Codec codec, const std::vector<std::vector<uint8_t>>& annexb);

// Keeps a copy of everything that comes out.
class Collector final : public PictureSink {
 public:
  explicit Collector(FramePool& pool) : pool_(pool) {}
  void on_picture(const DecodedPicture& picture) override;

  struct Picture {
    DecodedPicture facts;
    Ref<Frame> frame;  // null where copy_to refused
    Status copied;
  };
  std::vector<Picture> pictures;

 private:
  FramePool& pool_;
};

}  // namespace vigie::codec
