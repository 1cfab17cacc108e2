// Jobs in the order they are due, one thread a job, nothing run after stop().
#include "base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "wait_signal.h"

namespace vigie {
namespace {

using test::Signal;

class Job final : public WorkerJob {
 public:
  Job(int due_s, std::function<bool()> piece) : due_(std::chrono::seconds(due_s)), piece_(std::move(piece)) {}
  MonoTime due() const override { return due_; }
  bool run_piece() override { return piece_(); }

 private:
  const MonoTime due_;
  const std::function<bool()> piece_;
};

std::unique_ptr<WorkerPool> make_pool(size_t threads) {
  auto pool = WorkerPool::make({.name = "test", .threads = threads});
  EXPECT_TRUE(pool.ok());
  return std::move(pool).value();
}

TEST(WorkerPool, TheEarliestDueGoesFirst) {
  Signal begin, done;
  std::string order;
  const auto pool = make_pool(1);  // dies first: its jobs use the others
  // The one thread is held until all are ready.
  pool->wake(std::make_shared<Job>(0, [&] {
    begin.wait();
    return false;
  }));
  for (const int due : {5, 2, 9, 1}) {
    pool->wake(std::make_shared<Job>(due, [&, due] {
      order += std::to_string(due);
      if (due == 9) done.set();
      return false;
    }));
  }
  begin.set();
  done.wait();
  EXPECT_EQ(order, "1259");
}

TEST(WorkerPool, AJobIsOnOneThreadAtATimeAndNoWakeIsLost) {
  std::atomic<int> inside{0}, wanted{0}, done{0};
  std::atomic<bool> overlapped{false};
  Signal all;
  const auto pool = make_pool(4);
  constexpr int kWakes = 20'000;
  auto job = std::make_shared<Job>(0, [&] {
    if (inside.fetch_add(1) != 0) overlapped = true;
    // As a lane: one piece a call, true while more is queued.
    if (done < wanted) ++done;
    const bool more = done < wanted;
    if (done == kWakes) all.set();
    inside.fetch_sub(1);
    return more;
  });
  std::vector<std::thread> wakers;
  for (int t = 0; t < 4; ++t) {
    wakers.emplace_back([&] {
      for (int i = 0; i < kWakes / 4; ++i) {
        ++wanted;
        pool->wake(job);
      }
    });
  }
  for (auto& waker : wakers) waker.join();
  all.wait();
  EXPECT_EQ(done, kWakes);
  EXPECT_FALSE(overlapped);
}

TEST(WorkerPool, StopLetsGoOfWhatIsReady) {
  Signal running, release;
  std::atomic<bool> ran{false};
  auto pool = make_pool(1);
  pool->wake(std::make_shared<Job>(0, [&] {
    running.set();
    release.wait();
    return true;  // it would go on
  }));
  running.wait();
  auto waiting = std::make_shared<Job>(1, [&] {
    ran = true;
    return false;
  });
  const std::weak_ptr<Job> weak = waiting;
  pool->wake(waiting);
  waiting.reset();
  EXPECT_FALSE(weak.expired()) << "the pool keeps what is ready";
  std::thread stopper([&] { pool->stop(); });
  while (!weak.expired()) std::this_thread::yield();
  release.set();
  stopper.join();
  EXPECT_FALSE(ran);
  auto late = std::make_shared<Job>(0, [&] {
    ran = true;
    return false;
  });
  pool->wake(late);
  EXPECT_EQ(late.use_count(), 1) << "a stopped pool takes nothing";
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace vigie
