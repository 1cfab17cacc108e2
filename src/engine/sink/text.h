#pragma once
// Texts that sinks put into events and headers.
#include <string>
#include <string_view>

#include "base/time.h"

namespace vigie::sink {

// "2026-03-01T12:00:00.250Z"; "-" for the epoch, which stands for never.
std::string utc_text(WallTime time);
// %XX undone; false when a % is not followed by two hex digits or the result holds a control character.
bool percent_decode(std::string_view text, std::string& out);

}  // namespace vigie::sink
