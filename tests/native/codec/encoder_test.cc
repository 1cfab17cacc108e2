#include "codec/encoder.h"

#include <gtest/gtest.h>

#include <random>

#include "base/rbsp.h"
#include "codec/coded_clip.h"
#include "codec/likeness.h"
#include "rtp/h264_sps.h"

namespace vigie::codec {
namespace {

FrameFormat format(uint32_t width = 320, uint32_t height = 192) {
  FrameFormat made;
  made.width = width;
  made.height = height;
  return made;
}

std::unique_ptr<Encoder> made_of(const EncoderOptions& options) {
  auto made = Encoder::make(options);
  EXPECT_TRUE(made.ok()) << made.error().text();
  return made ? std::move(*made) : nullptr;
}

// Our own, and the one of libavcodec that is tested.
class EachEncoder : public testing::TestWithParam<std::string> {
 protected:
  static std::unique_ptr<Encoder> encoder_for(EncoderOptions options) {
    options.encoder = GetParam();
    auto made = made_of(options);
    EXPECT_EQ(made ? made->name() : "", GetParam());
    return made;
  }
};
INSTANTIATE_TEST_SUITE_P(Encoders, EachEncoder, testing::Values("vigie", "libx264"));

std::vector<uint8_t> bytes_of(const EncodedPicture& picture) {
  return {picture.payload.data(), picture.payload.data() + picture.payload.size()};
}

std::vector<int> nal_types(const EncodedPicture& picture) {
  std::vector<int> types;
  for (const NalSpan& nal : picture.nals) types.push_back(h264_nal_type(picture.payload.data()[nal.offset]));
  return types;
}

// 7.3.3
uint32_t idr_pic_id(const EncodedPicture& picture) {
  const NalSpan slice = picture.nals.back();
  const Rbsp rbsp(picture.payload.bytes().subspan(slice.offset, slice.size), 1);
  const auto sps = rtp::parse_h264_sps(picture.payload.bytes().subspan(picture.nals[0].offset, picture.nals[0].size));
  BitReader r(rbsp.bytes());
  for (int i = 0; i < 3; ++i) r.ue();
  r.skip(sps->picture.frame_num_bits);
  return r.ue();
}

TEST(Encoder, IsTheFirstOfThoseAvailableUnlessNamed) {
  const std::vector<std::string> names = available_encoders();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), kOwnEncoder);
  EncoderOptions options;
  options.format = format();
  EXPECT_EQ(made_of(options)->name(), kOwnEncoder);
  for (const std::string& name : names) EXPECT_TRUE(check_encoder_name(name).ok());
  EXPECT_TRUE(check_encoder_name("").ok());
  options.encoder = "libx265";
  const auto refused = Encoder::make(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_EQ(refused.error().what.rfind("libx265 is not here; there are vigie", 0), 0U) << refused.error().what;
}

// The Baseline profile cannot write levels of the finest quantisers.
TEST(Encoder, AnotherTakesWhatOursCannot) {
  EncoderOptions options;
  options.format = format();
  options.quality = options.finest_quality = 6;
  EXPECT_NE(made_of(options)->name(), kOwnEncoder);
  options.encoder = kOwnEncoder;
  EXPECT_EQ(Encoder::make(options).error().code, Code::codec_unsupported);
}

TEST_P(EachEncoder, GivesOneUnitForEachFrameThatDecodesToIt) {
  for (const auto& [width, height] : {std::pair{320U, 192U}, {322U, 182U}, {16U, 16U}, {1920U, 1080U}}) {
    EncoderOptions options;
    options.format = format(width, height);
    options.quality = 18;
    const auto encoder = encoder_for(options);
    FramePool pool(8 << 20);
    std::vector<std::vector<uint8_t>> coded;
    for (int t = 0; t < 6; ++t) {
      const Ref<Frame> frame = scene_frame(pool, options.format, t);
      auto picture = encoder->encode(*frame, false);
      ASSERT_TRUE(picture.ok()) << picture.error().text();
      EXPECT_TRUE(frame->unique());
      EXPECT_EQ(picture->pts, frame->pts);
      EXPECT_EQ(picture->keyframe, t == 0);
      EXPECT_EQ(nal_types(*picture), t == 0 ? std::vector<int>({7, 8, 5}) : std::vector<int>({1}));
      size_t at = 0;
      for (const NalSpan& nal : picture->nals) {
        EXPECT_EQ(load_be32(picture->payload.data() + at), 1U);
        EXPECT_EQ(nal.offset, at + 4);
        at = nal.offset + nal.size;
      }
      EXPECT_EQ(at, picture->payload.size());
      coded.push_back(bytes_of(*picture));
    }
    const auto units = units_of(Codec::h264, coded);
    ASSERT_EQ(units.size(), 6U);
    EXPECT_EQ(units[0]->parameter_sets->sps[0], encoder->sps());
    EXPECT_EQ(units[0]->parameter_sets->pps[0], encoder->pps());
    EXPECT_EQ(units[0]->parameter_sets->picture.reordered_pictures, 0U);
    auto decoder = Decoder::make(Codec::h264, units[0]->parameter_sets);
    ASSERT_TRUE(decoder.ok());
    Collector seen(pool);
    for (size_t i = 0; i < units.size(); ++i) ASSERT_TRUE((*decoder)->decode(*units[i], i, seen).ok());
    ASSERT_EQ(seen.pictures.size(), 6U);
    for (int t = 0; t < 6; ++t) {
      EXPECT_GT(psnr(*seen.pictures[t].frame, *scene_frame(pool, options.format, t)), 38) << width;
    }
  }
}

// A quantiser by which the picture loses too much, and one by which it has much to spare: both are found out, and the
// streams go on without a seam.
TEST_P(EachEncoder, MovesTheQuantiserAsFarAsThePictureKeepsItsLikeness) {
  struct Case {
    double likeness;
    int quantiser;
  };
  for (const Case& c : {Case{0.5, 26}, Case{0.9999, 18}}) {
    SCOPED_TRACE(c.likeness);
    EncoderOptions options;
    options.format = format();
    options.gop_units = 14;
    options.likeness = c.likeness;
    const auto encoder = encoder_for(options);
    FramePool pool(8 << 20);
    std::vector<std::vector<uint8_t>> coded;
    for (int t = 0; t < 90; ++t) {
      auto picture = encoder->encode(*scene_frame(pool, options.format, t), false);
      ASSERT_TRUE(picture.ok()) << picture.error().text();
      EXPECT_EQ(picture->keyframe, t % 14 == 0);
      coded.push_back(bytes_of(*picture));
    }
    EXPECT_EQ(encoder->quality().quantiser, c.quantiser);
    ASSERT_TRUE(encoder->quality().likeness);
    const auto units = units_of(Codec::h264, coded);
    auto decoder = Decoder::make(Codec::h264, units[0]->parameter_sets);
    ASSERT_TRUE(decoder.ok());
    Collector seen(pool);
    for (size_t i = 0; i < units.size(); ++i) ASSERT_TRUE((*decoder)->decode(*units[i], i, seen).ok());
    ASSERT_EQ(seen.pictures.size(), 90U);
    for (const auto& picture : seen.pictures) EXPECT_FALSE(picture.facts.corrupt);
    const Ref<Frame> last = scene_frame(pool, options.format, 89);
    EXPECT_NEAR(plane_ssim(plane_of(*last, 0), plane_of(*seen.pictures.back().frame, 0), FlatWindows::left_out).value(),
                *encoder->quality().likeness, 0.02);
  }
}

TEST_P(EachEncoder, WithoutALikenessTheQuantiserStays) {
  EncoderOptions options;
  options.format = format();
  options.gop_units = 3;
  const auto encoder = encoder_for(options);
  FramePool pool(8 << 20);
  for (int t = 0; t < 60; ++t) ASSERT_TRUE(encoder->encode(*scene_frame(pool, options.format, t), false).ok());
  EXPECT_EQ(encoder->quality().quantiser, 20);
  EXPECT_FALSE(encoder->quality().likeness);
}

TEST_P(EachEncoder, BeginsAGopWhenItIsDueAndOnRequest) {
  EncoderOptions options;
  options.format = format();
  options.gop_units = 5;
  const auto encoder = encoder_for(options);
  FramePool pool(8 << 20);
  std::string keyframes;
  std::vector<uint32_t> ids;
  for (int t = 0; t < 16; ++t) {
    const bool forced = t == 7 || t == 8 || t == 9;
    auto picture = encoder->encode(*scene_frame(pool, options.format, t), forced);
    ASSERT_TRUE(picture.ok());
    keyframes += picture->keyframe ? 'K' : '.';
    if (picture->keyframe) ids.push_back(idr_pic_id(*picture));
  }
  EXPECT_EQ(keyframes, "K....K.KKK....K.");
  for (size_t i = 1; i < ids.size(); ++i) EXPECT_NE(ids[i], ids[i - 1]) << i;
}

TEST_P(EachEncoder, SceneCutsAreNoKeyframes) {
  EncoderOptions options;
  options.format = format();
  options.gop_units = 0;
  const auto encoder = encoder_for(options);
  FramePool pool(8 << 20);
  for (int t = 0; t < 40; ++t) {
    const auto picture = encoder->encode(*scene_frame(pool, options.format, t % 2 * 500 + t), false);
    ASSERT_TRUE(picture.ok());
    EXPECT_EQ(picture->keyframe, t == 0);
  }
}

TEST_P(EachEncoder, PutsColourAndTimingIntoTheSps) {
  EncoderOptions options;
  options.format = {320, 182, 12, 11, {true, 1, 13, 6}};
  options.fps = 12.5;
  const auto sps = rtp::parse_h264_sps(encoder_for(options)->sps());
  ASSERT_TRUE(sps.has_value());
  EXPECT_EQ(sps->width, 320U);
  EXPECT_EQ(sps->height, 182U);
  EXPECT_TRUE(sps->picture.full_range);
  EXPECT_EQ(sps->picture.colour_primaries, 1);
  EXPECT_EQ(sps->picture.transfer_characteristics, 13);
  EXPECT_EQ(sps->picture.matrix_coefficients, 6);
  EXPECT_EQ(sps->picture.sar_width, 12U);
  EXPECT_EQ(sps->picture.sar_height, 11U);
  EXPECT_DOUBLE_EQ(sps->picture.fps, 12.5);
  EXPECT_EQ(sps->picture.reordered_pictures, 0U);
}

// Noise that no quantiser codes cheaply.
Ref<Frame> noise_frame(FramePool& pool, const FrameFormat& of, std::mt19937& random) {
  Ref<Frame> frame = pool.make(of);
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < frame->plane_height(plane); ++y) {
      uint8_t* row = frame->mutable_row(plane, y);
      for (uint32_t x = 0; x < frame->plane_width(plane); ++x) row[x] = static_cast<uint8_t>(96 + random() % 64);
    }
  }
  return frame;
}

