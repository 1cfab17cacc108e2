#pragma once
// The encoder made for cameras that stand still. Included by this folder's .cc files alone.
#include <memory>

#include "codec/encoder.h"

namespace vigie::codec {

// Constrained Baseline H.264 without deblocking; how: h264_writer/picture_coder.h.
// Errors: codec_unsupported for a quantiser that the profile cannot write.
Result<std::unique_ptr<Encoder>> make_camera_encoder(const EncoderOptions& options);

}  // namespace vigie::codec
