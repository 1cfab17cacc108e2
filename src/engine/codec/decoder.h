#pragma once
// Coded pictures in, decoded pictures out, in presentation order.
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "media/access_unit.h"
#include "media/codec.h"
#include "media/frame.h"
#include "media/parameter_sets.h"

struct AVFrame;

namespace vigie::codec {

// A picture that lies in the decoder's memory. Valid until on_picture returns.
struct DecodedPicture {
  FrameFormat format;       // the displayed size, rounded down to even
  bool corrupt = false;     // the decoder knows of an error in it, or made up a part of it; it does not know of all
  bool keyframe = false;    // the decoder's word
  bool interlaced = false;  // two fields, woven; of this picture alone
  uint64_t tag = 0;         // of the access unit it came from (Decoder::decode)
  const AVFrame* decoded = nullptr;

  // The one copy: cropped, brought to 8 bits and 4:2:0. Where only the size of samples or the share of chroma differs, a
  // sample is rounded, or the mean of what it stands for; rows of one field are not mixed with the other's. Range, matrix
  // and the rest of the colour facts stay as they are. `out` must be unique and of this format's size; its `format` is set.
  // Errors: invalid_argument for another size; codec_unsupported for a layout that is not planar YUV or grey of 8 to 12 bits.
  Status copy_to(Frame& out) const;
  // Whether copy_to can: same errors.
  Status convertible() const;
};

class PictureSink {
 public:
  virtual ~PictureSink() = default;
  // A sink that looks at nothing makes a decoding without output: it costs no copy.
  virtual void on_picture(const DecodedPicture& picture) = 0;
};

// Runs in the caller's thread alone; holds no picture back but for reordering that the stream announces.
// Thread: one at a time.
class Decoder {
 public:
  // `sets` are in force for the first unit; later ones are read in band, or need another decoder.
  // Errors: codec_unsupported where this libavcodec lacks the decoder; parameter_sets where they are incomplete, of
  // another codec, or refused.
  static Result<std::unique_ptr<Decoder>> make(Codec codec, const Ref<const ParameterSets>& sets);
  virtual ~Decoder() = default;

  // Takes one access unit in decoding order and hands out each picture that is complete by it. `tag` (below 2^63) comes
  // back with the unit's picture. SEI is not looked at, so nothing of it can reach anybody.
  // Errors: picture_damaged when the decoder refuses the unit, invalid_argument for a unit of another codec. The decoder
  // may go on: after flush() and a keyframe its pictures are whole again.
  virtual Status decode(const AccessUnit& unit, uint64_t tag, PictureSink& sink) = 0;
  // Hands out what is held back for reordering; then only flush() may follow.
  virtual Status drain(PictureSink& sink) = 0;
  // Forgets every picture and all that damage has left behind; the next unit must be a keyframe. Costs little before a
  // keyframe (a new libav context is opened with it).
  virtual void flush() = 0;
};

}  // namespace vigie::codec
