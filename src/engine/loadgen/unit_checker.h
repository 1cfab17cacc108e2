#pragma once
// What one viewer makes of the packets it gets: is anything missing, is anything late.
#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "loadgen/histogram.h"
#include "loadgen/stamp.h"
#include "media/codec.h"

namespace vigie::loadgen {

// Sums over many viewers.
struct CheckCounts {
  uint64_t packets = 0, bytes = 0, units = 0, keyframes = 0;
  uint64_t lost_packets = 0;       // holes in the RTP sequence that were not filled later
  uint64_t reordered_packets = 0;  // filled a hole later
  uint64_t repeated_packets = 0;   // had come before, or came too late to tell
  uint64_t damaged_units = 0;      // with a hole inside
  uint64_t stamped_units = 0;
  uint64_t missing_units = 0;  // holes in the unit numbers
  uint64_t repeated_units = 0;
  uint64_t out_of_order_units = 0;
  uint64_t wrong_camera_units = 0;
  uint64_t timestamps_not_following = 0;
  uint64_t units_without_marker = 0;
  uint64_t sequence_restarts = 0;  // SSRC changed
  void add(const CheckCounts& other);
};

// Thread: one owner.
class UnitChecker {
 public:
  // Lag of a player that shows each unit as its timestamp says, measured this long after the first unit.
  static constexpr int64_t kLiveEdgeNs = 5'000'000'000;

  // `expected_camera`: what the stamps must say; -1: anything. Units that the camera sent before `joined_ns` come out
  // of a server's memory: their age is no latency and is not recorded.
  UnitChecker(Codec codec, int64_t expected_camera, int64_t joined_ns, LatencyHistogram* latency)
      : codec_(codec), expected_camera_(expected_camera), joined_ns_(joined_ns), latency_(latency) {}

  // One RTP packet that was received at `now_ns` (CLOCK_MONOTONIC).
  void on_packet(ByteSpan rtp, int64_t now_ns);
  // Starts counting afresh, without forgetting what comes next.
  void clear_counts() { counts_ = CheckCounts(); }
  const CheckCounts& counts() const { return counts_; }

  // When the first whole unit was there; 0 before.
  int64_t first_unit_ns() const { return first_unit_ns_; }
  // Whether that unit was a keyframe.
  bool began_with_keyframe() const { return began_with_keyframe_; }
  // How far behind the camera a player is kLiveEdgeNs after its first unit; negative before that, or without stamps.
  int64_t live_edge_lag_ns() const { return live_edge_lag_ns_; }
  uint64_t last_unit() const { return last_unit_; }

 private:
  void finish_unit(int64_t now_ns, bool marker);
  void check_stamp(int64_t now_ns);
  void on_late_packet(uint16_t sequence, uint32_t timestamp, ByteSpan payload);
  bool shows_keyframe(ByteSpan payload) const;
  // Bytes before the data of a packet that carries a part of a NAL unit or image.
  size_t fragment_header(ByteSpan payload) const;

  Codec codec_;
  int64_t expected_camera_;
  int64_t joined_ns_;
  LatencyHistogram* latency_;
  CheckCounts counts_;
  bool started_ = false;  // a packet was seen
  uint32_t ssrc_ = 0;
  uint16_t next_sequence_ = 0;
  bool in_unit_ = false;
  uint64_t unit_holes_ = 0;
  uint64_t seen_ = 0;  // bit i: packet next_sequence_ - 1 - i has come
  bool unit_key_ = false;
  uint32_t unit_timestamp_ = 0;
  uint32_t unit_packets_ = 0;
  int64_t last_packet_ns_ = 0;
  bool have_stamp_ = false;
  UnitStamp stamp_;
  std::array<uint8_t, 2 * kTrailerBytes> tail_{};  // last bytes of the unit so far
  size_t tail_size_ = 0;
  bool have_last_timestamp_ = false;
  uint32_t last_timestamp_ = 0;
  uint64_t last_holes_ = 0;  // of the unit finished last
  uint64_t last_unit_ = 0;
  int64_t first_unit_ns_ = 0;
  uint32_t first_timestamp_ = 0;
  bool began_with_keyframe_ = false;
  int64_t live_edge_lag_ns_ = -1;
};

}  // namespace vigie::loadgen
