#pragma once
// What both kinds of encoder do with their output. Included by this folder's .cc files alone.
#include "base/bytes.h"
#include "codec/encoder.h"

namespace vigie::codec {

// Behind a 4-byte start code.
inline void append_nal(EncodedPicture& picture, ByteSpan nal) {
  constexpr uint8_t kStartCode[] = {0, 0, 0, 1};
  picture.payload.append(kStartCode);
  picture.nals.push_back({static_cast<uint32_t>(picture.payload.size()), static_cast<uint32_t>(nal.size())});
  picture.payload.append(nal);
}

}  // namespace vigie::codec