TEST_P(EachEncoder, StaysUnderItsCapAndComesBack) {
  EncoderOptions options;
  options.format = format();
  options.gop_units = 10;
  options.bitrate_cap_bps = 1'000'000;
  const auto encoder = encoder_for(options);
  const std::vector<uint8_t> sps = encoder->sps(), pps = encoder->pps();
  FramePool pool(8 << 20);
  std::mt19937 random(1);
  std::vector<std::vector<uint8_t>> coded;
  std::vector<size_t> sizes;
  uint32_t last_id = UINT32_MAX;
  for (int t = 0; t < 300; ++t) {
    const bool noisy = t < 150;
    const Ref<Frame> frame = noisy ? noise_frame(pool, options.format, random) : scene_frame(pool, options.format, t);
    auto picture = encoder->encode(*frame, false);
    ASSERT_TRUE(picture.ok());
    sizes.push_back(picture->payload.size());
    coded.push_back(bytes_of(*picture));
    if (picture->keyframe) {
      EXPECT_EQ(nal_types(*picture), std::vector<int>({7, 8, 5}));
      const uint32_t id = idr_pic_id(*picture);
      EXPECT_TRUE(t == 0 || coded[t - 1][4] != 0x67 || id != last_id) << t;
      last_id = id;
    }
  }
  const auto rate = [&](size_t from, size_t to) {
    size_t bytes = 0;
    for (size_t i = from; i < to; ++i) bytes += sizes[i];
    return static_cast<double>(bytes) * 8 * options.fps / static_cast<double>(to - from);
  };
  EXPECT_LT(rate(75, 150), 1'050'000);  // settled
  EXPECT_GT(rate(0, 5), 1'500'000);     // the cap had something to do
  EXPECT_EQ(encoder->sps(), sps);
  const auto units = units_of(Codec::h264, coded);
  EXPECT_EQ(units.back()->parameter_sets->pps.size(), 1U);
  EXPECT_EQ(units.back()->parameter_sets->revision, units.front()->parameter_sets->revision);
  auto decoder = Decoder::make(Codec::h264, units[0]->parameter_sets);
  Collector seen(pool);
  for (size_t i = 0; i < units.size(); ++i) ASSERT_TRUE((*decoder)->decode(*units[i], i, seen).ok());
  ASSERT_EQ(seen.pictures.size(), 300U);
  for (const auto& picture : seen.pictures) EXPECT_FALSE(picture.facts.corrupt);
  EXPECT_GT(psnr(*seen.pictures[299].frame, *scene_frame(pool, options.format, 299)), 32);  // fine again
}

