#pragma once
// Where a view has moved: the edges of a reference picture are looked for in another, over all displacements.
#include <array>
#include <bitset>
#include <cstdint>
#include <vector>

#include "media/frame.h"

namespace vigie::mask {

// A picture's luma at a size that is the same for every stream of a camera, whatever its size and aspect, so that
// displacements are shares of the picture. Units: sixteenths of a luma step (at night, fractions count).
struct SmallPicture {
  static constexpr uint32_t kWidth = 160, kHeight = 90, kPixels = kWidth * kHeight;
  static constexpr uint16_t kMost = 255 * 16;
  std::array<uint16_t, kPixels> luma{};
  uint16_t at(uint32_t x, uint32_t y) const { return luma[y * kWidth + x]; }
  friend bool operator==(const SmallPicture&, const SmallPicture&) = default;
};

// By box average. Reads the luma plane alone; the frame must not be empty.
SmallPicture shrink(const Frame& frame);

using SmallMask = std::bitset<SmallPicture::kPixels>;

// Largest displacement that is looked for, a quarter of the picture each way.
inline constexpr int kReachX = 40, kReachY = 23;

// The direction of the edge in every pixel, as (cos, sin) of twice its angle: of unit length where the edge stands out,
// 0 where the picture is flat or noise. Neither brightness nor contrast is in it, nor which side is the lighter one,
// which changes between day and lamp light. Surrounded by zeros as far as displacements reach.
class EdgeField {
 public:
  static constexpr int kScale = 127;  // of a unit
  static constexpr int kStride = SmallPicture::kWidth + 2 * kReachX, kRows = SmallPicture::kHeight + 2 * kReachY;

  explicit EdgeField(const SmallPicture& picture);
  const int16_t* cos2(int x, int y) const { return &cos2_[offset(x, y)]; }
  const int16_t* sin2(int x, int y) const { return &sin2_[offset(x, y)]; }
  // Share of the pixels with an edge of two luma steps or more, and the mean luma, 0 to 255.
  double texture() const { return texture_; }
  double brightness() const { return brightness_; }

 private:
  static size_t offset(int x, int y) {
    return static_cast<size_t>(y + kReachY) * kStride + static_cast<size_t>(x + kReachX);
  }
  std::vector<int16_t> cos2_, sin2_;
  double texture_ = 0, brightness_ = 0;
};

// The best displacement of the view, and how much it stands out.
struct Displacement {
  double dx = 0, dy = 0;  // of the scene, small pixels: to the right, down
  double agreement = 0;   // share of the reference's edges that are there, 0 to 1; noise, rain and traffic lower it
  double contrast = 0;    // that share over all displacements: how many standard deviations the best one is above
  // Unlike pictures give up to 3.8. A scene with few edges has much contrast and one full of them much agreement.
  double evidence() const { return contrast * (0.5 + agreement); }
};

// The strongest edges of a reference, block by block, so that no part of the picture outvotes the others.
class EdgePattern {
 public:
  // `hidden` pixels, and those whose edge would be seen through them, are left out.
  EdgePattern(const SmallPicture& picture, const SmallMask& hidden);
  // Share of the picture's pixels with a plain edge, as EdgeField::texture().
  double texture() const { return texture_; }
  // Share of the blocks that have edges enough to be looked for, 0 to 1.
  double coverage() const;
  Displacement find_in(const EdgeField& field) const;

 private:
  struct Edge {
    int16_t x, y, cos2, sin2;
  };
  struct Block {
    std::vector<Edge> edges;
    int32_t energy = 0;  // what a perfect match sums up to
  };
  std::vector<Block> blocks_;
  double texture_ = 0;
};

}  // namespace vigie::mask
