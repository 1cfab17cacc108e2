#pragma once
// A home shard and a worker whose steps a test decides.
#include <deque>
#include <memory>
#include <mutex>

#include "base/executor.h"
#include "base/worker_pool.h"
#include "wait_signal.h"

namespace vigie::mask {

using test::Signal;

// The test's own thread as a home shard.
class Home final : public Executor {
 public:
  bool post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    return true;
  }
  bool on_home_thread() const override { return true; }
  void run() {
    std::deque<Task> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (Task& task : tasks) task();
  }

 private:
  std::mutex mutex_;
  std::deque<Task> tasks_;
};

// Work of somebody else's, which tells when it has begun and ends when it may.
class Errand final : public WorkerJob {
 public:
  explicit Errand(MonoTime due) : due_(due) {}
  MonoTime due() const override { return due_; }
  bool run_piece() override {
    begun.set();
    go.wait();
    return false;
  }
  Signal begun, go;

 private:
  const MonoTime due_;
};

// Until the pool's only worker has nothing left to do: what is due last comes after everything.
inline void finish_work(WorkerPool& workers) {
  auto last = std::make_shared<Errand>(MonoTime::max());
  last->go.set();
  workers.wake(last);
  last->begun.wait();
}

// The pool's only worker does nothing until the errand is let go.
inline std::shared_ptr<Errand> hold_worker(WorkerPool& workers) {
  auto errand = std::make_shared<Errand>(MonoTime::min());
  workers.wake(errand);
  errand->begun.wait();
  return errand;
}

}  // namespace vigie::mask
