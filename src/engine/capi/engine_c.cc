#include <cstdlib>
#include <utility>

#include "capi/handles.h"

using vigie::Code;
using vigie::capi::fail;
using vigie::capi::guarded;
using vigie::capi::take;

#ifndef VIGIE_VERSION
#error "VIGIE_VERSION comes from the build"
#endif

namespace vigie::capi {

vigie_engine* wrap_engine(std::shared_ptr<runtime::Engine> engine) { return new vigie_engine{std::move(engine)}; }

namespace {

// A copy that vigie_text_free takes.
uint32_t give_text(const Result<std::string>& made, char** text, size_t* length, vigie_error* error) {
  if (!made.ok()) return fail(error, made.error());
  auto* copy = static_cast<char*>(std::malloc(made->size() + 1));
  if (!copy) return fail(error, Code::internal, "text", "out of memory");
  std::memcpy(copy, made->c_str(), made->size() + 1);
  *text = copy;
  if (length) *length = made->size();
  return VIGIE_OK;
}

std::string text_or_empty(const char* text) { return text ? text : ""; }

}  // namespace
}  // namespace vigie::capi

using vigie::capi::give_text;
using vigie::capi::text_or_empty;

extern "C" {

uint32_t vigie_abi_version(void) { return VIGIE_ABI_VERSION; }
const char* vigie_version(void) { return VIGIE_VERSION; }

// The names are literals of the error table, so they end in 0.
const char* vigie_code_name(uint32_t code) {
  return code == 0 ? "ok" : vigie::code_name(static_cast<Code>(code)).data();
}

void vigie_engine_options_init(vigie_engine_options* options) {
  *options = {};
  options->struct_size = sizeof *options;
  options->shards = 1;
  options->event_capacity = 4096;
}

uint32_t vigie_engine_create(uint32_t abi_version, const vigie_engine_options* options, vigie_engine** engine,
                             vigie_error* error) {
  return guarded(error, [&] {
    if (!engine) return fail(error, Code::invalid_argument, "engine", "the output pointer is NULL");
    if (abi_version != VIGIE_ABI_VERSION) {
      return fail(error, Code::abi_mismatch, "abi_version",
                  "the caller has " + std::to_string(abi_version) + ", this library " +
                      std::to_string(VIGIE_ABI_VERSION) + "; build against its vigie.h");
    }
    const vigie_engine_options wanted = take(options, vigie_engine_options_init);
    vigie::runtime::EngineOptions native;
    native.shards = wanted.shards;
    native.event_capacity = wanted.event_capacity;
    native.codec_workers = wanted.codec_workers;
    native.realtime_io = wanted.realtime_io != 0;
    if (wanted.mask_encoder) native.mask_encoder = wanted.mask_encoder;
    if (wanted.cpus) native.cpus.assign(wanted.cpus, wanted.cpus + wanted.cpu_count);
    auto made = vigie::runtime::Engine::make(native);
    if (!made.ok()) return fail(error, made.error());
    *engine = new vigie_engine{std::move(made).value()};
    return uint32_t{VIGIE_OK};
  });
}

uint32_t vigie_engine_close(vigie_engine* engine, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine) return fail(error, Code::invalid_argument, "engine", "the handle is NULL");
    const vigie::Status status = engine->engine->close();
    return status.ok() ? uint32_t{VIGIE_OK} : fail(error, status.error());
  });
}

void vigie_engine_free(vigie_engine* engine) {
  if (!engine) return;
  vigie_engine_close(engine, nullptr);
  delete engine;
}

uint32_t vigie_engine_apply(vigie_engine* engine, const char* json, size_t length, uint64_t expect_revision,
                            uint64_t* revision, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !json) return fail(error, Code::invalid_argument, "engine, json", "a pointer is NULL");
    std::optional<uint64_t> expected;
    if (expect_revision != VIGIE_ANY_REVISION) expected = expect_revision;
    const auto applied = engine->engine->apply({json, length}, expected);
    if (!applied.ok()) return fail(error, applied.error());
    if (revision) *revision = *applied;
    return uint32_t{VIGIE_OK};
  });
}

uint32_t vigie_engine_stats(vigie_engine* engine, char** json, size_t* length, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !json) return fail(error, Code::invalid_argument, "engine, json", "a pointer is NULL");
    return give_text(engine->engine->stats(), json, length, error);
  });
}

uint32_t vigie_engine_source_report(vigie_engine* engine, const char* camera, const char* stream, char** json,
                                    size_t* length, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !camera || !json) {
      return fail(error, Code::invalid_argument, "engine, camera, json", "a pointer is NULL");
    }
    return give_text(engine->engine->source_report(camera, text_or_empty(stream)), json, length, error);
  });
}

uint32_t vigie_engine_record_source(vigie_engine* engine, const char* camera, const char* stream, uint64_t max_bytes,
                                    vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !camera) return fail(error, Code::invalid_argument, "engine, camera", "a pointer is NULL");
    const vigie::Status status =
        engine->engine->record_source(camera, text_or_empty(stream), static_cast<size_t>(max_bytes));
    return status.ok() ? uint32_t{VIGIE_OK} : fail(error, status.error());
  });
}

void vigie_text_free(char* text) { std::free(text); }

void vigie_push_init(vigie_push* push) {
  *push = {};
  push->struct_size = sizeof *push;
}

uint32_t vigie_engine_push(vigie_engine* engine, const vigie_push* push, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !push) return fail(error, Code::invalid_argument, "engine, push", "a pointer is NULL");
    const vigie_push given = take(push, vigie_push_init);
    if (!given.camera || (!given.data && given.size != 0)) {
      return fail(error, Code::invalid_argument, "push", "camera and data must not be NULL");
    }
    if (given.codec < VIGIE_CODEC_H264 || given.codec > VIGIE_CODEC_MJPEG) {
      return fail(error, Code::invalid_argument, "push.codec",
                  std::to_string(given.codec) + " was given; 1 (H.264), 2 (H.265) and 3 (MJPEG) exist");
    }
    vigie::runtime::PushedUnit unit;
    unit.camera = given.camera;
    unit.stream = text_or_empty(given.stream);
    unit.codec = static_cast<vigie::Codec>(given.codec);
    unit.data = {given.data, given.size};
    unit.length_prefixed = (given.flags & VIGIE_PUSH_LENGTH_PREFIXED) != 0;
    unit.gap = (given.flags & VIGIE_PUSH_GAP) != 0;
    if (given.flags & VIGIE_PUSH_HAS_PTS) unit.pts = vigie::Ticks90k(given.pts_90k);
    if (given.flags & VIGIE_PUSH_HAS_CAPTURE_TIME) {
      unit.capture_time = vigie::WallTime(vigie::Nanos(given.capture_time_ns));
    }
    const vigie::Status status = engine->engine->push_access_unit(unit);
    return status.ok() ? uint32_t{VIGIE_OK} : fail(error, status.error());
  });
}

uint32_t vigie_engine_scene_reference(vigie_engine* engine, const char* camera, const char* stream, uint8_t* reference,
                                      vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !camera || !reference) {
      return fail(error, Code::invalid_argument, "engine, camera, reference", "a pointer is NULL");
    }
    const auto found = engine->engine->scene_reference(camera, text_or_empty(stream));
    if (!found.ok()) return fail(error, found.error());
    if (found->size() != VIGIE_SCENE_REFERENCE_BYTES) {
      return fail(error, Code::internal, "reference", std::to_string(found->size()) + " bytes");
    }
    std::memcpy(reference, found->data(), found->size());
    return uint32_t{VIGIE_OK};
  });
}

}  // extern "C"
