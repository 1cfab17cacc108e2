#pragma once
// Where work can be handed to: a shard, seen without its sockets.
#include "base/task.h"

namespace vigie {

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `task` later on this executor's thread, in the order of posting from any one thread.
  // Returns false when the executor is closing: the task is destroyed without being run. Thread: any.
  virtual bool post(Task task) = 0;
  // True when the caller is on this executor's thread.
  virtual bool on_home_thread() const = 0;
};

}  // namespace vigie
