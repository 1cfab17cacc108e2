// RTCP compounds and RTP headers from arbitrary bytes.
#include <cstdint>
#include <cstdlib>

#include "rtp/packet.h"
#include "rtp/rtcp.h"
#include "rtp/wall_clock.h"

using namespace vigie;
using namespace vigie::rtp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan bytes(data, size);
  RtcpCompound compound;
  parse_rtcp(bytes, compound);
  if (compound.report_blocks().size() > RtcpCompound::kMaxBlocks) std::abort();
  if (compound.cname.size() > 255) std::abort();
  if (compound.sender_report) {
    // What was read can be written and read again.
    uint8_t memory[28 + 31 * 24];
    RtcpWriter writer(memory);
    writer.sender_report(*compound.sender_report, compound.report_blocks());
    RtcpCompound again;
    parse_rtcp(writer.bytes(), again);
    if (!writer.ok() || !again.sender_report || again.sender_report->ntp != compound.sender_report->ntp ||
        again.block_count != compound.block_count) {
      std::abort();
    }
    WallClock clock;
    const Arrival arrival{MonoTime{}, WallTime{1'800'000'000s}};
    for (int i = 0; i < 4; ++i) clock.on_sender_report(*compound.sender_report, arrival);
    clock.map(compound.sender_report->octet_count, arrival);
  }
  PacketView view;
  if (try_parse_packet(bytes, view) == PacketFault::none) {
    const uint8_t* end = view.payload.data() + view.payload.size();
    if (view.payload.data() < data + kHeaderBytes || end > data + size) std::abort();
  }
  return 0;
}
