#include <unistd.h>

#include <utility>

#include "capi/handles.h"

using vigie::Code;
using vigie::capi::fail;
using vigie::capi::guarded;
using vigie::capi::take;

extern "C" {

void vigie_subscribe_options_init(vigie_subscribe_options* options) {
  *options = {};
  options->struct_size = sizeof *options;
  options->queue_units = 256;
  options->queue_bytes = uint64_t{32} << 20;
}

uint32_t vigie_engine_subscribe(vigie_engine* engine, const vigie_subscribe_options* options,
                                vigie_subscription** subscription, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !options || !subscription) {
      return fail(error, Code::invalid_argument, "engine, options, subscription", "a pointer is NULL");
    }
    const vigie_subscribe_options given = take(options, vigie_subscribe_options_init);
    if (!given.camera) return fail(error, Code::invalid_argument, "options.camera", "it must not be NULL");
    if (given.start > VIGIE_START_NEXT_KEYFRAME) {
      return fail(error, Code::invalid_argument, "options.start", "0 (last keyframe) and 1 (next keyframe) exist");
    }
    vigie::runtime::SubscribeOptions native;
    native.camera = given.camera;
    native.stream = given.stream ? given.stream : "";
    native.start = given.start == VIGIE_START_NEXT_KEYFRAME ? vigie::fanout::Start::next_keyframe
                                                            : vigie::fanout::Start::last_keyframe;
    native.queue = {given.queue_units, given.queue_bytes};
    auto queue = engine->engine->subscribe(native);
    if (!queue.ok()) return fail(error, queue.error());
    *subscription = new vigie_subscription{std::move(queue).value(), ::getpid()};
    return uint32_t{VIGIE_OK};
  });
}

uint32_t vigie_subscription_next(vigie_subscription* subscription, int32_t timeout_ms, vigie_unit** unit,
                                 vigie_error* error) {
  return guarded(error, [&] {
    if (!subscription || !unit) return fail(error, Code::invalid_argument, "subscription, unit", "a pointer is NULL");
    if (subscription->pid != ::getpid()) {
      return fail(error, Code::wrong_process, "subscription", "made in process " + std::to_string(subscription->pid));
    }
    auto next = subscription->queue->next_blocking(vigie::runtime::WaitLimit(timeout_ms));
    if (!next.ok()) return fail(error, next.error());
    *unit = new vigie_unit{std::move(next).value()};
    return uint32_t{VIGIE_OK};
  });
}

int vigie_subscription_fd(vigie_subscription* subscription) { return subscription ? subscription->queue->fd() : -1; }

void vigie_subscription_close(vigie_subscription* subscription) {
  if (subscription && subscription->pid == ::getpid()) subscription->queue->close();
}

void vigie_subscription_free(vigie_subscription* subscription) {
  // In a forked child its lock may be held for ever by a thread that is not there: nothing is touched.
  if (!subscription || subscription->pid != ::getpid()) return;
  vigie_subscription_close(subscription);
  delete subscription;
}

void vigie_unit_info_init(vigie_unit_info* info) {
  *info = {};
  info->struct_size = sizeof *info;
}

uint32_t vigie_unit_get_info(const vigie_unit* unit, vigie_unit_info* info, vigie_error* error) {
  return guarded(error, [&] {
    if (!unit || !info) return fail(error, Code::invalid_argument, "unit, info", "a pointer is NULL");
    const vigie::AccessUnit& au = unit->unit.unit.unit();
    const vigie::Provenance& provenance = unit->unit.unit.provenance();
    vigie_unit_info whole;
    vigie_unit_info_init(&whole);
    whole.codec = static_cast<uint32_t>(au.codec);
    whole.data = au.payload.data();
    whole.size = au.payload.size();
    whole.number = unit->unit.number;
    whole.pts_90k = au.pts.count();
    whole.capture_time_ns = vigie::capi::unix_ns(au.capture_time);
    whole.arrival_time_ns = vigie::capi::unix_ns(au.arrival_wall);
    whole.arrival_mono_ns = au.last_arrival.time_since_epoch().count();
    whole.clock_quality = static_cast<uint32_t>(au.clock_quality);
    whole.privacy = static_cast<uint32_t>(provenance.state);
    whole.policy_revision = provenance.policy_revision;
    whole.mask_revision = provenance.mask_revision;
    whole.keyframe = au.keyframe ? 1 : 0;
    whole.gap = au.gap ? 1 : 0;
    whole.damaged = au.damaged ? 1 : 0;
    whole.width = au.parameter_sets ? au.parameter_sets->width : 0;
    whole.height = au.parameter_sets ? au.parameter_sets->height : 0;
    whole.rtp_timestamp = au.rtp_timestamp;
    whole.nal_count = static_cast<uint32_t>(au.nals.size());
    vigie::capi::give(info, whole);
    return uint32_t{VIGIE_OK};
  });
}

uint32_t vigie_unit_get_nal(const vigie_unit* unit, uint32_t index, size_t* offset, size_t* size, vigie_error* error) {
  return guarded(error, [&] {
    if (!unit || !offset || !size)
      return fail(error, Code::invalid_argument, "unit, offset, size", "a pointer is NULL");
    const auto& nals = unit->unit.unit.unit().nals;
    if (index >= nals.size()) {
      return fail(error, Code::invalid_argument, "index",
                  std::to_string(index) + " was given, and the unit has " + std::to_string(nals.size()) + " NAL units");
    }
    *offset = nals[index].offset;
    *size = nals[index].size;
    return uint32_t{VIGIE_OK};
  });
}

void vigie_unit_release(vigie_unit* unit) { delete unit; }

}  // extern "C"
