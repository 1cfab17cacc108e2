#pragma once
// Events go up by value: small, bounded, with the reason in words.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace vigie {

enum class EventKind : uint8_t {
  stream_state = 1,  // a stream's supervisor changed state (text: "connecting -> playing: first picture")
  stream_track = 2,  // codec or picture size known or changed
  stream_fault = 3,  // something wrong that did not change the state (gap, bad packets, clock)
  viewer_opened = 4,
  viewer_closed = 5,   // with the reason and what was sent
  viewer_dropped = 6,  // a viewer lagged and jumped
  viewer_refused = 7,  // authentication, rights, privacy or admission
  policy_applied = 8,
  listener_state = 9,
  engine_warning = 10,   // watchdog, limits
  privacy_state = 11,    // what is shown of a stream changed (text: "masked -> covered: …"); state: the new one
  scene_reference = 12,  // the view that a stream's masks belong to was learned: Engine::scene_reference has it
  scene_alarm = 13,      // a camera has moved, is back, or cannot be told; state: moved, in_place, cannot_tell
  lane_overload = 14,    // this machine is late with masking a stream; state: late, below_floor (L-14), in_time
  viewer_playing = 15,   // the first unit was given to a viewer's transport: its view began
};
std::string_view event_kind_name(EventKind kind);

// `object` is "camera/stream", "listener …" or "viewer N camera/stream". `code` is 0 where nothing failed.
// `merged` counts equal events folded into this one (same kind, object and code within a second).
// `facts`: of viewer_opened, viewer_playing and viewer_closed a JSON object, else empty: viewer, agent, route, peer,
// listener, transport, camera, stream, version; then first_unit_ns and last_unit_ns (capture times of the first and last
// unit given to its transport, L-35; missing before there was one), units.
struct Event {
  uint64_t seq = 0;
  WallTime at{};
  EventKind kind = EventKind::engine_warning;
  std::string object;
  std::string state;  // machine-readable new state where the kind has one ("playing"), else empty
  uint16_t code = 0;
  std::string text;
  uint32_t merged = 0;
  std::string facts = {};
};

// Why we threw something away that we had (conventions: drop, never "loss").
enum class DropReason : uint8_t {
  lag_limit = 0,         // the viewer fell behind its time limit and jumped to the newest keyframe
  log_evicted = 1,       // the unit left the log before the viewer got to it
  waiting_keyframe = 2,  // units passed over until the next keyframe
  udp_would_block = 3,   // the kernel took no more datagrams
  paused = 4,
  consumer_slow = 5,  // an embedding subscriber did not take its units
  kCount
};
std::string_view drop_reason_name(DropReason reason);

}  // namespace vigie
