#include "net/helper_pool.h"

#include <utility>

#include "base/thread.h"

namespace vigie::net {

HelperPool::HelperPool(const HelperPoolOptions& options) : queue_limit_(options.queue_limit) {
  for (size_t i = 0; i < options.threads; ++i) {
    auto thread = start_thread(options.name + "-" + std::to_string(i), [this] { work(); });
    if (!thread) break;  // fewer helpers are enough; with none, try_submit refuses
    threads_.push_back(std::move(*thread));
  }
}

HelperPool::~HelperPool() {
  std::deque<Task> dying;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    dying.swap(queue_);
  }
  ready_.notify_all();
  dying.clear();
  for (std::thread& thread : threads_) thread.join();
}

bool HelperPool::try_submit(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_ || threads_.empty() || queue_.size() >= queue_limit_) return false;
    queue_.push_back(std::move(task));
  }
  ready_.notify_one();
  return true;
}

size_t HelperPool::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void HelperPool::work() {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (closing_) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace vigie::net
