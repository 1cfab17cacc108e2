#pragma once
// JPEG images as RTP packets (RFC 2435).
#include "loadgen/clip.h"

namespace vigie::loadgen {

// Cuts a row of JPEG images and adds each as one unit, its quantization tables in the first packet (Q 255).
// Errors: invalid_argument for what RFC 2435 cannot carry: progressive, other than three components of 8 bits in 4:2:2
// or 4:2:0, more than 2040 pixels a side. Huffman tables are taken to be the standard ones, which is not checked.
Status add_jpeg_units(Clip& clip, ByteSpan images, size_t max_payload);

}  // namespace vigie::loadgen
