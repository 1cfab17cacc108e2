#pragma once
// Whether a camera's own masks are in a decoded picture: each region, less a margin, must be one opaque colour.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mask/picture_situation.h"
#include "mask/spans.h"
#include "media/frame.h"
#include "policy/snapshot.h"

namespace vigie::mask {

// Largest difference between two samples of a region. The inside of a plain area is coded almost without error; a mask
// that lets a tenth of a scene through shows more than this.
struct OpaqueTolerance {
  int luma = 12, chroma = 10;
};

// Looks at picture regions alone. What it cannot tell: a mask from a place that is one flat colour itself, such as a
// black night; a mask of another colour than agreed.
// Thread: one at a time.
class OpaqueCheck {
 public:
  explicit OpaqueCheck(std::vector<policy::MaskRegion> regions, OpaqueTolerance tolerance = {});

  // Why the picture fails, with the name of the first region that does; nothing when every region in force at
  // `picture.arrival` is of one colour (another one for each). The margin is the coding block of the source (M-7), into
  // which the camera's deblocking carries what lies beside its mask; a region that would be lost within it gets a half,
  // a quarter or an eighth of that, and fails when not even then 8 x 8 samples are left.
  // Units: `frame` in any size; regions are scaled to it.
  std::optional<std::string> fault(const Frame& frame, const PictureSituation& picture);

 private:
  struct Run {  // of 2 x 2 luma samples: row and columns [begin, end)
    uint32_t row, begin, end;
  };
  std::vector<Run> inside(const policy::MaskRegion& region, const PictureSituation& picture);
  bool is_one_colour(const Frame& frame, const std::vector<Run>& runs) const;

  const std::vector<policy::MaskRegion> regions_;
  const OpaqueTolerance tolerance_;
  SpanBuilder builder_;
  std::vector<std::vector<Run>> runs_;  // by region
  std::optional<PictureSituation> drawn_for_;
};

}  // namespace vigie::mask
