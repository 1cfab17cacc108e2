#pragma once
// The handles behind vigie.h, and how arguments and errors cross the border. Private to capi/ and bindings/.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/engine.h"
#include "runtime/unit_queue.h"
#include "vigie/vigie.h"

struct vigie_engine {
  std::shared_ptr<vigie::runtime::Engine> engine;
};

struct vigie_subscription {
  std::shared_ptr<vigie::runtime::UnitQueue> queue;
  pid_t pid;
};

struct vigie_unit {
  vigie::runtime::QueuedUnit unit;
};

struct vigie_tap {
  std::shared_ptr<vigie::runtime::FrameTap> tap;
  pid_t pid;
};

struct vigie_frame {
  vigie::runtime::FrameLease lease;
};

struct vigie_snapshot {
  vigie::runtime::Snapshot snapshot;
};

struct vigie_event {
  vigie::Event event;
  std::string kind;
};

namespace vigie::capi {

// Copies text into a fixed field; what does not fit is cut at a character.
inline void copy_text(char* to, size_t capacity, std::string_view text) {
  size_t size = text.size() < capacity - 1 ? text.size() : capacity - 1;
  // Not inside a UTF-8 sequence.
  while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  std::memcpy(to, text.data(), size);
  to[size] = 0;
}

inline uint32_t fail(vigie_error* out, const Error& error) {
  const auto code = static_cast<uint32_t>(error.code);
  // The first version of the struct is the smallest there is: anything less is not one of ours.
  if (out && out->struct_size >= sizeof(vigie_error)) {
    out->code = code;
    copy_text(out->where, sizeof out->where, error.where);
    copy_text(out->text, sizeof out->text, error.what.empty() ? code_sentence(error.code) : error.what);
  }
  return code;
}

inline uint32_t fail(vigie_error* out, Code code, std::string_view where, std::string_view what) {
  return fail(out, make_error(code, std::string(where), std::string(what)));
}

// Runs a call's body; what the standard library throws (no memory) must not cross into C.
template <class Body>
uint32_t guarded(vigie_error* error, Body body) noexcept {
  try {
    return body();
  } catch (const std::exception& e) {
    return fail(error, Code::internal, "vigie.h", e.what());
  }
}

// Fills what the caller has room for of a struct that the library made whole.
template <class T>
void give(T* out, const T& whole) {
  const uint32_t size = out->struct_size < sizeof(T) ? out->struct_size : static_cast<uint32_t>(sizeof(T));
  std::memcpy(out, &whole, size);
  out->struct_size = size;
}

// The caller's options brought to this library's size: what the caller does not know has its default.
template <class T>
T take(const T* given, void (*init)(T*)) {
  T whole;
  init(&whole);
  if (given) {
    const uint32_t size = given->struct_size < sizeof(T) ? given->struct_size : static_cast<uint32_t>(sizeof(T));
    std::memcpy(&whole, given, size);
    whole.struct_size = static_cast<uint32_t>(sizeof(T));
  }
  return whole;
}

inline int64_t unix_ns(WallTime time) { return time.time_since_epoch().count(); }

// A handle to an engine that the Python extension made. Ownership: the caller's, as from vigie_engine_create.
VIGIE_API vigie_engine* wrap_engine(std::shared_ptr<runtime::Engine> engine);

}  // namespace vigie::capi
