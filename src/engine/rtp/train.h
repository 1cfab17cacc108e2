#pragma once
// All RTP packets of one access unit, contiguous in one shared buffer.
//
//   | '$' ch len16 | RTP packet 0 | '$' ch len16 | RTP packet 1 | … | table of offsets |
//
// TCP sends `framed()` with one call; UDP takes `packet(i)` from between the frame headers.
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/bytes.h"
#include "rtp/packet.h"

namespace vigie::rtp {

// The interleaved frame header of RFC 2326 10.12.
constexpr size_t kFrameHeaderBytes = 4;
constexpr size_t kPrivateHeaderBytes = kFrameHeaderBytes + kHeaderBytes;

// A cheap value (one buffer reference). Immutable.
class Train {
 public:
  Train() = default;
  explicit operator bool() const { return packet_count_ != 0; }

  uint32_t packet_count() const { return packet_count_; }
  uint16_t first_sequence() const { return first_sequence_; }
  // The sequence number after the last packet's.
  uint16_t next_sequence() const { return static_cast<uint16_t>(first_sequence_ + packet_count_); }
  uint32_t rtp_timestamp() const { return rtp_timestamp_; }
  uint32_t ssrc() const { return ssrc_; }
  uint8_t payload_type() const { return payload_type_; }
  // The marker is on the last packet and nowhere else.
  bool marker(uint32_t index) const { return index + 1 == packet_count_; }

  // All packets with their frame headers.
  ByteSpan framed() const { return buffer_.bytes().first(framed_bytes_); }
  // Where packet `index` begins in framed(), its frame header first; index == packet_count(): the end.
  uint32_t frame_offset(uint32_t index) const;
  ByteSpan framed_packet(uint32_t index) const;
  ByteSpan packet(uint32_t index) const { return framed_packet(index).subspan(kFrameHeaderBytes); }
  // Payload octets (without RTP headers), as sender reports count them.
  uint64_t payload_octets() const {
    return framed_bytes_ - uint64_t{packet_count_} * (kFrameHeaderBytes + kHeaderBytes);
  }
  // How many packets from `index` on have one size, the last of them perhaps a smaller one: what one UDP_SEGMENT send
  // can carry. At least 1, at most `limit` packets and 65 507 bytes of packets.
  uint32_t equal_run(uint32_t index, uint32_t limit = 64) const;
  // The index of the packet that holds byte `offset` of framed(), for a half-written send. offset < framed().size().
  uint32_t packet_at(uint32_t offset) const;

  const Buffer& buffer() const { return buffer_; }

 private:
  friend class TrainBuilder;
  Buffer buffer_;
  uint32_t framed_bytes_ = 0;
  uint32_t packet_count_ = 0;
  uint32_t rtp_timestamp_ = 0;
  uint32_t ssrc_ = 0;
  uint16_t first_sequence_ = 0;
  uint8_t payload_type_ = 0;
};

// Numbers of a session that does not share the hub's.
struct PrivateNumbers {
  uint8_t channel = 0;
  uint32_t ssrc = 0;
  uint16_t first_sequence = 0;  // of the train's packet 0
  uint32_t rtp_timestamp = 0;
};
// Writes frame header and RTP header of packet `index` (kPrivateHeaderBytes) with a session's own numbers; the payload
// follows at packet(index).subspan(kHeaderBytes).
void write_private_header(const Train& train, uint32_t index, const PrivateNumbers& numbers, uint8_t* out);

}  // namespace vigie::rtp
