#include <unistd.h>

#include <utility>

#include "capi/handles.h"

using vigie::Code;
using vigie::capi::fail;
using vigie::capi::give;
using vigie::capi::guarded;
using vigie::capi::take;
using vigie::capi::unix_ns;

static_assert(VIGIE_TAP_LEASES == vigie::runtime::FrameTap::kMaxLeases);

extern "C" {

void vigie_tap_options_init(vigie_tap_options* options) {
  *options = {};
  options->struct_size = sizeof *options;
  options->queue_frames = 2;
}

uint32_t vigie_engine_tap(vigie_engine* engine, const vigie_tap_options* options, vigie_tap** tap, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !options || !tap) {
      return fail(error, Code::invalid_argument, "engine, options, tap", "a pointer is NULL");
    }
    const vigie_tap_options given = take(options, vigie_tap_options_init);
    if (!given.camera) return fail(error, Code::invalid_argument, "options.camera", "it must not be NULL");
    auto opened = engine->engine->tap_frames({.camera = given.camera,
                                              .stream = given.stream ? given.stream : "",
                                              .width = given.width,
                                              .queue = {.frames = given.queue_frames, .fps = given.fps}});
    if (!opened.ok()) return fail(error, opened.error());
    *tap = new vigie_tap{std::move(opened).value(), ::getpid()};
    return uint32_t{VIGIE_OK};
  });
}

uint32_t vigie_tap_next(vigie_tap* tap, int32_t timeout_ms, vigie_frame** frame, vigie_error* error) {
  return guarded(error, [&] {
    if (!tap || !frame) return fail(error, Code::invalid_argument, "tap, frame", "a pointer is NULL");
    if (tap->pid != ::getpid()) {
      return fail(error, Code::wrong_process, "tap", "made in process " + std::to_string(tap->pid));
    }
    auto next = tap->tap->next_blocking(vigie::runtime::WaitLimit(timeout_ms));
    if (!next.ok()) return fail(error, next.error());
    *frame = new vigie_frame{std::move(next).value()};
    return uint32_t{VIGIE_OK};
  });
}

int vigie_tap_fd(vigie_tap* tap) { return tap ? tap->tap->fd() : -1; }

void vigie_tap_close(vigie_tap* tap) {
  if (tap && tap->pid == ::getpid()) tap->tap->close();
}

void vigie_tap_free(vigie_tap* tap) {
  // In a forked child its lock may be held for ever by a thread that is not there: nothing is touched.
  if (!tap || tap->pid != ::getpid()) return;
  delete tap;
}

void vigie_tap_stats_init(vigie_tap_stats* stats) {
  *stats = {};
  stats->struct_size = sizeof *stats;
}

uint32_t vigie_tap_get_stats(const vigie_tap* tap, vigie_tap_stats* stats, vigie_error* error) {
  return guarded(error, [&] {
    if (!tap || !stats) return fail(error, Code::invalid_argument, "tap, stats", "a pointer is NULL");
    if (tap->pid != ::getpid()) {
      return fail(error, Code::wrong_process, "tap", "made in process " + std::to_string(tap->pid));
    }
    const vigie::runtime::FrameQueueStats native = tap->tap->stats();
    vigie_tap_stats whole;
    vigie_tap_stats_init(&whole);
    whole.frames_leased = static_cast<uint32_t>(tap->tap->frames_leased());
    whole.frames_offered = native.offered;
    whole.frames_taken = native.taken;
    whole.frames_dropped = native.dropped;
    whole.frames_thinned = native.thinned;
    give(stats, whole);
    return uint32_t{VIGIE_OK};
  });
}

void vigie_frame_info_init(vigie_frame_info* info) {
  *info = {};
  info->struct_size = sizeof *info;
}

uint32_t vigie_frame_get_info(const vigie_frame* frame, vigie_frame_info* info, vigie_error* error) {
  return guarded(error, [&] {
    if (!frame || !info) return fail(error, Code::invalid_argument, "frame, info", "a pointer is NULL");
    const vigie::Frame& picture = frame->lease.frame();
    const vigie::Provenance& provenance = frame->lease.provenance();
    vigie_frame_info whole;
    vigie_frame_info_init(&whole);
    whole.privacy = static_cast<uint32_t>(provenance.state);
    for (size_t plane = 0; plane < 3; ++plane) {
      whole.planes[plane] = picture.row(plane, 0);
      whole.strides[plane] = picture.stride[plane];
    }
    whole.width = picture.format.width;
    whole.height = picture.format.height;
    whole.clock_quality = static_cast<uint32_t>(picture.clock_quality);
    whole.pts_90k = picture.pts.count();
    whole.capture_time_ns = unix_ns(picture.capture_time);
    whole.arrival_time_ns = unix_ns(picture.arrival_wall);
    whole.policy_revision = provenance.policy_revision;
    whole.mask_revision = provenance.mask_revision;
    whole.version_revision = provenance.version_revision;
    whole.sar_width = picture.format.sar_width;
    whole.sar_height = picture.format.sar_height;
    whole.full_range = picture.format.colour.full_range ? 1 : 0;
    whole.colour_primaries = picture.format.colour.primaries;
    whole.colour_transfer = picture.format.colour.transfer;
    whole.colour_matrix = picture.format.colour.matrix;
    whole.privacy_reason = provenance.reason.c_str();
    give(info, whole);
    return uint32_t{VIGIE_OK};
  });
}

void vigie_frame_release(vigie_frame* frame) { delete frame; }

uint32_t vigie_engine_snapshot(vigie_engine* engine, const char* camera, const char* stream, int32_t timeout_ms,
                               vigie_snapshot** snapshot, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !camera || !snapshot) {
      return fail(error, Code::invalid_argument, "engine, camera, snapshot", "a pointer is NULL");
    }
    auto taken = engine->engine->snapshot(camera, stream ? stream : "", vigie::runtime::WaitLimit(timeout_ms));
    if (!taken.ok()) return fail(error, taken.error());
    *snapshot = new vigie_snapshot{std::move(taken).value()};
    return uint32_t{VIGIE_OK};
  });
}

void vigie_snapshot_info_init(vigie_snapshot_info* info) {
  *info = {};
  info->struct_size = sizeof *info;
}

uint32_t vigie_snapshot_get_info(const vigie_snapshot* snapshot, vigie_snapshot_info* info, vigie_error* error) {
  return guarded(error, [&] {
    if (!snapshot || !info) return fail(error, Code::invalid_argument, "snapshot, info", "a pointer is NULL");
    const vigie::runtime::Snapshot& still = snapshot->snapshot;
    vigie_snapshot_info whole;
    vigie_snapshot_info_init(&whole);
    whole.privacy = static_cast<uint32_t>(still.provenance->state);
    whole.data = still.jpeg.data();
    whole.size = still.jpeg.size();
    whole.capture_time_ns = unix_ns(still.capture_time);
    whole.arrival_time_ns = unix_ns(still.arrival_time);
    whole.error_bound_ns = still.error_bound ? still.error_bound->count() : VIGIE_NO_BOUND;
    whole.policy_revision = still.provenance->policy_revision;
    whole.mask_revision = still.provenance->mask_revision;
    whole.version_revision = still.provenance->version_revision;
    whole.width = still.width;
    whole.height = still.height;
    whole.clock_quality = static_cast<uint32_t>(still.clock_quality);
    whole.privacy_reason = still.provenance->reason.c_str();
    give(info, whole);
    return uint32_t{VIGIE_OK};
  });
}

void vigie_snapshot_release(vigie_snapshot* snapshot) { delete snapshot; }

}  // extern "C"
