#include "rtp/train.h"

#include <algorithm>
#include <cstring>

namespace vigie::rtp {
namespace {

constexpr uint32_t kMaxSegmentedBytes = 65507;

}  // namespace

uint32_t Train::frame_offset(uint32_t index) const {
  if (index >= packet_count_) return framed_bytes_;
  uint32_t offset;
  std::memcpy(&offset, buffer_.data() + (framed_bytes_ + 3) / 4 * 4 + size_t{index} * sizeof offset, sizeof offset);
  return offset;
}

ByteSpan Train::framed_packet(uint32_t index) const {
  const uint32_t begin = frame_offset(index);
  return {buffer_.data() + begin, frame_offset(index + 1) - begin};
}

uint32_t Train::equal_run(uint32_t index, uint32_t limit) const {
  const auto size_of = [this](uint32_t i) {
    return frame_offset(i + 1) - frame_offset(i) - uint32_t{kFrameHeaderBytes};
  };
  const uint32_t size = size_of(index);
  uint32_t count = 1;
  uint32_t bytes = size;
  while (count < limit && index + count < packet_count_) {
    const uint32_t next = size_of(index + count);
    if (next > size || bytes + next > kMaxSegmentedBytes) break;
    ++count;
    bytes += next;
    if (next < size) break;
  }
  return count;
}

uint32_t Train::packet_at(uint32_t offset) const {
  uint32_t low = 0, high = packet_count_;
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    if (frame_offset(middle) <= offset) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

void write_private_header(const Train& train, uint32_t index, const PrivateNumbers& numbers, uint8_t* out) {
  std::memcpy(out, train.framed_packet(index).data(), kPrivateHeaderBytes);
  out[1] = numbers.channel;
  store_be16(out + 6, static_cast<uint16_t>(numbers.first_sequence + index));
  store_be32(out + 8, numbers.rtp_timestamp);
  store_be32(out + 12, numbers.ssrc);
}

}  // namespace vigie::rtp
