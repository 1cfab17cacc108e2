#include "rtp/reorder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "rtp_support.h"

namespace vigie::rtp {
namespace {

struct Feed {
  explicit Feed(ReorderConfig config = {}) : reorder(config) {}
  void push(int sequence, int64_t ms = 0, uint32_t ssrc = 1) {
    Bytes payload{static_cast<uint8_t>(sequence >> 8), static_cast<uint8_t>(sequence)};
    payload.resize(static_cast<size_t>(payload_bytes));
    const Bytes bytes = packet_bytes(static_cast<uint16_t>(sequence), ++timestamp, false, payload, ssrc);
    PacketView view;
    ASSERT_EQ(try_parse_packet(bytes, view), PacketFault::none);
    reorder.push(view, at_ms(ms));
    pop();
  }
  void pop() {
    OrderedPacket out;
    while (reorder.pop(out)) {
      EXPECT_EQ(load_be16(out.packet.payload.data()), out.packet.sequence);  // the bytes are the packet's own
      EXPECT_EQ(out.packet.bytes.size(), kHeaderBytes + static_cast<size_t>(payload_bytes));
      if (!out.restarted) {
        EXPECT_GT(out.extended_sequence, last_extended);
      }
      last_extended = out.extended_sequence;
      got.push_back(out.packet.sequence);
      lost.push_back(out.lost_before);
      restarted.push_back(out.restarted);
    }
  }
  ReorderBuffer reorder;
  int payload_bytes = 2;
  uint64_t last_extended = 0;
  uint32_t timestamp = 0;
  std::vector<int> got;
  std::vector<uint32_t> lost;
  std::vector<bool> restarted;
};

TEST(Reorder, InOrderPassesAtOnceUncopied) {
  Feed feed;
  for (int i = 65530; i < 65530 + 20; ++i) {
    feed.push(i & 0xffff);
    EXPECT_EQ(feed.got.size(), static_cast<size_t>(i - 65529));
  }
  EXPECT_EQ(feed.reorder.stats().reordered, 0u);
  EXPECT_EQ(feed.reorder.stats().lost, 0u);
  EXPECT_FALSE(feed.reorder.deadline());
}

TEST(Reorder, FillsHole) {
  Feed feed;
  for (const int i : {10, 12, 13, 15, 11}) feed.push(i);
  EXPECT_EQ(feed.got, (std::vector<int>{10, 11, 12, 13}));
  feed.push(14);
  EXPECT_EQ(feed.got, (std::vector<int>{10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(feed.reorder.stats().lost, 0u);
  EXPECT_EQ(feed.reorder.stats().reordered, 3u);
  EXPECT_EQ(feed.reorder.held_bytes(), 0u);
}

TEST(Reorder, GivesUpAHoleInTime) {
  Feed feed;
  feed.push(1, 0);
  feed.push(3, 10);
  feed.push(6, 35);
  ASSERT_TRUE(feed.reorder.deadline());
  EXPECT_EQ(*feed.reorder.deadline(), at_ms(40).mono);
  feed.reorder.on_time(at_ms(39).mono);
  feed.pop();
  EXPECT_EQ(feed.got, (std::vector<int>{1}));
  feed.reorder.on_time(at_ms(40).mono);
  feed.pop();
  EXPECT_EQ(feed.got, (std::vector<int>{1, 3}));
  EXPECT_EQ(feed.lost.back(), 1u);
  EXPECT_EQ(*feed.reorder.deadline(), at_ms(65).mono);  // the next hole was seen later
  feed.push(7, 66);                                     // a packet serves as well as the timer
  EXPECT_EQ(feed.got, (std::vector<int>{1, 3, 6, 7}));
  EXPECT_EQ(feed.lost, (std::vector<uint32_t>{0, 1, 2, 0}));
  feed.push(2, 67);
  EXPECT_EQ(feed.reorder.stats().late, 1u);
  EXPECT_EQ(feed.reorder.stats().lost, 3u);
}

TEST(Reorder, WindowBoundsWhatIsHeld) {
  ReorderConfig config;
  config.window_packets = 8;
  config.hole_limit = 1h;
  Feed feed(config);
  feed.push(0);
  for (int i = 2; i <= 8; ++i) feed.push(i);
  EXPECT_EQ(feed.got.size(), 1u);
  feed.push(9);  // eight ahead of the hole: it is given up
  EXPECT_EQ(feed.got, (std::vector<int>{0, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(feed.reorder.stats().holes_overflowed, 1u);
  EXPECT_EQ(feed.lost[1], 1u);
}

TEST(Reorder, BytesBoundWhatIsHeld) {
  ReorderConfig config;
  config.window_bytes = 72 * 1024;
  config.hole_limit = 1h;
  Feed feed(config);
  feed.payload_bytes = 1400;
  feed.push(0);
  for (int i = 2; i < 200; ++i) {
    feed.push(i);
    EXPECT_LE(feed.reorder.held_bytes(), config.window_bytes);
  }
  EXPECT_EQ(feed.reorder.stats().lost, 1u);
  EXPECT_EQ(feed.got.size(), 199u);
}

TEST(Reorder, CountsDuplicates) {
  Feed feed;
  for (const int i : {1, 2, 2, 4, 4, 3, 1, 5}) feed.push(i);
  EXPECT_EQ(feed.got, (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(feed.reorder.stats().duplicates, 3u);
  EXPECT_EQ(feed.reorder.stats().late, 0u);
}

TEST(Reorder, TcpReportsGapsAtOnce) {
  ReorderConfig config;
  config.in_order_transport = true;
  Feed feed(config);
  for (const int i : {7, 8, 11, 12}) feed.push(i);
  EXPECT_EQ(feed.got, (std::vector<int>{7, 8, 11, 12}));
  EXPECT_EQ(feed.lost, (std::vector<uint32_t>{0, 0, 2, 0}));
  EXPECT_EQ(feed.reorder.stats().reordered, 0u);
}

// Quirks F7, F8: SSRC or sequence numbers begin anew; two in a row are believed and none of them is lost.
TEST(Reorder, RestartIsDetected) {
  for (const bool tcp : {true, false}) {
    ReorderConfig config;
    config.in_order_transport = tcp;
    {
      Feed feed(config);
      for (const int i : {40000, 40001, 0, 1, 2}) feed.push(i);
      EXPECT_EQ(feed.got, (std::vector<int>{40000, 40001, 0, 1, 2})) << tcp;
      EXPECT_EQ(feed.restarted, (std::vector<bool>{false, false, true, false, false}));
      EXPECT_EQ(feed.reorder.stats().restarts, 1u);
      EXPECT_EQ(feed.reorder.reception().cumulative_lost(), 0);
    }
    {
      Feed feed(config);
      feed.push(40000);
      for (const int i : {40001, 40002}) feed.push(i, 0, 2);
      EXPECT_EQ(feed.got, (std::vector<int>{40000, 40001, 40002})) << tcp;
      EXPECT_EQ(feed.reorder.reception().ssrc(), 2u);
    }
    {
      Feed feed(config);  // a small step back: known by a run of old numbers
      for (int i = 60; i < 120; ++i) feed.push(i);
      for (int i = 80; i < 95; ++i) feed.push(i);
      EXPECT_EQ(feed.got.back(), 94) << tcp;
      EXPECT_EQ(feed.reorder.stats().restarts, 1u);
    }
  }
}

TEST(Reorder, AStrayPacketChangesNothing) {
  Feed feed;
  feed.push(100);
  feed.push(30000);
  feed.push(101);
  feed.push(500, 0, 77);
  feed.push(102);
  EXPECT_EQ(feed.got, (std::vector<int>{100, 101, 102}));
  EXPECT_EQ(feed.reorder.stats().strays, 2u);
  EXPECT_EQ(feed.reorder.stats().lost, 0u);
}

// Any disorder within the window and the time comes out in order, and every packet exactly once.
TEST(Reorder, RandomDisorderWithDuplicates) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    ReorderConfig config;
    config.window_packets = 64;
    config.hole_limit = 1h;
    Feed feed(config);
    feed.payload_bytes = 2 + static_cast<int>(random() % 1500);
    std::vector<std::pair<int, int>> order;
    for (int i = 1; i < 2000; ++i) {
      order.push_back({i + static_cast<int>(random() % 30), i});
      if (random() % 10 == 0) order.push_back({i + static_cast<int>(random() % 30), i});
    }
    std::sort(order.begin(), order.end());
    feed.push(60000);
    for (const auto& [when, i] : order) feed.push((60000 + i) & 0xffff);
    ASSERT_EQ(feed.got.size(), 2000u);
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(feed.got[static_cast<size_t>(i)], (60000 + i) & 0xffff);
    EXPECT_EQ(feed.reorder.stats().lost, 0u);
    EXPECT_EQ(feed.reorder.stats().received,
              feed.reorder.stats().delivered + feed.reorder.stats().duplicates + feed.reorder.stats().late);
  }
}

TEST(Reorder, FlushGivesUpEverything) {
  Feed feed;
  for (const int i : {1, 3, 5, 9}) feed.push(i);
  feed.reorder.flush();
  feed.pop();
  EXPECT_EQ(feed.got, (std::vector<int>{1, 3, 5, 9}));
  EXPECT_EQ(feed.lost, (std::vector<uint32_t>{0, 1, 1, 3}));
}

}  // namespace
}  // namespace vigie::rtp
