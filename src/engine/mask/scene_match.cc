#include "mask/scene_match.h"

#include <algorithm>
#include <cmath>

namespace vigie::mask {
namespace {

constexpr int kWidth = SmallPicture::kWidth, kHeight = SmallPicture::kHeight;
constexpr int kStep = 16;  // units of SmallPicture in a luma step
// Edges below half a luma step count as flat, as do those that do not stand out of what is all over the picture.
constexpr float kFlat = 0.5F * kStep, kOverMedian = 1.5F;
constexpr float kPlainEdge = 2.0F * kStep;

constexpr int kBlocksX = 10, kBlocksY = 6, kBlocks = kBlocksX * kBlocksY;
constexpr int kBlockWidth = kWidth / kBlocksX, kBlockHeight = kHeight / kBlocksY;
constexpr size_t kEdgesMost = 40, kEdgesLeast = 8;                             // of a block
constexpr int kEdgeStrength = EdgeField::kScale * EdgeField::kScale * 3 / 10;  // squared length of one worth keeping

constexpr int kShiftsX = 2 * kReachX, kShiftsY = 2 * kReachY + 1;  // dx from -kReachX to kReachX - 1
using ScoreMap = std::array<std::array<float, kShiftsX>, kShiftsY>;

using Plane = std::array<float, SmallPicture::kPixels>;

// Smoothed by 1 2 1 each way; the border keeps its values.
Plane smooth(const SmallPicture& picture) {
  Plane rows{}, both{};
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const int left = std::max(x - 1, 0), right = std::min(x + 1, kWidth - 1);
      const uint16_t* row = &picture.luma[static_cast<size_t>(y) * kWidth];
      rows[static_cast<size_t>(y) * kWidth + x] = static_cast<float>(row[left] + 2 * row[x] + row[right]) / 4;
    }
  }
  for (int y = 0; y < kHeight; ++y) {
    const float *above = &rows[static_cast<size_t>(std::max(y - 1, 0)) * kWidth],
                *here = &rows[static_cast<size_t>(y) * kWidth],
                *below = &rows[static_cast<size_t>(std::min(y + 1, kHeight - 1)) * kWidth];
    for (int x = 0; x < kWidth; ++x)
      both[static_cast<size_t>(y) * kWidth + x] = (above[x] + 2 * here[x] + below[x]) / 4;
  }
  return both;
}

struct Gradient {
  float x, y;
};

Gradient gradient_at(const Plane& plane, int x, int y) {
  const float* at = &plane[static_cast<size_t>(y) * kWidth + x];
  return {at[1] - at[-1], at[kWidth] - at[-kWidth]};
}

// The top of the parabola through three neighbouring scores, relative to the middle one.
double summit(double before, double top, double after) {
  const double bend = before - 2 * top + after;
  return bend < 0 ? std::clamp((before - after) / (2 * bend), -0.5, 0.5) : 0;
}

}  // namespace

SmallPicture shrink(const Frame& frame) {
  SmallPicture small;
  const uint64_t width = frame.format.width, height = frame.format.height;
  for (uint32_t v = 0; v < SmallPicture::kHeight; ++v) {
    const auto top = static_cast<uint32_t>(v * height / SmallPicture::kHeight);
    const auto bottom = std::max(top + 1, static_cast<uint32_t>((v + 1) * height / SmallPicture::kHeight));
    std::array<uint32_t, SmallPicture::kWidth> sums{};
    for (uint32_t y = top; y < bottom; ++y) {
      const uint8_t* row = frame.row(0, y);
      for (uint32_t u = 0; u < SmallPicture::kWidth; ++u) {
        const uint64_t left = u * width / SmallPicture::kWidth;
        const uint64_t right = std::max(left + 1, (u + 1) * width / SmallPicture::kWidth);
        for (uint64_t x = left; x < right; ++x) sums[u] += row[x];
      }
    }
    for (uint32_t u = 0; u < SmallPicture::kWidth; ++u) {
      const uint64_t left = u * width / SmallPicture::kWidth;
      const uint64_t right = std::max(left + 1, (u + 1) * width / SmallPicture::kWidth);
      small.luma[v * SmallPicture::kWidth + u] =
          static_cast<uint16_t>(uint64_t{sums[u]} * kStep / ((right - left) * (bottom - top)));
    }
  }
  return small;
}

