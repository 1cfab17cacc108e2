#include "net/event_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "heap_count.h"
#include "net/shard_pool.h"
#include "support.h"

namespace vigie::net {
namespace {

struct Handler final : FdHandler {
  std::function<void(uint32_t)> call;
  void on_ready(uint32_t events) override { call(events); }
};

struct Hook final : BatchHook {
  std::function<void()> call;
  void on_batch_end() override { call(); }
};

Fd make_ready_fd() { return Fd(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)); }

TEST(EventLoop, TasksRunInOrderAndThoseTheyPostRunInTheNextWakeup) {
  auto loop = make_loop();
  std::vector<int> order;
  loop->post([&] {
    order.push_back(1);
    loop->post([&] { order.push_back(3); });
  });
  loop->post([&] { order.push_back(2); });
  EXPECT_EQ(loop->run_once(0ms), 2U);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_EQ(loop->run_once(-1ns), 1U) << "a waiting task ends even an endless wait";
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(EventLoop, PostsFromManyThreadsAllArriveInEachPostersOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  auto loop = make_loop();
  std::vector<int> next(kThreads, 0);
  int received = 0;
  bool in_order = true;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop->post([&, t, i] {
          in_order = in_order && next[t]++ == i;
          ++received;
        });
      }
    });
  }
  EXPECT_TRUE(run_until(*loop, [&] { return received == kThreads * kPosts; }));
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(in_order);
  EXPECT_LT(loop->wakeups(), static_cast<uint64_t>(kThreads * kPosts)) << "woken only when asleep";
}

TEST(EventLoop, PostsTimersAndReadsTakeNoMemoryInSteadyState) {
  auto loop = make_loop();
  Fd ready = make_ready_fd();
  Handler handler;
  uint64_t calls = 0;
  handler.call = [&](uint32_t) { ++calls; };
  ASSERT_TRUE(loop->add_fd(ready.get(), kReadable, handler));
  TimerId last;
  const auto round = [&] {
    for (int i = 0; i < 100; ++i) loop->post([&calls] { ++calls; });
    for (int i = 0; i < 100; ++i) last = loop->add_timer(loop->now(), [&calls] { ++calls; });
    loop->cancel_timer(last);
    Buffer buffer = loop->pool().make(2000);
    loop->run_once(0ms);
  };
  for (int i = 0; i < 10; ++i) round();  // both mailbox vectors, the heap and the pool reach their size
  const uint64_t before = heap_calls();
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(heap_calls() - before, 0U);
  EXPECT_EQ(calls, 110U * (100 + 99 + 1));
}

TEST(EventLoop, TimersFollowTheInjectedClockInOrder) {
  ManualClock clock;
  auto loop = make_loop(&clock);
  std::vector<int> fired;
  loop->add_timer_after(30ms, [&] { fired.push_back(30); });
  loop->add_timer_after(10ms, [&] { fired.push_back(10); });
  loop->add_timer_after(20ms, [&] { fired.push_back(20); });
  loop->add_timer_after(20ms, [&] { fired.push_back(21); });
  loop->run_once(0ms);
  EXPECT_TRUE(fired.empty());
  clock.advance(20ms);
  loop->run_once(-1ns);
  EXPECT_EQ(fired, (std::vector<int>{10, 20, 21}));
  clock.advance(10ms - 1ns);
  loop->run_once(0ms);
  EXPECT_EQ(fired.size(), 3U);
  clock.advance(1ns);
  loop->run_once(0ms);
  EXPECT_EQ(fired.back(), 30);
  EXPECT_EQ(loop->timers(), 0U);
}

TEST(EventLoop, TimersMayCancelMoveAndAddEachOther) {
  ManualClock clock;
  auto loop = make_loop(&clock);
  std::vector<std::string> fired;
  TimerId victim;
  TimerId moved;
  TimerId self;
  self = loop->add_timer_after(1ms, [&] {
    fired.emplace_back("first");
    EXPECT_FALSE(loop->cancel_timer(self)) << "it has fired";
    EXPECT_TRUE(loop->cancel_timer(victim));
    EXPECT_FALSE(loop->cancel_timer(victim));
    EXPECT_TRUE(loop->move_timer(moved, loop->now() + 50ms));
    loop->add_timer(loop->now() - 1s, [&] { fired.emplace_back("added"); });
  });
  victim = loop->add_timer_after(2ms, [&] { fired.emplace_back("victim"); });
  moved = loop->add_timer_after(3ms, [&] { fired.emplace_back("moved"); });
  clock.advance(10ms);
  loop->run_once(0ms);
  EXPECT_EQ(fired, (std::vector<std::string>{"first"})) << "a timer set by a timer waits for the next wake-up";
  loop->run_once(0ms);
  EXPECT_EQ(fired.back(), "added");
  clock.advance(50ms);
  loop->run_once(0ms);
  EXPECT_EQ(fired.back(), "moved");
  EXPECT_EQ(fired.size(), 3U);
  EXPECT_FALSE(loop->cancel_timer(TimerId{}));
}

