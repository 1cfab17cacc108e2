// The geometry of domes for Python: simulation, tests and tools ask it what the engine would hide.
#include "bindings/geometry.h"

#include <pybind11/stl.h>

#include <chrono>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/raise.h"
#include "mask/pose_history.h"
#include "mask/projector.h"

namespace vigie::bindings {
namespace {

namespace py = pybind11;

using mask::PoseState;
// pan_deg, tilt_deg, hfov_deg, time_ns, state
using Sample = std::tuple<double, double, double, int64_t, std::string>;
using Points = std::vector<std::pair<double, double>>;

PoseState state_of(const std::string& name) {
  if (name == "idle") return PoseState::idle;
  if (name == "moving") return PoseState::moving;
  if (name == "unknown") return PoseState::unknown;
  raise(make_error(Code::invalid_argument, "state", "\"" + name + "\": idle, moving and unknown exist"));
}

Nanos seconds(const py::handle& value) {
  const double given = value.cast<double>();
  if (!(given >= 0 && given <= 3600)) {
    raise(make_error(Code::invalid_argument, "dome", "an age is 0 to 3600 seconds"));
  }
  return std::chrono::duration_cast<Nanos>(std::chrono::duration<double>(given));
}

policy::DomePolicy dome_of(const py::kwargs& fields) {
  policy::DomePolicy dome;
  for (const auto& [key, value] : fields) {
    const auto name = key.cast<std::string>();
    if (name == "max_age_moving") {
      dome.max_age_moving = seconds(value);
    } else if (name == "max_age_idle") {
      dome.max_age_idle = seconds(value);
    } else {
      double* const field = name == "calibration_error" ? &dome.calibration_error
                            : name == "zoom_error"      ? &dome.zoom_error
                            : name == "max_speed"       ? &dome.max_speed
                            : name == "mount_roll"      ? &dome.mount_roll
                            : name == "mount_tilt"      ? &dome.mount_tilt
                                                        : nullptr;
      if (field == nullptr) raise(make_error(Code::invalid_argument, name, "a dome has no such field"));
      *field = value.cast<double>();
      if (!std::isfinite(*field)) raise(make_error(Code::invalid_argument, name, "not a number"));
    }
  }
  return dome;
}

py::dict estimate_pose(const std::vector<Sample>& samples, int64_t capture_ns, const py::kwargs& dome) {
  mask::PoseHistory history;
  for (const auto& [pan, tilt, hfov, time_ns, state] : samples) {
    const Status status = history.push({pan, tilt, hfov, WallTime(Nanos(time_ns)), state_of(state)});
    if (!status.ok()) raise(status.error());
  }
  const mask::PoseEstimate found = history.at(WallTime(Nanos(capture_ns)), dome_of(dome));
  using py::literals::operator""_a;
  return py::dict("whole_picture"_a = found.whole_picture, "reason"_a = std::string(found.reason),
                  "pan_deg"_a = found.pan_deg, "tilt_deg"_a = found.tilt_deg, "hfov_deg"_a = found.hfov_deg,
                  "pan_error_deg"_a = found.pan_error_deg, "tilt_error_deg"_a = found.tilt_error_deg,
                  "hfov_min_deg"_a = found.hfov_min_deg, "hfov_max_deg"_a = found.hfov_max_deg);
}

// Fields of an estimate that are left out: no error, and a zoom that is exact.
mask::PoseEstimate estimate_of(const py::dict& pose) {
  const auto number = [&pose](const char* name, double otherwise) {
    return pose.contains(name) ? pose[name].cast<double>() : otherwise;
  };
  mask::PoseEstimate estimate;
  estimate.whole_picture = pose.contains("whole_picture") && pose["whole_picture"].cast<bool>();
  estimate.pan_deg = pose["pan_deg"].cast<double>();
  estimate.tilt_deg = pose["tilt_deg"].cast<double>();
  estimate.hfov_deg = pose["hfov_deg"].cast<double>();
  estimate.pan_error_deg = number("pan_error_deg", 0);
  estimate.tilt_error_deg = number("tilt_error_deg", 0);
  estimate.hfov_min_deg = number("hfov_min_deg", estimate.hfov_deg);
  estimate.hfov_max_deg = number("hfov_max_deg", estimate.hfov_deg);
  return estimate;
}

std::vector<Points> project_region(const Points& world, const py::dict& pose, double aspect, const py::kwargs& dome) {
  std::vector<policy::MaskPoint> corners;
  corners.reserve(world.size());
  for (const auto& [pan, tilt] : world) corners.push_back({pan, tilt});
  mask::Projector projector;
  mask::PicturePolygons polygons;
  projector.project_region(corners, estimate_of(pose), aspect, dome_of(dome), polygons);
  std::vector<Points> found;
  for (const auto& polygon : polygons) {
    auto& points = found.emplace_back();
    for (const policy::MaskPoint& point : polygon) points.emplace_back(point.x, point.y);
  }
  return found;
}

}  // namespace

void add_geometry(py::module_& module) {
  module.def("estimate_pose", &estimate_pose, py::arg("samples"), py::arg("capture_ns"),
             "Where a dome looked at `capture_ns`, from its reports in the order of their times.");
  module.def("project_region", &project_region, py::arg("world"), py::arg("pose"), py::arg("aspect"),
             "Picture polygons whose union hides a world region for every pose of the estimate.");
}

}  // namespace vigie::bindings
