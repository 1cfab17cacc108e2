#pragma once
// What a macroblock is predicted from: samples beside it (H.264 8.3.3, 8.3.4) or of the picture before (8.4.2.2, at whole
// luma samples), and how far that is off.
#include <cstddef>
#include <cstdint>

#include "codec/h264_writer/transform.h"

namespace vigie::codec::h264_writer {

// Sums of absolute differences.
struct Difference {
  uint32_t sum = 0;
  uint32_t worst = 0;  // of the four quarters, the largest
};
Difference difference_16x16(Samples a, Samples b);
uint32_t difference_8x8(Samples a, Samples b);
// Whether any sample of a square of so many, 8 or 16, differs by more than `most`.
bool any_far(Samples a, Samples b, size_t side, uint8_t most);

void copy_16x16(Samples from, uint8_t* to, size_t stride);
void copy_8x8(Samples from, uint8_t* to, size_t stride);

// Chroma half a sample on, across and down, into 8 x 8 samples, rows 8 apart.
void halfway_8x8(Samples from, bool across, bool down, uint8_t* out);

// What lies above and to the left of the macroblock at `at`, in the picture being made.
struct Beside {
  Samples at;
  bool above = false, left = false;
};

// Numbers as Intra16x16PredMode has them; intra_chroma_pred_mode has its own.
enum class LumaMode : uint8_t { vertical = 0, horizontal = 1, dc = 2 };
enum class ChromaMode : uint8_t { dc = 0, horizontal = 1, vertical = 2 };

// `out`: rows 16 (luma) or 8 (chroma) apart. False when the samples needed are not there.
bool predict_16x16(const Beside& beside, LumaMode mode, uint8_t* out);
bool predict_8x8(const Beside& beside, ChromaMode mode, uint8_t* out);

}  // namespace vigie::codec::h264_writer
