#pragma once
// What every source is to the rest of the engine: something that gives access units to one observer.
#include <cstdint>
#include <string_view>

#include "base/ref.h"
#include "base/result.h"
#include "media/access_unit.h"
#include "media/track.h"

namespace vigie::source {

// The supervisor's view of a stream; each change is an event with its reason.
enum class StreamState : uint8_t {
  idle = 0,         // nobody wants it (pulled on demand)
  connecting = 1,   // resolving, connecting, RTSP dialogue
  waiting = 2,      // PLAY accepted, no complete picture yet
  playing = 3,      // pictures come
  silent = 4,       // it answers, but no picture for the silence limit: a fault
  backing_off = 5,  // failed; waits before the next attempt
  stopped = 6,
};
std::string_view stream_state_name(StreamState state);

// Packet-level truth about a source since it was made; survives reconnections.
struct SourceCounters {
  uint64_t bytes = 0, packets = 0, units = 0, keyframes = 0;
  uint64_t lost_packets = 0, reordered_packets = 0, duplicate_packets = 0, malformed = 0, damaged_units = 0;
  uint64_t foreign_packets = 0;  // UDP of others than the camera or the announced sender, dropped
  uint64_t connects = 0, failures = 0;
};

// Receives what a source gives. Called on the stream's home shard only.
class SourceObserver {
 public:
  virtual ~SourceObserver() = default;
  // The track is known, or its codec or parameter sets changed. Always before the first unit.
  virtual void on_track(const TrackInfo& track) = 0;
  virtual void on_unit(Ref<const AccessUnit> unit) = 0;
  // The supervisor's state changed; `reason` says why in words, `code` is set when it is a fault.
  virtual void on_state(StreamState from, StreamState to, const Error* fault, std::string_view reason) = 0;
  // Something wrong that does not change the state (merged by the event queue).
  virtual void on_fault(const Error& fault) = 0;
};

}  // namespace vigie::source
