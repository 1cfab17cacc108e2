#pragma once
// Packets of a device as a fixture that can be given away: all that shows how it speaks, nothing that shows a picture.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "media/codec.h"

namespace vigie::source {

// rtp, rtcp: by the channel or port it came on. The others show how a connection is framed (E1, E2, E4, E6): the payload
// of a frame on another channel, garbage between frames, line ends before one.
enum class TapedKind : uint8_t { rtp, rtcp, stray, garbage, line_ends };

struct TapedPacket {
  Nanos since_start{};
  TapedKind kind = TapedKind::rtp;
  bool early = false;   // before PLAY was answered
  uint8_t channel = 0;  // of a stray
  std::vector<uint8_t> bytes;
};

// RTP headers, lengths, payload headers, parameter sets and the first bytes of each slice stay, for these tell where
// pictures begin; everything else of a payload is overwritten with 0xaa. RTCP stays. Of strays and garbage only the
// length does.
// Thread: home shard. Takes memory for each packet: for a probe, not for every day.
class Tape {
 public:
  // Begins with the first packet; ends at `max_bytes` of packets.
  explicit Tape(size_t max_bytes) : max_bytes_(max_bytes) {}
  void set_codec(Codec codec) { codec_ = codec; }
  void add(bool rtcp, ByteSpan packet, MonoTime at, bool early = false);
  void add_stray(uint8_t channel, size_t bytes, MonoTime at, bool early) {
    keep(TapedKind::stray, channel, bytes, at, early);
  }
  void add_garbage(size_t bytes, MonoTime at, bool early) { keep(TapedKind::garbage, 0, bytes, at, early); }
  void add_line_ends(size_t bytes, MonoTime at, bool early) { keep(TapedKind::line_ends, 0, bytes, at, early); }
  const std::vector<TapedPacket>& packets() const { return packets_; }

 private:
  TapedPacket* make(TapedKind kind, size_t bytes, MonoTime at, bool early);
  void keep(TapedKind kind, uint8_t channel, size_t bytes, MonoTime at, bool early);

  const size_t max_bytes_;
  size_t bytes_ = 0;
  Codec codec_ = Codec::h264;
  MonoTime start_{};
  std::vector<TapedPacket> packets_;
};

// Overwrites in place what an RTP payload shows of a picture.
void blank_pictures(Codec codec, std::span<uint8_t> payload);

}  // namespace vigie::source
