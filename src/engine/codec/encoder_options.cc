#include "codec/encoder_options.h"

extern "C" {
#include <libavutil/dict.h>
#include <libavutil/rational.h>
}

#include <algorithm>
#include <string_view>

namespace vigie::codec {
namespace {

constexpr const char* kNames[] = {"libx264", "libopenh264", "h264_nvenc"};
constexpr int kMaxFpsDenominator = 100000;
constexpr int kNoKeyframes = 1 << 30;
constexpr int64_t kUncappedBps = 4'000'000;  // where an encoder must be told a rate

// A constant quantiser, not constant quality: x264's rate control looks at a small version of every picture first, which
// takes longer than it saves. `stitchable` keeps the quantiser out of the PPS, so that it can change behind the same one.
// Coefficients are cut rather than rounded (deadzones): noise goes, and with it bits and time, more than likeness; what is
// left of a block is not weighed for being dropped (dct-decimate). Figures in design/codec.md.
constexpr const char* kX264 =
    "scenecut=0:rc-lookahead=0:sync-lookahead=0:mbtree=0:bframes=0:sliced-threads=0:lookahead-threads=1:"
    "repeat-headers=0:aud=0:nal-hrd=none:stitchable=1:deadzone-inter=32:deadzone-intra=32:no-dct-decimate=1";

class Options {
 public:
  Options() = default;
  ~Options() { av_dict_free(&entries_); }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  void set(const char* name, const char* value) { av_dict_set(&entries_, name, value, 0); }
  void set(const char* name, int64_t value) { av_dict_set_int(&entries_, name, value, 0); }
  AVDictionary** get() { return &entries_; }

 private:
  AVDictionary* entries_ = nullptr;
};

void set_own_options(std::string_view name, const EncoderOptions& options, int quantiser, AVCodecContext& context,
                     Options& own) {
  const int64_t rate = options.bitrate_cap_bps > 0 ? options.bitrate_cap_bps : kUncappedBps;
  if (name == "libx264") {
    own.set("preset", "ultrafast");
    own.set("tune", "zerolatency");
    own.set("qp", quantiser);
    own.set("forced-idr", 1);
    own.set("x264-params", kX264);
  } else if (name == "libopenh264") {
    context.bit_rate = rate;
    own.set("allow_skip_frames", int64_t{0});
  } else {
    own.set("preset", "p1");
    own.set("tune", "ull");
    own.set("rc", "constqp");
    own.set("qp", quantiser);
    own.set("delay", int64_t{0});
    own.set("zerolatency", 1);
    own.set("forced-idr", 1);
  }
}

}  // namespace

std::span<const char* const> libav_encoder_names() { return kNames; }

Result<ContextPtr> open_encoder(const char* name, const EncoderOptions& options, int quantiser) {
  const AVCodec* found = avcodec_find_encoder_by_name(name);
  if (!found) return make_error(Code::codec_unsupported, name, "this libavcodec was built without it");
  ContextPtr context = make_context(found);
  if (!context) return make_error(Code::internal, name, "no memory");
  set_picture_facts(options.format, *context);
  context->framerate = av_d2q(options.fps, kMaxFpsDenominator);
  context->time_base = av_inv_q(context->framerate);
  context->gop_size =
      options.gop_units > 0 ? static_cast<int>(std::min<uint32_t>(options.gop_units, kNoKeyframes)) : kNoKeyframes;
  context->keyint_min = 1;
  context->max_b_frames = 0;
  context->thread_count = 1;
  // The parameter sets come apart, and are put into each IDR unit here, whatever the encoder's habit.
  context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  Options own;
  set_own_options(name, options, quantiser, *context, own);
  if (const int opened = avcodec_open2(context.get(), found, own.get()); opened < 0) {
    return make_error(Code::codec_unsupported, name, "it does not open: " + libav_reason(opened));
  }
  return context;
}

}  // namespace vigie::codec
