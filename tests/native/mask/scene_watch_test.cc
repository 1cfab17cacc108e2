#include "mask/scene_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "make_frame.h"

namespace vigie::mask {
namespace {

constexpr int kWidth = 320, kHeight = 180;

// A street of boxes: what is at a place depends on the place alone, so that a window anywhere shows one world.
class World {
 public:
  explicit World(uint32_t seed) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> left(0, kAcross), top(0, kDown), size(8, 70), shade(30, 220);
    for (int i = 0; i < 200; ++i) {
      const int x0 = left(random), y0 = top(random), x1 = x0 + size(random), y1 = y0 + size(random), s = shade(random);
      for (int y = y0; y < std::min(y1, kDown); ++y) {
        for (int x = x0; x < std::min(x1, kAcross); ++x) shades_[y][x] = s;
      }
    }
  }
  // (0, 0) is the upper left corner of the view of a camera that has not moved.
  double at(double x, double y) const {
    return shades_[static_cast<size_t>(std::lround(y) + kHeight)][static_cast<size_t>(std::lround(x) + kWidth)];
  }

 private:
  static constexpr int kAcross = 3 * kWidth, kDown = 3 * kHeight;
  std::vector<std::vector<int>> shades_{kDown, std::vector<int>(kAcross, 120)};
};

using Change = std::function<double(double shade, int x, int y)>;

// The world as a camera moved by (dx, dy), shares of the picture, sees it.
SmallPicture view(const World& world, double dx = 0, double dy = 0, const Change& change = {}) {
  auto frame = make_blank_frame(kWidth, kHeight);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      double shade = world.at(x + dx * kWidth, y + dy * kHeight);
      if (change) shade = change(shade, x, y);
      frame->mutable_row(0, y)[x] = static_cast<uint8_t>(std::clamp(shade, 0.0, 255.0));
    }
  }
  return shrink(*frame);
}

RowSpans hidden_box(double left, double top, double right, double bottom) {
  SpanBuilder builder;
  builder.add_polygon(std::vector<policy::MaskPoint>{{left, top}, {right, top}, {right, bottom}, {left, bottom}});
  return builder.build(kWidth, kHeight);
}

SceneReference reference_of(const World& world) {
  return SceneReference::make(view(world), hidden_box(0.4, 0.1, 0.7, 0.5)).value();
}

TEST(SceneWatch, FindsShifts) {
  const World world(1);
  const struct {
    int x, y;  // pixels, of which two make a small one
    Verdict::Kind kind;
  } cases[] = {
      {0, 0, Verdict::Kind::same},       {1, 0, Verdict::Kind::same},     {-2, 1, Verdict::Kind::same},
      {5, 0, Verdict::Kind::shifted},    {-7, 0, Verdict::Kind::shifted}, {0, 3, Verdict::Kind::shifted},
      {0, -5, Verdict::Kind::shifted},   {16, 9, Verdict::Kind::shifted}, {-32, 0, Verdict::Kind::shifted},
      {33, -18, Verdict::Kind::shifted}, {64, 0, Verdict::Kind::shifted}, {0, 36, Verdict::Kind::shifted},
      {-64, -9, Verdict::Kind::shifted},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(testing::Message() << c.x << "," << c.y);
    const double dx = static_cast<double>(c.x) / kWidth, dy = static_cast<double>(c.y) / kHeight;
    SceneWatch watch(reference_of(world));
    const Verdict verdict = watch.look(view(world, dx, dy));
    EXPECT_EQ(verdict_kind_name(verdict.kind), verdict_kind_name(c.kind));
    EXPECT_NEAR(verdict.dx * kWidth, -c.x, 0.6) << "the scene moves the other way";
    EXPECT_NEAR(verdict.dy * kHeight, -c.y, 0.6);
    EXPECT_GT(verdict.confidence, 0.5);
  }
}

