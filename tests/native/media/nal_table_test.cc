// The NAL table is a vector, whether its entries are few or many.
#include "media/nal_table.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

namespace vigie {
namespace {

void expect_same(const NalTable& table, const std::vector<NalSpan>& like) {
  ASSERT_EQ(table.size(), like.size());
  EXPECT_EQ(table.empty(), like.empty());
  size_t index = 0;
  for (const NalSpan& span : table) {
    EXPECT_EQ(span.offset, like[index].offset);
    EXPECT_EQ(table[index].size, like[index].size);
    ++index;
  }
  EXPECT_EQ(index, like.size());
  if (!like.empty()) {
    EXPECT_EQ(table.back().offset, like.back().offset);
  }
}

TEST(NalTable, DoesWhatAVectorDoes) {
  std::mt19937 random(7);
  NalTable table;
  std::vector<NalSpan> like;
  size_t most = 0;
  for (uint32_t step = 0; step < 20'000; ++step) {
    const uint32_t choice = random() % 100;
    if (choice < 55) {
      table.push_back({step, step + 1});
      like.push_back({step, step + 1});
    } else if (choice < 96) {
      if (like.empty()) continue;
      table.pop_back();
      like.pop_back();
    } else if (choice == 96) {
      const size_t count = random() % (like.size() + 1);
      table.drop_front(count);
      like.erase(like.begin(), like.begin() + static_cast<ptrdiff_t>(count));
    } else if (choice == 97) {
      table.clear();
      like.clear();
    } else if (choice == 98) {
      const size_t count = random() % (like.size() + 1);
      const std::vector<NalSpan> head(like.begin(), like.begin() + static_cast<ptrdiff_t>(count));
      table.assign(head);
      like = head;
    } else {
      NalTable moved = std::move(table);
      table = moved;
      expect_same(moved, like);
    }
    most = std::max(most, like.size());
    expect_same(table, like);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(most, 2 * NalTable::kFew);
}

}  // namespace
}  // namespace vigie
