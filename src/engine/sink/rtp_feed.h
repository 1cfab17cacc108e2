#pragma once
// The hub's RTP side: one SSRC, one sequence and one clock for all viewers, and the shared train of each unit.
#include <cstdint>

#include "fanout/log_entry.h"
#include "rtp/train.h"

namespace vigie::sink {

// An access unit's packets as every session of the hub sends them.
class RtpTrain final : public fanout::Derived {
 public:
  explicit RtpTrain(rtp::Train train) : train_(std::move(train)) {}
  const rtp::Train& train() const { return train_; }

 private:
  rtp::Train train_;
};

// Give one to each Hub::make. Numbers begin at random (RFC 3550 5.1) and go on for the hub's life, whatever happens to
// the camera: the timestamp is the unit's presentation time plus a random offset, and the source promises that its pts
// only grows.
class RtpFeed final : public fanout::UnitDeriver {
 public:
  // `packet_bytes`: largest RTP packet, header included (LimitsPolicy::packet_bytes).
  explicit RtpFeed(uint32_t packet_bytes);

  // A unit that RTP cannot carry (a JPEG outside RFC 2435) gets no packets.
  fanout::RtpNumbers assign(const PublishedUnit& unit) override;
  // An RtpTrain; null for a unit without packets.
  Ref<const fanout::Derived> build(const fanout::LogEntry& entry, BufferPool& pool) const override;

  // Thread: any.
  uint32_t ssrc() const { return ssrc_; }
  static uint8_t payload_type(Codec codec) { return codec == Codec::mjpeg ? uint8_t{26} : uint8_t{96}; }

 private:
  void follow_order(const AccessUnit& unit, fanout::RtpNumbers& numbers);

  uint16_t packet_bytes_;
  uint32_t ssrc_;
  uint32_t timestamp_offset_;
  // What follows belongs to the home shard.
  uint16_t next_sequence_;
  bool started_ = false;
  int64_t shown_last_ = 0;    // latest presentation time so far
  int64_t shown_before_ = 0;  // the latest one before that came
  int reordered_for_ = 0;     // keyframes until the order of coding counts as that of presentation again
};

}  // namespace vigie::sink
