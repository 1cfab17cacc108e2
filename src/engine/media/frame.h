#pragma once
// A decoded picture as every lane, tap and encoder sees it: 8 bits a sample, 4:2:0, three planes. Whatever a camera
// sends (4:2:2, 10 bits, grey) is brought into this form by the one copy that a lane makes of it.
#include <array>
#include <cstdint>
#include <span>

#include "base/buffer.h"
#include "base/ref.h"
#include "base/time.h"
#include "media/access_unit.h"

namespace vigie {

// What a picture's samples mean. Code points as in H.264 E.2.1 (ISO/IEC 23091-2); 2: unspecified.
struct ColourFacts {
  bool full_range = false;
  uint8_t primaries = 2, transfer = 2, matrix = 2;
  friend bool operator==(const ColourFacts&, const ColourFacts&) = default;
};

// Luma size in pixels, as displayed (cropped), both even; chroma planes are half of it each way.
struct FrameFormat {
  uint32_t width = 0, height = 0;
  uint32_t sar_width = 0, sar_height = 0;  // of a sample; 0: not said
  ColourFacts colour;
  friend bool operator==(const FrameFormat&, const FrameFormat&) = default;
};

// Shape: plane 0 is Y (height x width), 1 is U and 2 is V (height/2 x width/2); rows are `stride` bytes apart, every
// row begins at a multiple of 32 bytes.
// Ownership: writable only while the frame and its memory are unique; shared read-only ever after.
struct Frame : RefCounted<Frame> {
  FrameFormat format;
  Buffer memory;
  std::array<uint32_t, 3> offset{};  // of each plane's first row in `memory`
  std::array<uint32_t, 3> stride{};

  // Of the access unit it was decoded from.
  Ticks90k pts{0};  // presentation time
  ClockQuality clock_quality = ClockQuality::none;
  WallTime capture_time{};
  MonoTime last_arrival{};
  WallTime arrival_wall{};

  uint32_t plane_width(size_t plane) const { return plane == 0 ? format.width : format.width / 2; }
  uint32_t plane_height(size_t plane) const { return plane == 0 ? format.height : format.height / 2; }
  const uint8_t* row(size_t plane, uint32_t y) const {
    return memory.data() + offset[plane] + static_cast<size_t>(y) * stride[plane];
  }
  uint8_t* mutable_row(size_t plane, uint32_t y) {
    return memory.mutable_data() + offset[plane] + static_cast<size_t>(y) * stride[plane];
  }
};

}  // namespace vigie
