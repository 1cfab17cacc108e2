// What PictureCoder says that a decoder gets, and what libavcodec's decoder gets, must be the same to the sample.
#include "codec/h264_writer/picture_coder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "base/bit_writer.h"
#include "codec/coded_clip.h"
#include "codec/h264_writer/headers.h"
#include "codec/skip_picture.h"
#include "rtp/h264_sps.h"

namespace vigie::codec::h264_writer {
namespace {

// A sample of plane, x, y in picture `t`.
using Content = std::function<int(size_t, uint32_t, uint32_t, int)>;

Ref<Frame> frame_of(FramePool& pool, const FrameFormat& format, const Content& content, int t) {
  Ref<Frame> frame = pool.make(format);
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < frame->plane_height(plane); ++y) {
      uint8_t* row = frame->mutable_row(plane, y);
      for (uint32_t x = 0; x < frame->plane_width(plane); ++x) {
        row[x] = static_cast<uint8_t>(std::clamp(content(plane, x, y, t), 0, 255));
      }
    }
  }
  return frame;
}

FrameFormat format_of(uint32_t width, uint32_t height) {
  FrameFormat format;
  format.width = width;
  format.height = height;
  return format;
}

// Codes frames one by one, Annex B.
class Writer {
 public:
  explicit Writer(const FrameFormat& format)
      : format_(format), coder_((format.width + 15) / 16, (format.height + 15) / 16) {}

  std::vector<uint8_t> code(const Frame& frame, bool idr, int qp) {
    since_idr_ = idr ? 0 : since_idr_ + 1;
    if (idr) id_ ^= 1;
    BitPacker packer;
    packer.reserve(64);
    write_slice_header({.idr = idr, .since_idr = since_idr_, .idr_pic_id = id_, .qp = qp}, packer);
    coder_.code(frame, idr, qp, packer);
    std::vector<uint8_t> nal{nal_header(idr)}, unit;
    append_escaped(packer.finish(), nal);
    const auto add = [&unit](const std::vector<uint8_t>& one) {
      unit.insert(unit.end(), {0, 0, 0, 1});
      unit.insert(unit.end(), one.begin(), one.end());
    };
    if (idr) add(make_sps(format_, 25)), add(make_pps());
    add(nal);
    return unit;
  }
  const CodedPlanes& made() const { return coder_.made(); }

 private:
  FrameFormat format_;
  PictureCoder coder_;
  uint32_t since_idr_ = 0, id_ = 0;
};

bool same_as(const Frame& frame, const CodedPlanes& made) {
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < frame.plane_height(plane); ++y) {
      if (std::memcmp(frame.row(plane, y), made.at(plane, 0, y), frame.plane_width(plane)) != 0) return false;
    }
  }
  return true;
}

// Total bytes of the pictures behind the first. Expects every decoded picture to be what the coder said.
size_t expect_agreement(const FrameFormat& format, const Content& content, int qp, int pictures, int idr_every) {
  FramePool pool(8 << 20);
  Writer writer(format);
  std::vector<std::vector<uint8_t>> coded;
  std::vector<CodedPlanes> made;
  size_t bytes = 0;
  for (int t = 0; t < pictures; ++t) {
    coded.push_back(writer.code(*frame_of(pool, format, content, t), t % idr_every == 0, qp));
    made.push_back(writer.made());
    if (t > 0) bytes += coded.back().size();
  }
  const auto units = units_of(Codec::h264, coded);
  auto decoder = Decoder::make(Codec::h264, units[0]->parameter_sets);
  EXPECT_TRUE(decoder.ok());
  Collector seen(pool);
  for (size_t i = 0; i < units.size(); ++i) EXPECT_TRUE((*decoder)->decode(*units[i], i, seen).ok());
  EXPECT_EQ(seen.pictures.size(), made.size());
  for (size_t i = 0; i < std::min(seen.pictures.size(), made.size()); ++i) {
    EXPECT_FALSE(seen.pictures[i].facts.corrupt) << i;
    EXPECT_TRUE(same_as(*seen.pictures[i].frame, made[i])) << "picture " << i << " at " << qp;
  }
  return bytes;
}

uint32_t hash(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t h = a * 0x9e3779b1U ^ b * 0x85ebca6bU ^ c * 0xc2b2ae35U;
  h ^= h >> 15;
  h *= 0x2c1b3c6dU;
  return h ^ h >> 13;
}

// A texture that is the same wherever it is moved to.
int texture(size_t plane, int x, int y) {
  const auto corner = [&](int cx, int cy) {
    return static_cast<double>(
        hash(static_cast<uint32_t>(cx), static_cast<uint32_t>(cy), static_cast<uint32_t>(plane)) % 200 + 28);
  };
  const int step = plane == 0 ? 8 : 4, cx = x >= 0 ? x / step : (x - step + 1) / step,
            cy = y >= 0 ? y / step : (y - step + 1) / step;
  const double fx = static_cast<double>(x - cx * step) / step, fy = static_cast<double>(y - cy * step) / step;
  return static_cast<int>(std::lerp(std::lerp(corner(cx, cy), corner(cx + 1, cy), fx),
                                    std::lerp(corner(cx, cy + 1), corner(cx + 1, cy + 1), fx), fy));
}

