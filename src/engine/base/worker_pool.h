#pragma once
// Threads for heavy work that has a date: whoever is due first goes first, and a job is on one thread at a time.
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace vigie {

// Serial work in pieces (one access unit of one lane). Kept alive by the pool while it is ready or running.
class WorkerJob {
 public:
  virtual ~WorkerJob() = default;
  // When its next piece is due. Called under the pool's lock: must not block, nor call the pool.
  virtual MonoTime due() const = 0;
  // Does one piece; true when another one waits already. Never on two threads at once.
  virtual bool run_piece() = 0;

 private:
  friend class WorkerPool;
  enum class State : uint8_t { idle, ready, running, running_and_woken };
  State state_ = State::idle;  // under the pool's lock
};

struct WorkerPoolOptions {
  std::string name = "vigie-work";
  size_t threads = 1;
  int niceness = 5;  // below the I/O shards, which must never wait for it
};

// Thread: every method from any thread; stop() and the destructor from outside the pool.
class WorkerPool {
 public:
  // Errors: internal, when the system gives no threads.
  static Result<std::unique_ptr<WorkerPool>> make(const WorkerPoolOptions& options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // The job has work: runs its pieces, the earliest due first among all jobs. Waking one that is awake costs nothing.
  void wake(const std::shared_ptr<WorkerJob>& job);
  // Ends after the pieces that run now; what is ready is let go without being run. Idempotent.
  void stop();
  size_t threads() const;

 private:
  struct Shared;
  explicit WorkerPool(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

}  // namespace vigie
