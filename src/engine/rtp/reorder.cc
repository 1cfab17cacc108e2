#include "rtp/reorder.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace vigie::rtp {
namespace {

constexpr int kMaxDropout = 3000;  // a jump ahead beyond this is not loss (RFC 3550 A.1)
constexpr int kMaxMisorder = 100;  // nor is one back beyond this lateness
constexpr uint32_t kMaxWindow = 512;
constexpr uint64_t kSeenBits = 1024;
constexpr size_t kMinWindowBytes = 72 * 1024;  // one packet of any size fits
constexpr size_t kArenaStep = 32 * 1024;
constexpr uint32_t kOldRunRestarts = 8;
constexpr Nanos kLeastOutage = 1s;  // thousands of packets are not lost in less

}  // namespace

ReorderBuffer::ReorderBuffer(ReorderConfig config) : reception_(config.clock_rate), config_(config) {
  config_.window_packets = std::bit_ceil(std::clamp<uint32_t>(config_.window_packets, 1, kMaxWindow));
  config_.window_bytes = std::max(config_.window_bytes, kMinWindowBytes);
  mask_ = config_.window_packets - 1;
  misorder_ = config_.in_order_transport ? kMaxMisorder : std::max<int>(kMaxMisorder, 2 * config_.window_packets);
}

bool ReorderBuffer::was_seen(uint64_t extended) const {
  return seen_[extended % kSeenBits / 64] >> (extended % 64) & 1;
}

void ReorderBuffer::mark_seen(uint64_t extended, bool seen) {
  uint64_t& word = seen_[extended % kSeenBits / 64];
  const uint64_t bit = uint64_t{1} << (extended % 64);
  word = seen ? word | bit : word & ~bit;
}

void ReorderBuffer::restart(uint32_t ssrc, uint16_t sequence) {
  if (started_) {
    ++stats_.restarts;
    restarted_ = true;
  }
  stats_.strays += held_;
  for (Slot& s : slots_) s.used = false;
  held_ = held_bytes_ = arena_end_ = 0;
  started_ = true;
  ssrc_ = ssrc;
  next_ = give_up_ = (uint64_t{1} << 16) + sequence;  // one cycle up, so that late ones have room below
  pending_lost_ = 0;
  old_run_ = 0;
  seen_.fill(0);
  reception_.restart(ssrc, next_);
}

// A packet that does not belong to the sequence we follow: one alone is noise (D12, a late ghost), two in a row are a
// sender that began anew (F7, F8).
bool ReorderBuffer::try_stray(const PacketView& packet, const Arrival& arrival) {
  if (have_stray_ && stray_.ssrc == packet.ssrc && static_cast<uint16_t>(stray_.sequence + 1) == packet.sequence) {
    have_stray_ = false;
    if (!restart_tolerated()) {
      stats_.refused += 2;
      refused_at_ = arrival.mono;
      return false;
    }
    stray_first_ = true;
    restart(stray_.ssrc, stray_.sequence);
    reception_.on_packet(next_, stray_.timestamp, stray_arrival_.mono);
    return true;
  }
  if (have_stray_) drop_stray();
  stray_bytes_.assign(packet.bytes.begin(), packet.bytes.end());
  have_stray_ = try_parse_packet(stray_bytes_, stray_) == PacketFault::none;
  stray_arrival_ = arrival;
  return false;
}