int noise(size_t plane, uint32_t x, uint32_t y, int t, uint32_t spread) {
  return static_cast<int>(hash(x * 4 + static_cast<uint32_t>(plane), y, static_cast<uint32_t>(t)) % (2 * spread + 1)) -
         static_cast<int>(spread);
}

TEST(PictureCoder, DecodersGetWhatItSays) {
  const std::vector<std::pair<const char*, Content>> contents{
      {"flat", [](size_t, uint32_t, uint32_t, int) { return 77; }},
      {"scene", [](size_t plane, uint32_t x, uint32_t y, int t) { return static_cast<int>(scene(plane, x, y, t)); }},
      {"grain",
       [](size_t plane, uint32_t x, uint32_t y, int t) {
         return texture(plane, static_cast<int>(x), static_cast<int>(y)) + noise(plane, x, y, t, 5);
       }},
      {"strong grain", [](size_t plane, uint32_t x, uint32_t y, int t) { return 128 + noise(plane, x, y, t, 24); }},
      {"white noise", [](size_t plane, uint32_t x, uint32_t y, int t) { return 128 + noise(plane, x, y, t, 128); }},
      {"black and white",
       [](size_t plane, uint32_t x, uint32_t y, int t) { return noise(plane, x, y, t, 1) > 0 ? 255 : 0; }},
      {"a pan",
       [](size_t plane, uint32_t x, uint32_t y, int t) {
         const int half = plane == 0 ? 1 : 2;
         return texture(plane, static_cast<int>(x) + 6 * t / half, static_cast<int>(y) - 4 * t / half);
       }},
      {"parts that move each their way",
       [](size_t plane, uint32_t x, uint32_t y, int t) {
         const uint32_t side = plane == 0 ? 40 : 20;
         const uint32_t part = hash(x / side, y / side, 1);
         return texture(plane, static_cast<int>(x) + static_cast<int>(part % 7) * t - 3 * t,
                        static_cast<int>(y) + static_cast<int>(part / 7 % 7) * t - 3 * t);
       }},
  };
  for (const auto& [name, content] : contents) {
    SCOPED_TRACE(name);
    for (const auto& [width, height] : {std::pair{16U, 16U}, {320U, 192U}, {178U, 50U}, {34U, 98U}}) {
      SCOPED_TRACE(width);
      for (const int qp : {12, 19, 26, 37, 51}) expect_agreement(format_of(width, height), content, qp, 7, 5);
    }
  }
}

TEST(PictureCoder, EveryQuantiser) {
  const Content content = [](size_t plane, uint32_t x, uint32_t y, int t) {
    return static_cast<int>(scene(plane, x, y, t)) + noise(plane, x, y, t, 20);
  };
  for (int qp = Quantiser::kFinest; qp <= Quantiser::kCoarsest; ++qp)
    expect_agreement(format_of(176, 144), content, qp, 3, 10);
}

TEST(PictureCoder, APictureThatStaysCostsNextToNothing) {
  const Content still = [](size_t plane, uint32_t x, uint32_t y, int) {
    return texture(plane, static_cast<int>(x), static_cast<int>(y));
  };
  EXPECT_LT(expect_agreement(format_of(320, 192), still, 18, 12, 100), 11U * 900);
  // Grain within half a step is not coded.
  const Content grain = [](size_t plane, uint32_t x, uint32_t y, int t) {
    return texture(plane, static_cast<int>(x), static_cast<int>(y)) + noise(plane, x, y, t, 1);
  };
  EXPECT_LT(expect_agreement(format_of(320, 192), grain, 26, 12, 100), 11U * 300);
}

// Whole samples are searched for, so a pan by them leaves next to nothing but at the edges.
TEST(PictureCoder, APanIsFound) {
  const auto pan = [](int dx, int dy) {
    return [dx, dy](size_t plane, uint32_t x, uint32_t y, int t) {
      const int half = plane == 0 ? 1 : 2;
      return texture(plane, static_cast<int>(x) + dx * t / half, static_cast<int>(y) + dy * t / half);
    };
  };
  const Content jumps = [](size_t plane, uint32_t x, uint32_t y, int t) {
    return texture(plane, static_cast<int>(x) + t * 4001, static_cast<int>(y));
  };
  const FrameFormat format = format_of(320, 192);
  const size_t anew = expect_agreement(format, jumps, 20, 8, 100);
  EXPECT_LT(expect_agreement(format, pan(6, -4), 20, 8, 100), anew / 4);
  EXPECT_LT(expect_agreement(format, pan(-2, 8), 20, 8, 100), anew / 4);
}

