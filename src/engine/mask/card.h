#pragma once
// The card that stands in for a covered picture: dark grey, with a few lines of text.
#include <span>
#include <string>
#include <string_view>

#include "media/frame.h"

namespace vigie::mask {

// Writes every sample of all three planes. `lines` (the camera's title, the reason, since when) are UTF-8, word-wrapped,
// and as large as they fit in (12 picture lines a pixel of the letters at most); what does not fit at the smallest
// size is cut off. Letters are printable ASCII; accented Latin ones lose their accent, others become '?'.
// Shape: both sizes even. Ownership: the frame and its memory must be unique.
void draw_card(Frame& frame, std::span<const std::string_view> lines);

// The text in the letters that the card has. Malformed UTF-8: '?' a byte.
std::string card_text(std::string_view utf8);

// One letter, 7 rows from the top of 5 pixels, the leftmost in bit 4. Any other than printable ASCII: that of '?'.
std::span<const uint8_t, 7> card_glyph(char letter);

}  // namespace vigie::mask
