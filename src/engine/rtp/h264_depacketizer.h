#pragma once
// H.264 payloads (RFC 6184): single NAL unit, STAP-A, FU-A, whatever packetization-mode says (B22). The two fields of a
// frame that have one timestamp are one unit.
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
  std::optional<H264Field> field_of(ByteSpan nal) override;
  void on_leading_nal(ByteSpan nal) override;
  void read_stap(ByteSpan body);

  std::optional<H264Sps> sps_;  // the newest
  uint64_t parameter_sets_revision_ = 0;
};

}  // namespace vigie::rtp
