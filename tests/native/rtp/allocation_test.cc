// In steady state nothing allocates per packet: a unit costs its AccessUnit, a train nothing.
#include <gtest/gtest.h>

#include "heap_count.h"
#include "rtp_support.h"

namespace vigie::rtp {
namespace {

// Buffers that the pool had to take from malloc show as growth of what it owns.
size_t owned(const BufferPool& pool) { return pool.bytes_in_use() + pool.bytes_cached(); }

class Allocation : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Transports, Allocation, testing::Bool());

TEST_P(Allocation, SteadyState) {
  const bool tcp = GetParam();
  BufferPool pool;
  std::vector<Train> trains;
  const Bytes sps = h264_nal(7, 24), pps = h264_nal(8, 6);
  for (uint32_t n = 0; n < 50; ++n) {
    std::vector<Bytes> nals{h264_nal(n == 0 ? 5 : 1, n == 0 ? 120'000 : 16'000 + n % 7 * 300, true, n)};
    if (n == 0) nals.insert(nals.begin(), {sps, pps});
    trains.push_back(*build_train(*unit_of(Codec::h264, nals, pool), {}, pool));
  }
  ReorderConfig reorder_config;
  reorder_config.in_order_transport = tcp;
  ReorderBuffer reorder(reorder_config);
  auto depacketizer = Depacketizer::make({}, pool).value();
  UnitBatch batch;
  std::vector<Ref<const AccessUnit>> log(50);  // the last GOP stays alive
  Train out;
  uint64_t units = 0, packets = 0;
  uint16_t sequence = 0;
  Bytes bytes[2];
  for (Bytes& b : bytes) b.reserve(2000);

  const auto feed = [&](ByteSpan packet) {
    PacketView view;
    ASSERT_EQ(try_parse_packet(packet, view), PacketFault::none);
    reorder.push(view, at_ms(static_cast<int64_t>(units) * 40));
    OrderedPacket ordered;
    while (reorder.pop(ordered)) {
      depacketizer->push(ordered, batch);
      for (const auto& unit : batch) {
        log[units++ % log.size()] = unit;
        auto train = build_train(*unit, {}, pool);
        out = *train;
      }
      batch.clear();
    }
  };
  const auto gop = [&](uint32_t round) {
    for (uint32_t n = 0; n < trains.size(); ++n) {
      const Train& train = trains[n];
      for (uint32_t i = 0; i < train.packet_count(); ++i, ++packets) {
        Bytes& now = bytes[i % 2];
        now.assign(train.packet(i).begin(), train.packet(i).end());
        store_be16(&now[2], sequence++);
        store_be32(&now[4], (round * 50 + n) * 3600);
        // Over UDP every other pair comes the wrong way round.
        const bool hold = !tcp && i % 4 == 0 && i + 1 < train.packet_count();
        if (hold) continue;
        feed(now);
        if (!tcp && i % 4 == 1) feed(bytes[0]);
      }
    }
  };
  for (uint32_t round = 0; round < 12; ++round) gop(round);
  const uint64_t units_before = units, packets_before = packets, allocations_before = heap_calls();
  const size_t owned_before = owned(pool);
  for (uint32_t round = 12; round < 18; ++round) gop(round);
  const uint64_t made = units - units_before;
  EXPECT_EQ(made, 300u);
  EXPECT_GT(packets - packets_before, 3900u);
  EXPECT_LE(heap_calls() - allocations_before, made);
  EXPECT_EQ(owned(pool), owned_before);
  EXPECT_EQ(reorder.stats().lost, 0u);
  if (!tcp) {
    EXPECT_GT(reorder.stats().reordered, 1000u);
  }
}

}  // namespace
}  // namespace vigie::rtp