TEST(TimerHeap, ThousandsAgainstAPlainSort) {
  TimerHeap heap;
  std::vector<std::pair<int64_t, int>> wanted;
  std::vector<TimerId> ids;
  std::vector<int> fired;
  uint64_t seed = 12345;
  const auto next = [&] { return seed = seed * 6364136223846793005ULL + 1442695040888963407ULL, seed >> 33; };
  for (int i = 0; i < 5000; ++i) {
    const auto at = static_cast<int64_t>(next() % 1000);
    wanted.emplace_back(at, i);
    ids.push_back(heap.add(MonoTime(Nanos(at)), [&fired, i] { fired.push_back(i); }));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (next() % 3 == 0) {
      EXPECT_TRUE(heap.cancel(ids[i]));
      wanted[i].first = -1;
    } else if (next() % 3 == 0) {
      wanted[i].first = static_cast<int64_t>(next() % 1000);
      EXPECT_TRUE(heap.move(ids[i], MonoTime(Nanos(wanted[i].first))));
    }
  }
  std::erase_if(wanted, [](const auto& each) { return each.first < 0; });
  std::sort(wanted.begin(), wanted.end());
  for (int64_t now = 0; now < 1000; ++now) {
    while (Task task = heap.take_due(MonoTime(Nanos(now)), heap.mark())) task();
  }
  ASSERT_EQ(fired.size(), wanted.size());
  for (size_t i = 0; i < fired.size(); ++i) ASSERT_EQ(fired[i], wanted[i].second);
  EXPECT_EQ(heap.size(), 0U);
}

TEST(EventLoop, RealTimersWakeTheWait) {
  auto loop = make_loop();
  bool fired = false;
  const MonoTime start = loop->clock().now_mono();
  loop->add_timer(start + 3ms, [&] { fired = true; });
  EXPECT_TRUE(run_until(*loop, [&] { return fired; }));
  EXPECT_GE(loop->clock().now_mono() - start, 3ms);
}

TEST(EventLoop, AHandlerRemovedInTheSameBatchIsNotCalled) {
  auto loop = make_loop();
  std::array<Fd, 2> fds{make_ready_fd(), make_ready_fd()};
  std::array<std::unique_ptr<Handler>, 2> handlers{std::make_unique<Handler>(), std::make_unique<Handler>()};
  int calls = 0;
  for (size_t i = 0; i < 2; ++i) {
    handlers[i]->call = [&, other = 1 - i](uint32_t) {
      ++calls;
      loop->remove_fd(fds[other].get());
      fds[other].reset();
      handlers[other].reset();  // the sanitizer tells if it is called all the same
    };
    ASSERT_TRUE(loop->add_fd(fds[i].get(), kReadable, *handlers[i]));
  }
  loop->run_once(0ms);
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, AHandlerRemovedByATaskOrATimerOfTheSameWakeupIsNotCalled) {
  auto loop = make_loop();
  std::array<Fd, 2> fds{make_ready_fd(), make_ready_fd()};
  std::array<std::unique_ptr<Handler>, 2> handlers{std::make_unique<Handler>(), std::make_unique<Handler>()};
  int calls = 0;
  for (size_t i = 0; i < 2; ++i) {
    handlers[i]->call = [&](uint32_t) { ++calls; };
    ASSERT_TRUE(loop->add_fd(fds[i].get(), kReadable, *handlers[i]));
  }
  const auto remove = [&](size_t i) {
    loop->remove_fd(fds[i].get());
    handlers[i].reset();  // the sanitizer tells if it is called all the same
  };
  loop->post([&] { remove(0); });
  loop->add_timer(loop->now(), [&] { remove(1); });
  EXPECT_EQ(loop->run_once(0ms), 2U);
  EXPECT_EQ(calls, 0);
}

