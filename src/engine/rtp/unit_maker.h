#pragma once
// Access units from whole coded pictures: files, libavformat, a host that pushes.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/buffer.h"
#include "base/result.h"
#include "media/access_unit.h"
#include "rtp/packet.h"
#include "rtp/parameter_sets.h"

namespace vigie::rtp {

constexpr size_t kMaxUnitBytes = size_t{8} << 20;
constexpr uint32_t kMaxUnitNals = 4096;

// What the source says of a unit beside its bytes.
struct UnitFacts {
  Ticks90k pts{0};
  Ticks90k presentation_offset{0};
  uint32_t rtp_timestamp = 0;
  WallTime capture_time{};
  ClockQuality clock_quality = ClockQuality::none;
  Arrival arrival;
  bool gap = false;
};

// Make one access unit; parameter sets inside are observed by `tracker`, whose codec must be the same.
// Errors: payload_malformed when no NAL unit (or no JPEG) is there, unit_too_large over 8 MiB or 4096 NAL units.
// `annexb`: a byte stream with 3- or 4-byte start codes; MJPEG: one JPEG image.
Result<Ref<const AccessUnit>> make_access_unit(Codec codec, ByteSpan annexb, const UnitFacts& facts,
                                               ParameterSetTracker& tracker, BufferPool& pool);
Result<Ref<const AccessUnit>> make_access_unit(Codec codec, std::span<const ByteSpan> nals, const UnitFacts& facts,
                                               ParameterSetTracker& tracker, BufferPool& pool);
// `bytes`: NAL units each behind its length in `length_size` (1, 2 or 4) bytes, as in MP4 and Matroska.
Result<Ref<const AccessUnit>> make_access_unit_length_prefixed(Codec codec, ByteSpan bytes, size_t length_size,
                                                               const UnitFacts& facts, ParameterSetTracker& tracker,
                                                               BufferPool& pool);

}  // namespace vigie::rtp
