#include "loadgen/unit_checker.h"

#include <algorithm>
#include <cstring>

namespace vigie::loadgen {

void CheckCounts::add(const CheckCounts& other) {
  packets += other.packets;
  bytes += other.bytes;
  units += other.units;
  keyframes += other.keyframes;
  lost_packets += other.lost_packets;
  reordered_packets += other.reordered_packets;
  repeated_packets += other.repeated_packets;
  damaged_units += other.damaged_units;
  stamped_units += other.stamped_units;
  missing_units += other.missing_units;
  repeated_units += other.repeated_units;
  out_of_order_units += other.out_of_order_units;
  wrong_camera_units += other.wrong_camera_units;
  timestamps_not_following += other.timestamps_not_following;
  units_without_marker += other.units_without_marker;
  sequence_restarts += other.sequence_restarts;
}

bool UnitChecker::shows_keyframe(ByteSpan payload) const {
  if (codec_ == Codec::mjpeg) return true;
  if (payload.size() < 6) return false;
  if (codec_ == Codec::h265) {
    uint8_t type = h265_nal_type(payload[0]);
    if (type == 49)
      type = payload[2] & 0x3f;  // FU
    else if (type == 48)
      type = h265_nal_type(payload[4]);  // AP: its first
    return h265::is_irap(type) || type == h265::kVps || type == h265::kSps;
  }
  uint8_t type = h264_nal_type(payload[0]);
  if (type == 28)
    type = payload[1] & 0x1f;  // FU-A
  else if (type == 24)
    type = payload[3] & 0x1f;  // STAP-A: its first
  return type == h264::kIdr || type == h264::kSps;
}

size_t UnitChecker::fragment_header(ByteSpan payload) const {
  if (codec_ == Codec::mjpeg) return 8;
  if (payload.size() < 3) return 0;
  if (codec_ == Codec::h265) return h265_nal_type(payload[0]) == 49 ? 3 : 0;
  return h264_nal_type(payload[0]) == 28 ? 2 : 0;
}

void UnitChecker::on_late_packet(uint16_t sequence, uint32_t timestamp, ByteSpan payload) {
  const auto behind = static_cast<uint16_t>(next_sequence_ - 1 - sequence);
  if (behind >= 64 || (seen_ >> behind & 1) != 0) {
    ++counts_.repeated_packets;
    return;
  }
  seen_ |= uint64_t{1} << behind;
  ++counts_.reordered_packets;
  if (counts_.lost_packets > 0) --counts_.lost_packets;
  if (in_unit_ && timestamp == unit_timestamp_) {
    if (unit_holes_ > 0) --unit_holes_;
    if (!have_stamp_) {
      if (const auto stamp = find_stamp(payload)) have_stamp_ = true, stamp_ = *stamp;
    }
  } else if (have_last_timestamp_ && timestamp == last_timestamp_ && last_holes_ > 0) {
    if (--last_holes_ == 0 && counts_.damaged_units > 0) --counts_.damaged_units;
  }
}

void UnitChecker::on_packet(ByteSpan rtp, int64_t now_ns) {
  if (rtp.size() < 12 || rtp[0] >> 6 != 2) return;
  size_t header = 12 + 4 * size_t{rtp[0] & 0x0fu};
  if (rtp[0] & 0x10 && rtp.size() >= header + 4) header += 4 + 4 * size_t{load_be16(&rtp[header + 2])};
  size_t padding = rtp[0] & 0x20 ? rtp.back() : 0;
  if (rtp.size() < header + padding) return;
  const ByteSpan payload = rtp.subspan(header, rtp.size() - header - padding);
  const bool marker = rtp[1] & 0x80;
  const uint16_t sequence = load_be16(&rtp[2]);
  const uint32_t timestamp = load_be32(&rtp[4]), ssrc = load_be32(&rtp[8]);
  ++counts_.packets;
  counts_.bytes += rtp.size();

  if (started_ && ssrc != ssrc_) {
    ++counts_.sequence_restarts;
    started_ = in_unit_ = have_last_timestamp_ = false;
  }
  uint64_t holes = 0;
  if (started_) {
    const auto ahead = static_cast<int16_t>(static_cast<uint16_t>(sequence - next_sequence_));
    if (ahead < 0) return on_late_packet(sequence, timestamp, payload);
    holes = static_cast<uint64_t>(ahead);
    counts_.lost_packets += holes;
  } else {
    seen_ = UINT64_MAX;
  }
  seen_ = holes + 1 >= 64 ? 1 : seen_ << (holes + 1) | 1;
  started_ = true;
  ssrc_ = ssrc;
  next_sequence_ = static_cast<uint16_t>(sequence + 1);

  if (in_unit_ && timestamp != unit_timestamp_) {
    // The end of the old unit is missing, and perhaps the beginning of the new one.
    unit_holes_ += holes;
    finish_unit(last_packet_ns_, false);
  }
  if (!in_unit_) {
    in_unit_ = true;
    unit_holes_ = 0;
    unit_key_ = false;
    unit_timestamp_ = timestamp;
    unit_packets_ = 0;
    have_stamp_ = false;
    tail_size_ = 0;
  }
  unit_holes_ += holes;
  last_packet_ns_ = now_ns;
  ++unit_packets_;
  if (!have_stamp_ && unit_packets_ <= 4) {
    if (const auto stamp = find_stamp(payload)) {
      have_stamp_ = true;
      stamp_ = *stamp;
    }
  }
  if (!unit_key_ && unit_packets_ <= 6) unit_key_ = shows_keyframe(payload);
  // The trailer may be cut in two by whoever made the packets anew.
  const ByteSpan data = payload.subspan(std::min(payload.size(), fragment_header(payload)));
  const size_t keep = std::min(data.size(), kTrailerBytes);
  if (keep == kTrailerBytes) {
    tail_size_ = 0;
  } else if (tail_size_ + keep > tail_.size()) {
    std::memmove(tail_.data(), tail_.data() + tail_size_ - kTrailerBytes, kTrailerBytes);
    tail_size_ = kTrailerBytes;
  }
  std::copy(data.end() - static_cast<std::ptrdiff_t>(keep), data.end(), tail_.data() + tail_size_);
  tail_size_ += keep;
  if (marker) finish_unit(now_ns, true);
}

void UnitChecker::finish_unit(int64_t now_ns, bool marker) {
  in_unit_ = false;
  ++counts_.units;
  counts_.keyframes += unit_key_;
  if (!marker) ++counts_.units_without_marker;
  if (unit_holes_ > 0) ++counts_.damaged_units;
  last_holes_ = unit_holes_;
  if (have_last_timestamp_ && static_cast<int32_t>(unit_timestamp_ - last_timestamp_) <= 0) {
    ++counts_.timestamps_not_following;
  }
  have_last_timestamp_ = true;
  last_timestamp_ = unit_timestamp_;
  if (first_unit_ns_ == 0) {
    first_unit_ns_ = now_ns;
    first_timestamp_ = unit_timestamp_;
    began_with_keyframe_ = unit_key_;
  }
  if (have_stamp_) check_stamp(now_ns);
}

void UnitChecker::check_stamp(int64_t now_ns) {
  ++counts_.stamped_units;
  if (expected_camera_ >= 0 && stamp_.camera != static_cast<uint64_t>(expected_camera_)) ++counts_.wrong_camera_units;
  if (last_unit_ != 0) {
    if (stamp_.unit > last_unit_ + 1) counts_.missing_units += stamp_.unit - last_unit_ - 1;
    if (stamp_.unit == last_unit_) ++counts_.repeated_units;
    if (stamp_.unit < last_unit_) ++counts_.out_of_order_units;
  }
  last_unit_ = stamp_.unit;
  if (live_edge_lag_ns_ < 0 && now_ns - first_unit_ns_ >= kLiveEdgeNs) {
    const int64_t media_ns = static_cast<int64_t>(unit_timestamp_ - first_timestamp_) * 1'000'000 / 90;
    const int64_t shown_ns = std::max(now_ns, first_unit_ns_ + media_ns);
    live_edge_lag_ns_ = std::max<int64_t>(0, shown_ns - stamp_.first_ns);
  }
  if (unit_holes_ > 0 || latency_ == nullptr || stamp_.first_ns < joined_ns_) return;
  const auto trailer = read_trailer({tail_.data(), tail_size_});
  const bool own = trailer && trailer->unit == stamp_.unit;
  latency_->record(now_ns - (own ? trailer->last_ns : stamp_.last_ns));
}

}  // namespace vigie::loadgen
