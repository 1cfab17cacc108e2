// CPU nanoseconds per RTP packet for the two hot paths: packets -> access unit, access unit -> train.
// Usage: rtp_bench [cameras=100] [seconds of media=20]. Runs `cameras` sources of 4 Mbit/s (25 units a second,
// two-second GOPs) in turn, so that caches are as cold as with that many cameras; prints one line a path and checks the
// result.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "rtp/depacketizer.h"
#include "rtp/packetizer.h"
#include "rtp/unit_maker.h"

using namespace vigie;
using namespace vigie::rtp;

namespace {

constexpr uint32_t kGop = 50;

std::vector<uint8_t> make_nal(Codec codec, bool key, size_t size) {
  std::vector<uint8_t> nal(size);
  for (size_t i = 0; i < size; ++i) nal[i] = static_cast<uint8_t>(i * 7 % 250 + 4);
  if (codec == Codec::h265) {
    nal[0] = key ? 19 << 1 : 1 << 1;
    nal[1] = 1;
    nal[2] = 0x88;
  } else {
    nal[0] = key ? 0x65 : 0x41;
    nal[1] = 0x88;
  }
  return nal;
}

// One GOP of about 1 MB as trains.
std::vector<Train> make_gop(Codec codec, BufferPool& pool) {
  ParameterSetTracker tracker(codec);
  std::vector<Train> trains;
  for (uint32_t n = 0; n < kGop; ++n) {
    const auto nal = make_nal(codec, n == 0, n == 0 ? 120'000 : 15'000 + n % 11 * 600);
    const ByteSpan spans[] = {nal};
    const auto unit = make_access_unit(codec, spans, {}, tracker, pool);
    trains.push_back(build_train(**unit, {}, pool).value());
  }
  return trains;
}

struct Camera {
  std::unique_ptr<ReorderBuffer> reorder;
  std::unique_ptr<Depacketizer> depacketizer;
  std::vector<Ref<const AccessUnit>> log{kGop};  // the last GOP, as a track log keeps it
  uint16_t sequence = 0;
};

// CPU time of this thread: other work on the machine does not count.
int64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
double ns_since(int64_t begin) { return static_cast<double>(cpu_ns() - begin); }

bool run(Codec codec, bool tcp, uint32_t cameras, uint32_t seconds) {
  BufferPool source_pool, pool(size_t{256} << 20);
  const std::vector<Train> gop = make_gop(codec, source_pool);
  std::vector<Camera> all(cameras);
  for (Camera& camera : all) {
    ReorderConfig reorder_config;
    reorder_config.in_order_transport = tcp;
    camera.reorder = std::make_unique<ReorderBuffer>(reorder_config);
    DepacketizerConfig config;
    config.codec = codec;
    camera.depacketizer = Depacketizer::make(config, pool).value();
  }
  std::vector<uint8_t> copy;  // what the kernel would have written
  UnitBatch batch;
  double in_ns = 0, out_ns = 0;
  uint64_t in_packets = 0, out_packets = 0, units = 0, bytes = 0;
  for (uint32_t n = 0; n < seconds * 25; ++n) {
    const Train& train = gop[n % kGop];
    const Arrival arrival{MonoTime{40ms * n}, WallTime{40ms * n}};
    for (Camera& camera : all) {
      copy.assign(train.framed().begin(), train.framed().end());
      for (uint32_t i = 0; i < train.packet_count(); ++i) {
        store_be16(&copy[train.frame_offset(i) + 6], camera.sequence++);
        store_be32(&copy[train.frame_offset(i) + 8], n * 3600);
      }
      Ref<const AccessUnit> unit;
      int64_t begin = cpu_ns();
      for (uint32_t i = 0; i < train.packet_count(); ++i) {
        const uint32_t at = train.frame_offset(i) + 4;
        PacketView view;
        if (try_parse_packet({&copy[at], train.frame_offset(i + 1) - at}, view) != PacketFault::none) return false;
        camera.reorder->push(view, arrival);
        OrderedPacket ordered;
        while (camera.reorder->pop(ordered)) {
          camera.depacketizer->push(ordered, batch);
          for (const auto& done : batch) {
            camera.log[units++ % kGop] = done;
            unit = done;
          }
          batch.clear();
        }
      }
      in_ns += ns_since(begin);
      in_packets += train.packet_count();
      bytes += train.framed().size();
      if (!unit) continue;
      begin = cpu_ns();
      const auto made = build_train(*unit, {}, pool);
      out_ns += ns_since(begin);
      if (!made) return false;
      out_packets += made->packet_count();
    }
  }
  const uint64_t expected = uint64_t{cameras} * (seconds * 25);
  const double in = in_ns / static_cast<double>(in_packets), out = out_ns / static_cast<double>(out_packets);
  std::printf(
      "%-5s %s  depacketize %6.1f ns/packet  build_train %6.1f ns/packet  %.2f GB in; 180 k packets/s = %.3f + %.3f "
      "core\n",
      std::string(codec_name(codec)).c_str(), tcp ? "tcp" : "udp", in, out, static_cast<double>(bytes) / 1e9,
      in * 180e3 / 1e9, out * 180e3 / 1e9);
  return units == expected;
}

}  // namespace

int main(int argc, char** argv) {
  const auto cameras = static_cast<uint32_t>(argc > 1 ? std::atoi(argv[1]) : 100);
  const auto seconds = static_cast<uint32_t>(argc > 2 ? std::atoi(argv[2]) : 20);
  bool good = true;
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    for (const bool tcp : {true, false}) good = run(codec, tcp, cameras, seconds) && good;
  }
  if (!good) std::fprintf(stderr, "rtp_bench: units are missing\n");
  return good ? 0 : 1;
}