EdgeField::EdgeField(const SmallPicture& picture) : cos2_(size_t{kStride} * kRows), sin2_(size_t{kStride} * kRows) {
  const Plane plane = smooth(picture);
  std::vector<float> strengths;
  strengths.reserve(SmallPicture::kPixels);
  for (int y = 1; y + 1 < kHeight; ++y) {
    for (int x = 1; x + 1 < kWidth; ++x) {
      const Gradient g = gradient_at(plane, x, y);
      strengths.push_back(std::sqrt(g.x * g.x + g.y * g.y));
    }
  }
  const auto plain = std::ranges::count_if(strengths, [](float strength) { return strength >= kPlainEdge; });
  texture_ = static_cast<double>(plain) / static_cast<double>(strengths.size());
  const auto middle = strengths.begin() + static_cast<ptrdiff_t>(strengths.size() / 2);
  std::ranges::nth_element(strengths, middle);
  const float noise = std::max(kFlat, kOverMedian * *middle);
  for (int y = 1; y + 1 < kHeight; ++y) {
    for (int x = 1; x + 1 < kWidth; ++x) {
      const Gradient g = gradient_at(plane, x, y);
      // Twice the angle: (x + iy)^2 / |.|^2, times how much it stands out.
      const float scale = kScale / (g.x * g.x + g.y * g.y + noise * noise);
      cos2_[offset(x, y)] = static_cast<int16_t>(std::lround((g.x * g.x - g.y * g.y) * scale));
      sin2_[offset(x, y)] = static_cast<int16_t>(std::lround(2 * g.x * g.y * scale));
    }
  }
  double sum = 0;
  for (const uint16_t luma : picture.luma) sum += luma;
  brightness_ = sum / SmallPicture::kPixels / kStep;
}

EdgePattern::EdgePattern(const SmallPicture& picture, const SmallMask& hidden) : blocks_(kBlocks) {
  const EdgeField field(picture);
  texture_ = field.texture();
  constexpr int kSeen = 2;  // smoothing and difference look this far
  const auto is_clean = [&](int x, int y) {
    for (int v = std::max(y - kSeen, 0); v <= std::min(y + kSeen, kHeight - 1); ++v) {
      for (int u = std::max(x - kSeen, 0); u <= std::min(x + kSeen, kWidth - 1); ++u) {
        if (hidden[static_cast<size_t>(v) * kWidth + u]) return false;
      }
    }
    return true;
  };
  const auto strength = [](const Edge& edge) { return edge.cos2 * edge.cos2 + edge.sin2 * edge.sin2; };
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const Edge edge{static_cast<int16_t>(x), static_cast<int16_t>(y), *field.cos2(x, y), *field.sin2(x, y)};
      if (strength(edge) < kEdgeStrength || !is_clean(x, y)) continue;
      blocks_[y / kBlockHeight * kBlocksX + x / kBlockWidth].edges.push_back(edge);
    }
  }
  for (Block& block : blocks_) {
    std::ranges::stable_sort(block.edges, std::greater(), strength);
    if (block.edges.size() > kEdgesMost) block.edges.resize(kEdgesMost);
  }
  std::erase_if(blocks_, [](const Block& block) { return block.edges.size() < kEdgesLeast; });
  for (Block& block : blocks_) {
    for (const Edge& edge : block.edges) block.energy += strength(edge);
  }
}

double EdgePattern::coverage() const { return static_cast<double>(blocks_.size()) / kBlocks; }

Displacement EdgePattern::find_in(const EdgeField& field) const {
  Displacement found;
  if (blocks_.empty()) return found;
  ScoreMap scores{};
  for (const Block& block : blocks_) {
    const float share = 1 / (static_cast<float>(block.energy) * static_cast<float>(blocks_.size()));
    for (int dy = -kReachY; dy <= kReachY; ++dy) {
      std::array<int32_t, kShiftsX> sums{};
      for (const Edge& edge : block.edges) {
        const int16_t *cos2 = field.cos2(edge.x - kReachX, edge.y + dy),
                      *sin2 = field.sin2(edge.x - kReachX, edge.y + dy);
        const int32_t c = edge.cos2, s = edge.sin2;
        for (int i = 0; i < kShiftsX; ++i) sums[i] += c * cos2[i] + s * sin2[i];
      }
      // A block that disagrees counts as one that is not there, so that traffic does not vote against the rest.
      auto& row = scores[dy + kReachY];
      for (int i = 0; i < kShiftsX; ++i) row[i] += share * static_cast<float>(std::max(sums[i], 0));
    }
  }
  double sum = 0, squares = 0, best = -1;
  int column = 0, line = 0;
  for (int y = 0; y < kShiftsY; ++y) {
    for (int x = 0; x < kShiftsX; ++x) {
      const double score = scores[y][x];
      sum += score;
      squares += score * score;
      if (score <= best) continue;
      best = score;
      column = x;
      line = y;
    }
  }
  constexpr double kCount = kShiftsX * kShiftsY;
  const double mean = sum / kCount, spread = std::sqrt(std::max(squares / kCount - mean * mean, 1e-12));
  found.agreement = best;
  found.contrast = (best - mean) / spread;
  found.dx = column - kReachX;
  found.dy = line - kReachY;
  if (column > 0 && column + 1 < kShiftsX) {
    found.dx += summit(scores[line][column - 1], best, scores[line][column + 1]);
  }
  if (line > 0 && line + 1 < kShiftsY) found.dy += summit(scores[line - 1][column], best, scores[line + 1][column]);
  return found;
}

}  // namespace vigie::mask