TEST(SceneWatch, TellsTheViewWhateverLightNoiseAndTraffic) {
  const World world(2);
  std::mt19937 random(9);
  std::normal_distribution<double> noise;
  const auto night = [&](double shade, int, int) { return 14 + 0.15 * shade + 3 * noise(random); };
  const auto noisy = [&](double shade, int, int) { return shade + 25 * noise(random); };
  const auto sun = [](double shade, int x, int) { return shade * (0.4 + 0.9 * x / kWidth); };
  const auto lamps = [](double shade, int, int) { return 230 - 0.8 * shade; };
  const World cars(77);
  const auto traffic = [&](double shade, int x, int y) {  // 30 % of the picture
    return x > kWidth * 7 / 10 ? cars.at(x, y) : shade;
  };
  const auto rain = [&](double shade, int x, int y) {
    return (x * 7 + y / 9 * 31) % 61 == 0 ? shade + 70 : 0.7 * shade + 40;
  };
  const std::pair<const char*, Change> cases[] = {{"night", night},           {"noise", noisy},     {"low sun", sun},
                                                  {"lit from behind", lamps}, {"traffic", traffic}, {"rain", rain}};
  for (const auto& [name, change] : cases) {
    for (const double shift : {0.0, 0.03, -0.1}) {
      SCOPED_TRACE(testing::Message() << name << " " << shift);
      SceneWatch watch(reference_of(world));
      const Verdict verdict = watch.look(view(world, shift, 0, change));
      EXPECT_EQ(verdict_kind_name(verdict.kind), shift == 0 ? "same" : "shifted");
      EXPECT_NEAR(verdict.dx, -shift, 0.006);
    }
  }
}

TEST(SceneWatch, SaysWhatItCannotTell) {
  const World world(3);
  SceneWatch watch(reference_of(world));
  const Verdict black = watch.look(view(world, 0, 0, [](double, int, int) { return 5; }));
  EXPECT_EQ(black.kind, Verdict::Kind::unsure);
  EXPECT_EQ(black.reason, Verdict::Reason::too_dark);
  const Verdict fog = watch.look(view(world, 0, 0, [](double, int, int) { return 180; }));
  EXPECT_EQ(fog.kind, Verdict::Kind::unsure);
  EXPECT_EQ(fog.reason, Verdict::Reason::no_texture);
  EXPECT_EQ(watch.look(view(World(4))).kind, Verdict::Kind::strange);
}

TEST(SceneReference, KeepsNothingThatIsHidden) {
  const World world(5);
  const RowSpans hidden = hidden_box(0.25, 0.25, 0.75, 0.75);
  const auto a = SceneReference::make(view(world), hidden).value();
  const auto inside = [](double shade, int x, int y) {
    return x >= kWidth / 4 && x < kWidth * 3 / 4 && y >= kHeight / 4 && y < kHeight * 3 / 4 ? (x * y) % 256 : shade;
  };
  const auto b = SceneReference::make(view(world, 0, 0, inside), hidden).value();
  EXPECT_EQ(a.to_bytes(), b.to_bytes());
  const auto c = SceneReference::make(view(world), hidden_box(0.25, 0.25, 0.75, 0.7)).value();
  EXPECT_NE(a.to_bytes(), c.to_bytes());
  EXPECT_EQ(SceneReference::make(view(world), RowSpans::whole(kWidth, kHeight)).error().code, Code::invalid_argument);
  EXPECT_FALSE(SceneReference::make(SmallPicture{}, RowSpans{}).ok());
  const auto flat = [](double, int, int) { return 120; };
  EXPECT_FALSE(SceneReference::make(view(world, 0, 0, flat), hidden).ok()) << "the mask's own outline is no edge";
}

TEST(SceneReference, SurvivesBytesAndRefusesBadOnes) {
  const World world(6);
  const SceneReference reference = reference_of(world);
  const std::vector<uint8_t> bytes = reference.to_bytes();
  ASSERT_EQ(bytes.size(), SceneReference::kBytes);
  const auto again = SceneReference::from_bytes(bytes);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->to_bytes(), bytes);
  SceneWatch one(reference), two(*again);
  EXPECT_EQ(one.look(view(world, 0.04, 0)), two.look(view(world, 0.04, 0)));

  const size_t luma = 12 + SmallPicture::kPixels / 8;
  const size_t hidden = (SmallPicture::kHeight / 5) * SmallPicture::kWidth + SmallPicture::kWidth / 2;
  const struct {
    const char* name;
    size_t at;
    uint8_t value;
  } cases[] = {{"magic", 0, 'X'},
               {"version", 4, 2},
               {"reserved", 6, 1},
               {"width", 9, 161},
               {"height", 11, 91},
               {"luma too high", luma, 0x10},
               {"luma of a hidden pixel", luma + 2 * hidden + 1, 1}};
  for (const auto& c : cases) {
    auto bad = bytes;
    bad[c.at] = c.value;
    const auto result = SceneReference::from_bytes(bad);
    ASSERT_FALSE(result.ok()) << c.name;
    EXPECT_EQ(result.error().code, Code::invalid_argument) << c.name;
  }
  auto shorter = bytes;
  shorter.pop_back();
  EXPECT_FALSE(SceneReference::from_bytes(shorter).ok());
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(SceneReference::from_bytes(longer).ok());
  EXPECT_FALSE(SceneReference::from_bytes({}).ok());
  std::vector<uint8_t> blank(bytes.size());
  std::ranges::copy(std::span(bytes).first(12), blank.begin());
  EXPECT_FALSE(SceneReference::from_bytes(blank).ok()) << "nothing in it to recognise a view by";
}

