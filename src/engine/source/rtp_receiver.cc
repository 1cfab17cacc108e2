#include "source/rtp_receiver.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/random.h"

namespace vigie::source {
namespace {

std::string hex32(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", value);
  return text;
}

// what a camera's clock may be off before it is told.
constexpr Nanos kClockAlarm = 1s;
Nanos magnitude(Nanos span) { return span < Nanos{0} ? -span : span; }

// A name that says nothing about us or the camera (RFC 7022 4.2).
std::string make_cname() { return random_hex(8); }

}  // namespace

RtpReceiver::RtpReceiver(BufferPool& pool, SourceCounters& counters, std::string where, Quirks* quirks)
    : counters_(counters),
      quirks_(quirks),
      pool_(pool),
      where_(std::move(where)),
      cname_(make_cname()),
      own_ssrc_(static_cast<uint32_t>(secure_random_u64())) {}

Status RtpReceiver::begin(const RtpTrack& track, RtpPath path, std::string_view peer, RtpReceiverEvents& events) {
  events_ = nullptr;
  peer_ = peer;
  const bool same_depacketizer = depacketizer_ && track_.codec == track.codec &&
                                 track_.clock_rate == track.clock_rate && track_.donl == track.donl &&
                                 track_.packetization_mode == track.packetization_mode && track_.width == track.width &&
                                 track_.height == track.height;
  if (same_depacketizer) {
    depacketizer_->restart();
    depacketizer_->wall_clock().restart();
  } else {
    rtp::DepacketizerConfig config;
    config.codec = track.codec;
    config.clock_rate = track.clock_rate;
    config.donl = track.donl;
    config.packetization_mode = track.packetization_mode;
    config.quirks = quirks_;
    config.width = track.width;
    config.height = track.height;
    Result<std::unique_ptr<rtp::Depacketizer>> made = rtp::Depacketizer::make(config, pool_);
    if (!made) return std::move(made).error();
    depacketizer_ = std::move(*made);
    // The unit that we come into may lack its first NAL units, and nothing in the packets says so.
    if (path == RtpPath::joined) depacketizer_->restart();
    counted_depacketizer_ = {};
    place_next_ = started_;
  }
  track_ = track;
  depacketizer_->parameter_sets().seed(track_.sprop.vps);
  depacketizer_->parameter_sets().seed(track_.sprop.sps);
  depacketizer_->parameter_sets().seed(track_.sprop.pps);

  rtp::ReorderConfig reorder;
  reorder.in_order_transport = path == RtpPath::interleaved;
  reorder.clock_rate = track.clock_rate;
  reorder.quirks = quirks_;
  reorder_.emplace(reorder);
  counted_reorder_ = {};
  packets_this_connection_ = 0;
  payload_type_seen_ = false;
  events_ = &events;
  announce(depacketizer_->parameter_sets().current());
  return {};
}

void RtpReceiver::end() {
  if (!events_) return;
  reorder_->flush();
  drain();
  if (events_ && depacketizer_) {
    depacketizer_->flush(batch_);
    deliver();
  }
  events_ = nullptr;
}

void RtpReceiver::on_rtp(ByteSpan bytes, const rtp::Arrival& arrival) {
  if (!events_) return;
  // With a payload type of 64 to 95 the marker makes an RTP packet look like RTCP.
  if (rtp::looks_like_rtcp(bytes) && (bytes[1] & 0x7f) != track_.payload_type) {
    if (!tolerates(quirks_, Quirk::E5)) return refuse(Code::rtp_malformed, arrival.mono, Quirk::E5);
    on_rtcp(bytes, arrival);
    return;
  }
  ++counters_.packets;
  counters_.bytes += bytes.size();
  rtp::PacketView packet;
  if (const rtp::PacketFault wrong = rtp::try_parse_packet(bytes, packet); wrong != rtp::PacketFault::none) {
    ++counters_.malformed;
    fault(Code::rtp_malformed, arrival.mono, rtp::packet_fault_name(wrong), UINT32_MAX, 0);
    return;
  }
  if (packet.payload_type == track_.payload_type) {
    payload_type_seen_ = true;
  } else if (!believes_payload_type(packet, arrival.mono)) {
    return;
  }
  ++packets_this_connection_;
  reorder_->push(packet, arrival);
  last_ssrc_ = reorder_->reception().ssrc();  // a stray's is not followed (D12)
  drain();
}

// B15: some devices mix in packets of another payload type. A device whose packets all have another number than its
// description says is believed, as long as the promised one has not been seen.
bool RtpReceiver::believes_payload_type(const rtp::PacketView& packet, MonoTime now) {
  if (!tolerates(quirks_, Quirk::B15)) {
    last_ssrc_ = packet.ssrc;
    refuse(Code::rtp_malformed, now, Quirk::B15);
    return false;
  }
  if (payload_type_seen_) ++counters_.malformed;
  return !payload_type_seen_;
}

void RtpReceiver::refuse(Code code, MonoTime now, Quirk quirk) {
  ++counters_.malformed;
  fault(code, now, quirk_facts(quirk).device, UINT32_MAX, 0, quirk_facts(quirk).id);
}

void RtpReceiver::on_rtcp(ByteSpan bytes, const rtp::Arrival& arrival) {
  if (!events_) return;
  if (!rtp::looks_like_rtcp(bytes)) {
    // E5: picture data on the RTCP channel, of another payload type too where B15 may explain that. What is neither is
    // counted.
    rtp::PacketView packet;
    if (rtp::try_parse_packet(bytes, packet) == rtp::PacketFault::none &&
        (packet.payload_type == track_.payload_type ||
         (!payload_type_seen_ && (packets_this_connection_ == 0 || packet.ssrc == last_ssrc_)))) {
      if (!tolerates(quirks_, Quirk::E5)) return refuse(Code::rtcp_malformed, arrival.mono, Quirk::E5);
      on_rtp(bytes, arrival);
    } else {
      tolerates(quirks_, Quirk::F5);  // dropped all the same: nothing of it can be read
      ++counters_.malformed;
      fault(Code::rtcp_malformed, arrival.mono, "not an RTCP packet", UINT32_MAX, 0);
    }
    return;
  }
  counters_.bytes += bytes.size();
  rtp::RtcpCompound compound;
  rtp::parse_rtcp(bytes, compound, quirks_);
  if (compound.malformed_packets > 0) {
    counters_.malformed += compound.malformed_packets;
    fault(Code::rtcp_malformed, arrival.mono, "a packet of the compound has a wrong length", UINT32_MAX, 0);
  }
  if (!compound.sender_report) return;
  // Reports of another SSRC than the pictures' are not believed, except where there was no picture yet.
  if (packets_this_connection_ > 0 && compound.sender_report->ssrc != last_ssrc_) {
    if (!tolerates(quirks_, Quirk::F6)) refuse(Code::rtcp_malformed, arrival.mono, Quirk::F6);
    return;
  }
  reorder_->reception().on_sender_report(*compound.sender_report, arrival.mono);
  if (depacketizer_->wall_clock().on_sender_report(*compound.sender_report, arrival) == rtp::ReportVerdict::refused) {
    refuse(Code::rtcp_malformed, arrival.mono, Quirk::F12);
  }
  watch_clock(arrival.mono);
}

// Told once, and again where the error has changed by as much.
void RtpReceiver::watch_clock(MonoTime now) {
  const std::optional<Nanos> error = clock_error();
  if (!error) return;
  if (magnitude(*error) <= kClockAlarm) {
    told_clock_error_.reset();
    return;
  }
  if (told_clock_error_ && magnitude(*error - *told_clock_error_) <= kClockAlarm) return;
  uint64_t count = 0;
  if (!may_tell(Code::camera_clock, now, count) || !events_) return;
  told_clock_error_ = error;
  char text[128];
  std::snprintf(text, sizeof text, "it differs by %+.1f s from ours; capture times follow it and are marked suspect",
                std::chrono::duration<double>(*error).count());
  events_->on_receiver_fault(make_error(Code::camera_clock, where_ + ", " + peer_, text));
}

void RtpReceiver::on_time(MonoTime now) {
  if (!events_) return;
  reorder_->on_time(now);
  drain();
}

std::optional<MonoTime> RtpReceiver::deadline() const { return events_ ? reorder_->deadline() : std::nullopt; }

ByteSpan RtpReceiver::make_report(std::span<uint8_t> out, MonoTime now) {
  rtp::RtcpWriter writer(out);
  if (reorder_ && reorder_->reception().started()) {
    const rtp::ReportBlock block = reorder_->reception().make_report_block(now);
    writer.receiver_report(own_ssrc_, std::span(&block, 1));
  } else {
    writer.receiver_report(own_ssrc_);
  }
  writer.sdes_cname(own_ssrc_, cname_);
  return writer.ok() ? writer.bytes() : ByteSpan{};
}

std::optional<Nanos> RtpReceiver::clock_error() const {
  if (!depacketizer_ || !depacketizer_->wall_clock().known()) return std::nullopt;
  return depacketizer_->wall_clock().error();
}

std::optional<ReceiverFacts> RtpReceiver::facts() const {
  if (!depacketizer_ || !reorder_ || packets_this_connection_ == 0) return std::nullopt;
  ReceiverFacts facts;
  facts.ssrc = last_ssrc_;
  facts.jitter = Nanos{int64_t{reorder_->reception().jitter()} * 1'000'000'000 / track_.clock_rate};
  facts.marker_proven = depacketizer_->marker_proven();
  facts.clock_quality = depacketizer_->wall_clock().quality();
  facts.clock_error = clock_error();
  facts.reports = depacketizer_->wall_clock().counts();
  facts.depacketizer = depacketizer_->stats();
  facts.reorder = reorder_->stats();
  return facts;
}

void RtpReceiver::drain() {
  while (events_ && reorder_->pop(ordered_)) {
    depacketizer_->push(ordered_, batch_);
    if (batch_.size() > 0) deliver();
  }
  if (!events_) return;
  count_reorder(ordered_.arrival.mono);
  count_depacketizer(ordered_.arrival.mono);
}

void RtpReceiver::deliver() {
  for (size_t i = 0; i < batch_.size() && events_; ++i) deliver(batch_[i]);
  batch_.clear();
}

void RtpReceiver::deliver(Ref<const AccessUnit> unit) {
  if (!started_) {
    started_ = true;
    epoch_ = unit->last_arrival;
  }
  if (place_next_) {
    place_next_ = false;
    const Ticks90k elapsed = std::chrono::duration_cast<Ticks90k>(unit->last_arrival - epoch_);
    pts_offset_ = std::max(last_pts_ + Ticks90k{1}, elapsed) - unit->pts;
  }
  // The unit was made in this call and nobody else has it yet, so it may still be moved in time.
  if (pts_offset_ != Ticks90k{0}) const_cast<AccessUnit&>(*unit).pts += pts_offset_;
  last_pts_ = unit->pts;
  ++counters_.units;
  if (unit->keyframe) ++counters_.keyframes;
  if (unit->damaged) ++counters_.damaged_units;
  if (unit->parameter_sets.get() != announced_.get()) announce(unit->parameter_sets);
  if (events_) events_->on_receiver_unit(std::move(unit));
}

void RtpReceiver::announce(const Ref<const ParameterSets>& sets) {
  const bool same =
      announced_.get() == sets.get() && announced_codec_ == track_.codec && announced_framerate_ == track_.framerate;
  if (same) return;
  announced_ = sets;
  announced_codec_ = track_.codec;
  announced_framerate_ = track_.framerate;
  events_->on_receiver_track(TrackInfo{track_.codec, sets, track_.framerate});
}

bool RtpReceiver::may_tell(Code code, MonoTime now, uint64_t& count) {
  for (FaultLimit& limit : fault_limits_) {
    if (limit.used && limit.code != code) continue;
    limit.used = true;
    limit.code = code;
    ++limit.count;
    if (now < limit.next) return false;
    limit.next = now + 1s;
    count = std::exchange(limit.count, 0);
    return true;
  }
  return false;
}

void RtpReceiver::fault(Code code, MonoTime now, std::string_view what, uint32_t sequence, size_t byte,
                        std::string_view quirk) {
  uint64_t count = 0;
  if (!may_tell(code, now, count) || !events_) return;
  std::string where = where_ + ", " + peer_;
  if (last_ssrc_ != 0) where += ", ssrc " + hex32(last_ssrc_);
  if (sequence != UINT32_MAX) where += ", sequence " + std::to_string(sequence);
  where += ", packet " + std::to_string(counters_.packets) + ", byte " + std::to_string(byte);
  std::string text(what);
  if (!quirk.empty()) text += " (" + std::string(quirk) + " is not tolerated here)";
  if (count > 1) text += " (" + std::to_string(count) + " such since the last report)";
  events_->on_receiver_fault(make_error(code, std::move(where), std::move(text)));
}

void RtpReceiver::count_reorder(MonoTime now_mono) {
  const rtp::ReorderStats& now = reorder_->stats();
  const auto amiss = [](const rtp::ReorderStats& s) { return s.lost + s.reordered + s.duplicates + s.refused; };
  if (amiss(now) == amiss(counted_reorder_)) return;  // none of them ever goes down
  counters_.lost_packets += now.lost - counted_reorder_.lost;
  counters_.reordered_packets += now.reordered - counted_reorder_.reordered;
  counters_.duplicate_packets += now.duplicates - counted_reorder_.duplicates;
  const uint64_t refused = now.refused - counted_reorder_.refused;
  counted_reorder_ = now;
  if (refused == 0) return;
  counters_.malformed += refused;
  fault(Code::rtp_malformed, now_mono, "a stray packet, or a sender that begins anew", UINT32_MAX, 0, "D12, F7 or F8");
}

void RtpReceiver::count_depacketizer(MonoTime now) {
  const rtp::DepacketizerStats& stats = depacketizer_->stats();
  const uint64_t malformed = stats.malformed_packets - counted_depacketizer_.malformed_packets;
  const uint64_t too_large = stats.units_too_large - counted_depacketizer_.units_too_large;
  if (malformed == 0 && too_large == 0) return;
  counted_depacketizer_.malformed_packets = stats.malformed_packets;
  counted_depacketizer_.units_too_large = stats.units_too_large;
  counters_.malformed += malformed + too_large;
  const uint32_t sequence = ordered_.packet.sequence;
  if (malformed > 0) {
    fault(Code::payload_malformed, now, "the payload contradicts its own headers", sequence, rtp::kHeaderBytes);
  }
  if (too_large > 0) fault(Code::unit_too_large, now, "dropped, the next ones follow", sequence, 0);
}

}  // namespace vigie::source
