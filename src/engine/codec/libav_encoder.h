#pragma once
// The encoders of libavcodec behind our interface. Included by this folder's .cc files alone.
#include <memory>

#include "codec/encoder.h"

namespace vigie::codec {

// `name`: one of libav_encoder_names(). Errors: codec_unsupported, with the reason.
Result<std::unique_ptr<Encoder>> make_libav_encoder(const EncoderOptions& options, const char* name);

}  // namespace vigie::codec
