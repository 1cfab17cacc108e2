// A tape shows how a device speaks and nothing of what it sees.
#include "source/tape.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vigie::source {
namespace {

using Bytes = std::vector<uint8_t>;

// A picture's bytes, which must not be found again.
Bytes secret(size_t count) {
  Bytes out;
  for (size_t i = 0; i < count; ++i) out.push_back(static_cast<uint8_t>(0x30 + i % 64));
  return out;
}
Bytes operator+(Bytes head, const Bytes& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}
bool shows_picture(const Bytes& bytes) {
  const Bytes part = secret(24);
  return std::search(bytes.begin(), bytes.end(), part.begin() + 8, part.end()) != bytes.end();
}
Bytes blanked(Codec codec, Bytes payload) {
  blank_pictures(codec, payload);
  return payload;
}

TEST(Tape, SlicesKeepTheirBeginningAndNothingElse) {
  const Bytes nal = Bytes{0x65, 0x88, 0x84, 0x01, 0x02} + secret(100);
  const Bytes out = blanked(Codec::h264, nal);
  ASSERT_EQ(out.size(), nal.size());
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 5, nal.begin()));
  EXPECT_FALSE(shows_picture(out));
  EXPECT_FALSE(shows_picture(blanked(Codec::h265, Bytes{0x26, 0x01} + secret(100))));
}

TEST(Tape, ParameterSetsStay) {
  for (const uint8_t type : {0x67, 0x68}) {
    const Bytes set = Bytes{type} + secret(40);
    EXPECT_EQ(blanked(Codec::h264, set), set);
  }
  for (const uint8_t type : {0x40, 0x42, 0x44}) {
    const Bytes set = Bytes{type, 1} + secret(40);
    EXPECT_EQ(blanked(Codec::h265, set), set);
  }
  const Bytes fragment = Bytes{0x7c, 0x87} + secret(40);
  EXPECT_EQ(blanked(Codec::h264, fragment), fragment);
}

TEST(Tape, FragmentsKeepTheirHeads) {
  const Bytes first = blanked(Codec::h264, Bytes{0x7c, 0x85, 0x88} + secret(100));
  EXPECT_EQ(first[2], 0x88);
  EXPECT_FALSE(shows_picture(first));
  const Bytes later = blanked(Codec::h264, Bytes{0x7c, 0x05} + secret(100));
  EXPECT_EQ(later[1], 0x05);
  EXPECT_EQ(std::count(later.begin() + 2, later.end(), 0xaa), 100);
  const Bytes hevc = blanked(Codec::h265, Bytes{0x62, 0x01, 0x13} + secret(100));
  EXPECT_EQ(hevc[2], 0x13);
  EXPECT_EQ(std::count(hevc.begin() + 3, hevc.end(), 0xaa), 100);
}

TEST(Tape, AggregatesAndStartCodesAreWalked) {
  const Bytes sps = Bytes{0x67} + secret(9);
  const Bytes slice = Bytes{0x65, 0x88, 1, 2, 3} + secret(60);
  const Bytes stap = Bytes{0x78, 0, 10} + sps + Bytes{0, 65} + slice;
  const Bytes out = blanked(Codec::h264, stap);
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 18, stap.begin())) << "SPS, lengths and the slice's beginning";
  EXPECT_FALSE(shows_picture(out));
  const Bytes annexb = blanked(Codec::h264, sps + Bytes{0, 0, 1} + slice);
  EXPECT_TRUE(std::equal(sps.begin(), sps.end(), annexb.begin()));
  EXPECT_EQ(annexb[sps.size() + 3], 0x65);
  EXPECT_FALSE(shows_picture(annexb));
  EXPECT_FALSE(shows_picture(blanked(Codec::h264, Bytes{0x78, 0xff, 0xff} + slice))) << "a length beyond the end";
}

TEST(Tape, JpegKeepsItsTables) {
  const Bytes head = {0, 0, 0, 0, 1, 255, 40, 30, 0, 0, 0, 128};
  const Bytes first = blanked(Codec::mjpeg, head + Bytes(132, 7) + secret(200));
  EXPECT_EQ(first[20], 7);
  EXPECT_FALSE(shows_picture(first));
  EXPECT_FALSE(shows_picture(blanked(Codec::mjpeg, Bytes{0, 0, 5, 0, 1, 255, 40, 30} + secret(200))));
  EXPECT_FALSE(shows_picture(blanked(Codec::mjpeg, Bytes{0, 0, 0, 0, 1, 50, 40, 30} + secret(200)))) << "no tables";
  EXPECT_FALSE(shows_picture(blanked(Codec::mjpeg, Bytes{0, 0, 0, 0, 65, 50, 40, 30, 0, 8, 0xff, 0xff} + secret(200))));
}

TEST(Tape, KeepsHeadersTimesAndItsLimit) {
  Tape tape(150);
  tape.set_codec(Codec::h264);
  const Bytes header = {0x80, 0xe0, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4};
  const MonoTime start{5s};
  tape.add(false, header + Bytes{0x41, 1, 2, 3, 4} + secret(50), start);
  const Bytes report = {0x81, 201, 0, 1, 9, 9, 9, 9};
  tape.add(true, report, start + 40ms);
  tape.add(false, header + secret(100), start + 80ms);
  ASSERT_EQ(tape.packets().size(), 2U) << "the third would not fit";
  EXPECT_TRUE(std::equal(header.begin(), header.end(), tape.packets()[0].bytes.begin()));
  EXPECT_FALSE(shows_picture(tape.packets()[0].bytes));
  EXPECT_EQ(tape.packets()[1].bytes, report);
  EXPECT_EQ(tape.packets()[1].kind, TapedKind::rtcp);
  EXPECT_EQ(tape.packets()[1].since_start, 40ms);
}

TEST(Tape, WhatIsNoPacketShowsNothingEither) {
  Tape tape(1000);
  tape.add(false, Bytes{0x11, 0x22} + secret(60), MonoTime{});
  ASSERT_EQ(tape.packets().size(), 1U);
  EXPECT_FALSE(shows_picture(tape.packets()[0].bytes));
}

TEST(Tape, OfFramingOnlyLengthsAreKept) {
  Tape tape(100);
  tape.add_line_ends(2, MonoTime{1s}, false);
  tape.add_garbage(24, MonoTime{1s} + 1ms, true);
  tape.add_stray(200, 60, MonoTime{1s} + 2ms, false);
  tape.add_garbage(15, MonoTime{1s} + 3ms, false);
  ASSERT_EQ(tape.packets().size(), 3U) << "the last would not fit";
  const TapedKind kinds[] = {TapedKind::line_ends, TapedKind::garbage, TapedKind::stray};
  const size_t sizes[] = {2, 24, 60};
  for (size_t i = 0; i < 3; ++i) {
    const TapedPacket& packet = tape.packets()[i];
    EXPECT_EQ(packet.kind, kinds[i]);
    EXPECT_EQ(packet.bytes, Bytes(sizes[i], 0xaa));
    EXPECT_EQ(packet.since_start, 1ms * static_cast<int>(i));
    EXPECT_EQ(packet.early, i == 1);
  }
  EXPECT_EQ(tape.packets()[2].channel, 200);
}

}  // namespace
}  // namespace vigie::source
