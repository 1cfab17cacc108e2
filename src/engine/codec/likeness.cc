#include "codec/likeness.h"

#include <utility>
#include <vector>

namespace vigie::codec {
namespace {

constexpr int64_t kC1 = 416;     // 0.01^2 * 255^2 * 64, rounded
constexpr int64_t kC2 = 235963;  // 0.03^2 * 255^2 * 64 * 63, rounded

// Of one block of 4 x 4, or of the four that make a window.
struct Sums {
  uint32_t original = 0, coded = 0, original_squares = 0, coded_squares = 0, products = 0;
  Sums& operator+=(const Sums& more) {
    original += more.original;
    coded += more.coded;
    original_squares += more.original_squares;
    coded_squares += more.coded_squares;
    products += more.products;
    return *this;
  }
};

void sum_blocks(const uint8_t* a, size_t a_stride, const uint8_t* b, size_t b_stride, std::vector<Sums>& out) {
  for (size_t block = 0; block < out.size(); ++block) {
    Sums sums;
    for (size_t y = 0; y < 4; ++y) {
      const uint8_t* p = a + y * a_stride + block * 4;
      const uint8_t* q = b + y * b_stride + block * 4;
      for (size_t x = 0; x < 4; ++x) {
        const uint32_t v = p[x], w = q[x];
        sums.original += v;
        sums.coded += w;
        sums.original_squares += v * v;
        sums.coded_squares += w * w;
        sums.products += v * w;
      }
    }
    out[block] = sums;
  }
}

double ssim_of(const Sums& window) {
  const int64_t s1 = window.original, s2 = window.coded;
  const int64_t squares = int64_t{window.original_squares} + window.coded_squares;
  const int64_t variances = squares * 64 - s1 * s1 - s2 * s2;
  const int64_t covariance = int64_t{window.products} * 64 - s1 * s2;
  return static_cast<double>(2 * s1 * s2 + kC1) * static_cast<double>(2 * covariance + kC2) /
         (static_cast<double>(s1 * s1 + s2 * s2 + kC1) * static_cast<double>(variances + kC2));
}

}  // namespace

std::optional<double> plane_ssim(const PlaneView& original, const PlaneView& coded, FlatWindows flat) {
  if (original.width != coded.width || original.height != coded.height) return std::nullopt;
  const size_t across = original.width / 4, down = original.height / 4;
  if (across < 2 || down < 2) return std::nullopt;
  std::vector<Sums> above(across), below(across);
  double sum = 0;
  size_t counted = 0;
  for (size_t row = 0; row < down; ++row) {
    sum_blocks(original.samples + row * 4 * original.stride, original.stride, coded.samples + row * 4 * coded.stride,
               coded.stride, below);
    for (size_t column = 0; row > 0 && column + 1 < across; ++column) {
      Sums window = above[column];
      window += above[column + 1];
      window += below[column];
      window += below[column + 1];
      const bool is_flat = uint64_t{window.original_squares} * 64 == uint64_t{window.original} * window.original;
      if (is_flat && flat == FlatWindows::left_out) continue;
      sum += ssim_of(window);
      ++counted;
    }
    std::swap(above, below);
  }
  if (counted * 16 < (across - 1) * (down - 1)) return std::nullopt;
  return sum / static_cast<double>(counted);
}

}  // namespace vigie::codec
