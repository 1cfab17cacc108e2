#pragma once
// Snapshots: one frame as a JPEG image.
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "media/frame.h"

namespace vigie::codec {

// A JFIF image of the whole frame, brought to full range where it is not (JFIF knows no other). `quality`: 1 to 100, as
// is customary with JPEG. Makes an encoder each time: for stills, not for streams. Thread: any.
// Errors: invalid_argument, codec_unsupported, encoder_failed.
Result<std::vector<uint8_t>> encode_jpeg(const Frame& frame, int quality);

}  // namespace vigie::codec
