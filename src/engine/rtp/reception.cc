#include "rtp/reception.h"

#include <algorithm>
#include <cstdlib>

namespace vigie::rtp {

void Reception::restart(uint32_t ssrc, uint64_t extended_sequence) {
  ssrc_ = ssrc;
  started_ = true;
  have_transit_ = false;
  base_ = highest_ = extended_sequence;
  received_ = expected_prior_ = received_prior_ = 0;
  jitter_q4_ = 0;
}

void Reception::on_packet(uint64_t extended_sequence, uint32_t rtp_timestamp, MonoTime arrival) {
  highest_ = std::max(highest_, extended_sequence);
  base_ = std::min(base_, extended_sequence);  // an early packet came first
  ++received_;
  if (have_transit_) {
    // A step of more than ten seconds is a jump of a clock, not jitter.
    constexpr Nanos kMaxGap = 10s;
    const Nanos gap = arrival - last_arrival_;
    const int64_t stamps = static_cast<int32_t>(rtp_timestamp - last_timestamp_);
    if (gap > -kMaxGap && gap < kMaxGap && std::abs(stamps) < int64_t{10} * clock_rate_) {
      const int64_t d = std::abs(gap.count() * clock_rate_ / 1'000'000'000 - stamps);
      jitter_q4_ = static_cast<uint32_t>(int64_t{jitter_q4_} + d - ((jitter_q4_ + 8) >> 4));
    }
  }
  have_transit_ = true;
  last_timestamp_ = rtp_timestamp;
  last_arrival_ = arrival;
}

void Reception::on_sender_report(const SenderReport& report, MonoTime arrival) {
  last_sr_ = ntp_middle(report.ntp);
  last_sr_arrival_ = arrival;
}

int64_t Reception::cumulative_lost() const {
  if (!started_) return 0;
  return static_cast<int64_t>(highest_ - base_ + 1) - static_cast<int64_t>(received_);
}

ReportBlock Reception::make_report_block(MonoTime now) {
  ReportBlock block;
  block.ssrc = ssrc_;
  if (started_) {
    const uint64_t expected = highest_ - base_ + 1;
    const auto expected_interval = static_cast<int64_t>(expected - expected_prior_);
    const auto lost_interval = expected_interval - static_cast<int64_t>(received_ - received_prior_);
    expected_prior_ = expected;
    received_prior_ = received_;
    if (expected_interval > 0 && lost_interval > 0) {
      block.fraction_lost = static_cast<uint8_t>(std::min<int64_t>(255, lost_interval * 256 / expected_interval));
    }
    block.cumulative_lost = static_cast<int32_t>(std::clamp<int64_t>(cumulative_lost(), -0x800000, 0x7fffff));
    block.highest_sequence = static_cast<uint32_t>(highest_);
    block.jitter = jitter();
  }
  block.last_sr = last_sr_;
  if (last_sr_ != 0) {
    const int64_t ns = std::max<int64_t>(0, (now - last_sr_arrival_).count());
    block.delay_since_last_sr = static_cast<uint32_t>(std::min<int64_t>(UINT32_MAX, ns / 1000 * 65536 / 1'000'000));
  }
  return block;
}

}  // namespace vigie::rtp
