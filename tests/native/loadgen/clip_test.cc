// Clips: packing, header patching, files, generated units.
#include "loadgen/clip.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>

#include "loadgen/jpeg.h"
#include "loadgen/stamp.h"
#include "loadgen/udp_sender.h"

namespace vigie::loadgen {
namespace {

ByteSpan payload_of(const UnitTrain& train, size_t i) {
  return ByteSpan(train.bytes).subspan(train.packets[i].offset + 12, train.packets[i].size - 12);
}

// Puts the NAL units of a train together again (single packets and fragments only).
std::vector<std::vector<uint8_t>> nals_of(const UnitTrain& train, Codec codec) {
  const bool hevc = codec == Codec::h265;
  std::vector<std::vector<uint8_t>> nals;
  for (size_t i = 0; i < train.packets.size(); ++i) {
    const ByteSpan payload = payload_of(train, i);
    const uint8_t type = hevc ? h265_nal_type(payload[0]) : h264_nal_type(payload[0]);
    if (type != (hevc ? 49 : 28)) {
      nals.emplace_back(payload.begin(), payload.end());
      continue;
    }
    const uint8_t fu = payload[hevc ? 2 : 1];
    if (fu & 0x80) {
      if (hevc)
        nals.push_back({static_cast<uint8_t>((payload[0] & 0x81) | (fu & 0x3f) << 1), payload[1]});
      else
        nals.push_back({static_cast<uint8_t>((payload[0] & 0xe0) | (fu & 0x1f))});
    }
    nals.back().insert(nals.back().end(), payload.begin() + (hevc ? 3 : 2), payload.end());
  }
  return nals;
}

class TempFile {
 public:
  TempFile(const std::string& ending, const std::vector<uint8_t>& content)
      : path_(testing::TempDir() + "clip_test_" + std::to_string(::getpid()) + ending) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }
  ~TempFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(TrainBuilder, FragmentsComeTogetherAgain) {
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    for (const size_t size : {2u, 99u, 100u, 101u, 198u, 199u, 1000u}) {
      std::vector<uint8_t> nal(size + 1);
      std::iota(nal.begin(), nal.end(), static_cast<uint8_t>(1));
      nal[0] = codec == Codec::h265 ? 19 << 1 : 0x65;
      nal[1] = 1;
      TrainBuilder builder(codec, 100);
      builder.add_nal(nal);
      const UnitTrain train = builder.finish(true);
      for (size_t i = 0; i < train.packets.size(); ++i) EXPECT_LE(payload_of(train, i).size(), 100u);
      EXPECT_EQ(nals_of(train, codec), std::vector<std::vector<uint8_t>>{nal}) << size;
    }
  }
}

TEST(PatchHeaders, WritesOnlyItsRangeAndTheMarkerLast) {
  TrainBuilder builder(Codec::h264, 100);
  builder.add_nal(std::vector<uint8_t>(1000, 0x65));
  UnitTrain train = builder.finish(true);
  const size_t count = train.packets.size();
  ASSERT_GT(count, 3u);
  const std::vector<uint8_t> first_header(train.bytes.begin(), train.bytes.begin() + 16);
  PatchValues values;
  values.first_sequence = 65534;
  values.rtp_timestamp = 0xfffffff0;
  values.ssrc = 0x01020304;
  values.channel = 6;
  patch_headers(train, 1, count, values);
  EXPECT_TRUE(std::equal(first_header.begin(), first_header.end(), train.bytes.begin()));
  for (size_t i = 1; i < count; ++i) {
    const uint8_t* rtp = train.bytes.data() + train.packets[i].offset;
    EXPECT_EQ(rtp[-4], '$');
    EXPECT_EQ(rtp[-3], 6);
    EXPECT_EQ(load_be16(rtp - 2), train.packets[i].size);
    EXPECT_EQ(rtp[0], 0x80);
    EXPECT_EQ(rtp[1], i + 1 == count ? 0x80 | 96 : 96);
    EXPECT_EQ(load_be16(rtp + 2), static_cast<uint16_t>(65534 + i));
    EXPECT_EQ(load_be32(rtp + 4), 0xfffffff0u);
    EXPECT_EQ(load_be32(rtp + 8), 0x01020304u);
  }
}

TEST(Synthetic, HasTheAskedRateAndShape) {
  for (const Codec codec : {Codec::h264, Codec::h265, Codec::mjpeg}) {
    SyntheticOptions options;
    options.codec = codec;
    const Clip clip = make_synthetic_clip(options);
    ASSERT_EQ(clip.units.size(), 50u);
    EXPECT_EQ(clip.duration_ticks, 2 * 90000);
    double bytes = 0;
    for (size_t i = 0; i < clip.units.size(); ++i) {
      const UnitTrain& unit = clip.units[i];
      EXPECT_EQ(unit.keyframe, i == 0 || codec == Codec::mjpeg);
      EXPECT_GE(unit.stamp_offset, 0);
      EXPECT_GE(unit.trailer_offset, 0) << i;
      EXPECT_EQ(unit.dts_ticks, static_cast<int64_t>(i) * 3600);
      for (size_t p = 0; p < unit.packets.size(); ++p) bytes += static_cast<double>(payload_of(unit, p).size());
    }
    EXPECT_NEAR(bytes * 8 / 2, 4e6, 0.05 * 4e6) << codec_name(codec);
    if (codec != Codec::mjpeg) {
      EXPECT_NEAR(static_cast<double>(clip.units[0].bytes.size()), 4e6 / 8 / 25 * 50 / 54 * 5, 6000);
    }
  }
}

TEST(Synthetic, SliceDataNeverLooksLikeAStartCode) {
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    SyntheticOptions options;
    options.codec = codec;
    options.bits_per_second = 5e5;
    for (const UnitTrain& unit : make_synthetic_clip(options).units) {
      for (const auto& nal : nals_of(unit, codec)) {
        for (size_t i = 0; i + 2 < nal.size(); ++i) {
          ASSERT_FALSE(nal[i] == 0 && nal[i + 1] == 0 && nal[i + 2] <= 2) << "type " << int{nal[0]} << " at " << i;
        }
      }
    }
  }
}