TEST(EventLoop, AHandlerThatLosesOneOfItsDescriptorsStillHearsOfTheOther) {
  auto loop = make_loop();
  std::array<Fd, 2> fds{make_ready_fd(), make_ready_fd()};
  Handler handler;
  int calls = 0;
  handler.call = [&](uint32_t) {
    if (++calls == 1) loop->remove_fd(fds[0].get());
  };
  for (const Fd& fd : fds) ASSERT_TRUE(loop->add_fd(fd.get(), kReadable, handler));
  loop->run_once(0ms);
  EXPECT_EQ(calls, 1);
  loop->run_once(0ms);
  EXPECT_EQ(calls, 2);
  loop->remove_fd(fds[1].get());
  loop->run_once(0ms);
  EXPECT_EQ(calls, 2);
}

TEST(EventLoop, AReusedDescriptorDoesNotGetItsPredecessorsEvent) {
  auto loop = make_loop();
  std::array<Fd, 2> fds{make_ready_fd(), make_ready_fd()};
  std::array<Handler, 2> handlers;
  Handler successor;
  Fd fresh;
  int successor_calls = 0;
  successor.call = [&](uint32_t) { ++successor_calls; };
  for (size_t i = 0; i < 2; ++i) {
    handlers[i].call = [&, other = 1 - i](uint32_t) {
      const int number = fds[other].get();
      loop->remove_fd(number);
      fds[other].reset();
      fresh = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));  // not ready
      ASSERT_EQ(fresh.get(), number) << "the kernel gives the lowest free number";
      ASSERT_TRUE(loop->add_fd(number, kReadable, successor));
    };
    ASSERT_TRUE(loop->add_fd(fds[i].get(), kReadable, handlers[i]));
  }
  loop->run_once(0ms);
  EXPECT_EQ(successor_calls, 0);
  const uint64_t one = 1;
  ASSERT_EQ(write(fresh.get(), &one, sizeof(one)), 8);
  for (Fd& fd : fds) loop->remove_fd(fd.get());
  loop->run_once(0ms);
  EXPECT_EQ(successor_calls, 1);
}

TEST(EventLoop, HandlersMayAddAndModifyWhileRunning) {
  auto loop = make_loop();
  Fd first = make_ready_fd();
  std::vector<Fd> many;
  std::vector<std::unique_ptr<Handler>> handlers;
  int calls = 0;
  Handler handler;
  handler.call = [&](uint32_t) {
    EXPECT_TRUE(loop->modify_fd(first.get(), 0));
    for (int i = 0; i < 200; ++i) {  // the table of descriptors grows under the running dispatch
      many.push_back(make_ready_fd());
      handlers.push_back(std::make_unique<Handler>());
      handlers.back()->call = [&calls](uint32_t) { ++calls; };
      ASSERT_TRUE(loop->add_fd(many.back().get(), kReadable, *handlers.back()));
    }
  };
  ASSERT_TRUE(loop->add_fd(first.get(), kReadable, handler));
  loop->run_once(0ms);
  EXPECT_EQ(calls, 0);
  loop->run_once(0ms);
  EXPECT_EQ(calls, 200);
}

TEST(EventLoop, WrongDescriptorsAreRefusedInWords) {
  auto loop = make_loop();
  Handler handler;
  Fd fd = make_ready_fd();
  EXPECT_EQ(loop->add_fd(-1, kReadable, handler).error().code, Code::socket_failed);
  EXPECT_FALSE(loop->modify_fd(fd.get(), kReadable));
  ASSERT_TRUE(loop->add_fd(fd.get(), 0, handler));
  EXPECT_NE(loop->add_fd(fd.get(), 0, handler).error().what.find("already"), std::string::npos);
  loop->remove_fd(fd.get());
  loop->remove_fd(fd.get());
  loop->remove_fd(100000);
}

TEST(EventLoop, HooksRunOnceAtTheEndOfTheWakeup) {
  auto loop = make_loop();
  std::vector<std::string> order;
  Hook hook;
  auto dying = std::make_unique<Hook>();
  dying->call = [&] { order.emplace_back("dead"); };
  int again = 1;
  hook.call = [&] {
    order.emplace_back("hook");
    dying.reset();
    if (again-- > 0) loop->at_batch_end(hook);
  };
  for (int i = 0; i < 3; ++i) {
    loop->post([&] {
      order.emplace_back("task");
      loop->at_batch_end(hook);
      if (dying) loop->at_batch_end(*dying);
    });
  }
  loop->run_once(0ms);
  EXPECT_EQ(order, (std::vector<std::string>{"task", "task", "task", "hook"}));
  loop->run_once(-1ns);
  EXPECT_EQ(order.size(), 5U) << "a hook asked for by a hook runs in the next wake-up, without waiting";
}

