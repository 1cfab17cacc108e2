#include "rtp/jpeg_depacketizer.h"

#include <algorithm>
#include <cstring>

namespace vigie::rtp {
namespace {

constexpr uint8_t kEoi[] = {0xff, 0xd9};
// Pictures in which restart markers that nobody announced are looked for.
constexpr uint32_t kLookedAt = 8;

bool is_restart(uint8_t marker) { return marker >= 0xd0 && marker <= 0xd7; }

}  // namespace

JpegDepacketizer::JpegDepacketizer(const DepacketizerConfig& config, BufferPool& pool)
    : Depacketizer(config, pool), assembler_(pool, config.max_unit_bytes, 1) {}

bool JpegDepacketizer::read_header(ByteReader& reader, Header& header) const {
  header.offset = reader.u32() & 0xffffff;
  header.type = reader.u8();
  header.q = reader.u8();
  header.width = reader.u8() * 8U;
  header.height = reader.u8() * 8U;
  if (header.type >= 64 && header.type < 128) {
    header.restarts = true;
    header.restart_interval = reader.u16();
    reader.skip(2);  // first, last, count: fragments go together by their offset
    header.type -= 64;
  }
  // Sides over 2040 pixels are sent as zero and said in the SDP.
  if (header.width == 0) header.width = config_.width;
  if (header.height == 0) header.height = config_.height;
  return !reader.failed() && header.type <= 1 && header.q != 0 && header.width != 0 && header.height != 0;
}

bool JpegDepacketizer::find_tables(ByteReader& reader, uint8_t q, JpegTables& tables) {
  if (q < 128) {
    tables = jpeg_tables_for_q(q);
    return q <= 99 || contradicts();
  }
  reader.skip(1);
  const uint8_t precision = reader.u8();
  const ByteSpan bytes = reader.bytes(reader.u16());
  if (reader.failed()) return contradicts();
  const auto cached = std::find_if(cache_.begin(), cache_.end(), [q](const CachedTables& c) { return c.q == q; });
  if (bytes.empty()) {  // as sent before with this Q, when we may not have listened yet; never for 255
    if (cached == cache_.end()) return q == 255 && contradicts();
    tables = cached->tables;
    return true;
  }
  if (!read_jpeg_tables(bytes, precision, tables)) return contradicts();
  if (q != 255) {
    if (cached != cache_.end()) {
      cached->tables = tables;
    } else {
      cache_.push_back({q, tables});
    }
  }
  return true;
}

// Notes it (G18). What cannot be read is dropped, tolerated or not. Always false.
bool JpegDepacketizer::contradicts() {
  tolerate(Quirk::G18);
  return false;
}

bool JpegDepacketizer::begin(const OrderedPacket& packet, const Header& header, ByteReader& reader) {
  JpegTables tables;
  if (!find_tables(reader, header.q, tables)) return false;
  if (header.restarts && header.restart_interval == 0 && !tolerate(Quirk::G18)) return false;  // RFC 2435 3.1.7
  looking_ = header.restart_interval == 0 && (unannounced_ || looked_at_ < kLookedAt);
  written_interval_ = header.restart_interval != 0 ? header.restart_interval : found_interval_;
  restarts_ = 0;
  scan_ended_with_ff_ = false;
  uint8_t bytes[kMaxJpegHeaderBytes];
  const size_t size = write_jpeg_header(bytes, header.width, header.height, header.type, written_interval_, tables);
  assembler_.reserve(guess_.bytes());
  assembler_.append({bytes, size});
  active_ = true;
  timestamp_ = packet.packet.timestamp;
  type_ = header.type;
  width_ = header.width;
  height_ = header.height;
  first_ = packet.arrival;
  expected_offset_ = 0;
  return true;
}

void JpegDepacketizer::push(const OrderedPacket& packet, UnitBatch& out) {
  out.clear();
  ++stats_.packets;
  const bool lossy = packet.lost_before > 0 || packet.restarted;
  if (lossy) {
    after_marker_ = false;
    if (active_ && marked_) complete(out);
    if (active_) drop();
    if (packet.restarted) timeline_.expect_jump();
    next_gap_ = true;
    next_lost_ += packet.lost_before;
  }
  if (packet.packet.payload.empty()) {
    if (tolerate(Quirk::F10)) {
      ++stats_.empty_packets;
      if (active_ && packet.packet.marker && packet.packet.timestamp == timestamp_) on_marker(out);
    } else {
      ++stats_.malformed_packets;
    }
    return;
  }
  ByteReader reader(packet.packet.payload);
  Header header;
  if (!read_header(reader, header)) {
    contradicts();
    ++stats_.malformed_packets;
    if (active_) drop();
    return;
  }
  if (after_marker_ && header.offset == ended_offset_ && header.offset != 0 && tolerate(Quirk::F3)) {
    if (marker_.on_lie()) ++stats_.marker_demotions;
  }
  after_marker_ = false;
  if (header.offset == 0) {
    if (active_) {
      if (marked_) {
        marker_.on_honest_unit();
      } else {
        marker_.on_silent_unit();
        if (!tolerate(Quirk::F2)) drop();  // nobody saw its end
      }
      if (active_) complete(out);
    }
    if (!begin(packet, header, reader)) {
      ++stats_.malformed_packets;
      next_gap_ = true;
      return;
    }
  } else if (!active_) {
    next_gap_ = true;  // the beginning was missed
    return;
  } else if (header.offset != expected_offset_) {
    contradicts();
    ++stats_.nals_incomplete;
    drop();
    return;
  } else if (marked_) {
    marked_ = false;
    if (!tolerate(Quirk::F3)) {  // the marker is believed: what is there is all of it
      marker_.on_honest_unit();
      complete(out);
      next_gap_ = true;
      return;
    }
    marker_.on_lie();
  }
  if (packet.packet.timestamp != timestamp_) {
    if (!tolerate(Quirk::G18)) {
      ++stats_.malformed_packets;
      drop();
      return;
    }
    ++stats_.timestamps_bridged;  // by its offset it belongs here
  }
  const ByteSpan data = reader.bytes(reader.remaining());
  if (looking_) look_for_restarts(data);
  assembler_.append(data);
  expected_offset_ += static_cast<uint32_t>(data.size());
  last_ = packet.arrival;
  if (assembler_.overflowed()) {
    ++stats_.units_too_large;
    assembler_.clear();
    active_ = marked_ = false;
    next_gap_ = true;
    return;
  }
  if (packet.packet.marker) on_marker(out);
}

void JpegDepacketizer::on_marker(UnitBatch& out) {
  marked_ = true;
  if (!marker_.proven() && !ends_with_eoi()) return;
  ended_offset_ = expected_offset_;
  complete(out);
  after_marker_ = true;
}

bool JpegDepacketizer::ends_with_eoi() const {
  const ByteSpan tail = assembler_.tail(2);
  return tail.size() == 2 && tail[0] == kEoi[0] && tail[1] == kEoi[1];
}

void JpegDepacketizer::drop() {
  ++stats_.units_dropped;
  assembler_.clear();
  active_ = marked_ = false;
  next_gap_ = true;
}

// In entropy-coded data a marker cannot be anything else.
void JpegDepacketizer::look_for_restarts(ByteSpan scan) {
  if (scan.empty()) return;
  if (scan_ended_with_ff_) restarts_ += is_restart(scan[0]);
  const uint8_t* at = scan.data();
  const uint8_t* const end = at + scan.size();
  while ((at = static_cast<const uint8_t*>(std::memchr(at, 0xff, static_cast<size_t>(end - at)))) && ++at < end) {
    restarts_ += is_restart(*at);
  }
  scan_ended_with_ff_ = scan.back() == 0xff;
}

// Whether the picture can be decoded with the restart interval in its header. Where the device left that out, as many
// markers as there are rows of blocks, or blocks, say what it must be, because encoders set them there: the next picture
// gets it.
bool JpegDepacketizer::restarts_add_up() {
  if (!looking_) return true;
  ++looked_at_;
  unannounced_ = restarts_ > 0;
  found_interval_ = 0;
  if (!unannounced_) return written_interval_ == 0;
  if (tolerate(Quirk::G18)) {
    const uint32_t columns = (width_ + 15) / 16, rows = type_ == 0 ? (height_ + 7) / 8 : (height_ + 15) / 16;
    if (restarts_ + 1 == rows) found_interval_ = static_cast<uint16_t>(columns);
    if (restarts_ + 1 == rows * columns) found_interval_ = 1;
  }
  const bool adds_up = found_interval_ != 0 && found_interval_ == written_interval_;
  if (!adds_up) ++stats_.malformed_packets;
  return adds_up;
}

void JpegDepacketizer::complete(UnitBatch& out) {
  if (!restarts_add_up()) return drop();
  if (!ends_with_eoi()) assembler_.append(kEoi);
  if (assembler_.overflowed() || out.full()) return drop();
  auto unit = make_ref<AccessUnit>();
  unit->codec = Codec::mjpeg;
  unit->keyframe = true;
  unit->gap = next_gap_;
  unit->lost_packets = next_lost_;
  unit->rtp_timestamp = timestamp_;
  const MediaTime time = timeline_.map(timestamp_, first_.mono);
  if (refuses_twin(timestamp_) || time.refused) unit->gap = true;
  unit->pts = time.pts;
  unit->presentation_offset = time.presentation_offset;
  const WallClock::Capture capture = wall_clock_.map(timestamp_, first_);
  unit->capture_time = capture.time;
  unit->clock_quality = capture.quality;
  unit->first_arrival = first_.mono;
  unit->last_arrival = last_.mono;
  unit->arrival_wall = first_.wall;
  assembler_.take_all(unit->payload);
  unit->nals.push_back({0, static_cast<uint32_t>(unit->payload.size())});
  parameter_sets_.observe_picture_size(width_, height_);
  unit->parameter_sets = parameter_sets_.current();
  guess_.learn(unit->payload.size());
  ++stats_.units;
  ++stats_.keyframes;
  out.add(std::move(unit));
  active_ = marked_ = false;
  next_gap_ = false;
  next_lost_ = 0;
}

void JpegDepacketizer::flush(UnitBatch& out) {
  out.clear();
  if (!active_) return;
  if (marked_) {
    complete(out);
  } else {
    drop();
  }
}

void JpegDepacketizer::restart() {
  assembler_.clear();
  active_ = marked_ = after_marker_ = false;
  next_gap_ = true;
  next_lost_ = 0;
  looked_at_ = 0;
  restart_clocks();
}

}  // namespace vigie::rtp
