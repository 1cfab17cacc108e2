#include "codec/decoder.h"

extern "C" {
#include <libavcodec/avcodec.h>
}
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "codec/coded_clip.h"

namespace vigie::codec {
namespace {

std::unique_ptr<Decoder> decoder_for(const std::vector<Ref<const AccessUnit>>& units) {
  auto made = Decoder::make(units.front()->codec, units.front()->parameter_sets);
  EXPECT_TRUE(made.ok()) << made.error().text();
  return made ? std::move(*made) : nullptr;
}

// `cut` is `whole` with so many bytes left of its last NAL unit.
void cut_last_nal(const AccessUnit& whole, size_t keep, AccessUnit& cut) {
  cut.codec = whole.codec;
  cut.parameter_sets = whole.parameter_sets;
  cut.nals = whole.nals;
  cut.nals[cut.nals.size() - 1].size = static_cast<uint32_t>(keep);
  cut.payload = whole.payload;
}

struct Case {
  const char* name;
  ClipOptions clip;
  double psnr = 38;
  bool full_range = false;
  uint32_t width = 320, height = 192;
};

class DecoderForms : public testing::TestWithParam<Case> {};

// Every form that a camera may send comes out as 8-bit 4:2:0 that looks like the scene, one for one, at once, under its
// unit's tag.
TEST_P(DecoderForms, LookLikeTheScene) {
  const Case& form = GetParam();
  if (!can_encode(form.clip.codec)) GTEST_SKIP() << "no encoder for it here";
  const auto units = make_clip(form.clip);
  ASSERT_EQ(units.size(), 8U);
  FramePool pool(8 << 20);
  Collector seen(pool);
  const auto decoder = decoder_for(units);
  for (size_t i = 0; i < units.size(); ++i) {
    const Status decoded = decoder->decode(*units[i], 100 + i, seen);
    ASSERT_TRUE(decoded.ok()) << decoded.error().text();
    ASSERT_EQ(seen.pictures.size(), i + 1) << "kept back";
    const Collector::Picture& picture = seen.pictures.back();
    ASSERT_TRUE(picture.copied.ok()) << picture.copied.error().text();
    EXPECT_EQ(picture.facts.tag, 100 + i);
    EXPECT_FALSE(picture.facts.corrupt);
    EXPECT_EQ(picture.facts.keyframe, i == 0 || form.clip.codec == Codec::mjpeg);
    EXPECT_EQ(picture.facts.format.width, form.width);
    EXPECT_EQ(picture.facts.format.height, form.height);
    EXPECT_EQ(picture.facts.format.colour.full_range, form.full_range);
    const Ref<Frame> scene = scene_frame(pool, picture.facts.format, static_cast<int>(i));
    EXPECT_GT(psnr(*picture.frame, *scene), form.psnr);
  }
}

ClipOptions clip(Codec codec, const char* pixels, int width = 320, int height = 192, const char* options = "") {
  ClipOptions made;
  made.codec = codec;
  made.pixels = pixels;
  made.width = width;
  made.height = height;
  made.options = options;
  return made;
}

ClipOptions interlaced(const char* pixels) {
  ClipOptions made = clip(Codec::h264, pixels);
  made.tune = [](AVCodecContext& context) { context.flags |= AV_CODEC_FLAG_INTERLACED_DCT; };
  return made;
}

INSTANTIATE_TEST_SUITE_P(
    All, DecoderForms,
    testing::Values(
        Case{"h264", clip(Codec::h264, "yuv420p")},
        Case{"h264_baseline", clip(Codec::h264, "yuv420p", 320, 192, "profile=baseline")},
        Case{"h264_full_range", clip(Codec::h264, "yuvj420p"), 38, true},
        Case{"h264_1080", clip(Codec::h264, "yuv420p", 1920, 1080), 38, false, 1920, 1080},
        Case{"h264_322x182", clip(Codec::h264, "yuv420p", 322, 182), 38, false, 322, 182},
        Case{"h264_422", clip(Codec::h264, "yuv422p")}, Case{"h264_444", clip(Codec::h264, "yuv444p")},
        Case{"h264_grey", clip(Codec::h264, "gray"), 12}, Case{"h264_nv12", clip(Codec::h264, "nv12")},
        Case{"h264_10bit", clip(Codec::h264, "yuv420p10le")}, Case{"h264_10bit_422", clip(Codec::h264, "yuv422p10le")},
        Case{"h264_interlaced", interlaced("yuv420p")}, Case{"h264_interlaced_422", interlaced("yuv422p")},
        Case{"h265", clip(Codec::h265, "yuv420p")},
        Case{"h265_322x182", clip(Codec::h265, "yuv420p", 322, 182), 38, false, 322, 182},
        Case{"h265_10bit", clip(Codec::h265, "yuv420p10le")}, Case{"h265_12bit", clip(Codec::h265, "yuv420p12le")},
        Case{"h265_422", clip(Codec::h265, "yuv422p")}, Case{"mjpeg", clip(Codec::mjpeg, "yuvj420p"), 36, true},
        Case{"mjpeg_422", clip(Codec::mjpeg, "yuvj422p"), 36, true},
        Case{"mjpeg_444", clip(Codec::mjpeg, "yuvj444p"), 36, true},
        Case{"mjpeg_odd", clip(Codec::mjpeg, "yuvj420p", 321, 191), 36, true, 320, 190}),
    [](const auto& form) { return std::string(form.param.name); });

TEST(Decoder, GreyHasNeutralChroma) {
  const auto units = make_clip(clip(Codec::h264, "gray"));
  FramePool pool(8 << 20);
  Collector seen(pool);
  ASSERT_TRUE(decoder_for(units)->decode(*units[0], 1, seen).ok());
  ASSERT_EQ(seen.pictures.size(), 1U);
  const Frame& frame = *seen.pictures[0].frame;
  for (size_t plane = 1; plane < 3; ++plane) {
    for (uint32_t x = 0; x < frame.plane_width(plane); ++x) EXPECT_EQ(frame.row(plane, 50)[x], 128);
  }
  EXPECT_NEAR(frame.row(0, 50)[100], scene(0, 100.5, 50.5, 0), 3);
}

TEST(Decoder, SaysWhatIsInterlaced) {
  for (const bool woven : {false, true}) {
    const auto units = make_clip(woven ? interlaced("yuv420p") : clip(Codec::h264, "yuv420p"));
    FramePool pool(8 << 20);
    Collector seen(pool);
    ASSERT_TRUE(decoder_for(units)->decode(*units[0], 1, seen).ok());
    ASSERT_EQ(seen.pictures.size(), 1U);
    EXPECT_EQ(seen.pictures[0].facts.interlaced, woven);
  }
}

TEST(Decoder, KeepsTheColourFacts) {
  ClipOptions options = clip(Codec::h264, "yuv420p");
  options.tune = [](AVCodecContext& context) {
    context.color_primaries = AVCOL_PRI_BT709;
    context.color_trc = AVCOL_TRC_IEC61966_2_1;
    context.colorspace = AVCOL_SPC_SMPTE170M;
    context.color_range = AVCOL_RANGE_JPEG;
    context.sample_aspect_ratio = {4, 3};
  };
  const auto units = make_clip(options);
  FramePool pool(8 << 20);
  Collector seen(pool);
  ASSERT_TRUE(decoder_for(units)->decode(*units[0], 1, seen).ok());
  const FrameFormat expected{320, 192, 4, 3, {true, 1, 13, 6}};
  EXPECT_EQ(seen.pictures.at(0).facts.format, expected);
  EXPECT_EQ(seen.pictures.at(0).frame->format, expected);
}

TEST(Decoder, HandsOutReorderedPicturesInPresentationOrder) {
  ClipOptions options = clip(Codec::h264, "yuv420p");
  options.pictures = 20;
  options.options = "x264-params=bframes=3:b-adapt=0:b-pyramid=none:scenecut=0";
  options.tune = [](AVCodecContext& context) { context.max_b_frames = 3; };
  const auto units = make_clip(options);
  ASSERT_EQ(units.size(), 20U);
  ASSERT_GT(units[0]->parameter_sets->picture.reordered_pictures.value_or(0), 0U);
  FramePool pool(8 << 20);
  Collector seen(pool);
  const auto decoder = decoder_for(units);
  for (size_t i = 0; i < units.size(); ++i) ASSERT_TRUE(decoder->decode(*units[i], i, seen).ok());
  EXPECT_LT(seen.pictures.size(), 20U);
  ASSERT_TRUE(decoder->drain(seen).ok());
  ASSERT_EQ(seen.pictures.size(), 20U);
  std::vector<uint64_t> tags;
  for (size_t i = 0; i < 20; ++i) {
    const Collector::Picture& picture = seen.pictures[i];
    EXPECT_GT(psnr(*picture.frame, *scene_frame(pool, picture.facts.format, static_cast<int>(i))), 36) << i;
    tags.push_back(picture.facts.tag);
  }
  EXPECT_FALSE(std::is_sorted(tags.begin(), tags.end()));  // tags are the units', which came in another order
  EXPECT_EQ(tags[4], 1U);                                  // the P picture that was sent second is shown fifth
}

TEST(Decoder, GoesOnAfterFlushAtAKeyframe) {
  ClipOptions options = clip(Codec::h264, "yuv420p");
  options.options = "x264-params=keyint=4:min-keyint=4";
  options.tune = [](AVCodecContext& context) { context.gop_size = 4; };
  const auto units = make_clip(options);
  ASSERT_TRUE(units[4]->keyframe);
  FramePool pool(8 << 20);
  Collector seen(pool);
  const auto decoder = decoder_for(units);
  for (const size_t i : {0, 1}) ASSERT_TRUE(decoder->decode(*units[i], i, seen).ok());
  decoder->flush();
  EXPECT_EQ(seen.pictures.size(), 2U);
  (void)decoder->decode(*units[3], 3, seen);  // refers to what is forgotten: nothing of it may come out as good
  for (size_t i = 2; i < seen.pictures.size(); ++i) EXPECT_TRUE(seen.pictures[i].facts.corrupt);
  decoder->flush();
  seen.pictures.clear();
  for (const size_t i : {4, 5, 6}) ASSERT_TRUE(decoder->decode(*units[i], i, seen).ok());
  ASSERT_EQ(seen.pictures.size(), 3U);
  for (const auto& picture : seen.pictures) {
    EXPECT_FALSE(picture.facts.corrupt);
    const int t = static_cast<int>(picture.facts.tag);
    EXPECT_GT(psnr(*picture.frame, *scene_frame(pool, picture.facts.format, t)), 38);
  }
}

// What some sender wrote under an id of its own must not keep a stream from being decoded for ever.
TEST(Decoder, OnlyUsedParameterSetsMatter) {
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    const auto units = make_clip(clip(codec, "yuv420p"));
    const ParameterSets& good = *units[0]->parameter_sets;
    Ref<ParameterSets> more = make_ref<ParameterSets>();
    more->codec = codec;
    more->vps = good.vps;
    more->sps = good.sps;
    more->pps = good.pps;
    const bool h264 = codec == Codec::h264;
    more->pps.insert(more->pps.begin(), h264 ? std::vector<uint8_t>{0x68, 0x2f, 0xff, 0x31, 0x07}
                                             : std::vector<uint8_t>{0x44, 0x01, 0x2f, 0xff, 0x31, 0x07});
    auto made = Decoder::make(codec, more);
    ASSERT_TRUE(made.ok()) << made.error().text();
    FramePool pool(1 << 20);
    Collector seen(pool);
    EXPECT_TRUE(made.value()->decode(*units[0], 0, seen).ok());
    EXPECT_EQ(seen.pictures.size(), 1U);

    // Nothing comes of sets that are bad where it matters.
    Ref<ParameterSets> rubbish = make_ref<ParameterSets>();
    rubbish->codec = codec;
    rubbish->vps = good.vps;
    rubbish->sps = {{static_cast<uint8_t>(h264 ? 0x67 : 0x42), 0xff, 0xff, 0xff, 0xff, 0xff}};
    rubbish->pps = {{static_cast<uint8_t>(h264 ? 0x68 : 0x44), 0x01, 0x00}};
    auto broken = Decoder::make(codec, rubbish);
    if (!broken.ok()) continue;
    Collector nothing(pool);
    AccessUnit slice;
    slice.codec = codec;
    slice.payload = units[0]->payload;
    slice.parameter_sets = units[0]->parameter_sets;
    slice.nals.push_back(units[0]->nals[units[0]->nals.size() - 1]);
    EXPECT_FALSE(broken.value()->decode(slice, 0, nothing).ok());
    EXPECT_TRUE(nothing.pictures.empty());
  }
}

TEST(Decoder, RefusesWhatItCannotStartWith) {
  const Ref<const ParameterSets> none = make_ref<ParameterSets>();
  EXPECT_EQ(Decoder::make(Codec::h264, none).error().code, Code::parameter_sets);
  EXPECT_EQ(Decoder::make(Codec::h265, none).error().code, Code::parameter_sets);
  const auto jpeg = make_clip(clip(Codec::mjpeg, "yuvj420p"));
  const auto h264 = make_clip(clip(Codec::h264, "yuv420p"));
  FramePool pool(1 << 20);
  Collector seen(pool);
  EXPECT_EQ(decoder_for(h264)->decode(*jpeg[0], 0, seen).error().code, Code::invalid_argument);
  EXPECT_TRUE(seen.pictures.empty());
}

TEST(Decoder, RefusesACopyOfAnotherSize) {
  const auto units = make_clip(clip(Codec::h264, "yuv420p"));
  FramePool pool(1 << 20);
  class WrongSize final : public PictureSink {
   public:
    explicit WrongSize(FramePool& pool) : frame_(pool.make({318, 192})) {}
    void on_picture(const DecodedPicture& picture) override { code = picture.copy_to(*frame_).error().code; }
    Code code{};

   private:
    Ref<Frame> frame_;
  } sink(pool);
  ASSERT_TRUE(decoder_for(units)->decode(*units[0], 0, sink).ok());
  EXPECT_EQ(sink.code, Code::invalid_argument);
}

// A part of a picture that never came is made up by the decoder, and it must say so.
TEST(Decoder, SaysWhereItMadeSomethingUp) {
  for (const Codec codec : {Codec::h264, Codec::h265, Codec::mjpeg}) {
    ClipOptions options = clip(codec, codec == Codec::mjpeg ? "yuvj420p" : "yuv420p");
    if (codec == Codec::h264) options.options = "x264-params=slices=4";
    const auto units = make_clip(options);
    std::vector<std::vector<uint8_t>> bytes;
    for (const auto& unit : units)
      bytes.emplace_back(unit->payload.data(), unit->payload.data() + unit->payload.size());
    const NalSpan last = units[3]->nals.back();
    bytes[3].resize(codec == Codec::h264   ? last.offset - 4
                    : codec == Codec::h265 ? last.offset + last.size / 2
                                           : bytes[3].size() / 2);
    const auto damaged = units_of(codec, bytes);
    FramePool pool(8 << 20);
    Collector seen(pool);
    const auto decoder = decoder_for(damaged);
    for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(decoder->decode(*damaged[i], i, seen).ok());
    const Status decoded = decoder->decode(*damaged[3], 3, seen);
    for (const auto& picture : seen.pictures) EXPECT_EQ(picture.facts.corrupt, picture.facts.tag == 3);
    EXPECT_TRUE(!decoded.ok() || seen.pictures.size() == 4U);
  }
}

// Zeroes, which libavcodec reads behind a slice that was cut short, are whole pictures to it; and so is what it makes of a
// reference that never came.
TEST(Decoder, NoticesWhatIsMissingOfH265) {
  for (const char* pixels : {"yuv420p", "yuv420p10le"}) {
    for (const auto& [width, height] : {std::pair{320, 192}, {322, 182}}) {
      const auto units = make_clip(clip(Codec::h265, pixels, width, height));
      FramePool pool(8 << 20);
      int cuts = 0, noticed = 0;
      for (const size_t which : {0, 1, 3}) {
        const size_t size = units[which]->nals.back().size;
        for (size_t keep = 12; keep + 1 < size; keep += 1 + size / 40) {
          const auto decoder = decoder_for(units);
          Collector seen(pool);
          for (size_t i = 0; i < which; ++i) ASSERT_TRUE(decoder->decode(*units[i], i, seen).ok());
          for (const auto& picture : seen.pictures) ASSERT_FALSE(picture.facts.corrupt);
          AccessUnit cut;
          cut_last_nal(*units[which], keep, cut);
          const bool taken = decoder->decode(cut, which, seen).ok();
          ++cuts;
          noticed += !taken || seen.pictures.size() == which || seen.pictures.back().facts.corrupt ? 1 : 0;
        }
      }
      EXPECT_GT(cuts, 60);
      // The scene is so smooth that the last block may hold a tenth of it.
      EXPECT_GE(noticed, cuts * 4 / 5) << pixels << " of " << width;

      const auto decoder = decoder_for(units);
      Collector seen(pool);
      for (const size_t i : {0, 1}) ASSERT_TRUE(decoder->decode(*units[i], i, seen).ok());
      (void)decoder->decode(*units[3], 3, seen);
      ASSERT_EQ(seen.pictures.size(), 3U);
      EXPECT_TRUE(seen.pictures[2].facts.corrupt);
    }
  }
}

TEST(Decoder, RefusesMoreSlicesThanAnyPictureHas) {
  const auto units = make_clip(clip(Codec::h265, "yuv420p"));
  std::vector<uint8_t> many;
  for (int i = 0; i < 601; ++i) many.insert(many.end(), {0, 0, 1, 0x02, 0x01, 0xD0});
  AccessUnit unit;
  unit.codec = Codec::h265;
  unit.parameter_sets = units[0]->parameter_sets;
  unit.payload = Buffer::make_heap(many.size());
  unit.payload.append(many);
  for (uint32_t i = 0; i < 601; ++i) unit.nals.push_back({i * 6 + 3, 3});
  FramePool pool(1 << 20);
  Collector seen(pool);
  const Status refused = decoder_for(units)->decode(unit, 0, seen);
  EXPECT_EQ(refused.error().code, Code::picture_damaged);
  EXPECT_NE(refused.error().text().find("601 slices"), std::string::npos) << refused.error().text();
}

// A CRA picture names pictures before it that only those which lead it may need: it and all behind it are whole without them.
TEST(Decoder, BeginsInAnOpenGop) {
  for (const bool leading : {false, true}) {
    ClipOptions options = clip(Codec::h265, "yuv420p");
    options.pictures = 16;
    options.tune = [](AVCodecContext& context) { context.gop_size = 6; };
    options.options =
        std::string("x265-params=log-level=none\\:keyint=6\\:min-keyint=6\\:scenecut=0\\:open-gop=1\\:bframes=") +
        (leading ? "2" : "0");
    const auto units = make_clip(options);
    size_t cra = 1;
    while (cra < units.size() && !units[cra]->keyframe) ++cra;
    ASSERT_LT(cra + 6, units.size());
    ASSERT_EQ(h265_nal_type(units[cra]->nal(units[cra]->nals.size() - 1)[0]), 21);
    FramePool pool(16 << 20);
    Collector all(pool), late(pool);
    const auto from_begin = decoder_for(units);
    for (size_t i = 0; i < units.size(); ++i) ASSERT_TRUE(from_begin->decode(*units[i], i, all).ok());
    EXPECT_GE(all.pictures.size() + 3, units.size());
    for (const auto& picture : all.pictures) EXPECT_FALSE(picture.facts.corrupt);
    const auto from_cra = decoder_for(units);
    for (size_t i = cra; i < units.size(); ++i) ASSERT_TRUE(from_cra->decode(*units[i], i, late).ok());
    EXPECT_GE(late.pictures.size() + (leading ? 5 : 0), units.size() - cra);
    for (const auto& picture : late.pictures) EXPECT_FALSE(picture.facts.corrupt) << picture.facts.tag;
  }
}

// libavcodec adds what a broken block left of coefficients to the next picture that it decodes, also after its own flush.
TEST(Decoder, DamageLeavesNothingInLaterPictures) {
  const auto units = make_clip(clip(Codec::h264, "yuv420p", 320, 192, "x264-params=cabac=0"));
  ASSERT_TRUE(units[0]->keyframe);
  FramePool pool(8 << 20);
  Collector intact(pool);
  ASSERT_TRUE(decoder_for(units)->decode(*units[0], 0, intact).ok());
  ASSERT_EQ(intact.pictures.size(), 1U);
  const auto decoder = decoder_for(units);
  std::mt19937 random(3);
  int noticed = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const size_t size = units[0]->nals.back().size;
    AccessUnit cut;
    cut_last_nal(*units[0], 4 + random() % (size - 4), cut);
    Collector seen(pool);
    const bool taken = decoder->decode(cut, 1, seen).ok();
    noticed += !taken || (!seen.pictures.empty() && seen.pictures.back().facts.corrupt) ? 1 : 0;
    decoder->flush();
    Collector after(pool);
    ASSERT_TRUE(decoder->decode(*units[0], 2, after).ok());
    ASSERT_EQ(after.pictures.size(), 1U);
    ASSERT_EQ(psnr(*after.pictures[0].frame, *intact.pictures[0].frame), 99) << trial;
  }
  EXPECT_GT(noticed, 150);
}

