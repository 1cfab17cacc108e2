#pragma once
// Where the NAL units of an access unit lie: a vector whose first few entries need no memory of their own.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/start_code.h"

namespace vigie {

// Where one NAL unit lies in AccessUnit::payload; the start code lies before `offset` and is not counted.
struct NalSpan {
  uint32_t offset = 0;
  uint32_t size = 0;
};

// Most pictures are a slice, or a slice behind its parameter sets. Thread: one, or many that only read.
class NalTable {
 public:
  static constexpr size_t kFew = 6;

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  NalSpan* begin() { return data(); }
  NalSpan* end() { return data() + size_; }
  const NalSpan* begin() const { return data(); }
  const NalSpan* end() const { return data() + size_; }
  NalSpan& operator[](size_t index) { return data()[index]; }
  const NalSpan& operator[](size_t index) const { return data()[index]; }
  const NalSpan& back() const { return data()[size_ - 1]; }

  void push_back(NalSpan span) {
    if (size_ < kFew && many_.empty()) {
      few_[size_] = span;
    } else {
      if (many_.empty()) many_.assign(few_.begin(), few_.end());
      many_.push_back(span);
    }
    ++size_;
  }
  void pop_back() {
    --size_;
    if (!many_.empty()) many_.pop_back();
  }
  void clear() {
    many_.clear();
    size_ = 0;
  }
  void assign(std::span<const NalSpan> spans) {
    clear();
    if (spans.size() > kFew) {
      many_.assign(spans.begin(), spans.end());
    } else {
      std::copy(spans.begin(), spans.end(), few_.begin());
    }
    size_ = static_cast<uint32_t>(spans.size());
  }
  // Keeps its memory.
  void drop_front(size_t count) {
    if (many_.empty()) {
      std::copy(few_.begin() + count, few_.begin() + size_, few_.begin());
    } else {
      many_.erase(many_.begin(), many_.begin() + static_cast<ptrdiff_t>(count));
    }
    size_ -= static_cast<uint32_t>(count);
  }

 private:
  NalSpan* data() { return many_.empty() ? few_.data() : many_.data(); }
  const NalSpan* data() const { return many_.empty() ? few_.data() : many_.data(); }

  std::vector<NalSpan> many_;  // all of them, once there are more than a few
  uint32_t size_ = 0;
  std::array<NalSpan, kFew> few_{};
};

// Appends a NAL unit behind a start code, and notes where it lies. `payload` must be unique.
inline void append_nal(Buffer& payload, NalTable& nals, ByteSpan nal) {
  payload.append(kStartCode);
  nals.push_back({static_cast<uint32_t>(payload.size()), static_cast<uint32_t>(nal.size())});
  payload.append(nal);
}

}  // namespace vigie
