#pragma once
// A stream's figures, copied out by value.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fanout/hub.h"
#include "mask/lane.h"
#include "mask/source_guard.h"
#include "media/access_unit.h"
#include "media/published_unit.h"
#include "media/track.h"
#include "runtime/rate_meter.h"
#include "source/dialogue.h"
#include "source/source.h"
#include "source/supervisor.h"

namespace vigie::runtime {

// Of one published form.
struct OutletStats {
  std::string version;                            // empty: the camera's own
  PrivacyState privacy = PrivacyState::withheld;  // shown now
  std::string privacy_reason;
  uint64_t mask_revision = 0, version_revision = 0;
  uint64_t withheld_units = 0, stale_units = 0;
  RateMeter::Rates rates;  // as published
  fanout::HubCounters hub;
  uint32_t holds = 0;
};

struct StreamStats {
  StreamKey key;
  source::StreamState state = source::StreamState::idle;
  std::string fault;  // the newest one's text, empty while playing
  source::SourceCounters source;
  QuirkSet quirks;         // deviations the device has shown
  RateMeter::Rates rates;  // as received
  uint32_t holds = 0;
  std::optional<Codec> codec;
  uint32_t width = 0, height = 0;
  std::optional<Nanos> newest_unit_age;
  std::optional<Nanos> camera_clock_error;
  ClockQuality clock_quality = ClockQuality::none;  // of the newest unit
  OutletStats own;
  std::vector<OutletStats> versions;
  std::optional<mask::LaneStats> lane;                 // none: nothing is decoded
  std::optional<mask::SourceGuardStats> source_check;  // none: the camera does not mask itself
  mask::SceneReport scene;
};

// What a stream's device has shown of itself: for whoever looks after the camera.
struct SourceReport {
  StreamStats stats;
  std::optional<TrackInfo> track;
  std::optional<source::ReceiverFacts> receiver;
  std::vector<source::DialogueLine> dialogue;
  std::vector<source::TapedPacket> packets;
};

}  // namespace vigie::runtime
