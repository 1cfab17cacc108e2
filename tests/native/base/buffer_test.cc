#include "base/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

namespace vigie {
namespace {

std::vector<uint8_t> counting(size_t size) {
  std::vector<uint8_t> out(size);
  std::iota(out.begin(), out.end(), uint8_t{0});
  return out;
}

TEST(BufferPool, GivesAtLeastWhatWasAskedAndWastesAtMostAQuarter) {
  BufferPool pool;
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{255}, size_t{256}, size_t{257}, size_t{320}, size_t{321}, size_t{1460},
        size_t{65535}, size_t{65536}, size_t{1000001}, size_t{1} << 24, (size_t{1} << 24) + 1}) {
    const Buffer buffer = pool.make(size);
    EXPECT_GE(buffer.capacity(), size);
    EXPECT_LE(buffer.capacity(), std::max<size_t>(256, size + size / 4 + 1)) << size;
    EXPECT_EQ(buffer.size(), 0U);
    EXPECT_TRUE(buffer.unique());
  }
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(BufferPool, ReusesABlockOfTheSameClass) {
  BufferPool pool;
  const uint8_t* first = pool.make(1000).data();
  EXPECT_GT(pool.bytes_cached(), 0U);
  const Buffer again = pool.make(900);
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(pool.bytes_cached(), 0U);
  EXPECT_EQ(pool.bytes_in_use(), again.capacity());
}

TEST(BufferPool, TakesABlockOfTheNextClassBeforeTheHeaps) {
  BufferPool pool;
  const uint8_t* larger = pool.make(1280).data();
  const Buffer smaller = pool.make(1000);
  EXPECT_EQ(smaller.data(), larger);
  EXPECT_EQ(smaller.capacity(), 1280U);
  EXPECT_EQ(pool.bytes_in_use(), 1280U);
  EXPECT_EQ(pool.bytes_cached(), 0U);
  const uint8_t* much_larger = pool.make(4096).data();
  EXPECT_NE(pool.make(1000).data(), much_larger);
}

TEST(BufferPool, KeepsNoMoreThanItsLimitOrAnEighthOfWhatWasInUse) {
  BufferPool pool(4096);
  {
    std::vector<Buffer> many;
    for (int i = 0; i < 64; ++i) many.push_back(pool.make(1024));
    EXPECT_EQ(pool.bytes_in_use(), 64U * 1024);
  }
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  EXPECT_EQ(pool.bytes_cached(), 7U * 1024) << "the first release found 63 KiB in use: seven blocks fit into an eighth";
  {
    const Buffer one = pool.make(4096);
  }
  EXPECT_EQ(pool.bytes_cached(), 4096U) << "with little in use the limit counts";
}

TEST(BufferPool, AFullCacheGivesUpWhatIsNoLongerAskedFor) {
  BufferPool pool(64 * 1024);
  {
    std::vector<Buffer> once;
    for (int i = 0; i < 16; ++i) once.push_back(pool.make(4096));
  }
  EXPECT_EQ(pool.bytes_cached(), 64U * 1024);
  const uint8_t* first = pool.make(1024).data();
  EXPECT_EQ(pool.make(1024).data(), first) << "the smaller block found room in the cache";
  EXPECT_EQ(pool.bytes_cached(), 60U * 1024 + 1024);
}

TEST(BufferPool, TheHomeThreadGetsNextWhatItReleasedLast) {
  BufferPool pool;
  pool.enter_thread();
  Buffer cold = pool.make(1024);
  Buffer warm = pool.make(1024);
  const uint8_t* expected = warm.data();
  cold = Buffer();
  warm = Buffer();
  EXPECT_EQ(pool.make(1024).data(), expected);
  EXPECT_EQ(pool.make(1024).data(), expected);
  pool.leave_thread();
}

TEST(BufferPool, HugeBlocksAreNotKept) {
  BufferPool pool(size_t{1} << 30);
  {
    const Buffer huge = pool.make((size_t{1} << 24) + 1);
  }
  EXPECT_EQ(pool.bytes_cached(), 0U);
}

TEST(Buffer, AppendsAcrossGrowthAndShrinksBack) {
  BufferPool pool;
  Buffer buffer = pool.make(10);
  const auto bytes = counting(5000);
  for (size_t at = 0; at < bytes.size(); at += 100) buffer.append({bytes.data() + at, 100});
  EXPECT_TRUE(std::ranges::equal(buffer.bytes(), bytes));
  buffer.reserve(100000);
  EXPECT_GE(buffer.capacity(), 100000U);
  EXPECT_TRUE(std::ranges::equal(buffer.bytes(), bytes));
  buffer.shrink();
  EXPECT_LT(buffer.capacity(), 8000U);
  EXPECT_TRUE(std::ranges::equal(buffer.bytes(), bytes));
  buffer.append({});
  EXPECT_EQ(buffer.size(), 5000U);
}

TEST(Buffer, CopiesShareAndTheLastOneLetsGo) {
  BufferPool pool;
  Buffer first = pool.make(100);
  first.append(counting(100));
  Buffer second = first;
  EXPECT_FALSE(first.unique());
  EXPECT_EQ(first.data(), second.data());
  first = Buffer();
  EXPECT_FALSE(first);
  EXPECT_TRUE(second.unique());
  EXPECT_EQ(second.size(), 100U);
  Buffer third = std::move(second);
  EXPECT_FALSE(second);  // NOLINT(bugprone-use-after-move)
  third = Buffer();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(Buffer, OutlivesItsPool) {
  std::optional<BufferPool> pool(std::in_place);
  Buffer kept = pool->make(300);
  Buffer also_kept = pool->make(70000);
  kept.append(counting(300));
  {
    const Buffer cached = pool->make(5000);
  }
  pool.reset();
  EXPECT_TRUE(std::ranges::equal(kept.bytes(), counting(300)));
  Buffer copy = kept;
  kept = Buffer();
  EXPECT_TRUE(copy.unique());
  also_kept = Buffer();
  copy = Buffer();  // the leak checker sees whether the pool's core went with it
}

TEST(Buffer, HeapBuffersBelongToNoPool) {
  Buffer buffer = Buffer::make_heap(4);
  std::thread([&] { buffer.append(counting(1000)); }).join();
  EXPECT_TRUE(std::ranges::equal(buffer.bytes(), counting(1000)));
}

TEST(BufferPool, ManyThreadsReleaseWhileTheHomeThreadMakes) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 3000;
  std::optional<BufferPool> pool(std::in_place, size_t{1} << 20);
  std::vector<std::atomic<Buffer*>> mailboxes(kThreads);
  std::atomic<bool> done{false};
  std::atomic<uint64_t> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      while (true) {
        const bool last = done.load();
        Buffer* got = mailboxes[static_cast<size_t>(t)].exchange(nullptr);
        if (got) {
          if (got->size() != 8 || got->data()[0] != got->data()[7]) ++wrong;
          delete got;
        } else if (last) {
          return;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  for (int i = 0; i < kRounds; ++i) {
    Buffer buffer = pool->make(static_cast<size_t>(100 + i * 37 % 5000));
    const std::vector<uint8_t> fill(8, static_cast<uint8_t>(i));
    buffer.append(fill);
    for (auto& mailbox : mailboxes) {
      auto* given = new Buffer(buffer);
      while (Buffer* full = mailbox.load()) {
        (void)full;
        std::this_thread::yield();
      }
      mailbox.store(given);
    }
  }
  pool.reset();  // while others still hold blocks
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0U);
}

}  // namespace
}  // namespace vigie
