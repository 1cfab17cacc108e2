// The codes are codes, the fast writer writes what the slow one does, and both kinds of lanes count alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/bit_writer.h"
#include "codec/h264_writer/bit_packer.h"
#include "codec/h264_writer/cavlc.h"
#include "codec/h264_writer/cavlc_tables.h"
#include "codec/h264_writer/prediction.h"
#include "codec/h264_writer/transform.h"

namespace vigie::codec::h264_writer {
namespace {

template <class Codes>
void collect(const Codes& codes, std::vector<std::string>& texts) {
  for (const Code& code : codes) {
    if (code.length == 0) continue;
    std::string text;
    for (unsigned bit = code.length; bit-- > 0;) text += (code.value >> bit & 1) != 0 ? '1' : '0';
    texts.push_back(text);
  }
}

void expect_decodable(std::vector<std::string> texts, size_t count) {
  EXPECT_EQ(texts.size(), count);
  std::sort(texts.begin(), texts.end());
  double sum = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    sum += std::exp2(-static_cast<double>(texts[i].size()));
    if (i == 0) continue;
    EXPECT_NE(texts[i].rfind(texts[i - 1], 0), 0U) << texts[i - 1] << " begins " << texts[i];
  }
  EXPECT_LE(sum, 1);
}

TEST(CavlcTables, NoCodeBeginsAnother) {
  for (const CoeffTokens& tokens : kCoeffTokens) {
    std::vector<std::string> texts;
    for (const auto& codes : tokens) collect(codes, texts);
    expect_decodable(texts, 62);
  }
  std::vector<std::string> chroma;
  for (const auto& codes : kChromaDcTokens) collect(codes, chroma);
  expect_decodable(chroma, 14);
  for (size_t total = 1; total <= 15; ++total) {
    std::vector<std::string> texts;
    collect(kTotalZeros[total - 1], texts);
    expect_decodable(texts, 17 - total);
  }
  for (size_t total = 1; total <= 3; ++total) {
    std::vector<std::string> texts;
    collect(kChromaDcTotalZeros[total - 1], texts);
    expect_decodable(texts, 5 - total);
  }
  for (size_t zeros = 1; zeros <= 7; ++zeros) {
    std::vector<std::string> texts;
    collect(kRunBefore[zeros - 1], texts);
    expect_decodable(texts, zeros < 7 ? zeros + 1 : 15);
  }
}

TEST(BitPacker, WritesWhatBitWriterDoes) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    BitPacker fast;
    BitWriter slow;
    for (int i = 0; i < 400; ++i) {
      fast.reserve(16);
      const auto count = static_cast<unsigned>(random() % 33);
      const auto value = static_cast<uint32_t>(random() & ((uint64_t{1} << count) - 1));
      if (random() % 2 == 0) {
        fast.bits(value, count);
        slow.bits(value, count);
      } else {
        fast.ue(value >> (count > 0 ? 1 : 0));
        slow.ue(value >> (count > 0 ? 1 : 0));
      }
      if (random() % 8 != 0) continue;
      const BitPacker::Mark mark = fast.mark();
      const size_t bits = fast.bit_count();
      for (int more = 0; more < 3; ++more) fast.bits(static_cast<uint32_t>(random()), 32);
      fast.back_to(mark);
      EXPECT_EQ(fast.bit_count(), bits);
    }
    slow.trailing();
    fast.reserve(16);
    std::vector<uint8_t> escaped;
    append_escaped(fast.finish(), escaped);
    EXPECT_EQ(escaped, slow.nal({}));
  }
}

// 9.2: a block with nothing but three trailing ones, coded by hand from the tables.
TEST(Cavlc, ABlockByHand) {
  std::array<int16_t, 16> levels{};
  levels[0] = 1;   // scan 0
  levels[4] = -1;  // row 0, column 1: scan 1
  levels[2] = 1;   // row 2, column 0: scan 3
  BitPacker packer;
  packer.reserve(64);
  EXPECT_EQ(write_block(packer, scan(levels.data(), nonzero_bits(levels.data()), 0), 0, 16), 3U);
  // coeff_token 00011, signs 0 1 0 from the last, total_zeros 1 of 3 coefficients: 111, run_before 1 of 1: 0.
  BitWriter expected;
  expected.bits(3, 5).bits(2, 3).bits(7, 3).bits(0, 1).trailing();
  std::vector<uint8_t> escaped;
  append_escaped(packer.finish(), escaped);
  EXPECT_EQ(escaped, expected.nal({}));
}

