#include "sink/session_numbers.h"

#include <algorithm>

namespace vigie::sink {

void SessionNumbers::begin_catch_up(const fanout::LogEntry& first, const fanout::LogEntry& edge) {
  const int64_t units = static_cast<int64_t>(edge.number - first.number);
  edge_ = edge.number;
  edge_timestamp_ = edge.rtp.timestamp;
  reordered_ = edge.rtp.reordered;
  settled_ = edge.rtp.settled;
  interval_ = units > 0 ? (edge.unit.unit().pts - first.unit.unit().pts).count() / units : 0;
  spacing_ =
      units > 0 ? static_cast<uint32_t>(std::clamp<int64_t>(kMaxSpanTicks / units, 1, kSpacingTicks)) : kSpacingTicks;
  shift_ = 0;
  if (!started_) return;
  const auto over = [&] { return static_cast<int32_t>(last_timestamp_ - catch_up_timestamp(first)); };
  if (over() < 0) return;
  // A part of them was sent before: closer still, into the time that is left before the edge, so that what follows it
  // live is later than they are.
  const auto room = static_cast<int32_t>((reordered_ ? settled_ : edge_timestamp_) - last_timestamp_);
  if (units > 0) {
    spacing_ = static_cast<uint32_t>(std::clamp<int64_t>(room / (units + 1), 1, static_cast<int64_t>(spacing_)));
  }
  if (const int32_t left = over(); left >= 0) shift_ = static_cast<uint32_t>(left) + 1;
}

uint32_t SessionNumbers::catch_up_timestamp(const fanout::LogEntry& entry) const {
  if (!reordered_) return edge_timestamp_ - static_cast<uint32_t>(edge_ - entry.number) * spacing_ + shift_;
  const int64_t before = static_cast<int32_t>(settled_ - entry.rtp.timestamp);
  if (before <= 0 || interval_ <= spacing_) return entry.rtp.timestamp + shift_;
  return settled_ - static_cast<uint32_t>(before * spacing_ / interval_) + shift_;
}

SessionNumbers::Mapped SessionNumbers::preview(const fanout::LogEntry& entry) const {
  Mapped mapped;
  mapped.first_sequence = started_ ? next_sequence_ : entry.rtp.first_sequence;
  mapped.timestamp = catching_up(entry) ? catch_up_timestamp(entry) : entry.rtp.timestamp;
  mapped.shared = mapped.first_sequence == entry.rtp.first_sequence && mapped.timestamp == entry.rtp.timestamp;
  return mapped;
}

SessionNumbers::Mapped SessionNumbers::take(const fanout::LogEntry& entry) {
  const Mapped mapped = preview(entry);
  next_sequence_ = static_cast<uint16_t>(mapped.first_sequence + entry.rtp.packet_count);
  if (!started_ || static_cast<int32_t>(mapped.timestamp - last_timestamp_) > 0) last_timestamp_ = mapped.timestamp;
  started_ = true;
  return mapped;
}

}  // namespace vigie::sink
