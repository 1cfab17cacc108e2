#include "codec/frame_pool.h"

#include <cassert>
#include <cstdint>
#include <utility>

namespace vigie::codec {
namespace {

constexpr size_t kAlignment = 32;

constexpr size_t align_up(size_t value) { return (value + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

bool is_frame_format(const FrameFormat& format) {
  const auto fits = [](uint32_t side) { return side >= 2 && side <= kMaxSide && side % 2 == 0; };
  return fits(format.width) && fits(format.height);
}

FramePool::FramePool(size_t cached_bytes_limit) : pool_(cached_bytes_limit) {}

Ref<Frame> FramePool::make(const FrameFormat& format) {
  assert(is_frame_format(format));
  auto frame = make_ref<Frame>();
  frame->format = format;
  size_t bytes = kAlignment;  // the first row's address is aligned, wherever the memory begins
  for (size_t plane = 0; plane < 3; ++plane) {
    frame->stride[plane] = static_cast<uint32_t>(align_up(frame->plane_width(plane)));
    frame->offset[plane] = static_cast<uint32_t>(bytes - kAlignment);
    bytes += size_t{frame->stride[plane]} * frame->plane_height(plane);
  }
  {
    const std::lock_guard lock(mutex_);
    frame->memory = pool_.make(bytes);
  }
  const auto address = reinterpret_cast<uintptr_t>(frame->memory.data());
  for (uint32_t& offset : frame->offset) offset += static_cast<uint32_t>(align_up(address) - address);
  frame->memory.set_size(bytes);
  return frame;
}

}  // namespace vigie::codec
