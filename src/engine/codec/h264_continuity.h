#pragma once
// Whether an H.264 picture that others refer to has been lost, by what the pictures themselves say.
#include <cstdint>
#include <optional>

#include "media/access_unit.h"

namespace vigie::codec {

// Follows frame_num (7.4.3): a reference picture counts one up, and a unit that comes behind a hole shows it. What a
// depacketizer cannot see (a camera or relay that dropped the picture itself) is seen here. Pictures that nothing refers
// to leave no trace when they are lost, and need none. Not seen: a loss of exactly 2^n reference pictures, and whatever
// happens in a stream whose SPS allows gaps, or whose only SPS could not be read. Numbering that begins anew without an
// IDR picture (memory_management_control_operation 5) looks like a loss.
// Thread: one.
class H264Continuity {
 public:
  // Takes the next unit in decoding order; false when reference pictures before it are missing, or its first slice
  // header cannot be read. An IDR picture always follows. A unit after a false one is compared with that one.
  bool follows(const AccessUnit& unit);
  // The next unit has nothing before it: only an IDR picture follows.
  void reset() { reference_.reset(); }

 private:
  std::optional<uint32_t> reference_;  // PrevRefFrameNum
};

}  // namespace vigie::codec
