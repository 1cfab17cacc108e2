#pragma once
// RTP packets in order -> access units. One interface; H.264 (RFC 6184), H.265 (RFC 7798), MJPEG (RFC 2435).
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/buffer.h"
#include "base/quirk.h"
#include "base/result.h"
#include "media/access_unit.h"
#include "rtp/marker_proof.h"
#include "rtp/parameter_sets.h"
#include "rtp/reorder.h"
#include "rtp/timeline.h"
#include "rtp/wall_clock.h"

namespace vigie::rtp {

struct DepacketizerConfig {
  Codec codec = Codec::h264;
  uint32_t clock_rate = 90000;
  size_t max_unit_bytes = size_t{8} << 20;
  uint32_t max_nals = 4096;
  // H.264: 0 announces single NAL unit packets only (RFC 6184 6.2; B22).
  uint8_t packetization_mode = 1;
  // H.265 sprop-max-don-diff > 0: payloads carry decoding order numbers (RFC 7798 4.4; the order is not restored).
  bool donl = false;
  // MJPEG: picture size where the RTP header cannot say it (0 there: more than 2040 pixels), from the SDP.
  uint32_t width = 0;
  uint32_t height = 0;
  // Where deviations are noted and asked for; null: all are tolerated, none is noted. Must outlive the depacketizer.
  Quirks* quirks = nullptr;
};

// Everything thrown away is counted here with its reason.
struct DepacketizerStats {
  uint64_t packets = 0;
  uint64_t units = 0;
  uint64_t keyframes = 0;
  uint64_t units_damaged = 0;
  uint64_t units_too_large = 0;     // dropped: over the limit of bytes or NAL units
  uint64_t units_dropped = 0;       // dropped whole: nothing decodable left of them
  uint64_t nals_incomplete = 0;     // dropped: a fragment is missing
  uint64_t nals_unknown = 0;        // dropped: types that carry no picture data (G11)
  uint64_t empty_packets = 0;       // no payload (F10) or an empty fragment (G4)
  uint64_t malformed_packets = 0;   // payload shorter than its own headers (G17), impossible values
  uint64_t annexb_payloads = 0;     // start codes inside a payload (G1)
  uint64_t marker_demotions = 0;    // the marker lied (F3)
  uint64_t markers_ignored = 0;     // on what is no picture (F1)
  uint64_t timestamps_bridged = 0;  // the timestamp changed inside a unit, or just before it (F4)
};

// The units that one packet completed.
class UnitBatch {
 public:
  static constexpr size_t kCapacity = 4;
  size_t size() const { return size_; }
  bool full() const { return size_ == kCapacity; }
  const Ref<const AccessUnit>& operator[](size_t index) const { return units_[index]; }
  const Ref<const AccessUnit>* begin() const { return units_.data(); }
  const Ref<const AccessUnit>* end() const { return units_.data() + size_; }
  void add(Ref<const AccessUnit> unit) { units_[size_++] = std::move(unit); }
  void clear() {
    while (size_ > 0) units_[--size_] = nullptr;
  }

 private:
  std::array<Ref<const AccessUnit>, kCapacity> units_;
  size_t size_ = 0;
};

// Owns what belongs to the track and outlives a reconnect: media time, capture clock, parameter sets, marker proof.
// Thread: one (the pool's home). Takes no memory per packet; per unit one AccessUnit, its NAL table and a pool buffer.
class Depacketizer {
 public:
  // Errors: invalid_argument for an unknown codec. `pool` must outlive the depacketizer.
  static Result<std::unique_ptr<Depacketizer>> make(const DepacketizerConfig& config, BufferPool& pool);
  virtual ~Depacketizer() = default;
  Depacketizer(const Depacketizer&) = delete;
  Depacketizer& operator=(const Depacketizer&) = delete;

  // Takes the next packet; adds what it completed to `out` (cleared first).
  virtual void push(const OrderedPacket& packet, UnitBatch& out) = 0;
  // Completes what is there, at the end of a session; the unit is marked damaged when its end was not seen.
  virtual void flush(UnitBatch& out) = 0;
  // The source begins anew (reconnect): what is unfinished is dropped, the next unit carries a gap, media time goes on.
  virtual void restart() = 0;

  ParameterSetTracker& parameter_sets() { return parameter_sets_; }
  WallClock& wall_clock() { return wall_clock_; }
  const WallClock& wall_clock() const { return wall_clock_; }
  const Timeline& timeline() const { return timeline_; }
  const DepacketizerStats& stats() const { return stats_; }
  // Units leave at their marker; otherwise each waits for the next timestamp.
  bool marker_proven() const { return marker_.proven(); }

 protected:
  Depacketizer(const DepacketizerConfig& config, BufferPool& pool);
  bool tolerate(Quirk quirk) { return tolerates(config_.quirks, quirk); }
  void restart_clocks();
  bool is_twin(uint32_t timestamp) const { return have_last_timestamp_ && timestamp == last_timestamp_; }
  // Whether a unit that is about to leave shares its timestamp with the one before (I5) and that is not tolerated.
  // `second_field`: of the frame whose first one that was, so it must.
  bool refuses_twin(uint32_t timestamp, bool second_field = false);

  DepacketizerConfig config_;
  BufferPool& pool_;
  Timeline timeline_;
  WallClock wall_clock_;
  ParameterSetTracker parameter_sets_;
  MarkerProof marker_;
  DepacketizerStats stats_;

 private:
  bool have_last_timestamp_ = false;
  uint32_t last_timestamp_ = 0;  // of the unit before
};

}  // namespace vigie::rtp
