// The names of the enumerations, as they appear in events, statistics and logs.
#include "media/access_unit.h"
#include "media/event.h"
#include "media/published_unit.h"

namespace vigie {

std::string_view codec_name(Codec codec) {
  switch (codec) {
    case Codec::h264: return "H264";
    case Codec::h265: return "H265";
    case Codec::mjpeg: return "JPEG";
  }
  return "unknown";
}

std::string_view clock_quality_name(ClockQuality quality) {
  switch (quality) {
    case ClockQuality::none: return "none";
    case ClockQuality::reported: return "reported";
    case ClockQuality::suspect: return "suspect";
  }
  return "unknown";
}

std::string_view privacy_state_name(PrivacyState state) {
  switch (state) {
    case PrivacyState::withheld: return "withheld";
    case PrivacyState::clear_by_decision: return "clear";
    case PrivacyState::masked: return "masked";
    case PrivacyState::covered: return "covered";
    case PrivacyState::masked_at_source: return "masked_at_source";
  }
  return "unknown";
}

std::string_view event_kind_name(EventKind kind) {
  switch (kind) {
    case EventKind::stream_state: return "stream_state";
    case EventKind::stream_track: return "stream_track";
    case EventKind::stream_fault: return "stream_fault";
    case EventKind::viewer_opened: return "viewer_opened";
    case EventKind::viewer_closed: return "viewer_closed";
    case EventKind::viewer_dropped: return "viewer_dropped";
    case EventKind::viewer_refused: return "viewer_refused";
    case EventKind::policy_applied: return "policy_applied";
    case EventKind::listener_state: return "listener_state";
    case EventKind::engine_warning: return "engine_warning";
    case EventKind::privacy_state: return "privacy_state";
    case EventKind::scene_reference: return "scene_reference";
    case EventKind::scene_alarm: return "scene_alarm";
    case EventKind::lane_overload: return "lane_overload";
    case EventKind::viewer_playing: return "viewer_playing";
  }
  return "unknown";
}

std::string_view drop_reason_name(DropReason reason) {
  switch (reason) {
    case DropReason::lag_limit: return "lag_limit";
    case DropReason::log_evicted: return "log_evicted";
    case DropReason::waiting_keyframe: return "waiting_keyframe";
    case DropReason::udp_would_block: return "udp_would_block";
    case DropReason::paused: return "paused";
    case DropReason::consumer_slow: return "consumer_slow";
    case DropReason::kCount: break;
  }
  return "unknown";
}

}  // namespace vigie
