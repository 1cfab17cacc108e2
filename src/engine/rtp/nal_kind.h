#pragma once
// What the first bytes of a NAL unit say about its place in an access unit (H.264 7.4.1.2, H.265 7.4.2.4).
#include "base/bytes.h"
#include "media/codec.h"

namespace vigie::rtp {

struct NalKind {
  bool vcl = false;
  bool begins_picture = false;  // a slice with the first macroblock
  bool continues = false;       // a slice without it, or a later fragment
  bool leads = false;           // AUD, parameter sets, prefix SEI: behind a picture it belongs to the next one
  bool keyframe = false;        // IDR, or IRAP in H.265
};

// `nal` may be cut short after three bytes, and must have one at least. Arbitrary slice order is not known of.
NalKind h264_nal_kind(ByteSpan nal);
NalKind h265_nal_kind(ByteSpan nal);
inline NalKind nal_kind(Codec codec, ByteSpan nal) {
  return codec == Codec::h265 ? h265_nal_kind(nal) : h264_nal_kind(nal);
}

}  // namespace vigie::rtp
