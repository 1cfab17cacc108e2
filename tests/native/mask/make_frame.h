#pragma once
// Frames for the tests of mask/: rows with room behind them, all bytes random or zero.
#include <cstring>
#include <random>

#include "media/frame.h"

namespace vigie::mask {

inline constexpr uint32_t kRowSlack = 32;  // bytes behind each row that belong to nobody

inline Ref<Frame> make_blank_frame(uint32_t width, uint32_t height) {
  auto frame = make_ref<Frame>();
  frame->format.width = width;
  frame->format.height = height;
  uint32_t end = 0;
  for (size_t plane = 0; plane < 3; ++plane) {
    frame->offset[plane] = end;
    frame->stride[plane] = (frame->plane_width(plane) + 31) / 32 * 32 + kRowSlack;
    end += frame->stride[plane] * frame->plane_height(plane);
  }
  frame->memory = Buffer::make_heap(end);
  frame->memory.set_size(end);
  std::memset(frame->memory.mutable_data(), 0, end);
  return frame;
}

inline Ref<Frame> make_random_frame(uint32_t width, uint32_t height, uint32_t seed) {
  auto frame = make_blank_frame(width, height);
  std::mt19937 random(seed);
  uint8_t* bytes = frame->memory.mutable_data();
  for (size_t i = 0; i < frame->memory.size(); ++i) bytes[i] = static_cast<uint8_t>(random());
  return frame;
}

}  // namespace vigie::mask
