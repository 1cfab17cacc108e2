#pragma once
// Pictures at another size: sub-streams, taps, thumbnails.
#include <memory>

#include "base/result.h"
#include "media/frame.h"

struct SwsContext;

namespace vigie::codec {

// Keeps what it has computed for a pair of sizes. Thread: one at a time.
class Scaler {
 public:
  Scaler() = default;

  // Fills `out`, a unique frame of the size wanted, with all of `in`; times and colour facts are in's, and so is the
  // sample shape, corrected where the scales differ. Errors: invalid_argument for a format that cannot be; internal.
  Status scale(const Frame& in, Frame& out);

 private:
  struct Deleter {
    void operator()(SwsContext* context) const;
  };
  std::unique_ptr<SwsContext, Deleter> context_;
  uint32_t from_width_ = 0, from_height_ = 0, to_width_ = 0, to_height_ = 0;
};

}  // namespace vigie::codec
