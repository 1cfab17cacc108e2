#include "rtp/train.h"

#include <gtest/gtest.h>

#include "rtp_support.h"

namespace vigie::rtp {
namespace {

TEST(Train, Layout) {
  BufferPool pool;
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    const auto unit = unit_of(codec, {nal_of(codec, true, 30), nal_of(codec, true, 5000, false)}, pool);
    auto train = build_train(*unit, {97, 0xcafe, 65534, 1234, 1000, false}, pool);
    ASSERT_TRUE(train.ok());
    ASSERT_EQ(train->packet_count(), 7u);
    EXPECT_EQ(train->next_sequence(), 5);
    size_t at = 0;
    uint64_t octets = 0;
    for (uint32_t i = 0; i < train->packet_count(); ++i) {
      EXPECT_EQ(train->frame_offset(i), at);
      const ByteSpan frame = train->framed_packet(i);
      EXPECT_EQ(frame[0], '$');
      EXPECT_EQ(frame[1], 0);
      EXPECT_EQ(load_be16(&frame[2]), frame.size() - 4);
      PacketView view;
      ASSERT_EQ(try_parse_packet(train->packet(i), view), PacketFault::none);
      EXPECT_EQ(view.sequence, static_cast<uint16_t>(65534 + i));
      EXPECT_EQ(view.timestamp, 1234u);
      EXPECT_EQ(view.ssrc, 0xcafeu);
      EXPECT_EQ(view.payload_type, 97);
      EXPECT_EQ(view.marker, i == 6);
      EXPECT_LE(train->packet(i).size(), 1000u);
      if (i >= 2 && i < 6) {  // fragments are equal
        EXPECT_EQ(train->packet(i).size(), train->packet(1).size());
      }
      octets += view.payload.size();
      at += frame.size();
    }
    EXPECT_EQ(train->framed().size(), at);
    EXPECT_EQ(train->payload_octets(), octets);
    for (uint32_t offset = 0; offset < at; offset += 7) {
      const uint32_t i = train->packet_at(offset);
      EXPECT_LE(train->frame_offset(i), offset);
      EXPECT_GT(train->frame_offset(i + 1), offset);
    }
    EXPECT_EQ(train->equal_run(0), 1u);  // a larger one follows
    EXPECT_EQ(train->equal_run(1), 6u);
    EXPECT_EQ(train->equal_run(1, 3), 3u);
  }
}

TEST(Train, EqualRunsFitOneDatagramSend) {
  BufferPool pool;
  const auto unit = unit_of(Codec::h264, {h264_nal(5, 300'000)}, pool);
  auto train = build_train(*unit, {}, pool);
  ASSERT_TRUE(train.ok());
  for (uint32_t i = 0; i < train->packet_count();) {
    const uint32_t run = train->equal_run(i);
    ASSERT_GE(run, 1u);
    ASSERT_LE(run, 64u);
    size_t bytes = 0;
    for (uint32_t k = i; k < i + run; ++k) bytes += train->packet(k).size();
    ASSERT_LE(bytes, 65507u);
    i += run;
  }
}

TEST(Train, PrivateHeaders) {
  BufferPool pool;
  const auto unit = unit_of(Codec::h264, {h264_nal(5, 5000)}, pool);
  auto train = build_train(*unit, {96, 1, 10, 20, 1400, false}, pool);
  const PrivateNumbers numbers{6, 0xabcdef01, 65535, 777};
  for (uint32_t i = 0; i < train->packet_count(); ++i) {
    uint8_t header[kPrivateHeaderBytes];
    write_private_header(*train, i, numbers, header);
    EXPECT_EQ(header[0], '$');
    EXPECT_EQ(header[1], 6);
    EXPECT_EQ(load_be16(header + 2), train->packet(i).size());
    PacketView view;
    ASSERT_EQ(try_parse_packet({header + 4, kHeaderBytes}, view), PacketFault::none);
    EXPECT_EQ(view.sequence, static_cast<uint16_t>(65535 + i));
    EXPECT_EQ(view.timestamp, 777u);
    EXPECT_EQ(view.ssrc, 0xabcdef01u);
    EXPECT_EQ(view.payload_type, 96);
    EXPECT_EQ(view.marker, train->marker(i));
  }
  EXPECT_EQ(load_be16(train->framed().data() + 6), 10);  // the shared bytes are untouched
}

TEST(Train, AggregatesOnlyWhenAsked) {
  BufferPool pool;
  const auto unit = unit_of(Codec::h264, {h264_nal(9, 2), h264_nal(7, 20), h264_nal(8, 5), h264_nal(5, 100)}, pool);
  TrainParams params;
  EXPECT_EQ(*plan(*unit, params), 4u);
  params.aggregate = true;
  EXPECT_EQ(*plan(*unit, params), 2u);
}

TEST(Train, Errors) {
  BufferPool pool;
  AccessUnit empty;
  EXPECT_EQ(plan(empty, {}).error().code, Code::payload_malformed);
  EXPECT_EQ(build_train(empty, {}, pool).error().code, Code::payload_malformed);
  TrainParams tiny;
  tiny.max_packet_bytes = 64;
  const auto unit = unit_of(Codec::h264, {h264_nal(5, 3'000'000)}, pool);
  EXPECT_EQ(plan(*unit, tiny).error().code, Code::unit_too_large);
}

}  // namespace
}  // namespace vigie::rtp
