#pragma once
// One simulated camera: when which packets of which unit leave. No sockets; the writer has them.
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "loadgen/clip.h"
#include "loadgen/fault.h"

namespace vigie::loadgen {

class SimCamera;

// Where a camera's packets go. The writer patches the headers with `values` (and its own channel).
class UnitWriter {
 public:
  virtual ~UnitWriter() = default;
  virtual void begin_unit(SimCamera& camera) = 0;
  // Packets [from, to) of the unit; `order` replaces that range where packet faults are in force.
  virtual void write_packets(SimCamera& camera, UnitTrain& train, size_t from, size_t to,
                             std::span<const uint32_t> order, const PatchValues& values) = 0;
  virtual void end_unit(SimCamera& camera) = 0;
};

// How the packets of one unit are spread over time: in chunks, no faster than the rate. Rate 0: all at once.
struct Pace {
  double bits_per_second = 100e6;
  size_t chunk_bytes = 32768;
};

struct CameraCounts {
  uint64_t units = 0, keyframes = 0, packets = 0, bytes = 0;
  uint64_t late_units = 0;  // begun more than kLateUnit after they were due: the simulator was too slow
  Nanos latest{0};
};
inline constexpr Nanos kLateUnit = 5ms;

// The camera's encoder runs on a clock of its own: a random phase inside the unit interval and a random place in the
// clip, both kept for life, whether anybody watches or not.
// Thread: one owner.
class SimCamera {
 public:
  SimCamera(uint32_t number, Clip& clip, Pace pace, const Clock& clock, uint64_t seed);

  uint32_t number() const { return number_; }
  const Clip& clip() const { return *clip_; }
  uint32_t ssrc() const { return ssrc_; }
  uint16_t next_sequence() const { return sequence_; }
  uint32_t next_timestamp() const { return timestamp_of(position_); }
  // The RTP time of the camera's clock at `now`, for sender reports.
  uint32_t clock_timestamp(MonoTime now) const;
  const CameraCounts& counts() const { return counts_; }

  // Somebody watches again: goes to the unit that is due next, or to a keyframe at once where `with_keyframe`.
  // Returns when step() is to be called.
  MonoTime resume(bool with_keyframe);
  // Sends what is due; returns when to call again.
  MonoTime step(UnitWriter& writer);
  // Nobody watches any more: a unit half sent is forgotten.
  void pause() {
    next_packet_ = 0;
    sending_ = false;
  }

  // Faults that concern media.
  PacketFaults& packet_faults() { return packet_faults_; }
  void set_silent(bool silent) { silent_ = silent; }
  void set_endless(bool endless) { endless_ = endless; }
  void jump_clock(int64_t ticks) { timestamp_base_ += static_cast<uint32_t>(ticks); }

 private:
  MonoTime due_of(size_t position) const;
  uint32_t timestamp_of(size_t position) const;
  void advance();
  void begin(MonoTime now, UnitWriter& writer);
  // The end of the chunk that begins with packet `from`.
  size_t chunk_end(const UnitTrain& train, size_t from) const;
  // When packet `index` may leave, given the pace.
  MonoTime packet_due(const UnitTrain& train, size_t index) const;

  uint32_t number_;
  Clip* clip_;
  Pace pace_;
  const Clock& clock_;
  uint32_t ssrc_;
  uint16_t sequence_;
  uint32_t timestamp_base_;
  uint32_t last_timestamp_ = 0;
  MonoTime epoch_;  // when position 0 of loop 0 was due
  int64_t loop_ = 0;
  size_t position_ = 0;  // unit that is being sent or comes next
  uint64_t unit_number_ = 0;
  bool sending_ = false;
  size_t next_packet_ = 0;
  MonoTime begun_{};
  bool silent_ = false;
  bool endless_ = false;
  bool inside_endless_ = false;
  uint32_t endless_timestamp_ = 0;
  PacketFaults packet_faults_;
  CameraCounts counts_;
  std::vector<uint32_t> order_;
};

}  // namespace vigie::loadgen
