#include "codec/h264_writer/motion.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>

namespace vigie::codec::h264_writer {
namespace {

int median(int a, int b, int c) { return std::max(std::min(a, b), std::min(std::max(a, b), c)); }

// Bits of a vector's difference from what is expected, in quarter samples.
uint32_t bits_of(int difference) {
  return 2 * static_cast<uint32_t>(std::bit_width(8U * static_cast<uint32_t>(std::abs(difference)) + 1)) - 1;
}

}  // namespace

Vector MotionField::expected(uint32_t x, uint32_t y) const {
  const Entry none;
  const bool has_left = x > 0, has_above = y > 0, has_right = has_above && x + 1 < across_;
  const Entry& left = has_left ? at(x - 1, y) : none;
  if (!has_above) return left.vector;  // neither B nor C is there: A counts for all
  const Entry& above = at(x, y - 1);
  const Entry& corner = has_right ? at(x + 1, y - 1) : has_left ? at(x - 1, y - 1) : none;
  const int inter = int{left.inter} + int{above.inter} + int{corner.inter};
  if (inter == 1) return left.inter ? left.vector : above.inter ? above.vector : corner.vector;
  return {median(left.vector.x, above.vector.x, corner.vector.x),
          median(left.vector.y, above.vector.y, corner.vector.y)};
}

Vector MotionField::of_skipped(uint32_t x, uint32_t y, Vector expected) const {
  if (x == 0 || y == 0) return {};
  const auto rests = [](const Entry& e) { return e.inter && e.vector == Vector{}; };
  if (rests(at(x - 1, y)) || rests(at(x, y - 1))) return {};
  return expected;
}

std::array<Vector, 4> MotionField::likely(uint32_t x, uint32_t y) const {
  const Entry none;
  return {Vector{}, at(x, y).vector, (x > 0 ? at(x - 1, y) : none).vector, (y > 0 ? at(x, y - 1) : none).vector};
}

void try_vector(const Search& search, Vector vector, uint32_t weight, Found& best) {
  const bool known = best.difference != UINT32_MAX && vector == best.vector;
  if (known || !search.inside(vector)) return;
  const uint32_t bits = bits_of(vector.x - search.expected.x) + bits_of(vector.y - search.expected.y);
  if (bits * weight >= best.cost) return;
  const uint32_t difference = difference_16x16(search.source, search.at(vector)).sum;
  const uint32_t cost = difference + bits * weight;
  if (cost < best.cost) best = {vector, difference, cost};
}

void refine(const Search& search, uint32_t weight, int steps, Found& best) {
  constexpr std::array<Vector, 4> kAround{{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}};
  for (; steps > 0; --steps) {
    const Vector centre = best.vector;
    for (const Vector& by : kAround) try_vector(search, {centre.x + by.x, centre.y + by.y}, weight, best);
    if (best.vector == centre) return;
  }
}

}  // namespace vigie::codec::h264_writer