TEST(LoadClip, CutsAnnexBIntoUnits) {
  const std::vector<uint8_t> stream{0, 0, 0, 1,    0x09, 0x10,                                               // AUD
                                    0, 0, 0, 1,    0x67, 0x42, 0x00, 0x1e, 0, 0,    1,    0x68, 0xce, 0x3c,  // SPS, PPS
                                    0, 0, 1, 0x65, 0x88, 0x11, 0,    0,    1, 0x65, 0x22, 0x33,  // IDR in two slices
                                    0, 0, 0, 1,    0x41, 0x9a, 0x44,  // the next picture, no AUD
                                    0, 0, 0, 1,    0x06, 0x05, 0x01, 0x80, 0, 0,    1,    0x41, 0x9b, 0x55,
                                    0};  // SEI and picture, trailing zero
  const TempFile file(".h264", stream);
  FileOptions options;
  options.stamp = false;
  options.fps = 50;
  Result<Clip> clip = load_clip(file.path(), options);
  ASSERT_TRUE(clip.ok());
  ASSERT_EQ(clip->units.size(), 3u);
  EXPECT_EQ(nals_of(clip->units[0], Codec::h264).size(), 5u);
  EXPECT_EQ(nals_of(clip->units[1], Codec::h264).size(), 1u);
  const auto third = nals_of(clip->units[2], Codec::h264);
  ASSERT_EQ(third.size(), 2u);
  EXPECT_EQ(third[1], (std::vector<uint8_t>{0x41, 0x9b, 0x55}));
  EXPECT_TRUE(clip->units[0].keyframe);
  EXPECT_FALSE(clip->units[1].keyframe);
  EXPECT_EQ(clip->sps, (std::vector<uint8_t>{0x67, 0x42, 0x00, 0x1e}));
  EXPECT_EQ(clip->units[2].pts_ticks, 3600);
  EXPECT_EQ(clip->duration_ticks, 5400);

  options.stamp = true;
  clip = load_clip(file.path(), options);
  ASSERT_TRUE(clip.ok());
  EXPECT_EQ(h264_nal_type(payload_of(clip->units[0], 0)[0]), h264::kAud);
  EXPECT_EQ(h264_nal_type(payload_of(clip->units[0], 1)[0]), h264::kSei);
  for (const UnitTrain& unit : clip->units) EXPECT_GE(unit.stamp_offset, 0);
}

