#pragma once
// Few threads for work that may block or burn (name resolution, TLS handshakes), with a bounded queue.
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/task.h"

namespace vigie::net {

struct HelperPoolOptions {
  std::string name = "vigie-help";
  size_t threads = 1;
  size_t queue_limit = 256;
};

// Thread: try_submit from any; destruction from a thread that is none of its own.
class HelperPool {
 public:
  explicit HelperPool(const HelperPoolOptions& options);
  // Tasks not yet begun are destroyed unrun; waits for those that run.
  ~HelperPool();
  HelperPool(const HelperPool&) = delete;
  HelperPool& operator=(const HelperPool&) = delete;

  // False when the queue is full: the task is destroyed unrun.
  bool try_submit(Task task);
  size_t queued() const;

 private:
  void work();
  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> queue_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vigie::net
