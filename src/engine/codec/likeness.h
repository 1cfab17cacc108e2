#pragma once
// How alike two luma planes are. Included by this folder's .cc files, and by tests.
#include <cstddef>
#include <cstdint>
#include <optional>

namespace vigie::codec {

struct LumaView {
  const uint8_t* samples = nullptr;
  size_t stride = 0;  // bytes
  uint32_t width = 0, height = 0;
};

// Mean SSIM (Wang 2004) over windows of 8 x 8 samples, four apart, with x264's and FFmpeg's constants. Windows that are one
// flat value in `original` are left out: filled places, cards, a blind camera. Nothing where fewer than a sixteenth of the
// windows are left, or the sizes differ.
std::optional<double> luma_ssim(const LumaView& original, const LumaView& coded);

}  // namespace vigie::codec
