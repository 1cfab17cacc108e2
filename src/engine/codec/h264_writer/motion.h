#pragma once
// Motion of macroblocks: what is expected of one from its neighbours (H.264 8.4.1), and the search for better.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "codec/h264_writer/prediction.h"

namespace vigie::codec::h264_writer {

// In whole luma samples.
struct Vector {
  int x = 0, y = 0;
  friend bool operator==(const Vector&, const Vector&) = default;
};

// Of one picture's macroblocks, each of one partition that refers to the picture before, or intra.
// Thread: one at a time.
class MotionField {
 public:
  MotionField(uint32_t across, uint32_t down) : across_(across), entries_(size_t{across} * down) {}

  // The macroblocks are set in their order.
  void set(uint32_t x, uint32_t y, Vector vector) { entries_[size_t{y} * across_ + x] = {vector, true}; }
  void set_intra(uint32_t x, uint32_t y) { entries_[size_t{y} * across_ + x] = {}; }
  // mvpLX (8.4.1.3).
  Vector expected(uint32_t x, uint32_t y) const;
  // The motion of P_Skip (8.4.1.1), `expected` being the above.
  Vector of_skipped(uint32_t x, uint32_t y, Vector expected) const;

  // Rest, the macroblock's own motion in the picture before, and those of its neighbours.
  std::array<Vector, 4> likely(uint32_t x, uint32_t y) const;

  struct Entry {
    Vector vector;
    bool inter = false;
  };
  const Entry& at(uint32_t x, uint32_t y) const { return entries_[size_t{y} * across_ + x]; }

 private:
  uint32_t across_;
  std::vector<Entry> entries_;
};

// The macroblock that is searched for, and the luma of the picture before.
struct Search {
  Samples source;
  const uint8_t* reference = nullptr;
  size_t stride = 0;
  int x = 0, y = 0;           // of the macroblock, in samples
  int width = 0, height = 0;  // of the plane; what is outside is not looked at
  Vector expected;

  // Every level allows vectors of less than 64 samples down and up (A.3.1).
  static constexpr int kLongestDown = 63;
  bool inside(Vector v) const {
    return std::abs(v.y) <= kLongestDown && x + v.x >= 0 && y + v.y >= 0 && x + v.x + 16 <= width &&
           y + v.y + 16 <= height;
  }
  Samples at(Vector v) const {
    return {reference + static_cast<ptrdiff_t>(y + v.y) * static_cast<ptrdiff_t>(stride) + x + v.x, stride};
  }
};

struct Found {
  Vector vector;
  uint32_t difference = UINT32_MAX;  // sum of absolute ones
  uint32_t cost = UINT32_MAX;        // with what the vector's bits are worth
};

// Takes the vector if it is inside and better. `weight`: difference that one bit is worth.
void try_vector(const Search& search, Vector vector, uint32_t weight, Found& best);
// Goes downhill from the best one, one sample a step, `steps` at most.
void refine(const Search& search, uint32_t weight, int steps, Found& best);

}  // namespace vigie::codec::h264_writer
