#include "base/start_code.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/rbsp.h"

namespace vigie {
namespace {

using Bytes = std::vector<uint8_t>;

size_t naive_start_code(const Bytes& bytes, size_t from) {
  for (size_t i = from; i + 3 <= bytes.size(); ++i) {
    if (bytes[i] == 0 && bytes[i + 1] == 0 && bytes[i + 2] == 1) return i;
  }
  return bytes.size();
}

TEST(StartCode, SearchAgreesWithTheNaiveOne) {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes(random() % 60);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 3 == 0 ? random() % 3 : 0);
    for (size_t from = 0; from <= bytes.size(); ++from) {
      ASSERT_EQ(find_start_code(bytes, from), naive_start_code(bytes, from));
    }
  }
}

TEST(StartCode, WalksMixedStartCodes) {
  const Bytes stream{9, 0, 0, 1, 0x67, 1, 0, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0, 0, 1, 0x65, 0, 0};
  NalWalker walker(stream);
  std::vector<Bytes> nals;
  for (ByteSpan nal; walker.next(nal);) nals.emplace_back(nal.begin(), nal.end());
  EXPECT_EQ(nals, (std::vector<Bytes>{{0x67, 1}, {0x68, 2}, {0x65}}));
}

TEST(Rbsp, TakesEmulationPreventionOutAndNoMoreThanItsBound) {
  const Bytes nal{0x67, 0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3, 0, 3, 9};
  const Rbsp rbsp(nal, 1);
  EXPECT_EQ(Bytes(rbsp.bytes().begin(), rbsp.bytes().end()), (Bytes{0, 0, 1, 3, 0, 0, 0, 0, 0, 3, 9}));
  EXPECT_EQ(Rbsp(Bytes(5000, 7), 2).bytes().size(), Rbsp::kMaxBytes);
  EXPECT_TRUE(Rbsp(Bytes{0x67}, 2).bytes().empty());
}

}  // namespace
}  // namespace vigie
