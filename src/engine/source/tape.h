#pragma once
// Packets of a device as a fixture that can be given away: all that shows how it speaks, nothing that shows a picture.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "media/codec.h"

namespace vigie::source {

struct TapedPacket {
  Nanos since_start{};
  bool rtcp = false;  // by the channel or port it came on
  std::vector<uint8_t> bytes;
};

// RTP headers, lengths, payload headers, parameter sets and the first bytes of each slice stay, for these tell where
// pictures begin; everything else of a payload is overwritten with 0xaa. RTCP stays.
// Thread: home shard. Takes memory for each packet: for a probe, not for every day.
class Tape {
 public:
  // Begins with the first packet; ends at `max_bytes` of packets.
  explicit Tape(size_t max_bytes) : max_bytes_(max_bytes) {}
  void set_codec(Codec codec) { codec_ = codec; }
  void add(bool rtcp, ByteSpan packet, MonoTime at);
  const std::vector<TapedPacket>& packets() const { return packets_; }

 private:
  const size_t max_bytes_;
  size_t bytes_ = 0;
  Codec codec_ = Codec::h264;
  MonoTime start_{};
  std::vector<TapedPacket> packets_;
};

// Overwrites in place what an RTP payload shows of a picture.
void blank_pictures(Codec codec, std::span<uint8_t> payload);

}  // namespace vigie::source
