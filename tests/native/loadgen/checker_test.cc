// What a viewer makes of perfect, lossy, reordered and lying streams.
#include <gtest/gtest.h>

#include <functional>

#include "loadgen/clip.h"
#include "loadgen/unit_checker.h"

namespace vigie::loadgen {
namespace {

using Packet = std::vector<uint8_t>;

constexpr int64_t kStart = 1'000'000'000'000;
constexpr int64_t kFrame = 40'000'000;

// `units` units of one camera, as packets.
std::vector<Packet> stream(Codec codec, size_t units, uint32_t camera = 4, uint16_t sequence = 65500,
                           uint32_t timestamp = 0xffff0000) {
  SyntheticOptions options;
  options.codec = codec;
  options.gop = 10;
  options.bits_per_second = 1e6;
  Clip clip = make_synthetic_clip(options);
  std::vector<Packet> packets;
  for (size_t i = 0; i < units; ++i) {
    UnitTrain& train = clip.units[i % clip.units.size()];
    const int64_t sent = kStart + static_cast<int64_t>(i) * kFrame;
    write_stamp(train.bytes.data() + train.stamp_offset, {camera, i + 1, sent, sent + 1});
    write_trailer(train.bytes.data() + train.trailer_offset, {i + 1, sent + 2'000'000});
    PatchValues values{sequence, timestamp, 77, 0, 96, true};
    patch_headers(train, 0, train.packets.size(), values);
    for (const PacketSpan packet : train.packets) {
      packets.emplace_back(train.bytes.begin() + packet.offset, train.bytes.begin() + packet.offset + packet.size);
    }
    sequence = static_cast<uint16_t>(sequence + train.packets.size());
    timestamp += 3600;
  }
  return packets;
}

// Every packet arrives 3 ms after its unit was begun (1 ms after its trailer says it left).
void feed(UnitChecker& checker, const std::vector<Packet>& packets) {
  uint32_t first = 0;
  bool have_first = false;
  for (const Packet& packet : packets) {
    const uint32_t timestamp = load_be32(&packet[4]);
    if (!have_first) first = timestamp, have_first = true;
    const int64_t unit = static_cast<int32_t>(timestamp - first) / 3600;
    checker.on_packet(packet, kStart + unit * kFrame + 3'000'000);
  }
}

TEST(UnitChecker, APerfectStreamHasNoFault) {
  for (const Codec codec : {Codec::h264, Codec::h265, Codec::mjpeg}) {
    LatencyHistogram latency;
    UnitChecker checker(codec, 4, 0, &latency);
    const auto packets = stream(codec, 200);
    feed(checker, packets);
    const CheckCounts& counts = checker.counts();
    EXPECT_EQ(counts.packets, packets.size());
    EXPECT_EQ(counts.units, 200u);
    EXPECT_EQ(counts.stamped_units, 200u);
    EXPECT_EQ(counts.keyframes, codec == Codec::mjpeg ? 200u : 20u);
    EXPECT_EQ(counts.lost_packets + counts.reordered_packets + counts.repeated_packets + counts.damaged_units +
                  counts.missing_units + counts.repeated_units + counts.out_of_order_units + counts.wrong_camera_units +
                  counts.timestamps_not_following + counts.units_without_marker,
              0u);
    EXPECT_TRUE(checker.began_with_keyframe());
    // The trailer's time counts, not the stamp's plan.
    EXPECT_EQ(latency.count(), 200u);
    EXPECT_EQ(latency.min(), 1'000'000);
    EXPECT_EQ(latency.max(), 1'000'000);
    // A player that shows by timestamp stays 3 ms behind.
    EXPECT_EQ(checker.live_edge_lag_ns(), 3'000'000);
  }
}

TEST(UnitChecker, CountsEveryFault) {
  struct Row {
    const char* name;
    std::function<void(std::vector<Packet>&)> change;
    uint64_t CheckCounts::* field;
    uint64_t expected;
  };
  const auto unit_of = [](const std::vector<Packet>& packets, size_t unit) {
    std::pair<size_t, size_t> range{SIZE_MAX, 0};
    for (size_t i = 0; i < packets.size(); ++i) {
      if (load_be32(&packets[i][4]) != static_cast<uint32_t>(0xffff0000 + 3600 * unit)) continue;
      range.first = std::min(range.first, i);
      range.second = i + 1;
    }
    return range;
  };
  const auto erase_unit = [&](std::vector<Packet>& packets, size_t unit) {
    const auto [from, to] = unit_of(packets, unit);
    packets.erase(packets.begin() + static_cast<std::ptrdiff_t>(from),
                  packets.begin() + static_cast<std::ptrdiff_t>(to));
  };
  const std::vector<Row> rows{
      {"one packet lost", [&](auto& p) { p.erase(p.begin() + static_cast<std::ptrdiff_t>(unit_of(p, 5).first) + 1); },
       &CheckCounts::lost_packets, 1},
      {"… damages its unit",
       [&](auto& p) { p.erase(p.begin() + static_cast<std::ptrdiff_t>(unit_of(p, 5).first) + 1); },
       &CheckCounts::damaged_units, 1},
      {"the marker lost", [&](auto& p) { p.erase(p.begin() + static_cast<std::ptrdiff_t>(unit_of(p, 5).second) - 1); },
       &CheckCounts::units_without_marker, 1},
      {"a unit lost", [&](auto& p) { erase_unit(p, 7); }, &CheckCounts::missing_units, 1},
      {"two units lost",
       [&](auto& p) {
         erase_unit(p, 7);
         erase_unit(p, 8);
       },
       &CheckCounts::missing_units, 2},
      {"a packet twice", [&](auto& p) { p.insert(p.begin() + 20, p[20]); }, &CheckCounts::repeated_packets, 1},
      {"a swap", [&](auto& p) { std::swap(p[20], p[21]); }, &CheckCounts::reordered_packets, 1},
      {"a swap loses nothing", [&](auto& p) { std::swap(p[20], p[21]); }, &CheckCounts::lost_packets, 0},
      {"a swap damages nothing", [&](auto& p) { std::swap(p[20], p[21]); }, &CheckCounts::damaged_units, 0},
      {"the marker swapped forward damages nothing",
       [&](auto& p) { std::swap(p[unit_of(p, 5).second - 1], p[unit_of(p, 5).second - 2]); },
       &CheckCounts::damaged_units, 0},
      {"new SSRC",
       [&](auto& p) {
         for (size_t i = unit_of(p, 9).first; i < p.size(); ++i) p[i][8] ^= 1;
       },
       &CheckCounts::sequence_restarts, 1},
  };
  for (const Row& row : rows) {
    auto packets = stream(Codec::h264, 20);
    row.change(packets);
    LatencyHistogram latency;
    UnitChecker checker(Codec::h264, 4, 0, &latency);
    feed(checker, packets);
    EXPECT_EQ(checker.counts().*row.field, row.expected) << row.name;
  }
}

TEST(UnitChecker, SeesAnotherCamerasPictureAndRepeatedUnits) {
  UnitChecker checker(Codec::h264, 5, 0, nullptr);
  feed(checker, stream(Codec::h264, 3, 4, 100, 5000));
  EXPECT_EQ(checker.counts().wrong_camera_units, 3u);
  // The same units again under new sequence numbers and times: a server that goes back.
  const auto again = stream(Codec::h264, 3, 5, 200, 5000 + 3 * 3600);
  UnitChecker other(Codec::h264, 5, 0, nullptr);
  uint16_t next = 0;
  for (auto part : {stream(Codec::h264, 3, 5, 100, 5000), again}) {
    for (Packet& packet : part) {
      store_be16(&packet[2], next++);
      other.on_packet(packet, kStart);
    }
  }
  EXPECT_EQ(other.counts().out_of_order_units, 1u);
  EXPECT_EQ(other.counts().timestamps_not_following, 0u);
}

TEST(UnitChecker, TimestampsMustFollow) {
  UnitChecker checker(Codec::h264, 4, 0, nullptr);
  auto packets = stream(Codec::h264, 4);
  for (Packet& packet : packets) {
    if (load_be32(&packet[4]) == 0xffff0000 + 2 * 3600u) store_be32(&packet[4], 0xffff0000 - 1);
  }
  feed(checker, packets);
  EXPECT_EQ(checker.counts().timestamps_not_following, 1u);
}

TEST(UnitChecker, UnitsFromBeforeItJoinedAreNoLatency) {
  LatencyHistogram latency;
  UnitChecker checker(Codec::h264, 4, kStart + 5 * kFrame, &latency);
  feed(checker, stream(Codec::h264, 20));
  EXPECT_EQ(latency.count(), 15u);
}

TEST(UnitChecker, ATrailerCutInTwoIsStillRead) {
  auto packets = stream(Codec::h264, 1);
  Packet tail = packets.back();
  const size_t cut = 10;
  ASSERT_EQ(h264_nal_type(tail[12]), 28);
  Packet end(tail.begin(), tail.begin() + 14);  // headers and those of the fragment
  end.insert(end.end(), tail.end() - cut, tail.end());
  store_be16(&end[2], static_cast<uint16_t>(load_be16(&tail[2]) + 1));
  tail.resize(tail.size() - cut);
  tail[1] &= 0x7f;
  packets.back() = tail;
  packets.push_back(end);
  LatencyHistogram latency;
  UnitChecker checker(Codec::h264, 4, 0, &latency);
  feed(checker, packets);
  EXPECT_EQ(latency.count(), 1u);
  EXPECT_EQ(latency.max(), 1'000'000);
}

TEST(UnitChecker, RubbishIsIgnored) {
  UnitChecker checker(Codec::h264, 4, 0, nullptr);
  Packet packet(60, 0xff);
  checker.on_packet(packet, 1);                      // version 3
  checker.on_packet(ByteSpan(packet).first(11), 1);  // too short
  packet[0] = 0x8f;                                  // 15 CSRCs in 60 bytes
  checker.on_packet(packet, 1);
  packet[0] = 0xa0;  // more padding than packet
  checker.on_packet(packet, 1);
  packet[0] = 0x90;  // an extension longer than the packet
  checker.on_packet(packet, 1);
  EXPECT_EQ(checker.counts().packets, 0u);
}

}  // namespace
}  // namespace vigie::loadgen
