#pragma once
// H.265 payloads (RFC 7798): single NAL unit, AP, FU.
#include "rtp/nal_depacketizer.h"

namespace vigie::rtp {

class H265Depacketizer final : public NalDepacketizer {
 public:
  H265Depacketizer(const DepacketizerConfig& config, BufferPool& pool) : NalDepacketizer(config, pool, 0x7e) {}

 private:
  NalKind kind_of(ByteSpan nal) const override { return h265_nal_kind(nal); }
  NalKind peek(ByteSpan payload) const override;
  void read_payload(ByteSpan payload) override;
  bool known_nal(ByteSpan nal) const override;
  void read_ap(ByteSpan body);
};

}  // namespace vigie::rtp
