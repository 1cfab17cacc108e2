#pragma once
// From the core's errors to Python's.
#include <pybind11/pybind11.h>

#include "base/result.h"

namespace vigie::bindings {

// Raises vigie.errors' class for the code. Thread: the GIL is held.
[[noreturn]] inline void raise(const Error& error) {
  const pybind11::object made = pybind11::module_::import("vigie.errors")
                                    .attr("make_error")(static_cast<int>(error.code), error.where, error.what);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  throw pybind11::error_already_set();
}

}  // namespace vigie::bindings
