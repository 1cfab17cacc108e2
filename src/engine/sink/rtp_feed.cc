#include "sink/rtp_feed.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "rtp/packetizer.h"

namespace vigie::sink {

namespace {

constexpr int kOrderMemory = 3;  // keyframes

rtp::TrainParams params_for(const AccessUnit& unit, uint16_t packet_bytes) {
  rtp::TrainParams params;
  params.payload_type = RtpFeed::payload_type(unit.codec);
  params.max_packet_bytes = packet_bytes;
  return params;
}

}  // namespace

RtpFeed::RtpFeed(uint32_t packet_bytes)
    : packet_bytes_(
          static_cast<uint16_t>(std::clamp<uint32_t>(packet_bytes, rtp::kMinPacketBytes, rtp::kMaxPacketBytes))) {
  const uint64_t random = secure_random_u64();
  ssrc_ = static_cast<uint32_t>(random);
  timestamp_offset_ = static_cast<uint32_t>(random >> 32);
  next_sequence_ = static_cast<uint16_t>(secure_random_u64());
}

fanout::RtpNumbers RtpFeed::assign(const PublishedUnit& unit) {
  const AccessUnit& au = unit.unit();
  fanout::RtpNumbers numbers;
  numbers.first_sequence = next_sequence_;
  numbers.timestamp = static_cast<uint32_t>((au.pts + au.presentation_offset).count()) + timestamp_offset_;
  follow_order(au, numbers);
  const Result<uint32_t> count = rtp::plan(au, params_for(au, packet_bytes_));
  numbers.packet_count = count.ok() ? count.value() : 0;
  next_sequence_ = static_cast<uint16_t>(next_sequence_ + numbers.packet_count);
  return numbers;
}

// A picture that later ones are shown before (P of I P B B) comes only when all that are shown before the previous such
// picture have come: so nothing is shown before that one any more.
void RtpFeed::follow_order(const AccessUnit& unit, fanout::RtpNumbers& numbers) {
  const int64_t shown = (unit.pts + unit.presentation_offset).count();
  if (!std::exchange(started_, true)) shown_last_ = shown_before_ = shown;
  if (unit.keyframe && reordered_for_ > 0) --reordered_for_;
  if (unit.presentation_offset.count() != 0) reordered_for_ = kOrderMemory;
  if (shown > shown_last_) shown_before_ = std::exchange(shown_last_, shown);
  numbers.reordered = reordered_for_ > 0;
  numbers.settled = static_cast<uint32_t>(shown_before_) + timestamp_offset_;
}

Ref<const fanout::Derived> RtpFeed::build(const fanout::LogEntry& entry, BufferPool& pool) const {
  if (entry.rtp.packet_count == 0) return nullptr;
  const AccessUnit& au = entry.unit.unit();
  rtp::TrainParams params = params_for(au, packet_bytes_);
  params.ssrc = ssrc_;
  params.first_sequence = entry.rtp.first_sequence;
  params.rtp_timestamp = entry.rtp.timestamp;
  Result<rtp::Train> train = rtp::build_train(au, params, pool);
  if (!train.ok()) return nullptr;
  return make_ref<const RtpTrain>(std::move(train).value());
}

}  // namespace vigie::sink
