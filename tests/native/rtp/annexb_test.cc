#include "rtp/annexb.h"

#include <gtest/gtest.h>

#include <random>

#include "rtp_support.h"

namespace vigie::rtp {
namespace {

class Split : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(Codecs, Split, testing::Values(Codec::h264, Codec::h265),
                         [](const auto& row) { return std::string(codec_name(row.param)); });

// A stream in pieces of every size gives the same units as it was made of.
TEST_P(Split, UnitsFromPieces) {
  const Codec codec = GetParam();
  std::vector<std::vector<Bytes>> units;
  Bytes stream{7, 7};  // rubbish first
  for (uint32_t n = 0; n < 12; ++n) {
    std::vector<Bytes> unit;
    if (n % 3 == 0) unit.push_back(codec == Codec::h265 ? h265_nal(35, 3) : h264_nal(9, 2));
    if (n % 6 == 0) {
      unit.push_back(codec == Codec::h265 ? h265_nal(33, 20) : h264_nal(7, 20));
      unit.push_back(codec == Codec::h265 ? h265_nal(34, 6) : h264_nal(8, 6));
    }
    for (uint32_t slice = 0; slice <= n % 4; ++slice) unit.push_back(nal_of(codec, n % 6 == 0, 40 + n, slice == 0, n));
    if (codec == Codec::h265 && n % 2) unit.push_back(h265_nal(40, 9));
    for (size_t i = 0; i < unit.size(); ++i) {
      if (i % 2 == 0) stream.push_back(0);
      stream.insert(stream.end(), {0, 0, 1});
      stream.insert(stream.end(), unit[i].begin(), unit[i].end());
    }
    units.push_back(unit);
  }
  for (const size_t piece : {1, 2, 3, 5, 17, 100, 100000}) {
    AnnexbSplitter splitter(codec);
    BufferPool pool;
    ParameterSetTracker tracker(codec);
    std::vector<std::vector<Bytes>> got;
    const auto drain = [&] {
      for (ByteSpan bytes; splitter.pop(bytes);) {
        auto unit = make_access_unit(codec, bytes, {}, tracker, pool);
        ASSERT_TRUE(unit.ok());
        expect_layout(**unit);
        got.push_back(nals_of(**unit));
      }
    };
    for (size_t at = 0; at < stream.size(); at += piece) {
      splitter.push(ByteSpan(stream).subspan(at, std::min(piece, stream.size() - at)));
      drain();
    }
    splitter.finish();
    drain();
    EXPECT_EQ(got, units) << piece;
    EXPECT_EQ(splitter.dropped_bytes(), 2u);
  }
}

TEST(Annexb, SplitterIsBounded) {
  AnnexbSplitter splitter(Codec::h264, 10'000);
  Bytes big{0, 0, 1};
  const Bytes slice = h264_nal(1, 50'000);
  big.insert(big.end(), slice.begin(), slice.end());
  ByteSpan unit;
  splitter.push(big);
  EXPECT_FALSE(splitter.pop(unit));
  Bytes good;
  for (int i = 0; i < 3; ++i) {
    const Bytes nal = h264_nal(1, 40);
    good.insert(good.end(), {0, 0, 0, 1});
    good.insert(good.end(), nal.begin(), nal.end());
  }
  splitter.push(good);
  splitter.finish();
  size_t units = 0;
  while (splitter.pop(unit)) ++units;
  EXPECT_EQ(units, 3u);
  EXPECT_GE(splitter.dropped_bytes(), 50'000u);
}

TEST(MakeAccessUnit, FromLengthPrefixes) {
  BufferPool pool;
  ParameterSetTracker tracker(Codec::h264);
  const Bytes sps = h264_nal(7, 20), idr = h264_nal(5, 300);
  for (const size_t size : {2, 4}) {
    Bytes bytes;
    for (const Bytes& nal : {sps, idr}) {
      if (size == 4) bytes.insert(bytes.end(), {0, 0});
      bytes.push_back(static_cast<uint8_t>(nal.size() >> 8));
      bytes.push_back(static_cast<uint8_t>(nal.size()));
      bytes.insert(bytes.end(), nal.begin(), nal.end());
    }
    auto unit = make_access_unit_length_prefixed(Codec::h264, bytes, size, {}, tracker, pool);
    ASSERT_TRUE(unit.ok());
    expect_layout(**unit);
    EXPECT_EQ(nals_of(**unit), (std::vector<Bytes>{sps, idr}));
    EXPECT_TRUE((*unit)->keyframe);
    bytes.pop_back();
    EXPECT_FALSE(make_access_unit_length_prefixed(Codec::h264, bytes, size, {}, tracker, pool).ok());
  }
  EXPECT_FALSE(make_access_unit_length_prefixed(Codec::h264, idr, 3, {}, tracker, pool).ok());
}

TEST(MakeAccessUnit, Refusals) {
  BufferPool pool;
  ParameterSetTracker tracker(Codec::h264);
  EXPECT_EQ(make_access_unit(Codec::h264, ByteSpan{}, {}, tracker, pool).error().code, Code::payload_malformed);
  const Bytes rubbish(100, 7);
  EXPECT_FALSE(make_access_unit(Codec::h264, rubbish, {}, tracker, pool).ok());
  EXPECT_FALSE(make_access_unit(Codec::mjpeg, rubbish, {}, tracker, pool).ok());
  Bytes many;
  for (uint32_t i = 0; i <= kMaxUnitNals; ++i) many.insert(many.end(), {0, 0, 1, 0x61, 0x88});
  EXPECT_EQ(make_access_unit(Codec::h264, many, {}, tracker, pool).error().code, Code::unit_too_large);
}

}  // namespace
}  // namespace vigie::rtp