// What looks lead to what: s same, m moved, x strange, u unsure; expected: . open, # covered, ! alarm without cover.
TEST(SceneWatch, CoversAndUncovers) {
  const World world(7);
  const SmallPicture same = view(world), moved = view(world, 0.05, 0), strange = view(World(8)), blank{};
  const struct {
    const char* name;
    std::string_view looks, expected;
  } cases[] = {
      {"steady", "ssss", "...."},
      {"one bad look", "smssss", "......"},
      {"moved: 3 of 5", "smmm", "...#"},
      {"moved with breaks", "smsmsm", ".....#"},
      {"too few of the last five", "smssmssmss", ".........."},
      {"back after three in a row", "smmmsss", "...###."},
      {"not back before", "smmmssmss", "...######"},
      {"a single bad look after it came back does not cover", "smmmsssms", "...###..."},
      {"moved from the start", "m", "#"},
      {"strange from the start", "x", "#"},
      {"proven wrong at the first same", "ms", "#."},
      {"strange for long", "sxxxxx", ".....#"},
      {"moved and strange in turn", "smxmxx", ".....#"},
      {"strange, with dark looks between", "sxxuxxx", "......#"},
      {"something large passes", "sxxxxs", "......"},
      {"dark from the start", "uuuu", "...."},
      {"dark, then moved", "um", ".#"},
      {"too dark for long: alarm, not covered", "suuuuuuuu", ".......!!"},
      {"dark while covered stays covered", "smmmuuu", "...####"},
      {"dark does not wipe out what was seen", "smumum", ".....#"},
  };
  SceneTolerance tolerance;
  tolerance.unsure_limit = 6;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    SceneWatch watch(SceneReference::make(same, hidden_box(0.4, 0.1, 0.7, 0.5)).value(), tolerance);
    std::string found;
    for (const char look : c.looks) {
      const Verdict verdict = watch.look(look == 's' ? same : look == 'm' ? moved : look == 'x' ? strange : blank);
      EXPECT_TRUE(verdict.alarm || !verdict.cover);
      found.push_back(verdict.cover ? '#' : verdict.alarm ? '!' : '.');
    }
    EXPECT_EQ(found, c.expected);
  }
}

TEST(Shrink, AveragesBoxesAtAnySize) {
  for (const auto& [width, height] : {std::pair{320U, 180U}, {1920U, 1080U}, {176U, 144U}, {64U, 48U}, {768U, 432U}}) {
    SCOPED_TRACE(width);
    auto frame = make_blank_frame(width, height);
    for (uint32_t y = 0; y < height; ++y) {
      for (uint32_t x = 0; x < width; ++x) frame->mutable_row(0, y)[x] = static_cast<uint8_t>(x * 200 / width + 20);
    }
    const SmallPicture small = shrink(*frame);
    for (uint32_t x = 0; x < SmallPicture::kWidth; ++x) {
      EXPECT_NEAR(small.at(x, 45) / 16.0, x * 200.0 / SmallPicture::kWidth + 20, 4);
      EXPECT_EQ(small.at(x, 0), small.at(x, 89));
    }
  }
  auto frame = make_blank_frame(320, 180);
  for (uint32_t y = 0; y < 180; ++y) std::memset(frame->mutable_row(0, y), y % 2 == 0 ? 10 : 11, 320);
  EXPECT_EQ(shrink(*frame).at(3, 3), 10 * 16 + 8) << "fractions are kept";
}

}  // namespace
}  // namespace vigie::mask