TEST(EventLoop, AHookMayOutliveTheLoop) {
  Hook hook;
  hook.call = [] {};
  auto loop = make_loop();
  loop->at_batch_end(hook);
  loop.reset();
}

TEST(EventLoop, TheWatchdogCountsSlowCallbacks) {
  auto loop = make_loop();
  loop->post([] {});
  loop->run_once(0ms);
  EXPECT_EQ(loop->stats().callbacks.value(), 1U);
  const uint64_t slow_before = loop->stats().slow_callbacks.value();
  loop->post([] {  // burns real time: that is what is measured
    const auto until = std::chrono::steady_clock::now() + 2ms;
    while (std::chrono::steady_clock::now() < until) {
    }
  });
  loop->run_once(0ms);
  EXPECT_EQ(loop->stats().slow_callbacks.value(), slow_before + 1);
  EXPECT_GE(loop->stats().longest_callback_ns.value(), 2'000'000);
  EXPECT_GE(loop->stats().busy_ns.value(), 2'000'000U);
  EXPECT_EQ(loop->stats().iterations.value(), 2U);
}

TEST(EventLoop, TasksLeftBehindDieUnrunAndMayStillTouchTheLoop) {
  struct Toucher {
    EventLoop* loop;
    TimerId timer;
    Toucher(EventLoop* its_loop, TimerId its_timer) : loop(its_loop), timer(its_timer) {}
    ~Toucher() {
      loop->cancel_timer(timer);
      loop->remove_fd(0);
      EXPECT_FALSE(loop->post([] {}));
    }
  };
  auto loop = make_loop();
  bool ran = false;
  const TimerId timer = loop->add_timer_after(1h, [&ran] { ran = true; });
  loop->post([owned = std::make_unique<Toucher>(loop.get(), timer), &ran] { ran = true; });
  loop->add_timer_after(1h, [owned = std::make_unique<Toucher>(loop.get(), timer), &ran] { ran = true; });
  loop.reset();
  EXPECT_FALSE(ran);
}

TEST(EventLoop, StopAndWakeFromOtherThreads) {
  auto loop = make_loop();
  std::thread runner([&] { loop->run(); });
  int value = 0;
  EXPECT_TRUE(loop->run_blocking([&] {
    EXPECT_TRUE(loop->in_loop_thread());
    EXPECT_TRUE(loop->run_blocking([&] { value = 7; })) << "at once in the loop itself";
  }));
  EXPECT_EQ(value, 7);
  EXPECT_FALSE(loop->in_loop_thread());
  loop->wake();
  loop->stop();
  runner.join();
  loop->close_mailbox();
  EXPECT_FALSE(loop->run_blocking([] { FAIL(); }));
}

TEST(ShardPool, RunsNamedThreadsAndPicksTheLeastLoaded) {
  auto pool = ShardPool::make({.shards = 3, .name = "vigie-t"});
  ASSERT_TRUE(pool) << pool.error().text();
  for (size_t i = 0; i < 3; ++i) {
    std::string name;
    (*pool)->shard(i).run_blocking([&] {
      char text[32] = "";
      pthread_getname_np(pthread_self(), text, sizeof(text));
      name = text;
    });
    EXPECT_EQ(name, "vigie-t-" + std::to_string(i));
  }
  std::vector<size_t> counts(3, 0);
  for (int i = 0; i < 9; ++i) ++counts[(*pool)->pick()];
  EXPECT_EQ(counts, (std::vector<size_t>{3, 3, 3}));
  (*pool)->unpick(1);
  EXPECT_EQ((*pool)->pick(), 1U);
}

TEST(ShardPool, StopRunsWhatWasPostedAndThenTakesNoMore) {
  auto pool = ShardPool::make({.shards = 2});
  ASSERT_TRUE(pool);
  std::atomic<int> ran{0};
  for (int i = 0; i < 1000; ++i) (*pool)->post(static_cast<size_t>(i % 2), [&] { ++ran; });
  (*pool)->stop();
  EXPECT_EQ(ran.load(), 1000);
  EXPECT_FALSE((*pool)->post(0, [&] { ++ran; }));
  (*pool)->stop();
}

TEST(ShardPool, AProcessorThatIsNotThereIsRefused) {
  const auto pool = ShardPool::make({.shards = 1, .cpus = {100000}});
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code, Code::invalid_argument);
  EXPECT_FALSE(ShardPool::make({.shards = 0}));
  EXPECT_TRUE(ShardPool::make({.shards = 2, .cpus = {0}}));
}

}  // namespace
}  // namespace vigie::net
