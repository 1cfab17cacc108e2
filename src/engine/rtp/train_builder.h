#pragma once
// Writes a train: counted first, then filled. Used by the packetizers only.
#include <cstdint>
#include <cstring>
#include <utility>

#include "rtp/packetizer.h"
#include "rtp/train.h"

namespace vigie::rtp {

// How many packets a train has and how many bytes of RTP payload in all.
struct TrainSize {
  uint64_t packets = 0;
  uint64_t payload_bytes = 0;
  void add(uint64_t count, uint64_t bytes) {
    packets += count;
    payload_bytes += bytes;
  }
};

class TrainBuilder {
 public:
  TrainBuilder(const TrainParams& params, const TrainSize& size, BufferPool& pool) : params_(params) {
    const auto framed = size.payload_bytes + size.packets * kPrivateHeaderBytes;
    table_ = (framed + 3) / 4 * 4;
    train_.buffer_ = pool.make(table_ + size.packets * sizeof(uint32_t));
    train_.framed_bytes_ = static_cast<uint32_t>(framed);
    train_.packet_count_ = static_cast<uint32_t>(size.packets);
    train_.rtp_timestamp_ = params.rtp_timestamp;
    train_.ssrc_ = params.ssrc;
    train_.first_sequence_ = params.first_sequence;
    train_.payload_type_ = params.payload_type & 0x7f;
    base_ = train_.buffer_.mutable_data();
  }

  // Begins the next packet, whose payload will have `payload_bytes`; returns where they go.
  uint8_t* packet(size_t payload_bytes) {
    uint8_t* p = base_ + at_;
    const auto offset = static_cast<uint32_t>(at_);
    std::memcpy(base_ + table_ + size_t{index_} * sizeof offset, &offset, sizeof offset);
    p[0] = '$';
    p[1] = 0;
    store_be16(p + 2, static_cast<uint16_t>(kHeaderBytes + payload_bytes));
    write_header(p + kFrameHeaderBytes,
                 {index_ + 1 == train_.packet_count_, params_.payload_type,
                  static_cast<uint16_t>(params_.first_sequence + index_), params_.rtp_timestamp, params_.ssrc});
    ++index_;
    at_ += kPrivateHeaderBytes + payload_bytes;
    return p + kPrivateHeaderBytes;
  }

  Train finish() {
    train_.buffer_.set_size(table_ + size_t{index_} * sizeof(uint32_t));
    return std::move(train_);
  }

 private:
  const TrainParams& params_;
  Train train_;
  uint8_t* base_ = nullptr;
  size_t table_ = 0;
  size_t at_ = 0;
  uint32_t index_ = 0;
};

// RFC 2435. Errors: payload_malformed for an image that it cannot carry.
Result<TrainSize> measure_jpeg(const AccessUnit& unit, size_t room);
Result<Train> build_jpeg(const AccessUnit& unit, const TrainParams& params, size_t room, BufferPool& pool);

}  // namespace vigie::rtp
