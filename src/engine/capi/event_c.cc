#include <utility>

#include "capi/handles.h"

using vigie::Code;
using vigie::capi::fail;
using vigie::capi::guarded;

extern "C" {

void vigie_event_info_init(vigie_event_info* info) {
  *info = {};
  info->struct_size = sizeof *info;
}

uint32_t vigie_engine_next_event(vigie_engine* engine, int32_t timeout_ms, vigie_event** event, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !event) return fail(error, Code::invalid_argument, "engine, event", "a pointer is NULL");
    auto next = engine->engine->next_event_blocking(vigie::runtime::WaitLimit(timeout_ms));
    if (!next.ok()) return fail(error, next.error());
    std::string kind(vigie::event_kind_name(next->kind));
    *event = new vigie_event{std::move(next).value(), std::move(kind)};
    return uint32_t{VIGIE_OK};
  });
}

int vigie_engine_event_fd(vigie_engine* engine) { return engine ? engine->engine->event_fd() : -1; }

uint32_t vigie_event_get_info(const vigie_event* event, vigie_event_info* info, vigie_error* error) {
  return guarded(error, [&] {
    if (!event || !info) return fail(error, Code::invalid_argument, "event, info", "a pointer is NULL");
    vigie_event_info whole;
    vigie_event_info_init(&whole);
    whole.code = event->event.code;
    whole.seq = event->event.seq;
    whole.time_ns = vigie::capi::unix_ns(event->event.at);
    whole.kind = event->kind.c_str();
    whole.object = event->event.object.c_str();
    whole.state = event->event.state.c_str();
    whole.text = event->event.text.c_str();
    whole.merged = event->event.merged;
    whole.facts = event->event.facts.c_str();
    vigie::capi::give(info, whole);
    return uint32_t{VIGIE_OK};
  });
}

void vigie_event_release(vigie_event* event) { delete event; }

}  // extern "C"
