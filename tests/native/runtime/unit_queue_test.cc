#include "runtime/unit_queue.h"

#include <gtest/gtest.h>

#include <thread>

#include "fanout/units.h"

namespace vigie::runtime {
namespace {

// The test's own thread is the only shard.
class HereShard : public Executor {
 public:
  bool post(Task task) override {
    task();
    return true;
  }
  bool on_home_thread() const override { return true; }
};

class UnitQueueTest : public ::testing::Test {
 protected:
  UnitQueueTest() : hub_(fanout::Hub::make({{&shard_, &pool_}}, 0, {}, nullptr)) {}
  std::shared_ptr<UnitQueue> open(UnitQueueLimits limits) {
    auto queue = std::make_shared<UnitQueue>(limits);
    queue->attach(hub_, 0, fanout::Start::last_keyframe);
    return queue;
  }
  void publish(bool keyframe, size_t bytes = 100) {
    at_ += 40ms;
    hub_->publish(test::publish({keyframe, bytes, at_}));
  }
  static std::vector<uint64_t> drain(UnitQueue& queue) {
    std::vector<uint64_t> numbers;
    while (auto unit = queue.next_blocking(WaitLimit(0))) numbers.push_back(unit->number);
    return numbers;
  }
  HereShard shard_;
  BufferPool pool_;
  std::shared_ptr<fanout::Hub> hub_;
  MonoTime at_{1000s};
};

uint64_t dropped(const UnitQueue& queue, DropReason reason) {
  return queue.stats().dropped[static_cast<size_t>(reason)];
}

TEST_F(UnitQueueTest, GivesTheGopAndFollows) {
  publish(true);
  publish(false);
  const auto queue = open({});
  publish(false);
  EXPECT_EQ(drain(*queue), (std::vector<uint64_t>{1, 2, 3}));
  queue->detach();
}

TEST_F(UnitQueueTest, ASlowHostLosesWholeGopsWithACount) {
  publish(true);
  const auto queue = open({.units = 5, .bytes = 1 << 20});
  for (int i = 0; i < 9; ++i) publish(false);
  EXPECT_EQ(dropped(*queue, DropReason::consumer_slow), 5U);
  publish(true);
  publish(false);
  EXPECT_EQ(drain(*queue), (std::vector<uint64_t>{11, 12})) << "from the newest keyframe, nothing undecodable between";
  EXPECT_EQ(dropped(*queue, DropReason::consumer_slow), 10U);
  EXPECT_EQ(queue->stats().offered, 12U);
  EXPECT_EQ(queue->stats().taken, 2U);
  queue->detach();
}

TEST_F(UnitQueueTest, BoundsBytesAsWell) {
  const auto queue = open({.units = 1000, .bytes = 1000});
  publish(true, 400);
  publish(false, 400);
  publish(false, 400);
  EXPECT_EQ(drain(*queue).size(), 2U);
  publish(true, 5000);
  EXPECT_EQ(drain(*queue), (std::vector<uint64_t>{4})) << "one unit over the limit alone still passes";
  queue->detach();
}

TEST_F(UnitQueueTest, APolicyChangeTakesQueuedUnitsAway) {
  publish(true);
  const auto queue = open({});
  hub_->empty_log({});
  EXPECT_TRUE(drain(*queue).empty());
  publish(false);
  publish(true);
  EXPECT_EQ(drain(*queue), (std::vector<uint64_t>{3}));
  queue->detach();
}

TEST_F(UnitQueueTest, SaysWhyItEnded) {
  const auto queue = open({});
  publish(true);
  hub_->close(make_error(Code::withheld, "a/main", "withdrawn"));
  EXPECT_EQ(queue->next_blocking(WaitLimit(-1)).error().code, Code::withheld)
      << "queued units of an ended right are gone";
  queue->detach();
}

TEST_F(UnitQueueTest, CloseWakesAWaitingThreadAndRunsOnce) {
  const auto queue = open({});
  int closed = 0;
  queue->on_close = [&] { ++closed; };
  Code code{};
  std::thread waiter([&] { code = queue->next_blocking(WaitLimit(-1)).error().code; });
  queue->close();
  queue->close();
  waiter.join();
  EXPECT_EQ(code, Code::closed);
  EXPECT_EQ(closed, 1);
  queue->detach();
}

}  // namespace
}  // namespace vigie::runtime
