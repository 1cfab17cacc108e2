#pragma once
// Recycles picture memory: a fresh picture of three megabytes costs more in page faults than in copying.
#include <cstddef>
#include <mutex>

#include "base/buffer.h"
#include "base/ref.h"
#include "media/frame.h"

namespace vigie::codec {

// Largest side of a picture, either way, in luma samples.
constexpr uint32_t kMaxSide = 16384;

// Whether a frame can have this format: sides even, from 2 to kMaxSide.
bool is_frame_format(const FrameFormat& format);

// Thread: make on any thread (one short lock a picture), frames are released on any thread. Frames may outlive the pool.
class FramePool {
 public:
  // `cached_bytes_limit`: free memory kept for reuse; beyond it (and beyond an eighth of what is in use) what is released
  // goes back to the heap.
  explicit FramePool(size_t cached_bytes_limit);

  // A unique frame whose planes are laid out as media/frame.h says and whose samples are whatever was there before.
  // `format` must satisfy is_frame_format (asserted).
  Ref<Frame> make(const FrameFormat& format);

  size_t bytes_in_use() const { return pool_.bytes_in_use(); }
  size_t bytes_cached() const { return pool_.bytes_cached(); }

 private:
  std::mutex mutex_;
  BufferPool pool_;  // of no home thread: every release takes the way without a lock, `make` is behind the mutex
};

}  // namespace vigie::codec
