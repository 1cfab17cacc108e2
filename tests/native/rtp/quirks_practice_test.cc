// What is done with every device makes these harmless, and they leave no mark: F9, F11, G6 to G8, G12, G13, G16, G19.
#include <gtest/gtest.h>

#include "quirks_support.h"

namespace vigie::rtp {
namespace {

const Bytes kIdr = h264_nal(5, 50);

// A packet with CSRCs, a header extension and padding around its payload.
Bytes dressed(uint16_t sequence, uint32_t timestamp, bool marker, const Bytes& payload) {
  Bytes bytes = packet_bytes(sequence, timestamp, marker, {});
  bytes[0] = 0x80 | 0x20 | 0x10 | 2;
  bytes.insert(bytes.end(), {0, 0, 0, 7, 0, 0, 0, 8, 0xab, 0xac, 0, 1, 1, 2, 3, 4});
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.insert(bytes.end(), {0, 0, 3});
  return bytes;
}

TEST(QuirkF9, Practice) {
  QuirkReceiver camera(Codec::h264);
  camera.rx.push(dressed(1, 0, false, fu_a(kIdr, 1, 20, true, false)));
  camera.rx.push(dressed(2, 0, true, fu_a(kIdr, 20, 50, false, true)));
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_EQ(nals_of(*camera.rx.units[0]), std::vector<Bytes>{kIdr});
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkF11, Practice) {
  for (const size_t size : {size_t{10'000}, size_t{65'000}}) {
    QuirkReceiver camera(Codec::h264, {}, false);
    const Bytes nal = h264_nal(5, size);
    for (uint32_t n = 0; n < 4; ++n) camera.rx.send(n * 3600, true, nal);
    camera.rx.flush();
    ASSERT_EQ(camera.rx.units.size(), 4u);
    EXPECT_EQ(nals_of(*camera.rx.units[3]), std::vector<Bytes>{nal});
    EXPECT_EQ(seen(camera.quirks), Ids{});
  }
}

TEST(QuirkG6, Practice) {
  QuirkReceiver camera(Codec::h264);
  camera.rx.send(0, false, fu_a(kRealSps, 1, 10, true, false));
  camera.rx.send(0, false, fu_a(kRealSps, 10, kRealSps.size(), false, true));
  camera.rx.send(0, false, fu_a(kRealPps, 1, 3, true, false));
  camera.rx.send(0, false, fu_a(kRealPps, 3, kRealPps.size(), false, true));
  camera.rx.send(0, true, kIdr);
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_EQ(nals_of(*camera.rx.units[0]), (std::vector<Bytes>{kRealSps, kRealPps, kIdr}));
  EXPECT_TRUE(camera.rx.units[0]->parameter_sets->complete());
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkG7, Practice) {
  QuirkReceiver camera(Codec::h264);
  camera.rx.depacketizer->parameter_sets().seed(std::vector<Bytes>{kRealSps, kRealPps});
  camera.picture(true);
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_TRUE(camera.rx.units[0]->parameter_sets->complete());
  EXPECT_EQ(camera.rx.units[0]->parameter_sets->width, 1920u);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkG8, Practice) {
  QuirkReceiver camera(Codec::h264);
  camera.rx.send(0, false, kRealSps);  // and never a PPS
  camera.rx.send(0, true, kIdr);
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_EQ(camera.rx.units[0]->parameter_sets->width, 1920u);
  EXPECT_FALSE(camera.rx.units[0]->parameter_sets->complete());
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkG12, Practice) {
  QuirkReceiver camera(Codec::h265);
  for (uint32_t n = 0; n < 4; ++n) camera.rx.send(n * 3600, true, h265_nal(0, 40));
  camera.rx.flush();
  EXPECT_EQ(camera.rx.units.size(), 4u);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkG13, Practice) {
  QuirkReceiver camera(Codec::h264);
  for (uint32_t n = 0; n < 30; ++n, camera.rx.now_ms += 40) {
    Bytes nal = h264_nal(n == 0 ? 5 : 1, 30);
    nal[0] &= 0x1f;  // nal_ref_idc says that nobody refers to it, keyframe and all
    const uint32_t shown = n == 0 ? 0 : n % 3 == 1 ? n + 2 : n - 1;
    camera.rx.send(shown * 3600, true, nal);
  }
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 30u);
  for (uint32_t n = 1; n < 30; ++n) {
    const AccessUnit& unit = *camera.rx.units[n];
    EXPECT_EQ((unit.pts + unit.presentation_offset).count(), int64_t{unit.rtp_timestamp}) << n;
  }
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkG16, Practice) {
  QuirkReceiver camera(Codec::h264);
  const Bytes nal = h264_nal(5, 2'000'000);
  for (size_t at = 1; at < nal.size(); at += 1390) {
    const size_t end = std::min<size_t>(at + 1390, nal.size());
    camera.rx.send(0, end == nal.size(), fu_a(nal, at, end, at == 1, end == nal.size()));
  }
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 1u);
  EXPECT_EQ(nals_of(*camera.rx.units[0]), std::vector<Bytes>{nal});
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkG19, Practice) {
  QuirkReceiver camera(Codec::h264);
  const Bytes other = hex_bytes("6742c028d900780227e5c044000003000400000300c83c60c920");  // 1920x1080 as well
  for (uint32_t n = 0; n < 6; ++n) {
    for (const Bytes& nal : {n % 2 ? other : kRealSps, kRealPps}) camera.rx.send(n * 3600, false, nal);
    camera.rx.send(n * 3600, true, kIdr);
  }
  camera.rx.flush();
  ASSERT_EQ(camera.rx.units.size(), 6u);
  for (uint32_t n = 0; n < 6; ++n) {
    EXPECT_EQ(nals_of(*camera.rx.units[n])[0], n % 2 ? other : kRealSps) << n;
    EXPECT_EQ(camera.rx.units[n]->parameter_sets->sps.size(), 1u);
    EXPECT_EQ(camera.rx.units[n]->parameter_sets->width, 1920u);
  }
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

}  // namespace
}  // namespace vigie::rtp
