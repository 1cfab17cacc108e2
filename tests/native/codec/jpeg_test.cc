#include "codec/jpeg.h"

#include <gtest/gtest.h>

#include "codec/coded_clip.h"

namespace vigie::codec {
namespace {

Ref<Frame> round_trip(FramePool& pool, const Frame& frame, int quality, size_t& bytes) {
  auto image = encode_jpeg(frame, quality);
  EXPECT_TRUE(image.ok()) << image.error().text();
  bytes = image->size();
  const auto units = units_of(Codec::mjpeg, {*image});
  auto decoder = Decoder::make(Codec::mjpeg, units[0]->parameter_sets);
  Collector seen(pool);
  EXPECT_TRUE((*decoder)->decode(*units[0], 0, seen).ok());
  return seen.pictures.at(0).frame;
}

TEST(Jpeg, HoldsTheFrame) {
  FramePool pool(1 << 20);
  size_t former = 0;
  for (const int quality : {30, 60, 90}) {
    FrameFormat format{322, 182, 0, 0, {true, 2, 2, 2}};
    const Ref<Frame> frame = scene_frame(pool, format, 3);
    size_t bytes = 0;
    const Ref<Frame> back = round_trip(pool, *frame, quality, bytes);
    ASSERT_EQ(back->format.width, 322U);
    EXPECT_TRUE(back->format.colour.full_range);
    EXPECT_GT(psnr(*frame, *back), quality == 90 ? 40 : 30) << quality;
    EXPECT_GT(bytes, former);
    former = bytes;
  }
}

TEST(Jpeg, WidensTheStudioRange) {
  FramePool pool(1 << 20);
  const Ref<Frame> frame = pool.make({64, 64});
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < frame->plane_height(plane); ++y) {
      for (uint32_t x = 0; x < frame->plane_width(plane); ++x) {
        frame->mutable_row(plane, y)[x] = plane == 0 ? (y < 32 ? 16 : 235) : (plane == 1 ? 240 : 16);
      }
    }
  }
  size_t bytes = 0;
  const Ref<Frame> back = round_trip(pool, *frame, 95, bytes);
  EXPECT_NEAR(back->row(0, 4)[4], 0, 2);
  EXPECT_NEAR(back->row(0, 60)[60], 255, 2);
  EXPECT_NEAR(back->row(1, 10)[10], 255, 2);
  EXPECT_NEAR(back->row(2, 10)[10], 0, 2);
  EXPECT_EQ(frame->row(0, 0)[0], 16);
}

TEST(Jpeg, RefusesAQualityThatIsNone) {
  FramePool pool(1 << 20);
  const Ref<Frame> frame = scene_frame(pool, {32, 32}, 0);
  for (const int quality : {0, 101, -5}) EXPECT_EQ(encode_jpeg(*frame, quality).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace vigie::codec
