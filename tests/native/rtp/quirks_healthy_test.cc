// A healthy camera shows no quirk, whatever the network does to its packets.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include "quirks_support.h"

namespace vigie::rtp {
namespace {

Bytes jpeg_file() {
  std::ifstream file(std::string(VIGIE_RTP_TEST_DATA) + "/96x64_420.jpg", std::ios::binary);
  return Bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// The NAL units of picture `n`: keyframes with parameter sets, delimiters, SEI, several slices, suffix SEI, filler.
std::vector<Bytes> picture(Codec codec, uint32_t n, std::mt19937& random) {
  if (codec == Codec::mjpeg) return {jpeg_file()};
  const bool hevc = codec == Codec::h265;
  const bool key = n % 50 == 0;
  std::vector<Bytes> nals;
  nals.push_back(hevc ? h265_nal(35, 3) : h264_nal(9, 2));
  if (key && hevc) nals.insert(nals.end(), {kRealHevcVps, kRealHevcSps, kRealHevcPps});
  if (key && !hevc) nals.insert(nals.end(), {kRealSps, kRealPps});
  if (n % 3 == 0) nals.push_back(hevc ? h265_nal(39, 20) : h264_nal(6, 20));
  for (uint32_t slice = 0; slice <= n % 3; ++slice) {
    nals.push_back(nal_of(codec, key, (key ? 9000 : 400) + random() % 3000, slice == 0, n));
  }
  if (n % 4 == 0) nals.push_back(hevc ? h265_nal(40, 9) : h264_nal(12, 400));
  return nals;
}

struct Sent {
  double when;  // ms
  Bytes bytes;
};

// `count` pictures 40 ms apart from `begin_ms` on, in decoding order I P B B P B B.
std::vector<Sent> film(Codec codec, int count, double begin_ms, uint16_t sequence, uint32_t timestamp, uint32_t ssrc,
                       std::mt19937& random) {
  BufferPool pool;
  std::vector<Sent> out;
  for (int n = 0; n < count; ++n) {
    const int shown = codec == Codec::mjpeg || n == 0 ? n : n % 3 == 1 ? n + 2 : n - 1;
    TrainParams params;
    params.payload_type = 96;
    params.ssrc = ssrc;
    params.first_sequence = sequence;
    params.rtp_timestamp = timestamp + static_cast<uint32_t>(shown) * 3600;
    params.max_packet_bytes = 700;
    params.aggregate = n % 2 == 0;
    const auto train =
        build_train(*unit_of(codec, picture(codec, static_cast<uint32_t>(n), random), pool), params, pool);
    EXPECT_TRUE(train.ok());
    for (uint32_t i = 0; i < train->packet_count(); ++i) {
      out.push_back({begin_ms + 40.0 * n + 0.2 * i, Bytes(train->packet(i).begin(), train->packet(i).end())});
    }
    sequence = train->next_sequence();
  }
  return out;
}

// What the network does: loss alone and in bursts, an outage, disorder, repetition.
std::vector<Sent> through_network(std::vector<Sent> packets, std::mt19937& random) {
  std::vector<Sent> out;
  const double first = packets.front().when;
  int burst = 0;
  for (Sent& packet : packets) {
    const double at = packet.when - first;
    if (burst > 0 && burst--) continue;
    if (at > 8000 && at < 14'000) continue;
    if (random() % 50 == 0) continue;
    if (random() % 400 == 0) burst = static_cast<int>(random() % 40);
    const bool late = random() % 10 == 0;
    packet.when += late ? static_cast<double>(random() % 20) : 0;
    if (random() % 500 == 0) packet.when += 200;  // long after its hole was given up
    out.push_back(packet);
    if (random() % 30 == 0) out.push_back({packet.when + static_cast<double>(random() % 60), packet.bytes});
  }
  std::stable_sort(out.begin(), out.end(), [](const Sent& a, const Sent& b) { return a.when < b.when; });
  return out;
}

class Healthy : public testing::TestWithParam<std::tuple<Codec, bool, int>> {};
INSTANTIATE_TEST_SUITE_P(Streams, Healthy,
                         testing::Combine(testing::Values(Codec::h264, Codec::h265, Codec::mjpeg), testing::Bool(),
                                          testing::Values(1, 2, 3)),
                         [](const auto& row) {
                           return std::string(codec_name(std::get<0>(row.param))) +
                                  (std::get<1>(row.param) ? "_TCP_" : "_UDP_") + std::to_string(std::get<2>(row.param));
                         });

TEST_P(Healthy, MarksNothing) {
  const auto [codec, tcp, seed] = GetParam();
  std::mt19937 random(static_cast<uint32_t>(seed));
  QuirkReceiver camera(codec, {}, tcp);
  double begin_ms = 1000;
  for (int connection = 0; connection < 3; ++connection) {
    const auto ssrc = static_cast<uint32_t>(random());
    const auto timestamp = static_cast<uint32_t>(random());
    std::vector<Sent> packets = film(codec, 600, begin_ms, static_cast<uint16_t>(random()), timestamp, ssrc, random);
    // Joined in the middle of a picture.
    packets.erase(packets.begin(), packets.begin() + static_cast<ptrdiff_t>(random() % 60));
    if (!tcp) packets = through_network(std::move(packets), random);
    int64_t report_ms = 0;
    for (const Sent& packet : packets) {
      camera.rx.now_ms = static_cast<int64_t>(packet.when);
      camera.rx.reorder->on_time(at_ms(camera.rx.now_ms).mono);
      camera.rx.drain();
      if (camera.rx.now_ms >= report_ms) {
        // Every 5 s, from a clock that is 80 ms off and drifts.
        report_ms = camera.rx.now_ms + 5000;
        const Arrival now = at_ms(camera.rx.now_ms);
        const auto rtp = timestamp + static_cast<uint32_t>((static_cast<double>(camera.rx.now_ms) - begin_ms) * 90.005);
        camera.rx.depacketizer->wall_clock().on_sender_report({ssrc, ntp_from_wall(now.wall - 80ms), rtp, 0, 0}, now);
      }
      camera.rx.push(packet.bytes);
    }
    camera.rx.reorder->flush();
    camera.rx.drain();
    camera.rx.flush();
    camera.rx.depacketizer->restart();
    ReorderConfig config;
    config.in_order_transport = tcp;
    config.quirks = &camera.quirks;
    camera.rx.reorder = std::make_unique<ReorderBuffer>(config);
    begin_ms += 600 * 40 + 5000;
  }
  EXPECT_GT(camera.rx.units.size(), tcp ? 1760u : codec == Codec::mjpeg ? 900u : 1200u);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

}  // namespace
}  // namespace vigie::rtp
