#pragma once
// The settings of each encoder. Included by this folder's .cc files alone.
#include <span>
#include <string>

#include "codec/encoder.h"
#include "codec/libav.h"

namespace vigie::codec {

// Encoders of libavcodec, first choice first.
std::span<const char* const> libav_encoder_names();

// An open encoder at the quantiser given. Errors: codec_unsupported.
Result<ContextPtr> open_encoder(const char* name, const EncoderOptions& options, int quantiser);

}  // namespace vigie::codec
