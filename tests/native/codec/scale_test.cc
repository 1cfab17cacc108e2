#include "codec/scale.h"

#include <gtest/gtest.h>

#include "codec/coded_clip.h"

namespace vigie::codec {
namespace {

TEST(Scaler, KeepsThePicture) {
  FramePool pool(8 << 20);
  Scaler scaler;
  const FrameFormat from{640, 384, 0, 0, {true, 1, 1, 1}};
  for (const auto& [width, height] : {std::pair{320U, 192U}, {160U, 96U}, {322U, 194U}, {640U, 384U}, {960U, 576U}}) {
    const Ref<Frame> in = scene_frame(pool, from, 2);
    in->capture_time = WallTime(5s);
    const Ref<Frame> out = pool.make({width, height});
    ASSERT_TRUE(scaler.scale(*in, *out).ok());
    EXPECT_EQ(out->format.colour, from.colour);
    EXPECT_EQ(out->pts, in->pts);
    EXPECT_EQ(out->capture_time, in->capture_time);
    for (size_t plane = 0; plane < 3; ++plane) {
      for (uint32_t y = 4; y + 4 < out->plane_height(plane); y += 7) {
        for (uint32_t x = 4; x + 4 < out->plane_width(plane); x += 5) {
          const double unit = plane == 0 ? 1 : 2;
          const double at_x = (x + 0.5) * unit * from.width / width, at_y = (y + 0.5) * unit * from.height / height;
          ASSERT_NEAR(out->row(plane, y)[x], scene(plane, at_x, at_y, 2), 5) << width << " " << plane << " " << x;
        }
      }
    }
  }
}

TEST(Scaler, CorrectsTheShapeOfSamples) {
  struct Case {
    FrameFormat in, out;
    uint32_t sar_width, sar_height;
  };
  FramePool pool(8 << 20);
  for (const Case& c : {Case{{640, 480}, {320, 240}, 0, 0}, Case{{640, 480}, {320, 480}, 2, 1},
                        Case{{720, 576, 16, 11}, {360, 288}, 16, 11}, Case{{704, 576, 12, 11}, {768, 576}, 1, 1}}) {
    Scaler scaler;
    const Ref<Frame> out = pool.make(c.out);
    ASSERT_TRUE(scaler.scale(*scene_frame(pool, c.in, 0), *out).ok());
    EXPECT_EQ(out->format.sar_width, c.sar_width);
    EXPECT_EQ(out->format.sar_height, c.sar_height);
  }
}

}  // namespace
}  // namespace vigie::codec
