#pragma once
// Access units -> RTP packets: H.264 (RFC 6184 mode 1), H.265 (RFC 7798), MJPEG (RFC 2435).
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/result.h"
#include "media/access_unit.h"
#include "rtp/train.h"

namespace vigie::rtp {

constexpr uint16_t kDefaultPacketBytes = 1400;
constexpr uint16_t kMinPacketBytes = 64;
constexpr uint16_t kMinJpegPacketBytes = 192;  // the quantisation tables go in one
constexpr uint16_t kMaxPacketBytes = 65000;

struct TrainParams {
  uint8_t payload_type = 96;
  uint32_t ssrc = 0;
  uint16_t first_sequence = 0;
  uint32_t rtp_timestamp = 0;
  uint16_t max_packet_bytes = kDefaultPacketBytes;  // RTP header included, frame header not; clamped to the limits
  // Put neighbouring small NAL units that are not slices into one STAP-A / AP.
  bool aggregate = false;
};

// How many packets build_train makes of this unit; exact.
// Errors: payload_malformed for a unit with no NAL unit or a JPEG that RFC 2435 cannot carry.
Result<uint32_t> plan(const AccessUnit& unit, const TrainParams& params);

// Makes the train. Fragments of one NAL unit are of equal size but for the last; the marker is on the last packet.
// Takes one buffer from `pool` and nothing else. Errors: as plan.
Result<Train> build_train(const AccessUnit& unit, const TrainParams& params, BufferPool& pool);

}  // namespace vigie::rtp
