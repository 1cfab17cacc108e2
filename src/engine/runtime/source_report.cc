// What one stream's device has shown of itself, as JSON; docs/statistics.md lists it.
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "runtime/engine_impl.h"

namespace vigie::runtime {
namespace {

using Json = nlohmann::ordered_json;

Json hex_list(const std::vector<std::vector<uint8_t>>& sets) {
  Json out = Json::array();
  for (const std::vector<uint8_t>& set : sets) out.push_back(hex_text(set));
  return out;
}

Json track_json(const TrackInfo& track) {
  const ParameterSets& sets = *track.parameter_sets;
  const PictureFacts& picture = sets.picture;
  return {{"codec", codec_name(track.codec)},
          {"declared_fps", track.declared_fps},
          {"width", sets.width},
          {"height", sets.height},
          {"coded_width", picture.coded_width},
          {"coded_height", picture.coded_height},
          {"profile_idc", picture.profile_idc},
          {"level_idc", picture.level_idc},
          {"chroma_format_idc", picture.chroma_format_idc},
          {"bit_depth", picture.bit_depth_luma},
          {"interlaced", picture.interlaced},
          {"reordered_pictures", picture.reordered_pictures ? Json(*picture.reordered_pictures) : Json(nullptr)},
          {"full_range", picture.full_range},
          {"colour", {picture.colour_primaries, picture.transfer_characteristics, picture.matrix_coefficients}},
          {"sample_aspect", {picture.sar_width, picture.sar_height}},
          {"parameter_sets_fps", picture.fps},
          {"parameter_sets", {{"vps", hex_list(sets.vps)}, {"sps", hex_list(sets.sps)}, {"pps", hex_list(sets.pps)}}}};
}

double milliseconds(Nanos span) { return std::chrono::duration<double, std::milli>(span).count(); }

Json clock_json(const source::ReceiverFacts& facts) {
  return {{"quality", clock_quality_name(facts.clock_quality)},
          {"error_ms", facts.clock_error ? Json(milliseconds(*facts.clock_error)) : Json(nullptr)},
          {"reports", facts.reports.reports},
          {"reports_without_time", facts.reports.without_time},
          {"reports_since_1970", facts.reports.since_1970},
          {"rejected_reports", facts.reports.rejected},
          {"steps", facts.reports.steps},
          {"last_step_ms", milliseconds(facts.reports.last_step)}};
}

Json media_json(const source::ReceiverFacts& facts) {
  const rtp::DepacketizerStats& units = facts.depacketizer;
  return {{"ssrc", facts.ssrc},
          {"jitter_ms", milliseconds(facts.jitter)},
          {"marker_proven", facts.marker_proven},
          {"marker_demotions", units.marker_demotions},
          {"clock", clock_json(facts)},
          {"sequence_restarts", facts.reorder.restarts},
          {"late_packets", facts.reorder.late},
          {"stray_packets", facts.reorder.strays},
          {"units_dropped", units.units_dropped},
          {"units_too_large", units.units_too_large},
          {"nals_incomplete", units.nals_incomplete},
          {"nals_unknown", units.nals_unknown}};
}

std::string_view taped_kind_name(source::TapedKind kind) {
  switch (kind) {
    case source::TapedKind::rtp: return "rtp";
    case source::TapedKind::rtcp: return "rtcp";
    case source::TapedKind::stray: return "stray";
    case source::TapedKind::garbage: return "garbage";
    case source::TapedKind::line_ends: return "line_ends";
  }
  return "unknown";
}

}  // namespace

Result<std::string> Engine::Impl::source_report(const std::string& camera, const std::string& stream) {
  const auto pipeline = viewing_->find(camera, stream);
  if (!pipeline.ok()) return pipeline.error();
  SourceReport report;
  if (!pipeline->pipeline->loop().run_blocking([&] { report = pipeline->pipeline->source_report(); })) {
    return make_error(Code::closed, "engine", "the engine was closed");
  }
  Json out{{"camera", report.stats.key.camera},
           {"stream", report.stats.key.stream},
           {"state", source::stream_state_name(report.stats.state)},
           {"fault", report.stats.fault}};
  out["quirks"] = report.stats.quirks.ids();
  out["track"] = report.track ? track_json(*report.track) : Json(nullptr);
  out["media"] = report.receiver ? media_json(*report.receiver) : Json(nullptr);
  Json& dialogue = out["dialogue"] = Json::array();
  for (const source::DialogueLine& line : report.dialogue) {
    const double at = std::chrono::duration<double>(line.since_start).count();
    dialogue.push_back({{"at_s", at}, {"sent", line.sent}, {"text", line.text}});
  }
  if (report.packets.empty()) return out.dump(-1, ' ', false, Json::error_handler_t::replace);
  Json& packets = out["packets"] = Json::array();
  for (const source::TapedPacket& packet : report.packets) {
    const int64_t at_us = packet.since_start / 1us;
    const bool rtcp = packet.kind == source::TapedKind::rtcp;
    Json& one = packets.emplace_back(Json{{"at_us", at_us}, {"rtcp", rtcp}, {"base64", base64_encode(packet.bytes)}});
    if (packet.kind > source::TapedKind::rtcp) one["kind"] = taped_kind_name(packet.kind);
    if (packet.kind == source::TapedKind::stray) one["channel"] = packet.channel;
    if (packet.early) one["before_play"] = true;
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Status Engine::Impl::record_source(const std::string& camera, const std::string& stream, size_t max_bytes) {
  const auto pipeline = viewing_->find(camera, stream);
  if (!pipeline.ok()) return pipeline.error();
  Status status;
  if (!pipeline->pipeline->loop().run_blocking([&] { status = pipeline->pipeline->start_tape(max_bytes); })) {
    return make_error(Code::closed, "engine", "the engine was closed");
  }
  return status;
}

}  // namespace vigie::runtime
