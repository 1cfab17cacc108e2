#include "source/source.h"

namespace vigie::source {

std::string_view stream_state_name(StreamState state) {
  switch (state) {
    case StreamState::idle: return "idle";
    case StreamState::connecting: return "connecting";
    case StreamState::waiting: return "waiting";
    case StreamState::playing: return "playing";
    case StreamState::silent: return "silent";
    case StreamState::backing_off: return "backing_off";
    case StreamState::stopped: return "stopped";
  }
  return "unknown";
}

}  // namespace vigie::source
