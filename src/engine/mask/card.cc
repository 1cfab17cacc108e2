#include "mask/card.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "mask/card_font.h"
#include "mask/painter.h"

namespace vigie::mask {
namespace {

constexpr uint32_t kPaperRgb = 0x262626, kInkRgb = 0xe0e0e0;
constexpr uint32_t kCellWidth = font::kGlyphWidth + 1, kCellHeight = font::kGlyphHeight + 3;
constexpr uint32_t kLinesPerPixel = 90;  // picture lines a pixel of the largest letters

// U+00C0 to U+00FF without their accents, in order.
constexpr std::string_view kLatin = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";
static_assert(kLatin.size() == 64);

// Replaces what is not one letter of the table above.
void append_letter(uint32_t code, std::string& to) {
  if (code >= 0x20 && code < 0x7f) {
    to.push_back(static_cast<char>(code));
  } else if (code >= 0xc0 && code <= 0xff) {
    to.push_back(kLatin[code - 0xc0]);
  } else if (code == 0x152 || code == 0x153) {
    to += code == 0x152 ? "OE" : "oe";
  } else if (code == 0xb0) {  // as in "n°"
    to.push_back('o');
  } else if (code == 0x2018 || code == 0x2019) {
    to.push_back('\'');
  } else if (code == 0x2013 || code == 0x2014) {
    to.push_back('-');
  } else if (code == '\t' || code == '\n' || code == '\r' || code == 0xa0 || code == 0x202f) {
    to.push_back(' ');
  } else if (code < 0x300 || code > 0x36f) {  // a combining accent falls away
    to.push_back('?');
  }
}

// The code point that begins at `at`, which moves past it; malformed: U+FFFD, and past one byte.
uint32_t next_code(std::string_view utf8, size_t& at) {
  const auto first = static_cast<uint8_t>(utf8[at++]);
  if (first < 0x80) return first;
  const size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4 || at + more > utf8.size()) return 0xfffd;
  uint32_t code = first & (0x3fU >> more);
  for (size_t i = 0; i < more; ++i) {
    const auto next = static_cast<uint8_t>(utf8[at + i]);
    if ((next & 0xc0) != 0x80) return 0xfffd;
    code = code << 6 | (next & 0x3f);
  }
  at += more;
  return code;
}

// Appends the text in rows of at most `columns` letters, broken at spaces where there are any.
void wrap(std::string_view text, size_t columns, std::vector<std::string_view>& rows) {
  for (;;) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (text.size() <= columns) break;
    size_t cut = text.rfind(' ', columns);
    if (cut == std::string_view::npos) cut = columns;
    rows.push_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  rows.push_back(text);
}

struct Layout {
  uint32_t scale = 1;
  std::vector<std::string_view> rows;
};

// The largest letters with which the text fits, with half a row between its lines' rows and none lost.
Layout lay_out(const FrameFormat& format, const std::vector<std::string>& texts) {
  Layout layout;
  for (layout.scale = std::max(1U, format.height / kLinesPerPixel);; --layout.scale) {
    layout.rows.clear();
    const uint32_t columns = std::max(1U, format.width / (kCellWidth * layout.scale) - 1);
    for (const std::string& text : texts) wrap(text, columns, layout.rows);
    if (layout.scale == 1 || layout.rows.size() * kCellHeight * layout.scale <= format.height) return layout;
  }
}

void draw_glyph(Frame& frame, char letter, uint32_t left, uint32_t top, uint32_t scale, uint8_t ink) {
  const auto glyph = card_glyph(letter);
  for (uint32_t y = 0; y < font::kGlyphHeight * scale; ++y) {
    if (top + y >= frame.format.height) return;
    uint8_t* row = frame.mutable_row(0, top + y);
    for (uint32_t x = 0; x < font::kGlyphWidth; ++x) {
      const uint32_t begin = std::min(left + x * scale, frame.format.width);
      const uint32_t end = std::min(begin + scale, frame.format.width);
      if ((glyph[y / scale] >> (font::kGlyphWidth - 1 - x) & 1) != 0) std::memset(row + begin, ink, end - begin);
    }
  }
}

}  // namespace

std::string card_text(std::string_view utf8) {
  std::string text;
  for (size_t at = 0; at < utf8.size();) append_letter(next_code(utf8, at), text);
  return text;
}

std::span<const uint8_t, 7> card_glyph(char letter) {
  if (letter < font::kFirst || letter > font::kLast) letter = '?';
  return font::kGlyphs[static_cast<size_t>(letter - font::kFirst)];
}

void draw_card(Frame& frame, std::span<const std::string_view> lines) {
  const FillColour paper = fill_colour(kPaperRgb, frame.format), ink = fill_colour(kInkRgb, frame.format);
  const std::array<uint8_t, 3> blank{paper.y, paper.u, paper.v};
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < frame.plane_height(plane); ++y) {
      std::memset(frame.mutable_row(plane, y), blank[plane], frame.plane_width(plane));
    }
  }
  std::vector<std::string> texts;
  for (const std::string_view line : lines) texts.push_back(card_text(line));
  const Layout layout = lay_out(frame.format, texts);
  const uint32_t cell_width = kCellWidth * layout.scale, cell_height = kCellHeight * layout.scale;
  const auto height = static_cast<uint32_t>(layout.rows.size()) * cell_height;
  uint32_t top = height < frame.format.height ? (frame.format.height - height) / 2 : 0;
  for (const std::string_view row : layout.rows) {
    const auto width = static_cast<uint32_t>(row.size()) * cell_width;
    uint32_t left = width < frame.format.width ? (frame.format.width - width) / 2 : 0;
    for (const char letter : row) {
      draw_glyph(frame, letter, left, top, layout.scale, ink.y);
      left += cell_width;
    }
    top += cell_height;
  }
}

}  // namespace vigie::mask
