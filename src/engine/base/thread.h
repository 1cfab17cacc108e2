#pragma once
// Starting threads the way a library inside another program must.
#include <functional>
#include <string>
#include <thread>

#include "base/result.h"

namespace vigie {

// Starts a named thread (the kernel keeps 15 characters) with every signal blocked: signals are the host's.
// Errors: internal, when the system gives no thread. Ownership: the caller joins.
Result<std::thread> start_thread(const std::string& name, std::function<void()> body);

// Keeps the calling thread on one processor. Errors: invalid_argument.
Status pin_this_thread(int cpu);

}  // namespace vigie
