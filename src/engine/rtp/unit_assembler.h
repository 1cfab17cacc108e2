#pragma once
// The payload of one access unit in the making: NAL units behind four-byte start codes, in one growing pool buffer.
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/bytes.h"
#include "media/access_unit.h"

namespace vigie::rtp {

// Guesses the size of the next unit from the recent ones of its kind, so that a buffer seldom has to move.
class SizeGuess {
 public:
  size_t bytes() const { return mean_ + mean_ / 4; }
  void learn(size_t size) { mean_ = mean_ == 0 ? size : mean_ - mean_ / 8 + size / 8; }

 private:
  size_t mean_ = 4096;
};

// Thread: one. After a limit was exceeded everything is refused until clear().
class UnitAssembler {
 public:
  UnitAssembler(BufferPool& pool, size_t max_bytes, uint32_t max_nals);

  // Begins a NAL unit; `expected_bytes` says how large the whole unit may become.
  void begin_nal(size_t expected_bytes);
  void append(ByteSpan bytes);
  void end_nal();
  // Forgets the open NAL unit, or the last complete one.
  void abandon_nal();
  void drop_last_nal();
  bool nal_open() const { return nal_open_; }
  // The last bytes gathered, at most `count`.
  ByteSpan tail(size_t count) const {
    return {base_ + size_ - (count < size_ ? count : size_), count < size_ ? count : size_};
  }

  // Bytes without NAL structure (JPEG).
  void reserve(size_t expected_bytes);

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  bool overflowed() const { return overflowed_; }
  const NalTable& nals() const { return nals_; }
  ByteSpan nal(size_t index) const { return {base_ + nals_[index].offset, nals_[index].size}; }

  // Hands over the first `nal_count` NAL units; what follows them stays as the beginning of the next unit.
  void take(size_t nal_count, Buffer& payload, NalTable& nals);
  // Hands over all bytes (JPEG).
  void take_all(Buffer& payload);
  void clear();

 private:
  bool make_room(size_t bytes);
  void finish_buffer(size_t size);

  Buffer buffer_;
  uint8_t* base_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  size_t nal_begin_ = 0;
  bool nal_open_ = false;
  bool overflowed_ = false;
  uint32_t max_nals_;
  NalTable nals_;
  size_t max_bytes_;
  BufferPool& pool_;
};

}  // namespace vigie::rtp