// Random damage: whatever comes of it, no crash, no read out of bounds (under the sanitizers), and it recovers.
class DecoderDamage : public testing::TestWithParam<Codec> {};

TEST_P(DecoderDamage, NeverBreaksTheDecoder) {
  const Codec codec = GetParam();
  if (!can_encode(codec)) GTEST_SKIP() << "no encoder for it here";
  ClipOptions options = clip(codec, codec == Codec::mjpeg ? "yuvj420p" : "yuv420p", 96, 64);
  const auto units = make_clip(options);
  std::mt19937 random(7);
  FramePool pool(8 << 20);
  const auto decoder = decoder_for(units);
  int flips = 0, refused = 0, flagged = 0;
  for (int round = 0; round < 250; ++round) {
    Collector seen(pool);
    for (const auto& unit : units) {
      AccessUnit bad;
      bad.codec = codec;
      bad.parameter_sets = unit->parameter_sets;
      bad.nals = unit->nals;
      bad.payload = Buffer::make_heap(unit->payload.size());
      bad.payload.append(unit->payload.bytes());
      bad.payload.mutable_data()[random() % bad.payload.size()] ^= static_cast<uint8_t>(1U << random() % 8);
      ++flips;
      refused += decoder->decode(bad, 1, seen).ok() ? 0 : 1;
    }
    for (const auto& picture : seen.pictures) flagged += picture.facts.corrupt ? 1 : 0;
    decoder->flush();
  }
  EXPECT_EQ(flips, 2000);
  EXPECT_GT(refused + flagged, 20);  // few: the pictures are small, and libav hides most (M-4)
  Collector seen(pool);
  const auto fresh = make_clip(options);
  for (size_t i = 0; i < fresh.size(); ++i) ASSERT_TRUE(decoder->decode(*fresh[i], i, seen).ok());
  ASSERT_EQ(seen.pictures.size(), fresh.size());
  EXPECT_FALSE(seen.pictures.back().facts.corrupt);
}

INSTANTIATE_TEST_SUITE_P(All, DecoderDamage, testing::Values(Codec::h264, Codec::h265, Codec::mjpeg),
                         [](const auto& form) { return std::string(codec_name(form.param)); });

}  // namespace
}  // namespace vigie::codec
