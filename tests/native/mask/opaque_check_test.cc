#include "mask/opaque_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "make_frame.h"

namespace vigie::mask {
namespace {

constexpr uint32_t kWidth = 320, kHeight = 240;

policy::MaskRegion region(const char* name, double left, double top, double right, double bottom) {
  policy::MaskRegion region;
  region.name = name;
  region.points = {{left, top}, {right, top}, {right, bottom}, {left, bottom}};
  return region;
}

// A picture that is nowhere plain.
Ref<Frame> scene() { return make_random_frame(kWidth, kHeight, 5); }

using Change = std::function<int(int sample, size_t plane, uint32_t x, uint32_t y)>;

// Changes the samples of a rectangle, in luma samples.
void paint(Frame& frame, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1, const Change& change) {
  for (size_t plane = 0; plane < 3; ++plane) {
    const uint32_t scale = plane == 0 ? 1 : 2;
    for (uint32_t y = y0 / scale; y < y1 / scale; ++y) {
      for (uint32_t x = x0 / scale; x < x1 / scale; ++x) {
        uint8_t& sample = frame.mutable_row(plane, y)[x];
        sample = static_cast<uint8_t>(change(sample, plane, x, y));
      }
    }
  }
}

PictureSituation situation(Codec codec = Codec::h264) {
  return {.format = {.width = kWidth, .height = kHeight, .sar_width = 0, .sar_height = 0, .colour = {}},
          .codec = codec,
          .interlaced = false,
          .capture_time = {},
          .arrival = WallTime{1'800'000'000s}};
}

// 0.25 to 0.75 of 320 x 240: 80 to 240, 60 to 180.
const policy::MaskRegion kFlat = region("flat-3", 0.25, 0.25, 0.75, 0.75);
const Change kBlack = [](int, size_t plane, uint32_t, uint32_t) { return plane == 0 ? 16 : 128; };

TEST(OpaqueCheck, OneColourIsAMaskAndNothingElse) {
  std::mt19937 random(3);
  const Change noisy = [&](int, size_t plane, uint32_t, uint32_t) {
    return (plane == 0 ? 60 : 120) + static_cast<int>(random() % 9);
  };
  const Change translucent = [](int sample, size_t, uint32_t, uint32_t) { return (9 * 40 + sample) / 10; };
  const Change coloured = [](int, size_t plane, uint32_t x, uint32_t) {
    return plane == 0 ? 90 : plane == 1 ? 128 : 100 + static_cast<int>(x % 12);  // luma alone is plain
  };
  const struct {
    const char* name;
    uint32_t x0, y0, x1, y1;
    Change change;
    bool passes;
  } cases[] = {
      {"as declared", 80, 60, 240, 180, kBlack, true},
      {"larger", 60, 40, 260, 200, kBlack, true},
      {"noise of coding", 80, 60, 240, 180, noisy, true},
      {"rough edges within the coding block", 90, 72, 228, 168, kBlack, true},
      {"missing", 0, 0, 0, 0, kBlack, false},
      {"moved by a tenth of the picture", 112, 60, 272, 180, kBlack, false},
      {"too low", 80, 84, 240, 204, kBlack, false},
      {"a hole", 80, 60, 240, 118, kBlack, false},
      {"lets a tenth through", 80, 60, 240, 180, translucent, false},
      {"plain in luma alone", 80, 60, 240, 180, coloured, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto frame = scene();
    paint(*frame, c.x0, c.y0, c.x1, c.y1, c.change);
    OpaqueCheck check({kFlat});
    const auto fault = check.fault(*frame, situation());
    EXPECT_EQ(!fault, c.passes);
    if (fault) {
      EXPECT_EQ(*fault, "the camera's own mask is not there: region flat-3");
    }
  }
}

TEST(OpaqueCheck, EveryRegionHasAColourOfItsOwnAndEveryOneCounts) {
  OpaqueCheck check({kFlat, region("terrace", 0.0, 0.0, 0.2, 0.2)});
  const auto frame = scene();
  paint(*frame, 80, 60, 240, 180, kBlack);
  EXPECT_EQ(check.fault(*frame, situation()), "the camera's own mask is not there: region terrace");
  paint(*frame, 0, 0, 64, 48, [](int, size_t, uint32_t, uint32_t) { return 200; });
  EXPECT_EQ(check.fault(*frame, situation()), std::nullopt);
}

// At the picture's edge nothing bleeds in.
TEST(OpaqueCheck, TheMarginIsInsideThePictureAlone) {
  OpaqueCheck check({region("edge", -0.1, -0.1, 0.3, 0.3)});
  const auto frame = scene();
  paint(*frame, 16, 16, 96, 72, kBlack);
  EXPECT_TRUE(check.fault(*frame, situation()));
  paint(*frame, 0, 0, 84, 60, kBlack);
  EXPECT_FALSE(check.fault(*frame, situation()));
}

TEST(OpaqueCheck, ASmallRegionGetsASmallerMarginAndOneThatIsTooSmallFails) {
  const auto frame = scene();
  paint(*frame, 80, 60, 112, 84, kBlack);  // 32 x 24: lost within 36, half of it, and a quarter is left
  OpaqueCheck small({region("small", 80.0 / kWidth, 60.0 / kHeight, 112.0 / kWidth, 84.0 / kHeight)});
  EXPECT_FALSE(small.fault(*frame, situation(Codec::h265)));
  EXPECT_TRUE(small.fault(*scene(), situation(Codec::h265)));
  OpaqueCheck tiny({region("tiny", 80.0 / kWidth, 60.0 / kHeight, 84.0 / kWidth, 64.0 / kHeight)});
  EXPECT_EQ(tiny.fault(*frame, situation()), "the camera's own mask is too small to be proved: region tiny");
}

TEST(OpaqueCheck, OnlyRegionsInForceCount) {
  policy::MaskRegion dated = kFlat;
  dated.from = situation().arrival;
  dated.until = situation().arrival + 10s;
  OpaqueCheck check({dated});
  const auto frame = scene();
  PictureSituation picture = situation();
  EXPECT_TRUE(check.fault(*frame, picture));
  picture.arrival = *dated.until;
  EXPECT_FALSE(check.fault(*frame, picture));
  picture.arrival = *dated.from - 1ns;
  EXPECT_FALSE(check.fault(*frame, picture));
}

}  // namespace
}  // namespace vigie::mask
