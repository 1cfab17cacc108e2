#include "rtp/nal_depacketizer.h"

#include <algorithm>
#include <vector>

#include "rtp/annexb.h"

namespace vigie::rtp {

NalDepacketizer::NalDepacketizer(const DepacketizerConfig& config, BufferPool& pool, uint8_t type_mask)
    : Depacketizer(config, pool), type_mask_(type_mask), assembler_(pool, config.max_unit_bytes, config.max_nals) {}

bool NalDepacketizer::starts_with_start_code(ByteSpan p) {
  return p.size() > 4 && p[0] == 0 && p[1] == 0 && (p[2] == 1 || (p[2] == 0 && p[3] == 1));
}

void NalDepacketizer::push(const OrderedPacket& packet, UnitBatch& out) {
  out.clear();
  out_ = &out;
  packet_ = &packet;
  ++stats_.packets;
  const ByteSpan payload = packet.packet.payload;
  const NalKind kind = payload.empty() ? NalKind{} : peek(payload);
  packet_lossy_ = packet.lost_before > 0 || packet.restarted;
  if (packet_lossy_) note_loss(packet);
  if (payload.empty()) {
    if (!tolerate(Quirk::F10)) return malformed();
    ++stats_.empty_packets;  // its marker counts all the same
    if (active_ && packet.packet.timestamp != timestamp_) return;
  } else {
    find_boundary(packet, kind);
    if (active_) last_ = packet.arrival;
    read_payload(payload);
  }
  if (packet.packet.marker) on_marker();
}

void NalDepacketizer::note_loss(const OrderedPacket& packet) {
  after_marker_ = empty_start_ = false;
  drop_open_nal();
  skipping_nal_ = true;
  if (packet.restarted) timeline_.expect_jump();
  if (!active_) {
    next_gap_ = true;
    next_lost_ += packet.lost_before;
    return;
  }
  const bool same_unit = packet.packet.timestamp == timestamp_ && !packet.restarted;
  const bool other_field_missing = field_ && !fields_apart_;
  if (!same_unit && marked_ && !other_field_missing) {  // the unit was whole before the loss
    next_gap_ = true;
    next_lost_ += packet.lost_before;
    return;
  }
  // The end of this unit or the beginning of the next may be missing: both are told, the count goes to this one.
  gap_ = true;
  lost_ += packet.lost_before;
  if (same_unit || has_vcl_) damaged_ = true;
  if (!same_unit && has_vcl_) next_gap_ = true;
}

void NalDepacketizer::find_boundary(const OrderedPacket& packet, const NalKind& kind) {
  const uint32_t timestamp = packet.packet.timestamp;
  if (after_marker_ && kind.continues && timestamp == marked_timestamp_ && tolerate(Quirk::F3)) note_marker_lie();
  after_marker_ = false;
  if (!active_ || (timestamp == timestamp_ && !packet.restarted)) return;
  if (!has_vcl_) {
    // Parameter sets stamped with the previous picture's time (F4) belong to what follows. After loss, or when the rest
    // of a picture came first, that is all that is left.
    if (open_kind_.leads && !packet_lossy_ && !gap_ && !tolerate(Quirk::F4)) return complete();
    timestamp_ = timestamp;
    ++stats_.timestamps_bridged;
    return;
  }
  const bool in_fragment = assembler_.nal_open();
  if (kind.continues && !packet_lossy_ && !marked_ && (in_fragment || kind.vcl)) {
    if (tolerate(Quirk::F4)) {
      ++stats_.timestamps_bridged;  // the timestamp changes inside one picture
      return;
    }
    drop_open_nal();
    skipping_nal_ = false;
  } else if (!packet_lossy_) {
    if (marked_) {
      marker_.on_honest_unit();
    } else {
      marker_.on_silent_unit();
      if (!marker_late_ && !tolerate(Quirk::F2)) damaged_ = true;  // nobody saw its end
    }
    if (field_) fields_apart_ = true;
  }
  complete();
}

void NalDepacketizer::on_marker() {
  if (!active_) return;
  if (!has_vcl_ || tail_ != 0) {
    if (open_kind_.leads && !tolerate(Quirk::F1)) return end_where_told();
    ++stats_.markers_ignored;
    marker_late_ = tail_ != 0;
    return;
  }
  marked_ = true;
  if (!marker_.proven() || (field_ && !fields_apart_)) return;
  const uint32_t timestamp = timestamp_;
  complete();
  after_marker_ = !active_;
  marked_timestamp_ = timestamp;
}

// The marker is on parameter sets or SEI (F1) and is believed.
void NalDepacketizer::end_where_told() {
  tail_ = 0;
  complete();
}

void NalDepacketizer::note_marker_lie() {
  if (marker_.on_lie()) ++stats_.marker_demotions;
}

void NalDepacketizer::activate() {
  if (active_) return;
  active_ = true;
  timestamp_ = packet_->packet.timestamp;
  first_ = last_ = packet_->arrival;
  gap_ = next_gap_;
  lost_ = next_lost_;
  next_gap_ = false;
  next_lost_ = 0;
}

// More of the picture comes behind its marker (F3); while the marker is not proven this only prolongs its trial.
void NalDepacketizer::doubt_marker() {
  if (!marked_) return;
  marked_ = false;
  if (packet_lossy_ || tolerate(Quirk::F3)) return note_marker_lie();
  marker_.on_honest_unit();
  complete();
}

// A picture begins with the timestamp of the one before it: the second field of a frame joins the first, anything else
// is a unit of its own (I5).
void NalDepacketizer::begin_picture(ByteSpan head) {
  const std::optional<H264Field> field = field_of(head);
  if (has_vcl_ && field_ && field && make_frame(*field_, *field)) {
    field_.reset();
    return;
  }
  if (has_vcl_ && out_->size() + 1 < UnitBatch::kCapacity) complete();
  field_ = field;
}

// Before the bytes of a NAL unit: cuts where a picture begins, notes what it is, takes room for it.
void NalDepacketizer::begin_nal(const NalKind& kind, ByteSpan head) {
  close_nal();
  if (kind.begins_picture) begin_picture(head);
  if (kind.vcl && !kind.begins_picture) doubt_marker();
  activate();
  size_t expected = assembler_.size();
  if (kind.vcl) {
    marked_ = false;
    if (!has_vcl_) {
      expected = kind.keyframe ? key_guess_.bytes() : delta_guess_.bytes();
      if (kind.continues) head_missing_ = true;
    }
    has_vcl_ = true;
    tail_ = 0;
  } else if (kind.leads && has_vcl_ && tail_ == 0) {
    tail_ = assembler_.nals().size();
  }
  skipping_nal_ = empty_start_ = false;
  open_kind_ = kind;
  assembler_.begin_nal(expected);
}

void NalDepacketizer::whole_nal(ByteSpan nal) { add_nal(nal, true); }

void NalDepacketizer::annexb_payload(ByteSpan payload) {
  if (!tolerate(Quirk::G1)) return malformed();
  ++stats_.annexb_payloads;
  annexb_source_ = true;
  add_pieces(payload);
}

void NalDepacketizer::add_pieces(ByteSpan annexb) {
  NalWalker walker(annexb);
  for (ByteSpan piece; walker.next(piece);) add_nal(piece, false);
}

void NalDepacketizer::add_nal(ByteSpan nal, bool may_split) {
  if (!known_nal(nal)) return refuse(nal);
  const NalKind kind = kind_of(nal);
  if (may_split && (!kind.vcl || annexb_source_)) {
    // Several NAL units in what should be one (G1): legal ones hold no start code.
    const size_t first = find_start_code(nal);
    if (first < nal.size()) {
      if (!tolerate(Quirk::G1)) return malformed();
      ++stats_.annexb_payloads;
      size_t end = first;
      while (end > 0 && nal[end - 1] == 0) --end;
      if (end > 0) add_nal(nal.first(end), false);
      add_pieces(nal.subspan(first));
      return;
    }
  }
  begin_nal(kind, nal);
  assembler_.append(nal);
  assembler_.end_nal();
  if (kind.leads) on_leading_nal(nal);
}

// A NAL unit of a type that has no place in an access unit (G11), or that is not even a header (G17).
void NalDepacketizer::refuse(ByteSpan nal) {
  const bool cut_short = type_mask_ == 0x7e && nal.size() < 2;
  if (!tolerate(cut_short ? Quirk::G17 : Quirk::G11)) malformed();
  ++stats_.nals_unknown;
}

void NalDepacketizer::bad_fragment() {
  malformed();
  if (assembler_.nal_open()) drop_open_nal();
  empty_start_ = false;
  skipping_nal_ = true;
}

void NalDepacketizer::fragment(bool start, bool end, ByteSpan header, ByteSpan data) {
  if (data.empty()) {
    if (!tolerate(Quirk::G4)) return bad_fragment();
    ++stats_.empty_packets;
    if (start) close_nal();
    const bool nothing_yet = start || empty_start_;
    empty_start_ = nothing_yet && !end;
    if (nothing_yet) return;
  }
  if (empty_start_) {
    empty_start_ = false;
    start = true;
  }
  if (!start && assembler_.nal_open()) {
    // The first fragment's type holds.
    if ((header[0] & type_mask_) != open_type_ && !tolerate(Quirk::G3)) return bad_fragment();
    if (open_kind_.vcl) doubt_marker();
  }
  if (start) {
    open_type_ = header[0] & type_mask_;
    uint8_t head[24];
    const size_t more = std::min(data.size(), sizeof head - header.size());
    std::copy(header.begin(), header.end(), head);
    std::copy_n(data.begin(), more, head + header.size());
    const size_t size = header.size() + more;
    if (!known_nal({head, size})) {
      close_nal();
      refuse({head, size});
      skipping_nal_ = true;
      return;
    }
    begin_nal(kind_of({head, size}), {head, size});
    assembler_.append(header);
  } else if (!assembler_.nal_open()) {
    // The first fragment is missing: nothing of this NAL unit can be used.
    if (assembler_.overflowed()) return;
    if (!skipping_nal_ || packet_lossy_) {
      ++stats_.nals_incomplete;
      activate();
      damaged_ = true;
      has_vcl_ = has_vcl_ || kind_of(header).vcl;
    }
    skipping_nal_ = true;
    return;
  }
  assembler_.append(data);
  if (end) close_nal();
}

// Ends the open NAL unit. Without an end bit it counts as whole too: no packet is missing.
void NalDepacketizer::close_nal() {
  if (!assembler_.nal_open()) return;
  assembler_.end_nal();
  if (open_kind_.vcl || assembler_.overflowed() || assembler_.nals().empty()) return;
  const ByteSpan nal = assembler_.nal(assembler_.nals().size() - 1);
  if (find_start_code(nal) == nal.size()) {
    if (open_kind_.leads) on_leading_nal(nal);
    return;
  }
  // SPS, PPS and IDR in one fragmented "SPS" (G1).
  const std::vector<uint8_t> bytes(nal.begin(), nal.end());
  assembler_.drop_last_nal();
  if (tail_ > assembler_.nals().size()) tail_ = 0;
  add_nal(bytes, true);
}

void NalDepacketizer::drop_open_nal() {
  if (!assembler_.nal_open()) return;
  assembler_.abandon_nal();
  ++stats_.nals_incomplete;
  damaged_ = true;
}

void NalDepacketizer::complete() {
  close_nal();
  if (!active_) return;
  const size_t all = assembler_.nals().size();
  const size_t count = tail_ != 0 ? std::min(tail_, all) : all;
  if (assembler_.overflowed()) {
    ++stats_.units_too_large;
    next_gap_ = true;
    next_lost_ += lost_;
    assembler_.clear();
  } else if (count == 0 || !has_vcl_) {
    ++stats_.units_dropped;
    next_gap_ = true;
    next_lost_ += lost_;
    assembler_.clear();
  } else if (out_->full()) {
    ++stats_.units_dropped;
    next_gap_ = true;
    assembler_.clear();
  } else {
    make_unit(count);
  }
  active_ = has_vcl_ = head_missing_ = damaged_ = gap_ = marked_ = marker_late_ = false;
  field_.reset();
  lost_ = 0;
  tail_ = 0;
  if (!assembler_.empty()) {
    // What led the next picture opens its unit, with the time of the packet that is read now.
    activate();
  }
}

void NalDepacketizer::make_unit(size_t nal_count) {
  auto unit = make_ref<AccessUnit>();
  unit->codec = config_.codec;
  bool keyframe = false;
  bool any_vcl = false;
  for (size_t i = 0; i < nal_count; ++i) {
    const ByteSpan nal = assembler_.nal(i);
    const NalKind kind = kind_of(nal);
    keyframe = keyframe || kind.keyframe;
    any_vcl = any_vcl || kind.vcl;
    if (kind.leads) parameter_sets_.observe(nal);
  }
  if (!any_vcl) {  // the slices were dropped for missing fragments
    ++stats_.units_dropped;
    next_gap_ = true;
    next_lost_ += lost_;
    Buffer payload;
    assembler_.take(nal_count, payload, unit->nals);
    return;
  }
  unit->keyframe = keyframe && !head_missing_;
  unit->damaged = damaged_ || head_missing_;
  unit->gap = gap_;
  unit->lost_packets = lost_;
  unit->rtp_timestamp = timestamp_;
  const MediaTime time = timeline_.map(timestamp_, first_.mono);
  const bool second_field = last_field_ && field_ && is_twin(timestamp_) && make_frame(*last_field_, *field_);
  if (second_field) fields_apart_ = false;
  last_field_ = second_field ? std::nullopt : field_;
  // A picture that came apart is no twin of its own beginning.
  if ((!head_missing_ && refuses_twin(timestamp_, second_field)) || time.refused) unit->gap = true;
  unit->pts = time.pts;
  unit->presentation_offset = time.presentation_offset;
  const WallClock::Capture capture = wall_clock_.map(timestamp_, first_);
  unit->capture_time = capture.time;
  unit->clock_quality = capture.quality;
  unit->first_arrival = first_.mono;
  unit->last_arrival = last_.mono;
  unit->arrival_wall = first_.wall;
  assembler_.take(nal_count, unit->payload, unit->nals);
  unit->parameter_sets = parameter_sets_.current();
  (unit->keyframe ? key_guess_ : delta_guess_).learn(unit->payload.size());
  ++stats_.units;
  if (unit->keyframe) ++stats_.keyframes;
  if (unit->damaged) ++stats_.units_damaged;
  out_->add(std::move(unit));
}

void NalDepacketizer::flush(UnitBatch& out) {
  out.clear();
  out_ = &out;
  if (!active_) return;
  if (assembler_.nal_open()) drop_open_nal();
  damaged_ = damaged_ || !marked_ || (field_ && !fields_apart_);
  tail_ = 0;
  complete();
}

void NalDepacketizer::restart() {
  assembler_.clear();
  active_ = has_vcl_ = head_missing_ = damaged_ = gap_ = marked_ = marker_late_ = after_marker_ = false;
  empty_start_ = fields_apart_ = false;
  field_.reset();
  last_field_.reset();
  lost_ = next_lost_ = 0;
  tail_ = 0;
  skipping_nal_ = true;
  next_gap_ = true;
  restart_clocks();
}

}  // namespace vigie::rtp
