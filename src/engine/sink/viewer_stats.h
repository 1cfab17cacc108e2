#pragma once
// The truth about one viewer, copied out by value.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "media/event.h"
#include "media/track.h"

namespace vigie::sink {

enum class ViewerTransport : uint8_t { tcp, tls, udp };
std::string_view viewer_transport_name(ViewerTransport transport);

constexpr size_t kDropReasons = static_cast<size_t>(DropReason::kCount);

// units_offered = units_sent + every drop + units that still wait in the log for this viewer.
struct ViewerStats {
  uint64_t viewer = 0;  // number of this viewer since the server began; the "viewer N" of events
  std::string session;  // first characters of the session id only: the whole would be a key to it
  std::string peer;
  std::string agent;  // empty on an open listener
  std::string route;  // of its ticket, where it came with one
  std::string listener;
  StreamKey key;
  ViewerTransport transport = ViewerTransport::tcp;
  size_t shard = 0;
  bool playing = false;

  uint64_t units_offered = 0;
  uint64_t units_sent = 0;
  uint64_t units_waiting = 0;
  std::array<uint64_t, kDropReasons> units_dropped{};
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;  // as given to the kernel: frame and RTP headers included, IP not
  uint64_t jumps = 0;       // times the viewer was moved to a later keyframe

  Nanos newest_age{};       // now less the arrival of the newest unit given to the kernel; 0 before the first
  Nanos queue_time{};       // how far the unit that is next (or half sent) lies behind the newest one in the log
  size_t kernel_bytes = 0;  // taken by the kernel and not acknowledged by the viewer's
  Nanos kernel_time{};      // how old the oldest of them is, as media

  WallTime since{};       // SETUP
  WallTime first_unit{};  // capture time of the first and last unit given to the kernel (L-35); epoch = none
  WallTime last_unit{};
  Nanos first_picture_delay{-1};  // PLAY -> first unit written; negative before it

  // From the viewer's receiver reports (RFC 3550 6.4.1).
  bool reported = false;
  uint8_t fraction_lost = 0;  // 1/256
  int32_t cumulative_lost = 0;
  uint32_t jitter = 0;  // 1/90000 s
};

}  // namespace vigie::sink
