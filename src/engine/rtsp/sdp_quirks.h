#pragma once
// Which known deviations the text of a session description shows. parse_sdp() reads over all of them.
#include <string_view>

#include "base/quirk.h"
#include "base/result.h"

namespace vigie::rtsp {

// Notes B1 to B8, B11 and B12, by the grammar of RFC 8866 section 9. Only what has an id is looked at: a clean answer
// does not mean that the text is valid. `text` was accepted by parse_sdp().
// Errors: sdp_malformed at the first deviation that is not tolerated, naming its line.
Status note_sdp_quirks(std::string_view text, Quirks& quirks);

}  // namespace vigie::rtsp
