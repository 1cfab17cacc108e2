#pragma once
// Reception statistics of one sender for receiver reports (RFC 3550 6.4.1, A.3, A.8).
#include <cstdint>

#include "base/time.h"
#include "rtp/rtcp.h"

namespace vigie::rtp {

class Reception {
 public:
  explicit Reception(uint32_t clock_rate = 90000) : clock_rate_(clock_rate ? clock_rate : 90000) {}
  // A sender begins (or begins again) at this extended sequence number.
  void restart(uint32_t ssrc, uint64_t extended_sequence);
  // A packet was received, in whatever order, duplicates included.
  void on_packet(uint64_t extended_sequence, uint32_t rtp_timestamp, MonoTime arrival);
  void on_sender_report(const SenderReport& report, MonoTime arrival);

  // The block for the next report; starts a new interval for the fraction lost.
  ReportBlock make_report_block(MonoTime now);

  bool started() const { return started_; }
  uint32_t ssrc() const { return ssrc_; }
  uint64_t received() const { return received_; }
  // Expected less received, since the last restart; negative when duplicates came.
  int64_t cumulative_lost() const;
  uint32_t jitter() const { return jitter_q4_ >> 4; }
  // Of the packet that came last, in whatever order.
  uint32_t last_timestamp() const { return last_timestamp_; }
  MonoTime last_arrival() const { return last_arrival_; }

 private:
  uint32_t clock_rate_;
  uint32_t ssrc_ = 0;
  bool started_ = false;
  bool have_transit_ = false;
  uint64_t base_ = 0, highest_ = 0, received_ = 0;
  uint64_t expected_prior_ = 0, received_prior_ = 0;
  uint32_t last_timestamp_ = 0;
  MonoTime last_arrival_{};
  uint32_t jitter_q4_ = 0;  // in 1/16 timestamp units
  uint32_t last_sr_ = 0;
  MonoTime last_sr_arrival_{};
};

}  // namespace vigie::rtp
