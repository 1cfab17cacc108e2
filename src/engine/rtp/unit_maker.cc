#include "rtp/unit_maker.h"

#include <string>

#include "rtp/annexb.h"
#include "rtp/jpeg.h"
#include "rtp/nal_kind.h"
#include "rtp/unit_assembler.h"

namespace vigie::rtp {
namespace {

Error bad_payload(std::string what) { return make_error(Code::payload_malformed, "access unit", std::move(what)); }

Error too_large() {
  return make_error(Code::unit_too_large, "access unit",
                    "at most " + std::to_string(kMaxUnitBytes) + " bytes in " + std::to_string(kMaxUnitNals) +
                        " NAL units are taken");
}

Ref<AccessUnit> begin_unit(Codec codec, const UnitFacts& facts) {
  auto unit = make_ref<AccessUnit>();
  unit->codec = codec;
  unit->gap = facts.gap;
  unit->pts = facts.pts;
  unit->presentation_offset = facts.presentation_offset;
  unit->rtp_timestamp = facts.rtp_timestamp;
  unit->capture_time = facts.capture_time;
  unit->clock_quality = facts.clock_quality;
  unit->first_arrival = unit->last_arrival = facts.arrival.mono;
  unit->arrival_wall = facts.arrival.wall;
  return unit;
}

Result<Ref<const AccessUnit>> make_jpeg(ByteSpan jpeg, const UnitFacts& facts, ParameterSetTracker& tracker,
                                        BufferPool& pool) {
  if (jpeg.size() > kMaxUnitBytes) return too_large();
  const Result<JpegSize> size = jpeg_size(jpeg);
  if (!size) return size.error();
  auto unit = begin_unit(Codec::mjpeg, facts);
  unit->payload = pool.make(jpeg.size());
  unit->payload.append(jpeg);
  unit->nals.push_back({0, static_cast<uint32_t>(jpeg.size())});
  unit->keyframe = true;
  tracker.observe_picture_size(size->width, size->height);
  unit->parameter_sets = tracker.current();
  return Ref<const AccessUnit>(std::move(unit));
}

// Takes NAL units one by one from `next(ByteSpan&)`.
template <class Next>
Result<Ref<const AccessUnit>> gather(Codec codec, size_t bytes, const UnitFacts& facts, ParameterSetTracker& tracker,
                                     BufferPool& pool, Next&& next) {
  auto unit = begin_unit(codec, facts);
  UnitAssembler assembler(pool, kMaxUnitBytes, kMaxUnitNals);
  for (ByteSpan nal; next(nal);) {
    if (nal.empty()) continue;
    const NalKind kind = nal_kind(codec, nal);
    unit->keyframe = unit->keyframe || kind.keyframe;
    if (kind.leads) tracker.observe(nal);
    assembler.begin_nal(bytes);
    assembler.append(nal);
    assembler.end_nal();
    if (assembler.overflowed()) return too_large();
  }
  if (assembler.nals().empty()) return bad_payload("no NAL unit was found in " + std::to_string(bytes) + " bytes");
  assembler.take(assembler.nals().size(), unit->payload, unit->nals);
  unit->parameter_sets = tracker.current();
  return Ref<const AccessUnit>(std::move(unit));
}

}  // namespace

Result<Ref<const AccessUnit>> make_access_unit(Codec codec, ByteSpan annexb, const UnitFacts& facts,
                                               ParameterSetTracker& tracker, BufferPool& pool) {
  if (codec == Codec::mjpeg) return make_jpeg(annexb, facts, tracker, pool);
  NalWalker walker(annexb);
  return gather(codec, annexb.size() + 64, facts, tracker, pool, [&](ByteSpan& nal) { return walker.next(nal); });
}

Result<Ref<const AccessUnit>> make_access_unit(Codec codec, std::span<const ByteSpan> nals, const UnitFacts& facts,
                                               ParameterSetTracker& tracker, BufferPool& pool) {
  if (codec == Codec::mjpeg) {
    if (nals.size() != 1) return bad_payload("an MJPEG unit is one JPEG image");
    return make_jpeg(nals[0], facts, tracker, pool);
  }
  size_t bytes = 0;
  for (const ByteSpan nal : nals) bytes += nal.size() + 4;
  size_t at = 0;
  return gather(codec, bytes, facts, tracker, pool, [&](ByteSpan& nal) {
    if (at == nals.size()) return false;
    nal = nals[at++];
    return true;
  });
}

Result<Ref<const AccessUnit>> make_access_unit_length_prefixed(Codec codec, ByteSpan bytes, size_t length_size,
                                                               const UnitFacts& facts, ParameterSetTracker& tracker,
                                                               BufferPool& pool) {
  if (codec == Codec::mjpeg) return make_jpeg(bytes, facts, tracker, pool);
  if (length_size != 1 && length_size != 2 && length_size != 4) {
    return make_error(Code::invalid_argument, "length_size", "must be 1, 2 or 4, not " + std::to_string(length_size));
  }
  ByteReader reader(bytes);
  bool cut_short = false;
  auto unit = gather(codec, bytes.size() + 64, facts, tracker, pool, [&](ByteSpan& nal) {
    if (reader.remaining() == 0) return false;
    const size_t size = length_size == 1 ? reader.u8() : length_size == 2 ? reader.u16() : reader.u32();
    nal = reader.bytes(size);
    cut_short = reader.failed();
    return !cut_short;
  });
  if (cut_short)
    return bad_payload("a NAL unit's length goes past the end, at byte " + std::to_string(reader.position()));
  return unit;
}

}  // namespace vigie::rtp
