#pragma once
#include <pybind11/pybind11.h>

namespace vigie::bindings {

// Adds the geometry of domes to the module: `estimate_pose` and `project_region`, values in and values out.
void add_geometry(pybind11::module_& module);

}  // namespace vigie::bindings
