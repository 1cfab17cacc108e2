#include "mask/card.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "make_frame.h"
#include "mask/painter.h"

namespace vigie::mask {
namespace {

std::vector<std::vector<uint8_t>> planes_of(const Frame& frame) {
  std::vector<std::vector<uint8_t>> planes(3);
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < frame.plane_height(plane); ++y) {
      const uint8_t* row = frame.row(plane, y);
      planes[plane].insert(planes[plane].end(), row, row + frame.plane_width(plane));
    }
  }
  return planes;
}

TEST(Card, OverwritesEverySampleWhateverWasThere) {
  const std::string_view lines[] = {"place-armes-01", "Le masque a \xc3\xa9t\xc3\xa9 retir\xc3\xa9",
                                    "since 2026-11-26T16:20:00Z"};
  const std::pair<uint32_t, uint32_t> sizes[] = {{2, 2}, {16, 16}, {320, 180}, {176, 144}, {1280, 720}};
  for (const auto& [width, height] : sizes) {
    SCOPED_TRACE(testing::Message() << width << "x" << height);
    auto random = make_random_frame(width, height, 3), blank = make_blank_frame(width, height);
    const auto untouched = make_random_frame(width, height, 3);
    draw_card(*random, lines);
    draw_card(*blank, lines);
    EXPECT_EQ(planes_of(*random), planes_of(*blank));
    const auto planes = planes_of(*random);
    const std::set<uint8_t> luma(planes[0].begin(), planes[0].end());
    EXPECT_LE(luma.size(), 2U) << "paper and ink, nothing else";
    EXPECT_EQ(std::set<uint8_t>(planes[1].begin(), planes[1].end()), std::set<uint8_t>{128});
    EXPECT_EQ(std::set<uint8_t>(planes[2].begin(), planes[2].end()), std::set<uint8_t>{128});
    for (size_t plane = 0; plane < 3; ++plane) {
      EXPECT_EQ(random->row(plane, 0)[random->plane_width(plane)], untouched->row(plane, 0)[random->plane_width(plane)])
          << "writes beyond the row";
    }
  }
}

// Reads the letters back off the picture: where a cell's pixels are those of a glyph.
std::string read_row(const Frame& frame, uint32_t left, uint32_t top, uint32_t scale, size_t count) {
  const uint8_t ink = fill_colour(0xe0e0e0, frame.format).y;
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    std::array<uint8_t, 7> seen{};
    for (uint32_t y = 0; y < 7; ++y) {
      for (uint32_t x = 0; x < 5; ++x) {
        const uint32_t at = left + (static_cast<uint32_t>(i) * 6 + x) * scale;
        const uint8_t sample = frame.row(0, top + y * scale)[at];
        EXPECT_EQ(frame.row(0, top + y * scale + scale - 1)[at + scale - 1], sample) << "a pixel is scale x scale";
        if (sample == ink) seen[y] |= 0x10 >> x;
      }
    }
    char found = '\1';
    for (char letter = ' '; letter <= '~'; ++letter) {
      if (std::ranges::equal(card_glyph(letter), seen)) found = letter;
    }
    text.push_back(found);
  }
  return text;
}

TEST(Card, CanBeRead) {
  // 320 x 180: two picture lines a pixel, 25 letters a row, rows of 20 lines.
  auto frame = make_blank_frame(320, 180);
  const std::string_view lines[] = {
      "Quai n\xc2\xb0"
      "4, \xc3\x89glise",
      "no mask set: the picture is hidden"};
  draw_card(*frame, lines);
  EXPECT_EQ(read_row(*frame, (320 - 16 * 12) / 2, 60, 2, 16), "Quai no4, Eglise");
  EXPECT_EQ(read_row(*frame, (320 - 24 * 12) / 2, 80, 2, 24), "no mask set: the picture");
  EXPECT_EQ(read_row(*frame, (320 - 9 * 12) / 2, 100, 2, 9), "is hidden");
}

TEST(Card, LettersGrowWithThePicture) {
  const std::string_view lines[] = {"AB"};
  const struct {
    uint32_t width, height, scale;
  } cases[] = {{320, 180, 2}, {1280, 720, 8}, {1920, 1080, 12}, {3840, 2160, 24}, {64, 48, 1}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.height);
    auto frame = make_blank_frame(c.width, c.height);
    draw_card(*frame, lines);
    EXPECT_EQ(read_row(*frame, (c.width - 12 * c.scale) / 2, (c.height - 10 * c.scale) / 2, c.scale, 2), "AB");
  }
}

TEST(Card, LongTextIsSmallerAndWraps) {
  auto frame = make_blank_frame(320, 180);
  const std::string word(40, 'x');  // wider than a row at two lines a pixel
  std::string text;
  for (int i = 0; i < 8; ++i) text += word + " ";
  const std::string_view lines[] = {text};
  draw_card(*frame, lines);
  EXPECT_EQ(read_row(*frame, (320 - 40 * 6) / 2, (180 - 8 * 10) / 2, 1, 40), word);
  std::string endless(100'000, 'y');
  const std::string_view more[] = {endless};
  draw_card(*frame, more);
  EXPECT_EQ(read_row(*frame, (320 - 52 * 6) / 2, 0, 1, 52), std::string(52, 'y')) << "cut off at the bottom";
}

TEST(Card, Text) {
  const struct {
    const char* name;
    std::string_view in, out;
  } cases[] = {
      {"ASCII", "Az 09 ~!", "Az 09 ~!"},
      {"French", "é è ê ë à â ä ç ï î ô ö ù û ü œ É À Ç Œ", "e e e e a a a c i i o o u u u oe E A C OE"},
      {"typographic", "l’été – voilà", "l'ete - voila"},
      {"combining accent", "e\xcc\x81t\xc3\xa9", "ete"},
      {"no letter of ours", "\xe4\xb8\xad \xf0\x9f\x98\x80", "? ?"},
      {"broken UTF-8", "a\xc3", "a?"},
      {"lone continuation", "a\x80z", "a?z"},
      {"broken second byte", "\xe2\x28z", "?(z"},
      {"control characters", "a\nb\x01", "a b?"},
      {"empty", "", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(card_text(c.in), c.out) << c.name;
}

TEST(Card, EveryLetterLooksDifferent) {
  std::set<std::vector<uint8_t>> seen;
  for (char letter = ' '; letter <= '~'; ++letter) {
    const auto glyph = card_glyph(letter);
    EXPECT_TRUE(seen.insert({glyph.begin(), glyph.end()}).second) << letter;
  }
  EXPECT_TRUE(std::ranges::equal(card_glyph('\x80'), card_glyph('?')));
}

}  // namespace
}  // namespace vigie::mask