TEST_P(EachEncoder, ACapMayComeLaterAndGoAgain) {
  EncoderOptions options;
  options.format = format();
  options.gop_units = 10;
  const auto encoder = encoder_for(options);
  FramePool pool(8 << 20);
  std::mt19937 random(1);
  const auto rate = [&](int pictures, uint32_t cap) {
    encoder->set_bitrate_cap(cap);
    size_t bytes = 0;
    for (int t = 0; t < pictures; ++t) {
      auto picture = encoder->encode(*noise_frame(pool, options.format, random), false);
      EXPECT_TRUE(picture.ok());
      if (t >= pictures / 2) bytes += picture->payload.size();
    }
    return static_cast<double>(bytes) * 8 * options.fps / (pictures / 2);
  };
  const double free = rate(100, 0);
  EXPECT_GT(free, 1'500'000);
  EXPECT_LT(rate(150, 1'000'000), 1'050'000);
  EXPECT_NEAR(rate(60, 0), free, free / 10);
  EXPECT_EQ(encoder->quality().quantiser, options.quality);
}

TEST_P(EachEncoder, RefusesWhatCannotBe) {
  EncoderOptions good;
  good.format = format();
  for (const auto& spoil : std::vector<std::function<void(EncoderOptions&)>>{
           [](EncoderOptions& o) { o.format.width = 321; }, [](EncoderOptions& o) { o.format.height = 0; },
           [](EncoderOptions& o) { o.fps = 0; }, [](EncoderOptions& o) { o.fps = 1001; },
           [](EncoderOptions& o) { o.quality = 52; }, [](EncoderOptions& o) { o.quality = -1; }}) {
    EncoderOptions bad = good;
    spoil(bad);
    EXPECT_EQ(Encoder::make(bad).error().code, Code::invalid_argument);
  }
  const auto encoder = encoder_for(good);
  FramePool pool(1 << 20);
  FrameFormat other = good.format;
  other.colour.full_range = true;
  EXPECT_EQ(encoder->encode(*scene_frame(pool, other, 0), false).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace vigie::codec
