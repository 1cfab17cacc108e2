#include "base/worker_pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/thread.h"

namespace vigie {

struct WorkerPool::Shared {
  using State = WorkerJob::State;

  // Ready jobs are at most as many as lanes: a walk over them costs less than keeping a heap whose keys may change.
  std::shared_ptr<WorkerJob> take_earliest() {
    auto earliest = ready.begin();
    for (auto at = ready.begin() + 1; at < ready.end(); ++at) {
      if ((*at)->due() < (*earliest)->due()) earliest = at;
    }
    std::shared_ptr<WorkerJob> job = std::move(*earliest);
    *earliest = std::move(ready.back());
    ready.pop_back();
    return job;
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      condition.wait(lock, [this] { return stopping || !ready.empty(); });
      if (stopping) return;
      std::shared_ptr<WorkerJob> job = take_earliest();
      job->state_ = State::running;
      lock.unlock();
      const bool more = job->run_piece();
      lock.lock();
      if ((more || job->state_ == State::running_and_woken) && !stopping) {
        job->state_ = State::ready;
        ready.push_back(std::move(job));
        continue;  // this thread goes on; whoever waits has nothing new
      }
      job->state_ = State::idle;
      // The last reference may go here: outside the lock, for its destructor is not ours.
      lock.unlock();
      job.reset();
      lock.lock();
    }
  }

  std::mutex mutex;
  std::condition_variable condition;
  std::vector<std::shared_ptr<WorkerJob>> ready;
  bool stopping = false;
  std::vector<std::thread> threads;
};

Result<std::unique_ptr<WorkerPool>> WorkerPool::make(const WorkerPoolOptions& options) {
  std::unique_ptr<WorkerPool> pool(new WorkerPool(std::make_unique<Shared>()));
  for (size_t i = 0; i < options.threads; ++i) {
    auto thread = start_thread(options.name + "-" + std::to_string(i),
                               [shared = pool->shared_.get(), niceness = options.niceness] {
                                 // A thread's own on Linux. Refused: it only runs at the same rank as all others.
                                 ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), niceness);
                                 shared->work();
                               });
    if (!thread.ok()) return std::move(thread).error();
    pool->shared_->threads.push_back(std::move(thread).value());
  }
  return pool;
}

WorkerPool::WorkerPool(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::wake(const std::shared_ptr<WorkerJob>& job) {
  using State = WorkerJob::State;
  const std::lock_guard lock(shared_->mutex);
  if (shared_->stopping) return;
  if (job->state_ == State::running) job->state_ = State::running_and_woken;
  if (job->state_ != State::idle) return;
  job->state_ = State::ready;
  shared_->ready.push_back(job);
  shared_->condition.notify_one();
}

void WorkerPool::stop() {
  {
    std::vector<std::shared_ptr<WorkerJob>> left;  // dies outside the lock, before what runs now has ended
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
    left.swap(shared_->ready);
    for (const auto& job : left) job->state_ = WorkerJob::State::idle;
    shared_->condition.notify_all();
  }
  for (std::thread& thread : shared_->threads) {
    if (thread.joinable()) thread.join();
  }
}

size_t WorkerPool::threads() const { return shared_->threads.size(); }

}  // namespace vigie
