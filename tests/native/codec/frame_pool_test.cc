#include "codec/frame_pool.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vigie::codec {
namespace {

FrameFormat size(uint32_t width, uint32_t height) {
  FrameFormat format;
  format.width = width;
  format.height = height;
  return format;
}

TEST(FramePool, RowsAreAlignedAndPlanesApart) {
  FramePool pool(1 << 20);
  for (const auto& [width, height] : {std::pair{1920U, 1080U}, {322U, 182U}, {2U, 2U}, {62U, 4U}}) {
    const Ref<Frame> frame = pool.make(size(width, height));
    EXPECT_TRUE(frame->unique() && frame->memory.unique());
    const uint8_t* end = frame->memory.data();
    for (size_t plane = 0; plane < 3; ++plane) {
      for (uint32_t y = 0; y < frame->plane_height(plane); ++y) {
        const uint8_t* row = frame->mutable_row(plane, y);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(row) % 32, 0U);
        EXPECT_GE(row, end);
        end = row + frame->plane_width(plane);
      }
    }
    EXPECT_LE(end, frame->memory.data() + frame->memory.size());
  }
}

TEST(FramePool, KnowsWhatAFrameCanBe) {
  for (const auto& [width, height, can] : {std::tuple{2U, 2U, true},
                                           {16384U, 16384U, true},
                                           {0U, 2U, false},
                                           {3U, 2U, false},
                                           {2U, 5U, false},
                                           {16386U, 2U, false}}) {
    EXPECT_EQ(is_frame_format(size(width, height)), can) << width << "x" << height;
  }
}

TEST(FramePool, GivesTheSameMemoryAgainWithoutGrowing) {
  FramePool pool(size_t{16} << 20);
  const uint8_t* first = pool.make(size(1920, 1080))->memory.data();
  const size_t cached = pool.bytes_cached();
  EXPECT_GE(cached, size_t{1920} * 1080 * 3 / 2);
  for (int i = 0; i < 100; ++i) {
    const Ref<Frame> frame = pool.make(size(1920, 1080));
    EXPECT_EQ(frame->memory.data(), first);
    EXPECT_EQ(pool.bytes_cached(), 0U);
  }
  EXPECT_EQ(pool.bytes_cached(), cached);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(FramePool, KeepsNoMoreThanItsLimit) {
  FramePool pool(size_t{7} << 20);
  std::vector<Ref<Frame>> frames;
  for (int i = 0; i < 10; ++i) frames.push_back(pool.make(size(1920, 1080)));
  frames.clear();
  EXPECT_GT(pool.bytes_cached(), size_t{3} << 20);
  EXPECT_LE(pool.bytes_cached(), size_t{7} << 20);
}

TEST(FramePool, FramesOutliveItAndGoOnAnyThread) {
  auto pool = std::make_unique<FramePool>(size_t{8} << 20);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&pool, i] {
      for (int round = 0; round < 200; ++round) {
        const Ref<Frame> frame = pool->make(size(320, 180));
        frame->mutable_row(2, 89)[159] = static_cast<uint8_t>(i);
        std::thread([frame] {}).join();
        ASSERT_EQ(frame->row(2, 89)[159], i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(pool->bytes_cached(), size_t{8} * 320 * 180 * 3 / 2);
  const Ref<Frame> last = pool->make(size(320, 180));
  pool.reset();
  last->mutable_row(0, 179)[319] = 1;
  EXPECT_EQ(last->row(0, 179)[319], 1);
}

}  // namespace
}  // namespace vigie::codec
