#pragma once
// The buffers that libavcodec decodes into, watched: what its H.265 decoder leaves out or makes up, it does not say.
// Included by this folder's .cc files alone.
#include "codec/libav.h"

namespace vigie::codec {

// Each buffer is marked before a decoder gets it. A slice that ends too soon leaves marks behind in the coding blocks that it
// should have held; and a picture for which a second buffer is asked refers to one that never came, which libavcodec
// makes up: rightly so for a keyframe alone, whose leading pictures may refer to what was before it (8.3.3). A picture that
// a relay has left out on purpose is missed, too, where a later one still names it. What it cannot see: damage after which
// a slice still ends in the last block.
// Must outlive the contexts that it watches. Thread: one; contexts of one thread alone.
class DecoderBuffers {
 public:
  void watch(AVCodecContext& context);

  // Before each unit.
  void begin_unit(bool keyframe) {
    keyframe_ = keyframe;
    asked_ = 0;
  }
  // Whether a reference was made up for the unit that had to be there.
  bool made_up_reference() const { return !keyframe_ && asked_ > 1; }
  // Whether every block of what is shown of a picture was written.
  static bool complete(const AVFrame& frame);

 private:
  static int give(AVCodecContext* context, AVFrame* frame, int flags);

  bool keyframe_ = false;
  unsigned asked_ = 0;
};

}  // namespace vigie::codec
