#pragma once
// H.264 payloads (RFC 6184): single NAL unit, STAP-A, FU-A, whatever packetization-mode says (B22).
#include "rtp/nal_depacketizer.h"

namespace vigie::rtp {

class H264Depacketizer final : public NalDepacketizer {
 public:
  H264Depacketizer(const DepacketizerConfig& config, BufferPool& pool) : NalDepacketizer(config, pool, 0x1f) {}

 private:
  NalKind kind_of(ByteSpan nal) const override { return h264_nal_kind(nal); }
  NalKind peek(ByteSpan payload) const override;
  void read_payload(ByteSpan payload) override;
  bool known_nal(ByteSpan nal) const override;
  void read_stap(ByteSpan body);
};

}  // namespace vigie::rtp
