#pragma once
// The access unit: what sources make, what the gate publishes, what everything downstream shares by reference.
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/ref.h"
#include "base/time.h"
#include "media/codec.h"
#include "media/nal_table.h"
#include "media/parameter_sets.h"

namespace vigie {

// How far an access unit's `capture_time` can be trusted.
enum class ClockQuality : uint8_t {
  none = 0,      // no sender report yet: capture_time is the arrival time
  reported = 1,  // from the camera's sender reports
  suspect = 2,   // the camera's clock differs from ours by more than 1 s, or its reports disagree
};
std::string_view clock_quality_name(ClockQuality quality);

// All NAL units of one coded picture, in decoding order. Immutable once made.
//
// Payload layout: H.264/H.265: Annex B, each NAL unit preceded by the four bytes 00 00 00 01 (so `payload` as a whole
// is a legal byte stream and a length-prefixed copy needs no memmove); NAL bytes are exactly the source's. MJPEG: one
// complete JFIF image, and one NalSpan over the whole of it.
struct AccessUnit : RefCounted<AccessUnit> {
  Codec codec = Codec::h264;
  // Decoding can start here: H.264 IDR, H.265 IRAP, every MJPEG picture.
  bool keyframe = false;
  // Something before or inside this unit is missing: a decoder must not trust the picture (M-4).
  // `gap`: packets or units were lost since the previous unit, or nobody knows what there was (another connection, a
  // group that was joined in the middle); `damaged`: parts of this very unit are missing.
  bool gap = false;
  bool damaged = false;
  ClockQuality clock_quality = ClockQuality::none;
  uint32_t lost_packets = 0;  // packets known missing since the previous unit, 0 when no gap

  // What goes with the unit stands in front: a log lets units go long after everything else of them was looked at.
  Buffer payload;
  // In force for this unit (never null; may be incomplete).
  Ref<const ParameterSets> parameter_sets;
  NalTable nals;

  // Media time, unwrapped; continues across wraps, jumps are absorbed by the timeline (never goes back).
  Ticks90k pts{0};
  // Presentation time = pts + presentation_offset; not 0 only where a source sends pictures out of presentation order
  // (B pictures: pts then is the decoding time). RTP timestamps carry the presentation time (RFC 6184 5.1).
  Ticks90k presentation_offset{0};
  // The three clocks: the camera's RTP time, its capture time by sender report, and arrival here.
  uint32_t rtp_timestamp = 0;
  WallTime capture_time{};
  MonoTime first_arrival{};  // first packet of the unit read from the kernel
  MonoTime last_arrival{};   // last packet
  WallTime arrival_wall{};

  ByteSpan nal(size_t index) const { return payload.bytes().subspan(nals[index].offset, nals[index].size); }
};

}  // namespace vigie
