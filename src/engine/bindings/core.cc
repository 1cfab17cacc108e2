// vigie._core: the engine as a Python object. Thin: python/vigie/engine.py is what users import.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "bindings/geometry.h"
#include "bindings/raise.h"
#include "capi/handles.h"
#include "media/event.h"
#include "runtime/engine.h"

namespace py = pybind11;

namespace {

using vigie::bindings::raise;
using vigie::runtime::Engine;

// Runs a call that may wait without the GIL, then raises or returns.
template <class Call>
auto without_gil(Call call) {
  auto result = [&] {
    const py::gil_scoped_release release;
    return call();
  }();
  if (!result.ok()) raise(result.error());
  if constexpr (requires { *result; }) return std::move(*result);
}

std::shared_ptr<Engine> make_engine(size_t shards, std::vector<int> cpus, size_t event_capacity, size_t codec_workers,
                                    bool realtime_io, std::string mask_encoder) {
  auto engine = without_gil([&] {
    return Engine::make({.shards = shards,
                         .cpus = std::move(cpus),
                         .event_capacity = event_capacity,
                         .codec_workers = codec_workers,
                         .realtime_io = realtime_io,
                         .mask_encoder = std::move(mask_encoder)});
  });
  // An engine that was never closed closes when its last reference goes; other Python threads run on meanwhile.
  Engine* plain = engine.get();
  return {plain, [engine = std::move(engine)](Engine*) mutable {
            if (PyGILState_Check() == 0) return engine.reset();
            const py::gil_scoped_release release;
            engine.reset();
          }};
}

void push(Engine& engine, std::string camera, std::string stream, int codec, const py::buffer& data,
          bool length_prefixed, std::optional<int64_t> pts_90k, std::optional<int64_t> capture_time_ns, bool gap) {
  if (codec < 1 || codec > 3) {
    raise(vigie::make_error(vigie::Code::invalid_argument, "codec", "1 (H.264), 2 (H.265) and 3 (MJPEG) exist"));
  }
  // A plain view keeps the exporter from moving the bytes while the GIL is away.
  Py_buffer view;
  if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  struct Release {
    Py_buffer* view;
    ~Release() { PyBuffer_Release(view); }
  } release{&view};
  vigie::runtime::PushedUnit unit;
  unit.camera = std::move(camera);
  unit.stream = std::move(stream);
  unit.codec = static_cast<vigie::Codec>(codec);
  unit.data = {static_cast<const uint8_t*>(view.buf), static_cast<size_t>(view.len)};
  unit.length_prefixed = length_prefixed;
  if (pts_90k) unit.pts = vigie::Ticks90k(*pts_90k);
  if (capture_time_ns) unit.capture_time = vigie::WallTime(vigie::Nanos(*capture_time_ns));
  unit.gap = gap;
  without_gil([&] { return engine.push_access_unit(unit); });
}

// (seq, time_ns, kind, object, state, code, text, merged, facts), or None when the time was over.
py::object next_event(Engine& engine, int64_t timeout_ms) {
  auto event = [&] {
    const py::gil_scoped_release release;
    return engine.next_event_blocking(vigie::runtime::WaitLimit(timeout_ms));
  }();
  if (!event.ok()) {
    if (event.error().code == vigie::Code::timed_out) return py::none();
    raise(event.error());
  }
  return py::make_tuple(event->seq, event->at.time_since_epoch().count(),
                        std::string(vigie::event_kind_name(event->kind)), event->object, event->state, event->code,
                        event->text, event->merged, event->facts);
}

// What vigie.Snapshot is made of, by name.
py::dict snapshot(Engine& engine, const std::string& camera, const std::string& stream, int64_t timeout_ms) {
  auto taken = [&] {
    const py::gil_scoped_release release;
    return engine.snapshot(camera, stream, vigie::runtime::WaitLimit(timeout_ms));
  }();
  if (!taken.ok()) raise(taken.error());
  const vigie::Provenance& provenance = *taken->provenance;
  py::dict out;
  out["jpeg"] = py::bytes(reinterpret_cast<const char*>(taken->jpeg.data()), taken->jpeg.size());
  out["width"] = taken->width;
  out["height"] = taken->height;
  out["capture_time_ns"] = taken->capture_time.time_since_epoch().count();
  out["arrival_time_ns"] = taken->arrival_time.time_since_epoch().count();
  out["error_bound_ns"] = taken->error_bound ? py::object(py::int_(taken->error_bound->count())) : py::none();
  out["clock_quality"] = std::string(vigie::clock_quality_name(taken->clock_quality));
  out["privacy"] = std::string(vigie::privacy_state_name(provenance.state));
  out["privacy_reason"] = provenance.reason;
  out["policy_revision"] = provenance.policy_revision;
  out["mask_revision"] = provenance.mask_revision;
  out["version_revision"] = provenance.version_revision;
  return out;
}

void push_pose(Engine& engine, const std::string& camera, double pan, double tilt, double hfov, int64_t at_ns,
               bool moving) {
  const vigie::mask::Pose pose{.pan_deg = pan,
                               .tilt_deg = tilt,
                               .hfov_deg = hfov,
                               .at = vigie::WallTime(vigie::Nanos(at_ns)),
                               .state = moving ? vigie::mask::PoseState::moving : vigie::mask::PoseState::idle};
  without_gil([&] { return engine.push_pose(camera, pose); });
}

py::capsule capsule(const std::shared_ptr<Engine>& engine) {
  return py::capsule(vigie::capi::wrap_engine(engine), "vigie.engine", [](PyObject* object) {
    delete static_cast<vigie_engine*>(PyCapsule_GetPointer(object, "vigie.engine"));
  });
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The engine's objects; use vigie.Engine.";
  module.def("version", [] { return std::string(vigie_version()); });
  module.def("mask_encoders", &Engine::mask_encoders);
  py::class_<Engine, std::shared_ptr<Engine>>(module, "Engine")
      .def(py::init(&make_engine), py::arg("shards"), py::arg("cpus"), py::arg("event_capacity"),
           py::arg("codec_workers"), py::arg("realtime_io"), py::arg("mask_encoder"))
      .def("apply",
           [](Engine& engine, const std::string& json, std::optional<uint64_t> expect_revision) {
             return without_gil([&] { return engine.apply(json, expect_revision); });
           })
      .def("push", &push)
      .def("snapshot", &snapshot)
      .def("push_pose", &push_pose)
      .def("distrust_pose",
           [](Engine& engine, const std::string& camera, int doubt) {
             without_gil([&] { return engine.distrust_pose(camera, static_cast<vigie::mask::PoseDoubt>(doubt)); });
           })
      .def("trust_pose",
           [](Engine& engine, const std::string& camera) { without_gil([&] { return engine.trust_pose(camera); }); })
      .def("next_event", &next_event)
      .def("event_fd", &Engine::event_fd)
      .def("stats", [](Engine& engine) { return without_gil([&] { return engine.stats(); }); })
      .def("record_source",
           [](Engine& engine, const std::string& camera, const std::string& stream, size_t max_bytes) {
             without_gil([&] { return engine.record_source(camera, stream, max_bytes); });
           })
      .def("source_report",
           [](Engine& engine, const std::string& camera, const std::string& stream) {
             return without_gil([&] { return engine.source_report(camera, stream); });
           })
      .def("scene_reference",
           [](Engine& engine, const std::string& camera, const std::string& stream) {
             const std::vector<uint8_t> still = without_gil([&] { return engine.scene_reference(camera, stream); });
             return py::bytes(reinterpret_cast<const char*>(still.data()), still.size());
           })
      .def("close", [](Engine& engine) { without_gil([&] { return engine.close(); }); })
      .def("capsule", &capsule);
  vigie::bindings::add_geometry(module);
}
