#include "loadgen/sim_camera.h"

#include <algorithm>

#include "loadgen/stamp.h"

namespace vigie::loadgen {
namespace {

constexpr Nanos kGiveUp = 1s;  // further behind than this, units are skipped

Nanos nanos_of_ticks(int64_t ticks) { return Nanos(ticks / 9 * 100'000 + ticks % 9 * 100'000 / 9); }

}  // namespace

SimCamera::SimCamera(uint32_t number, Clip& clip, Pace pace, const Clock& clock, uint64_t seed)
    : number_(number), clip_(&clip), pace_(pace), clock_(clock), packet_faults_(seed ^ 0x9e3779b97f4a7c15) {
  FastRandom random(seed);
  ssrc_ = static_cast<uint32_t>(random.next());
  sequence_ = static_cast<uint16_t>(random.next());
  timestamp_base_ = static_cast<uint32_t>(random.next());
  // Anywhere within the clip, to the nanosecond.
  const auto length = static_cast<uint64_t>(nanos_of_ticks(clip.duration_ticks).count());
  epoch_ = clock.now_mono() - Nanos(static_cast<int64_t>(random.below(length)));
}

uint32_t SimCamera::clock_timestamp(MonoTime now) const {
  return timestamp_base_ + static_cast<uint32_t>((now - epoch_).count() / 100'000 * 9);
}

size_t SimCamera::chunk_end(const UnitTrain& train, size_t from) const {
  const size_t begin = train.packets[from].offset;
  size_t to = from + 1;
  while (to < train.packets.size() &&
         (pace_.bits_per_second <= 0 || train.packets[to].offset - begin < pace_.chunk_bytes)) {
    ++to;
  }
  return to;
}

MonoTime SimCamera::due_of(size_t position) const {
  if (position == clip_->units.size()) return epoch_ + nanos_of_ticks((loop_ + 1) * clip_->duration_ticks);
  return epoch_ + nanos_of_ticks(loop_ * clip_->duration_ticks + clip_->units[position].dts_ticks);
}

uint32_t SimCamera::timestamp_of(size_t position) const {
  return timestamp_base_ + static_cast<uint32_t>(loop_ * clip_->duration_ticks + clip_->units[position].pts_ticks);
}

void SimCamera::advance() {
  if (++position_ == clip_->units.size()) {
    position_ = 0;
    ++loop_;
  }
}

MonoTime SimCamera::resume(bool with_keyframe) {
  const MonoTime now = clock_.now_mono();
  const int64_t length = nanos_of_ticks(clip_->duration_ticks).count();
  loop_ = (now - epoch_).count() / length;
  position_ = 0;
  while (due_of(position_) <= now) advance();
  if (with_keyframe && !clip_->units[position_].keyframe) {
    // The encoder begins a new GOP: the place in the clip moves, the due time stays.
    const MonoTime due = due_of(position_);
    const uint32_t timestamp = timestamp_of(position_);
    while (!clip_->units[position_].keyframe) advance();
    epoch_ += due - due_of(position_);
    timestamp_base_ += timestamp - timestamp_of(position_);
  }
  sending_ = false;
  return due_of(position_);
}

MonoTime SimCamera::packet_due(const UnitTrain& train, size_t index) const {
  if (pace_.bits_per_second <= 0) return begun_;
  const double bits = 8.0 * (train.packets[index].offset - train.packets[0].offset);
  return begun_ + Nanos(static_cast<int64_t>(bits / pace_.bits_per_second * 1e9));
}

void SimCamera::begin(MonoTime now, UnitWriter& writer) {
  UnitTrain& train = clip_->units[position_];
  begun_ = now;
  sending_ = true;
  next_packet_ = 0;
  const Nanos late = now - due_of(position_);
  counts_.latest = std::max(counts_.latest, late);
  if (late > kLateUnit) ++counts_.late_units;
  ++counts_.units;
  counts_.keyframes += train.keyframe;
  counts_.packets += train.packets.size();
  counts_.bytes += train.bytes.size();
  ++unit_number_;
  last_timestamp_ = timestamp_of(position_);
  writer.begin_unit(*this);
}

MonoTime SimCamera::step(UnitWriter& writer) {
  MonoTime now = clock_.now_mono();
  if (!sending_) {
    if (now - due_of(position_) > kGiveUp) return resume(false);
    if (now < due_of(position_)) return due_of(position_);
    if (silent_) {
      advance();
      return due_of(position_);
    }
    begin(now, writer);
  }
  UnitTrain& train = clip_->units[position_];
  const size_t count = train.packets.size();
  // The next unit is due: what is left of this one leaves at once.
  const bool hurry = now >= due_of(position_ + 1);
  size_t to = next_packet_;
  while (to < count && (hurry || packet_due(train, to) <= now)) to = chunk_end(train, to);
  if (to == next_packet_) return std::min(packet_due(train, next_packet_), due_of(position_ + 1));

  PatchValues values;
  values.first_sequence = sequence_;
  if (endless_ && !inside_endless_) endless_timestamp_ = last_timestamp_;
  inside_endless_ = endless_;
  values.rtp_timestamp = endless_ ? endless_timestamp_ : last_timestamp_;
  values.marker = !endless_;
  values.ssrc = ssrc_;
  values.payload_type = clip_->payload_type;
  if (train.stamp_offset >= 0 && next_packet_ == 0) {
    size_t last_chunk = 0;
    for (size_t end = chunk_end(train, 0); end < count; end = chunk_end(train, end)) last_chunk = end;
    const MonoTime planned = std::max(now, packet_due(train, last_chunk));
    write_stamp(train.bytes.data() + train.stamp_offset,
                {number_, unit_number_, now.time_since_epoch().count(), planned.time_since_epoch().count()});
  }
  if (train.trailer_offset >= 0 && to == count) {
    write_trailer(train.bytes.data() + train.trailer_offset,
                  {unit_number_, clock_.now_mono().time_since_epoch().count()});
  }
  std::span<const uint32_t> order;
  if (packet_faults_.any()) {
    packet_faults_.apply(next_packet_, to, order_);
    order = order_;
    if (!order_.empty()) writer.write_packets(*this, train, next_packet_, to, order, values);
  } else {
    writer.write_packets(*this, train, next_packet_, to, order, values);
  }
  next_packet_ = to;
  if (to < count) return std::min(packet_due(train, to), due_of(position_ + 1));
  sequence_ = static_cast<uint16_t>(sequence_ + count);
  sending_ = false;
  writer.end_unit(*this);
  advance();
  return due_of(position_);
}

}  // namespace vigie::loadgen
