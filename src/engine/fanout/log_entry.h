#pragma once
// One numbered unit in a track log, and what sinks derive from it once for all their sessions.
#include <atomic>
#include <cstdint>

#include "base/buffer.h"
#include "base/ref.h"
#include "media/published_unit.h"

namespace vigie::fanout {

// Something a family of sinks makes once from a unit and shares between its sessions (an RTP train).
// Fan-out only carries it. Immutable once made.
class Derived {
 public:
  virtual ~Derived() = default;
  void add_ref() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  mutable std::atomic<uint32_t> refs_{1};
};

// The hub's continuity numbers for one unit: they go on across camera reconnections.
struct RtpNumbers {
  uint16_t first_sequence = 0;
  uint32_t packet_count = 0;
  uint32_t timestamp = 0;
  bool reordered = false;  // lately pictures came in another order than they are shown in (B pictures)
  uint32_t settled = 0;    // where `reordered`: whatever comes after this unit is shown after this timestamp
};

struct LogEntry {
  uint64_t number = 0;  // from 1, without holes, per hub
  PublishedUnit unit;
  RtpNumbers rtp;
  mutable Ref<const Derived> derived;  // may be empty; filled and dropped by the log's own shard only
  bool keyframe = false;               // the unit's, at hand without a visit to it; the log sets it
};

// Made by the sink side, used by the hub: numbers every unit, and builds what sessions send.
class UnitDeriver {
 public:
  virtual ~UnitDeriver() = default;
  // Gives the next unit its numbers. Cheap. Thread: the hub's home shard, once per unit, in order.
  virtual RtpNumbers assign(const PublishedUnit& unit) = 0;
  // Builds the shared form of a numbered unit; must not depend on anything but the entry.
  // Thread: any shard; `pool` is that shard's.
  virtual Ref<const Derived> build(const LogEntry& entry, BufferPool& pool) const = 0;
};

}  // namespace vigie::fanout