// What begins with the stray: another SSRC (F7), the same with other numbers (F8), or only what follows an outage.
bool ReorderBuffer::restart_tolerated() {
  if (stray_.ssrc != ssrc_) return tolerates(config_.quirks, Quirk::F7);
  const Nanos silence = stray_arrival_.mono - std::max(reception_.last_arrival(), refused_at_);
  const bool ahead = static_cast<int16_t>(stray_.sequence - static_cast<uint16_t>(next_)) > 0;
  if (silence >= kLeastOutage && (ahead || !config_.in_order_transport)) {
    const int64_t stamps = static_cast<int32_t>(stray_.timestamp - reception_.last_timestamp());
    const Nanos told{stamps * 1'000'000'000 / config_.clock_rate};
    if (told > silence - silence / 8 - 1s && told < silence + silence / 8 + 1s) return true;
  }
  return tolerates(config_.quirks, Quirk::F8);
}

// It was alone. Over UDP one of our own SSRC may be a ghost that the network made.
void ReorderBuffer::drop_stray() {
  have_stray_ = false;
  ++stats_.strays;
  if (stray_.ssrc == ssrc_ && !config_.in_order_transport) return;
  if (!tolerates(config_.quirks, Quirk::D12)) ++stats_.refused;
}

// A long run of old numbers with new timestamps is a sender that went back a little (F8), not a path that repeats
// itself or was slow.
bool ReorderBuffer::is_old_run(const PacketView& packet, uint64_t extended) {
  if (old_run_ == 0) run_timestamp_ = reception_.last_timestamp();
  const bool is_new = was_seen(extended) && static_cast<int32_t>(packet.timestamp - run_timestamp_) > 0;
  const bool follows = old_run_ > 0 && packet.sequence == static_cast<uint16_t>(last_old_ + 1);
  old_run_ = follows && (is_new || config_.in_order_transport) ? old_run_ + 1 : 1;
  last_old_ = packet.sequence;
  if (old_run_ < kOldRunRestarts) return false;
  if (tolerates(config_.quirks, Quirk::F8)) return true;
  ++stats_.refused;
  return false;
}

void ReorderBuffer::push(const PacketView& packet, const Arrival& arrival) {
  ++stats_.received;
  if (!started_) restart(packet.ssrc, packet.sequence);
  if (held_ > 0 && arrival.mono - hole_since_ >= config_.hole_limit) on_time(arrival.mono);

  int delta = static_cast<int16_t>(packet.sequence - static_cast<uint16_t>(next_));
  const bool foreign = packet.ssrc != ssrc_;
  if (foreign || delta > kMaxDropout || delta < -misorder_) {
    if (!try_stray(packet, arrival)) return;
    delta = 1;  // behind the stray
  } else if (have_stray_) {
    drop_stray();
  }
  uint64_t extended = next_ + static_cast<uint64_t>(static_cast<int64_t>(delta));
  const bool old_run = delta < 0 && is_old_run(packet, extended);
  reception_.on_packet(extended, packet.timestamp, arrival.mono);
  if (delta < 0) {
    if (!old_run) {
      ++(was_seen(extended) ? stats_.duplicates : stats_.late);
      return;
    }
    restart(packet.ssrc, packet.sequence);
    extended = next_;
    reception_.on_packet(extended, packet.timestamp, arrival.mono);
  } else {
    old_run_ = 0;
    if (held_ > 0 && extended - next_ <= mask_ && slot(extended).used) {
      ++stats_.duplicates;
      return;
    }
  }
  have_direct_ = true;
  direct_.packet = packet;
  direct_.arrival = arrival;
  direct_.extended_sequence = extended;
}

void ReorderBuffer::fill_out(OrderedPacket& out, uint64_t extended) {
  out.extended_sequence = extended;
  out.lost_before = pending_lost_;
  out.restarted = restarted_;
  pending_lost_ = 0;
  restarted_ = false;
  mark_seen(extended, true);
  next_ = extended + 1;
  ++stats_.delivered;
}

void ReorderBuffer::skip_to(uint64_t extended) {
  const uint64_t count = extended - next_;
  for (uint64_t i = 0; i < std::min(count, kSeenBits); ++i) mark_seen(extended - 1 - i, false);
  stats_.lost += count;
  pending_lost_ += static_cast<uint32_t>(count);
  next_ = extended;
}

bool ReorderBuffer::pop(OrderedPacket& out) {
  if (stray_first_) {
    stray_first_ = false;
    out.packet = stray_;
    out.arrival = stray_arrival_;
    fill_out(out, next_);
    return true;
  }
  for (;;) {
    if (have_direct_ && direct_.extended_sequence == next_) {
      have_direct_ = false;
      out.packet = direct_.packet;
      out.arrival = direct_.arrival;
      fill_out(out, next_);
      note_hole();
      return true;
    }
    if (held_ > 0 && slot(next_).used) {
      Slot& s = slot(next_);
      s.used = false;
      --held_;
      held_bytes_ -= s.size;
      out.packet = s.packet;
      const uint8_t* base = arena_.data() + s.offset;
      const auto rebase = [&](ByteSpan span) {
        return ByteSpan{base + (span.data() - s.packet.bytes.data()), span.size()};
      };
      out.packet.payload = rebase(s.packet.payload);
      if (!s.packet.extension.empty()) out.packet.extension = rebase(s.packet.extension);
      out.packet.bytes = {base, s.size};
      out.arrival = s.arrival;
      fill_out(out, next_);
      if (held_ == 0) arena_end_ = 0;  // the bytes stay until something is held again
      note_hole();
      return true;
    }
    if (next_ < give_up_) {
      uint64_t to = give_up_;
      if (held_ > 0) {
        to = next_ + 1;
        while (to < give_up_ && !slot(to).used) ++to;
      }
      if (have_direct_) to = std::min(to, direct_.extended_sequence);
      skip_to(to);
      continue;
    }
    if (!have_direct_) return false;
    if (config_.in_order_transport) {
      give_up_ = direct_.extended_sequence;
    } else if (direct_.extended_sequence - next_ > mask_) {
      give_up_ = direct_.extended_sequence - mask_;
      ++stats_.holes_overflowed;
    } else if (try_hold()) {
      return false;
    } else {
      give_up_ = first_held();
      ++stats_.holes_overflowed;
    }
  }
}

// The hole that is waited for now was seen when the packet behind it came.
void ReorderBuffer::note_hole() {
  if (held_ > 0 && !slot(next_).used) hole_since_ = slot(first_held()).arrival.mono;
}

uint64_t ReorderBuffer::first_held() const {
  uint64_t at = next_;
  while (!slots_[at & mask_].used) ++at;
  return at;
}

bool ReorderBuffer::try_hold() {
  const PacketView& packet = direct_.packet;
  const size_t size = packet.bytes.size();
  if (held_bytes_ + size > config_.window_bytes && held_ > 0) return false;
  if (slots_.empty()) slots_.resize(config_.window_packets);
  make_room(size);
  Slot& s = slot(direct_.extended_sequence);
  s.packet = packet;
  s.arrival = direct_.arrival;
  s.offset = arena_end_;
  s.size = static_cast<uint32_t>(size);
  s.used = true;
  std::memcpy(arena_.data() + arena_end_, packet.bytes.data(), size);
  arena_end_ += size;
  if (held_++ == 0) hole_since_ = direct_.arrival.mono;
  held_bytes_ += size;
  have_direct_ = false;
  ++stats_.reordered;
  return true;
}

// Makes arena_ have `bytes` free at its end: by closing the gaps, or by growing.
void ReorderBuffer::make_room(size_t bytes) {
  if (arena_end_ + bytes <= arena_.size()) return;
  if (held_ > 0 && held_bytes_ + bytes <= arena_.size() / 4 * 3) {
    std::vector<Slot*> used;
    for (Slot& s : slots_) {
      if (s.used) used.push_back(&s);
    }
    std::sort(used.begin(), used.end(), [](const Slot* a, const Slot* b) { return a->offset < b->offset; });
    arena_end_ = 0;
    for (Slot* s : used) {
      std::memmove(arena_.data() + arena_end_, arena_.data() + s->offset, s->size);
      s->offset = arena_end_;
      arena_end_ += s->size;
    }
    return;
  }
  arena_.resize(std::max(arena_.size() * 2, (arena_end_ + bytes + kArenaStep - 1) / kArenaStep * kArenaStep));
}

void ReorderBuffer::on_time(MonoTime now) {
  if (held_ == 0) return;
  // Every hole below a packet that came that long ago is given up.
  uint64_t limit = next_;
  for (uint64_t at = next_; at <= next_ + mask_; ++at) {
    if (slot(at).used && now - slot(at).arrival.mono >= config_.hole_limit) limit = at;
  }
  if (limit > give_up_ && limit > next_) {
    give_up_ = limit;
    ++stats_.holes_timed_out;
  }
}

std::optional<MonoTime> ReorderBuffer::deadline() const {
  if (held_ == 0) return std::nullopt;
  return hole_since_ + config_.hole_limit;
}

void ReorderBuffer::flush() {
  if (held_ == 0) return;
  for (uint64_t at = next_; at <= next_ + mask_; ++at) {
    if (slot(at).used) give_up_ = std::max(give_up_, at);
  }
}

}  // namespace vigie::rtp