#if defined(__SSE2__)
TEST(Lanes, BothKindsCountAlike) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::array<uint8_t, 64> source, prediction;
    const uint32_t spread = 1U << (random() % 9);
    for (uint8_t& v : prediction) v = static_cast<uint8_t>(random());
    for (size_t i = 0; i < 64; ++i) {
      source[i] = static_cast<uint8_t>(
          std::clamp<int>(prediction[i] + static_cast<int>(random() % spread) - static_cast<int>(spread / 2), 0, 255));
    }
    const Quantiser quantiser(12 + static_cast<int>(random() % 40));
    const bool apart = random() % 2 == 0;
    std::array<int16_t, 32> plain{}, sse{};
    std::array<int, 2> plain_dc{}, sse_dc{};
    const bool any = to_levels<PlainLanes>({source.data(), 16}, {prediction.data(), 16}, quantiser, plain.data(),
                                           apart ? plain_dc.data() : nullptr);
    EXPECT_EQ(any, to_levels<SseLanes>({source.data(), 16}, {prediction.data(), 16}, quantiser, sse.data(),
                                       apart ? sse_dc.data() : nullptr));
    EXPECT_EQ(plain, sse);
    EXPECT_EQ(plain_dc, sse_dc);
    EXPECT_EQ(PlainLanes::nonzero(PlainLanes::of(plain.data()), PlainLanes::of(plain.data() + 8)),
              nonzero_bits(sse.data()));
    std::array<uint8_t, 32> from_plain, from_sse;
    reconstruct<PlainLanes>({prediction.data(), 16}, plain.data(), quantiser, apart ? plain_dc.data() : nullptr,
                            from_plain.data(), 8);
    reconstruct<SseLanes>({prediction.data(), 16}, sse.data(), quantiser, apart ? sse_dc.data() : nullptr,
                          from_sse.data(), 8);
    EXPECT_EQ(from_plain, from_sse);
  }
}
#endif

TEST(Difference, IsTheSumAndTheWorstQuarter) {
  std::mt19937 random(1);
  std::array<uint8_t, 512> a, b;
  for (int round = 0; round < 100; ++round) {
    for (size_t i = 0; i < 512; ++i) a[i] = static_cast<uint8_t>(random()), b[i] = static_cast<uint8_t>(random());
    std::array<uint32_t, 4> quarters{};
    for (size_t y = 0; y < 16; ++y) {
      for (size_t x = 0; x < 16; ++x) {
        quarters[y / 8 * 2 + x / 8] += static_cast<uint32_t>(std::abs(a[y * 32 + x + 3] - b[y * 24 + x + 1]));
      }
    }
    const Difference off = difference_16x16({a.data() + 3, 32}, {b.data() + 1, 24});
    EXPECT_EQ(off.sum, quarters[0] + quarters[1] + quarters[2] + quarters[3]);
    EXPECT_EQ(off.worst, *std::max_element(quarters.begin(), quarters.end()));
    EXPECT_EQ(difference_8x8({a.data() + 3, 32}, {b.data() + 1, 24}), quarters[0]);
    for (const size_t side : {size_t{8}, size_t{16}}) {
      int farthest = 0;
      for (size_t y = 0; y < side; ++y) {
        for (size_t x = 0; x < side; ++x)
          farthest = std::max(farthest, std::abs(a[y * 32 + x + 3] - b[y * 24 + x + 1]));
      }
      EXPECT_FALSE(any_far({a.data() + 3, 32}, {b.data() + 1, 24}, side, static_cast<uint8_t>(farthest)));
      EXPECT_TRUE(any_far({a.data() + 3, 32}, {b.data() + 1, 24}, side, static_cast<uint8_t>(farthest - 1)));
    }
  }
}

}  // namespace
}  // namespace vigie::codec::h264_writer
