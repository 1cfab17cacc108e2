// The engine's figures as JSON. Every name carries its unit; docs/statistics.md lists them.
#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "runtime/engine_impl.h"

namespace vigie::runtime {
namespace {

using Json = nlohmann::ordered_json;

double seconds(Nanos duration) { return std::chrono::duration<double>(duration).count(); }
double milliseconds(Nanos duration) { return std::chrono::duration<double, std::milli>(duration).count(); }
Json unix_seconds(WallTime time) { return time == WallTime{} ? Json(nullptr) : Json(seconds(time.time_since_epoch())); }

Json version_json(const OutletStats& version) {
  return {{"privacy", privacy_state_name(version.privacy)},
          {"privacy_reason", version.privacy_reason},
          {"mask_revision", version.mask_revision},
          {"version_revision", version.version_revision},
          {"published_units", version.hub.units},
          {"published_fps", version.rates.units_per_second},
          {"published_bitrate_bps", version.rates.bits_per_second},
          {"withheld_units", version.withheld_units},
          {"stale_units", version.stale_units},
          {"viewers", version.hub.subscribers}};
}

Json lane_json(const mask::LaneStats& lane) {
  const mask::LaneCounters& counters = lane.counters;
  return {{"awake", lane.awake},
          {"encoder", lane.encoder.empty() ? Json(nullptr) : Json(lane.encoder)},
          {"quantiser", lane.encoder.empty() ? Json(nullptr) : Json(lane.quality.quantiser)},
          {"ssim", lane.quality.likeness ? Json(*lane.quality.likeness) : Json(nullptr)},
          {"units", counters.units_in},
          {"pictures", counters.pictures},
          {"coded_units", counters.coded_units},
          {"damaged_units", counters.damaged_units},
          {"decoder_faults", counters.decoder_faults},
          {"thinned_pictures", counters.thinned_pictures},
          {"skipped_units", counters.skipped_units},
          {"overload", mask::overload_name(lane.overload)},
          {"waiting_units", lane.waiting_units},
          {"raw_gop_bytes", lane.raw_gop_bytes},
          {"decode_s", seconds(counters.decode_time)},
          {"mask_s", seconds(counters.mask_time)},
          {"encode_s", seconds(counters.encode_time)}};
}

Json source_check_json(const mask::SourceGuardStats& guard) {
  return {{"state", mask::source_guard_state_name(guard.state)},
          {"keyframes", guard.counters.keyframes},
          {"pictures", guard.counters.pictures},
          {"faults", guard.counters.faults},
          {"held_units", guard.held_units},
          {"check_s", seconds(guard.counters.time)}};
}

Json scene_json(const mask::SceneReport& scene) {
  const mask::Verdict& verdict = scene.verdict;
  return {{"origin", mask::scene_origin_name(scene.origin)},
          {"verdict", mask::verdict_kind_name(verdict.kind)},
          {"dx", verdict.dx},
          {"dy", verdict.dy},
          {"covers", verdict.cover},
          {"alarm", verdict.alarm}};
}

Json stream_json(const StreamStats& stream) {
  Json out{{"state", source::stream_state_name(stream.state)},
           {"fault", stream.fault},
           {"privacy", privacy_state_name(stream.own.privacy)},
           {"privacy_reason", stream.own.privacy_reason},
           {"mask_revision", stream.own.mask_revision},
           {"codec", stream.codec ? Json(codec_name(*stream.codec)) : Json(nullptr)},
           {"width", stream.width},
           {"height", stream.height},
           {"fps", stream.rates.units_per_second},
           {"bitrate_bps", stream.rates.bits_per_second},
           {"units", stream.source.units},
           {"keyframes", stream.source.keyframes},
           {"bytes", stream.source.bytes},
           {"packets", stream.source.packets},
           {"lost_packets", stream.source.lost_packets},
           {"reordered_packets", stream.source.reordered_packets},
           {"duplicate_packets", stream.source.duplicate_packets},
           {"malformed_packets", stream.source.malformed},
           {"foreign_packets", stream.source.foreign_packets},
           {"damaged_units", stream.source.damaged_units},
           {"connects", stream.source.connects},
           {"failures", stream.source.failures},
           {"published_units", stream.own.hub.units},
           {"published_fps", stream.own.rates.units_per_second},
           {"published_bitrate_bps", stream.own.rates.bits_per_second},
           {"withheld_units", stream.own.withheld_units},
           {"stale_units", stream.own.stale_units},
           {"viewers", stream.own.hub.subscribers},
           {"log_units", stream.own.hub.log_units},
           {"log_bytes", stream.own.hub.log_bytes}};
  for (const OutletStats& version : stream.versions) out["versions"][version.version] = version_json(version);
  if (stream.lane) out["lane"] = lane_json(*stream.lane);
  if (stream.source_check) out["source_check"] = source_check_json(*stream.source_check);
  out["scene"] = scene_json(stream.scene);
  out["quirks"] = stream.quirks.ids();
  out["newest_unit_age_ms"] = stream.newest_unit_age ? Json(milliseconds(*stream.newest_unit_age)) : Json(nullptr);
  out["camera_clock_error_ms"] =
      stream.camera_clock_error ? Json(milliseconds(*stream.camera_clock_error)) : Json(nullptr);
  out["clock_quality"] = clock_quality_name(stream.clock_quality);
  return out;
}

Json viewer_json(const sink::ViewerStats& viewer) {
  Json dropped = Json::object();
  for (size_t i = 0; i < viewer.units_dropped.size(); ++i) {
    dropped[std::string(drop_reason_name(static_cast<DropReason>(i)))] = viewer.units_dropped[i];
  }
  Json out{{"viewer", viewer.viewer},
           {"peer", viewer.peer},
           {"agent", viewer.agent},
           {"route", viewer.route},
           {"listener", viewer.listener},
           {"camera", viewer.key.camera},
           {"stream", viewer.key.stream},
           {"version", viewer.key.version},
           {"transport", sink::viewer_transport_name(viewer.transport)},
           {"shard", viewer.shard},
           {"playing", viewer.playing},
           {"units_offered", viewer.units_offered},
           {"units_sent", viewer.units_sent},
           {"units_waiting", viewer.units_waiting},
           {"units_dropped", std::move(dropped)},
           {"packets_sent", viewer.packets_sent},
           {"bytes_sent", viewer.bytes_sent},
           {"jumps", viewer.jumps},
           {"newest_age_ms", milliseconds(viewer.newest_age)},
           {"queue_ms", milliseconds(viewer.queue_time)},
           {"kernel_bytes", viewer.kernel_bytes},
           {"kernel_ms", milliseconds(viewer.kernel_time)},
           {"since_s", unix_seconds(viewer.since)},
           {"first_unit_s", unix_seconds(viewer.first_unit)},
           {"last_unit_s", unix_seconds(viewer.last_unit)}};
  out["first_picture_ms"] =
      viewer.first_picture_delay < 0ns ? Json(nullptr) : Json(milliseconds(viewer.first_picture_delay));
  out["receiver_report"] = viewer.reported ? Json{{"fraction_lost", viewer.fraction_lost / 256.0},
                                                  {"cumulative_lost", viewer.cumulative_lost},
                                                  {"jitter_ms", viewer.jitter / 90.0}}
                                           : Json(nullptr);
  return out;
}

Json server_json(const sink::ServerCounters& server) {
  return {{"connections_accepted", server.connections_accepted},
          {"connections_open", server.connections_open},
          {"half_open", server.half_open},
          {"half_open_evicted", server.half_open_evicted},
          {"sessions_open", server.sessions_open},
          {"refused_admission", server.refused_admission},
          {"refused_authentication", server.refused_authentication},
          {"accept_pauses", server.accept_pauses}};
}

Json taps_json(const TapTotals& taps) {
  return {{"open", taps.open},
          {"frames_leased", taps.frames_leased},
          {"frames_offered", taps.frames.offered},
          {"frames_taken", taps.frames.taken},
          {"frames_dropped", taps.frames.dropped},
          {"frames_thinned", taps.frames.thinned}};
}

Json subscription_json(const std::string& camera, const UnitQueueStats& queue) {
  Json dropped = Json::object();
  for (size_t i = 0; i < queue.dropped.size(); ++i) {
    if (queue.dropped[i] != 0) dropped[std::string(drop_reason_name(static_cast<DropReason>(i)))] = queue.dropped[i];
  }
  return {{"camera", camera},
          {"units_offered", queue.offered},
          {"units_taken", queue.taken},
          {"units_dropped", std::move(dropped)}};
}

}  // namespace

Result<std::string> Engine::Impl::stats() {
  std::unique_lock lock(control_mutex_);
  if (closed_) return make_error(Code::closed, "engine", "the engine was closed");

  // Short visits, a few streams each: thousands in one would hold up the pictures of that shard for milliseconds.
  constexpr size_t kStreamsPerVisit = 64;
  std::vector<std::vector<const StreamPipeline*>> homes(shards_->size());
  for (const auto& [key, pipeline] : pipelines_) homes[pipeline->home_shard()].push_back(pipeline.get());
  std::vector<StreamStats> streams;
  streams.reserve(pipelines_.size());
  for (size_t i = 0; i < homes.size(); ++i) {
    for (size_t from = 0; from < homes[i].size(); from += kStreamsPerVisit) {
      shards_->shard(i).run_blocking([&, to = std::min(from + kStreamsPerVisit, homes[i].size())] {
        for (size_t k = from; k < to; ++k) streams.push_back(homes[i][k]->stats());
      });
    }
  }
  const std::vector<sink::ViewerStats> viewer_stats = server_->viewers_blocking();
  const sink::ServerCounters counters = server_->counters();
  Json listeners = Json::object();
  if (snapshot_) {
    for (const policy::ListenerPolicy& listener : snapshot_->listeners) {
      const auto address = server_->listener_address(listener.name);
      listeners[listener.name] = address.ok() ? Json(address->text()) : Json(nullptr);
    }
  }
  const Ref<const policy::PolicySnapshot> snapshot = snapshot_;
  // Writing thousands of figures takes longer than collecting them, and no apply() shall wait for that.
  lock.unlock();

  Json out;
  out["revision"] = snapshot ? snapshot->revision : 0;
  out["time_s"] = unix_seconds(clock_.now_wall());
  out["events_lost"] = events_.overflowed();
  Json& shards = out["shards"] = Json::array();
  for (size_t i = 0; i < shards_->size(); ++i) {
    net::EventLoop& loop = shards_->shard(i);
    const net::LoopStats& stats = loop.stats();
    shards.push_back({{"realtime", shards_->rank(i).is_realtime()},
                      {"iterations", stats.iterations.value()},
                      {"callbacks", stats.callbacks.value()},
                      {"slow_callbacks", stats.slow_callbacks.value()},
                      {"busy_s", static_cast<double>(stats.busy_ns.value()) / 1e9},
                      {"longest_callback_ms", static_cast<double>(stats.longest_callback_ns.value()) / 1e6},
                      {"pool_bytes_in_use", loop.pool().bytes_in_use()},
                      {"pool_bytes_cached", loop.pool().bytes_cached()}});
  }
  out["server"] = server_json(counters);
  out["listeners"] = std::move(listeners);
  std::map<std::string, Json> cameras;  // an ordered_json is searched from end to end
  for (const StreamStats& stream : streams) {
    cameras[stream.key.camera]["streams"][stream.key.stream] = stream_json(stream);
  }
  if (snapshot) {
    for (const policy::CameraPolicy& camera : snapshot->cameras) {
      Json& entry = cameras[camera.name];
      entry["number"] = camera.number;
      entry["title"] = camera.title;
    }
  }
  out["cameras"] = std::move(cameras);
  Json& viewers = out["viewers"] = Json::array();
  for (const sink::ViewerStats& viewer : viewer_stats) viewers.push_back(viewer_json(viewer));
  Json& subscriptions = out["subscriptions"] = Json::array();
  for_each_subscription([&](const std::string& camera, UnitQueue& queue) {
    subscriptions.push_back(subscription_json(camera, queue.stats()));
  });
  out["taps"] = taps_json(taps_->totals());
  // Names come from a validated policy, peers from the kernel; a stray byte must still not throw.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vigie::runtime