TEST(LoadClip, TakesTimesFromAFileAndRefusesWrongOnes) {
  const std::vector<uint8_t> stream{0, 0, 0, 1, 0x65, 0x88, 0x11, 0, 0, 1, 0x41, 0x9a, 0x44};
  const TempFile file(".h264", stream);
  struct {
    const char* text;
    bool good;
  } rows[] = {{"7200 3600\n3600 7200\n", true}, {"0 0\n", false}, {"0 5\n0 5\n", false}, {"x", false}};
  for (const auto& row : rows) {
    const TempFile timing(".timing", std::vector<uint8_t>(row.text, row.text + std::strlen(row.text)));
    FileOptions options;
    options.timing = timing.path();
    const Result<Clip> clip = load_clip(file.path(), options);
    ASSERT_EQ(clip.ok(), row.good) << row.text;
    if (!row.good) continue;
    EXPECT_EQ(clip->units[0].pts_ticks, 3600);
    EXPECT_EQ(clip->units[0].dts_ticks, 0);
    EXPECT_EQ(clip->units[1].pts_ticks, 0);
    EXPECT_EQ(clip->duration_ticks, 3600 + 3600);
  }
}

TEST(LoadClip, SaysWhatIsWrong) {
  EXPECT_FALSE(load_clip("/nowhere/x.h264", {}).ok());
  EXPECT_FALSE(load_clip("/nowhere/x.avi", {}).ok());
  const TempFile empty(".h265", {});
  EXPECT_FALSE(load_clip(empty.path(), {}).ok());
  const TempFile cut(".mjpeg", {0xff, 0xd8, 0xff, 0xdb, 0x00});
  EXPECT_FALSE(load_clip(cut.path(), {}).ok());
}

TEST(Jpeg, CarriesTablesSizeAndScan) {
  std::vector<uint8_t> image{0xff, 0xd8, 0xff, 0xdb, 0, 132};
  for (uint8_t table = 0; table < 2; ++table) {
    image.push_back(table);
    for (uint8_t i = 0; i < 64; ++i) image.push_back(static_cast<uint8_t>(i + 100 * table));
  }
  const uint8_t rest[] = {0xff, 0xc0, 0,    17,   8, 0,  120, 0, 160, 3, 1,  0x22, 0,  2, 0x11, 1, 3,
                          0x11, 1,    0xff, 0xda, 0, 12, 3,   1, 0,   2, 17, 3,    17, 0, 63,   0};
  image.insert(image.end(), std::begin(rest), std::end(rest));
  const size_t scan_at = image.size();
  image.resize(image.size() + 1000, 0x5a);
  image.insert(image.end(), {0xff, 0xd9});
  std::vector<uint8_t> two = image;
  two.insert(two.end(), image.begin(), image.end());
  Clip clip;
  clip.codec = Codec::mjpeg;
  ASSERT_TRUE(add_jpeg_units(clip, two, 400).ok());
  ASSERT_EQ(clip.units.size(), 2u);
  const UnitTrain& unit = clip.units[1];
  const ByteSpan first = payload_of(unit, 0);
  EXPECT_EQ(first[4], 1);  // 4:2:0
  EXPECT_EQ(first[5], 255);
  EXPECT_EQ(first[6], 20);
  EXPECT_EQ(first[7], 15);
  EXPECT_EQ(load_be16(&first[10]), 128);
  EXPECT_EQ(first[12 + 64 + 1], 101);
  size_t scan = 0;
  for (size_t i = 0; i < unit.packets.size(); ++i) {
    const ByteSpan payload = payload_of(unit, i);
    EXPECT_EQ(size_t{payload[1]} << 16 | size_t{payload[2]} << 8 | payload[3], scan);
    scan += payload.size() - 8 - (i == 0 ? 132 : 0);
  }
  EXPECT_EQ(scan, image.size() - 2 - scan_at);
}

TEST(SegmentRun, KeepsTheKernelsRules) {
  UnitTrain train;
  const auto sizes = {1400u, 1400u, 1400u, 700u, 1400u, 300u, 1412u, 1400u};
  for (const uint32_t size : sizes) train.packets.push_back({0, size});
  std::vector<uint32_t> order(train.packets.size());
  std::iota(order.begin(), order.end(), 0u);
  std::vector<size_t> runs;
  for (size_t at = 0; at < order.size(); at += runs.back()) runs.push_back(segment_run(train, order, at));
  EXPECT_EQ(runs, (std::vector<size_t>{4, 2, 2}));
  train.packets.assign(200, {0, 1400});
  order = std::vector<uint32_t>(200);
  std::iota(order.begin(), order.end(), 0u);
  EXPECT_EQ(segment_run(train, order, 0), 46u);  // 65507 bytes
  train.packets.assign(200, {0, 100});
  EXPECT_EQ(segment_run(train, order, 0), 64u);
}

}  // namespace
}  // namespace vigie::loadgen