// Where levels would take more bits than the samples themselves, and more than the profile allows.
TEST(PictureCoder, WhatIsTooMuchIsSentRaw) {
  FramePool pool(8 << 20);
  const FrameFormat format = format_of(64, 48);
  const Content content = [](size_t plane, uint32_t x, uint32_t y, int t) {
    return noise(plane, x, y, t, 1) > 0 ? 235 : 20;
  };
  Writer writer(format);
  for (int t = 0; t < 3; ++t) {
    const Ref<Frame> frame = frame_of(pool, format, content, t);
    const size_t bytes = writer.code(*frame, t == 0, 12).size();
    EXPECT_LE(bytes, 12U * 3200 / 8 + 100);
    EXPECT_TRUE(same_as(*frame, writer.made()));
  }
}

TEST(Search, StaysInThePictureAndWithinWhatEveryLevelAllows) {
  const Search search{.source = {},
                      .reference = nullptr,
                      .stride = 320,
                      .x = 160,
                      .y = 96,
                      .width = 320,
                      .height = 192,
                      .expected = {}};
  for (const Vector& v : {Vector{144, 0}, Vector{-160, 0}, Vector{0, 63}, Vector{0, -63}})
    EXPECT_TRUE(search.inside(v));
  for (const Vector& v : {Vector{145, 0}, Vector{-161, 0}, Vector{0, 64}, Vector{0, -64}})
    EXPECT_FALSE(search.inside(v));
  Search low = search;
  low.y = 150;
  EXPECT_TRUE(low.inside({0, 26}));
  EXPECT_FALSE(low.inside({0, 27}));
}

// A distant lamp is one sample, in luma or chroma.
TEST(PictureCoder, ALampIsSeenAtOnce) {
  FramePool pool(8 << 20);
  const FrameFormat format = format_of(320, 192);
  for (const size_t lit : {0U, 1U, 2U}) {
    const Content content = [lit](size_t plane, uint32_t x, uint32_t y, int t) {
      return 60 + (plane == lit && t > 0 && x == 37 && y == 21 ? 120 : 0);
    };
    Writer writer(format);
    for (int t = 0; t < 2; ++t) writer.code(*frame_of(pool, format, content, t), t == 0, 26);
    EXPECT_GT(*writer.made().at(lit, 37, 21), 60 + 40) << lit;
  }
}

TEST(PictureCoder, WhatDiffersByLessThanAStepStaysAndNoMore) {
  FramePool pool(8 << 20);
  const FrameFormat format = format_of(320, 192);
  // A pale patch appears on flat ground: within a step of the quantiser the picture must show it.
  for (const int by : {4, 8, 16}) {
    const Content content = [by](size_t plane, uint32_t x, uint32_t y, int t) {
      return 100 + (plane == 0 && t > 0 && x >= 100 && x < 112 && y >= 60 && y < 70 ? by : 0);
    };
    Writer writer(format);
    for (int t = 0; t < 3; ++t) writer.code(*frame_of(pool, format, content, t), t == 0, 20);
    EXPECT_NEAR(*writer.made().at(0, 105, 65), 100 + by, 3) << by;
    EXPECT_NEAR(*writer.made().at(0, 200, 100), 100, 1);
  }
}

TEST(Headers, SayWhatIsWritten) {
  struct Case {
    uint32_t width, height;
    double fps;
    uint32_t level;
  };
  for (const Case& c : {Case{176, 144, 15, 10},
                        {352, 288, 25, 13},
                        {640, 480, 25, 30},
                        {1280, 720, 25, 31},
                        {1920, 1080, 25, 40},
                        {1920, 1080, 60, 42},
                        {3840, 2160, 25, 51},
                        {178, 50, 12.5, 10}}) {
    SCOPED_TRACE(c.width);
    FrameFormat format = format_of(c.width, c.height);
    format.sar_width = 12;
    format.sar_height = 11;
    format.colour = {true, 1, 13, 6};
    const auto sps = rtp::parse_h264_sps(make_sps(format, c.fps));
    ASSERT_TRUE(sps.has_value());
    EXPECT_EQ(sps->width, c.width);
    EXPECT_EQ(sps->height, c.height);
    EXPECT_EQ(sps->picture.profile_idc, 66);
    EXPECT_EQ(sps->picture.level_idc, c.level == 13 ? 20U : c.level);
    EXPECT_DOUBLE_EQ(sps->picture.fps, c.fps);
    EXPECT_EQ(sps->picture.reordered_pictures, 0U);
    EXPECT_EQ(sps->picture.sar_width, 12U);
    EXPECT_TRUE(sps->picture.full_range);
    EXPECT_EQ(sps->picture.transfer_characteristics, 13);
    EXPECT_NE(SkipPictures::make(make_sps(format, c.fps), make_pps()), nullptr);
  }
}

}  // namespace
}  // namespace vigie::codec::h264_writer
