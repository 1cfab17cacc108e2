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

std::shared_ptr<Engine> make_engine(size_t shards, std::vector<int> cpus, size_t event_capacity) {
  auto engine = without_gil(
      [&] { return Engine::make({.shards = shards, .cpus = std::move(cpus), .event_capacity = event_capacity}); });
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

// (seq, time_ns, kind, object, state, code, text, merged), or None when the time was over.
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
                        event->text, event->merged);
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
  py::class_<Engine, std::shared_ptr<Engine>>(module, "Engine")
      .def(py::init(&make_engine), py::arg("shards"), py::arg("cpus"), py::arg("event_capacity"))
      .def("apply",
           [](Engine& engine, const std::string& json, std::optional<uint64_t> expect_revision) {
             return without_gil([&] { return engine.apply(json, expect_revision); });
           })
      .def("push", &push)
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
      .def("close", [](Engine& engine) { without_gil([&] { return engine.close(); }); })
      .def("capsule", &capsule);
  vigie::bindings::add_geometry(module);
}
