#include "mask/painter.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "make_frame.h"

namespace vigie::mask {
namespace {

constexpr FillColour kRed{81, 90, 240}, kBlue{41, 240, 110};

RowSpans box(uint32_t width, uint32_t height, double x0, double y0, double x1, double y1) {
  SpanBuilder builder;
  builder.add_polygon(std::vector<policy::MaskPoint>{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}});
  return builder.build(width, height);
}

TEST(Painter, EveryPrivateSampleIsReplacedAndNoOther) {
  constexpr uint32_t kWidth = 98, kHeight = 54;
  const RowSpans left = box(kWidth, kHeight, -0.1, 0.1, 0.33, 0.7), right = box(kWidth, kHeight, 0.21, 0.5, 1.1, 0.81);
  const auto original = make_random_frame(kWidth, kHeight, 7);
  auto frame = make_random_frame(kWidth, kHeight, 7);
  const Frame* address = frame.get();
  const Layer layers[] = {{&left, kRed}, {&right, kBlue}};
  const auto filled = Painter::fill(std::move(frame), layers, 12);
  ASSERT_TRUE(filled.ok());
  EXPECT_EQ(filled->frame().get(), address) << "painted in place";
  EXPECT_EQ(filled->mask_revision(), 12U);
  EXPECT_EQ(filled->state(), PrivacyState::masked);
  const Frame& after = *filled->frame();
  for (size_t plane = 0; plane < 3; ++plane) {
    const uint32_t scale = plane == 0 ? 1 : 2;
    const auto value = [plane](const FillColour& colour) {
      return plane == 0 ? colour.y : plane == 1 ? colour.u : colour.v;
    };
    for (uint32_t y = 0; y < after.plane_height(plane); ++y) {
      for (uint32_t x = 0; x < after.stride[plane]; ++x) {
        uint8_t expected = original->row(plane, y)[x];
        if (x < after.plane_width(plane) && left.contains(x * scale, y * scale)) expected = value(kRed);
        if (x < after.plane_width(plane) && right.contains(x * scale, y * scale)) expected = value(kBlue);
        ASSERT_EQ(after.row(plane, y)[x], expected) << "plane " << plane << " " << x << "," << y;
      }
    }
  }
}

TEST(Painter, RefusesWhatItCannotHideWholly) {
  const RowSpans fits = RowSpans::whole(64, 48), other = RowSpans::whole(64, 46), none;
  const Layer good[] = {{&fits, kRed}}, wrong[] = {{&fits, kRed}, {&other, kRed}}, null[] = {{nullptr, kRed}},
              sizeless[] = {{&none, kRed}};
  const auto code = [](Ref<Frame> frame, std::span<const Layer> layers, uint64_t revision) {
    const auto result = Painter::fill(std::move(frame), layers, revision);
    return result ? Code{} : result.error().code;
  };
  EXPECT_EQ(code(make_blank_frame(64, 48), good, 1), Code{});
  EXPECT_EQ(code(make_blank_frame(64, 48), wrong, 1), Code::invalid_argument);
  EXPECT_EQ(code(make_blank_frame(64, 48), null, 1), Code::invalid_argument);
  EXPECT_EQ(code(make_blank_frame(64, 48), sizeless, 1), Code::invalid_argument);
  EXPECT_EQ(code(make_blank_frame(64, 48), {}, 1), Code::invalid_argument);
  EXPECT_EQ(code(make_blank_frame(64, 48), good, 0), Code::invalid_argument);
  EXPECT_EQ(code(nullptr, good, 1), Code::internal);

  auto shared = make_blank_frame(64, 48);
  EXPECT_EQ(code(shared, good, 1), Code::internal);
  auto lent = make_blank_frame(64, 48);
  const Buffer holder = lent->memory;
  EXPECT_EQ(code(std::move(lent), good, 1), Code::internal);
  auto odd = make_blank_frame(64, 48);
  odd->format.width = 63;
  EXPECT_EQ(code(std::move(odd), good, 1), Code::internal);
  auto beyond = make_blank_frame(64, 48);
  beyond->offset[2] += 8 + kRowSlack;
  EXPECT_EQ(code(std::move(beyond), good, 1), Code::internal);
  EXPECT_FALSE(Painter::cover(nullptr, {}, 0).ok());
}

TEST(Painter, CoverShowsNothingOfThePicture) {
  const std::string_view lines[] = {"Place d'Armes", "no masks"};
  const auto covered = Painter::cover(make_random_frame(320, 180, 1), lines, 0);
  const auto blank = Painter::cover(make_blank_frame(320, 180), lines, 0);
  ASSERT_TRUE(covered.ok() && blank.ok());
  EXPECT_EQ(covered->state(), PrivacyState::covered);
  EXPECT_EQ(covered->mask_revision(), 0U);
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < covered->frame()->plane_height(plane); ++y) {
      ASSERT_EQ(std::memcmp(covered->frame()->row(plane, y), blank->frame()->row(plane, y),
                            covered->frame()->plane_width(plane)),
                0);
    }
  }
}

TEST(FilledFrame, CannotBeMadeElsewhere) {
  static_assert(!std::is_constructible_v<FilledFrame, Ref<const Frame>, uint64_t, PrivacyState>);
  static_assert(!std::is_constructible_v<FilledFrame, Ref<Frame>>);
  static_assert(!std::is_default_constructible_v<FilledFrame>);
}

// Expected values by the standards' own tables of colour bars (100 %) and of greys.
TEST(FillColour, FollowsMatrixAndRange) {
  const struct {
    const char* name;
    uint32_t rgb;
    uint8_t matrix;
    bool full;
    uint32_t height;
    FillColour expected;
  } cases[] = {
      {"white, limited", 0xffffff, 1, false, 1080, {235, 128, 128}},
      {"black, limited", 0x000000, 1, false, 1080, {16, 128, 128}},
      {"white, full", 0xffffff, 1, true, 1080, {255, 128, 128}},
      {"black, full", 0x000000, 6, true, 1080, {0, 128, 128}},
      {"red 601", 0xff0000, 6, false, 1080, {81, 90, 240}},
      {"blue 601", 0x0000ff, 5, false, 1080, {41, 240, 110}},
      {"red 709", 0xff0000, 1, false, 360, {63, 102, 240}},
      {"green 709", 0x00ff00, 1, false, 360, {173, 42, 26}},
      {"red 2020", 0xff0000, 9, false, 1080, {74, 97, 240}},
      {"red full 601 (JFIF)", 0xff0000, 6, true, 480, {76, 85, 255}},
      {"not said, small: 601", 0xff0000, 2, false, 576, {81, 90, 240}},
      {"not said, large: 709", 0xff0000, 2, false, 720, {63, 102, 240}},
      {"one that we do not do, large: 709", 0xff0000, 8, false, 720, {63, 102, 240}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    FrameFormat format;
    format.height = c.height;
    format.colour.matrix = c.matrix;
    format.colour.full_range = c.full;
    const FillColour found = fill_colour(c.rgb, format);
    EXPECT_NEAR(found.y, c.expected.y, 1);
    EXPECT_NEAR(found.u, c.expected.u, 1);
    EXPECT_NEAR(found.v, c.expected.v, 1);
  }
}

}  // namespace
}  // namespace vigie::mask
