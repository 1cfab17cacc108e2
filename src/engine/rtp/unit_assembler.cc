#include "rtp/unit_assembler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/start_code.h"

namespace vigie::rtp {
namespace {

constexpr size_t kLeastBytes = 1024;

}  // namespace

UnitAssembler::UnitAssembler(BufferPool& pool, size_t max_bytes, uint32_t max_nals)
    : max_nals_(max_nals), max_bytes_(max_bytes), pool_(pool) {}

void UnitAssembler::reserve(size_t expected_bytes) {
  const size_t wanted = std::min(std::max(expected_bytes, kLeastBytes), max_bytes_);
  if (wanted <= capacity_) return;
  if (!buffer_) {
    buffer_ = pool_.make(wanted);
  } else {
    buffer_.set_size(size_);
    buffer_.reserve(wanted);
  }
  base_ = buffer_.mutable_data();
  capacity_ = buffer_.capacity();
}

bool UnitAssembler::make_room(size_t bytes) {
  if (overflowed_) return false;
  if (bytes <= capacity_ - size_) return true;
  if (bytes > max_bytes_ - std::min(size_, max_bytes_)) {
    overflowed_ = true;
    return false;
  }
  reserve(std::max(size_ + bytes, capacity_ + capacity_ / 2));
  return true;
}

void UnitAssembler::begin_nal(size_t expected_bytes) {
  if (nals_.size() >= max_nals_) overflowed_ = true;
  if (overflowed_) return;
  reserve(expected_bytes);
  if (!make_room(sizeof kStartCode)) return;
  std::memcpy(base_ + size_, kStartCode.data(), sizeof kStartCode);
  size_ += sizeof kStartCode;
  nal_begin_ = size_;
  nal_open_ = true;
}

void UnitAssembler::append(ByteSpan bytes) {
  if (bytes.empty() || !make_room(bytes.size())) return;
  std::memcpy(base_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void UnitAssembler::end_nal() {
  if (!nal_open_) return;
  nal_open_ = false;
  if (overflowed_) return;
  nals_.push_back({static_cast<uint32_t>(nal_begin_), static_cast<uint32_t>(size_ - nal_begin_)});
}

void UnitAssembler::abandon_nal() {
  if (!nal_open_) return;
  nal_open_ = false;
  size_ = nal_begin_ - sizeof kStartCode;
}

void UnitAssembler::drop_last_nal() {
  if (nals_.empty()) return;
  size_ = nals_.back().offset - sizeof kStartCode;
  nals_.pop_back();
}

void UnitAssembler::finish_buffer(size_t size) {
  const bool wasteful = size < capacity_ / 2;  // shrinking copies: only where it pays
  buffer_.set_size(size);
  if (wasteful) buffer_.shrink();
}

void UnitAssembler::take(size_t nal_count, Buffer& payload, NalTable& nals) {
  const size_t all = size_;
  const size_t cut = nal_count < nals_.size() ? nals_[nal_count].offset - sizeof kStartCode : all;
  Buffer rest;
  if (cut < all) {
    rest = pool_.make(std::max(all - cut, kLeastBytes));
    std::memcpy(rest.mutable_data(), base_ + cut, all - cut);
  }
  finish_buffer(cut);
  payload = std::exchange(buffer_, std::move(rest));
  nals.assign({nals_.begin(), nal_count});
  nals_.drop_front(nal_count);
  for (NalSpan& span : nals_) span.offset -= static_cast<uint32_t>(cut);
  size_ = all - cut;
  base_ = buffer_ ? buffer_.mutable_data() : nullptr;
  capacity_ = buffer_.capacity();
  nal_open_ = overflowed_ = false;
}

void UnitAssembler::take_all(Buffer& payload) {
  finish_buffer(size_);
  payload = std::exchange(buffer_, Buffer());
  clear();
}

void UnitAssembler::clear() {
  nals_.clear();
  size_ = 0;
  nal_open_ = overflowed_ = false;
  base_ = buffer_ ? buffer_.mutable_data() : nullptr;
  capacity_ = buffer_.capacity();
}

}  // namespace vigie::rtp
