#pragma once
// How alike two planes are. Included by this folder's .cc files, by tests and benchmarks.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "media/frame.h"

namespace vigie::codec {

struct PlaneView {
  const uint8_t* samples = nullptr;
  size_t stride = 0;  // bytes
  uint32_t width = 0, height = 0;
};
inline PlaneView plane_of(const Frame& frame, size_t plane) {
  return {frame.row(plane, 0), frame.stride[plane], frame.plane_width(plane), frame.plane_height(plane)};
}

// Windows that are one flat value in the original: filled places, cards, a blind camera.
enum class FlatWindows : uint8_t { left_out, counted };

// Mean SSIM (Wang 2004) over windows of 8 x 8 samples, four apart, with x264's and FFmpeg's constants. Nothing where fewer
// than a sixteenth of the windows are left, or the sizes differ.
std::optional<double> plane_ssim(const PlaneView& original, const PlaneView& coded, FlatWindows flat);

}  // namespace vigie::codec
