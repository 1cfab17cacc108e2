#pragma once
// Restores the order of RTP packets without a play-out delay: what comes in order passes through uncopied.
//
//   push(packet) ; while (pop(ordered)) depacketizer.push(ordered, units)
//   on_time(now) ; while (pop(ordered)) …        when `deadline()` has come
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/quirk.h"
#include "rtp/packet.h"
#include "rtp/reception.h"

namespace vigie::rtp {

struct ReorderConfig {
  // TCP: the transport keeps the order; holes are reported at once and nothing is ever held.
  bool in_order_transport = false;
  // How many packets past a hole are held; rounded up to a power of two, at most 512.
  uint32_t window_packets = 256;
  size_t window_bytes = size_t{512} << 10;
  // How long a hole is waited for after it was seen.
  Nanos hole_limit = 30ms;
  uint32_t clock_rate = 90000;
  Quirks* quirks = nullptr;  // where D12, F7 and F8 are noted and asked for
};

struct ReorderStats {
  uint64_t received = 0;    // pushed
  uint64_t delivered = 0;   // popped
  uint64_t lost = 0;        // given up
  uint64_t reordered = 0;   // came early, were held
  uint64_t duplicates = 0;  // dropped
  uint64_t late = 0;        // dropped: came after they had been given up
  uint64_t strays = 0;      // dropped: alone with their SSRC or far sequence number
  uint64_t refused = 0;     // dropped: strays and restarts that are not tolerated
  uint64_t restarts = 0;    // the sequence began anew (F8) or the SSRC changed (F7)
  uint64_t holes_timed_out = 0;
  uint64_t holes_overflowed = 0;  // given up because the window was full
};

// A packet in its place.
struct OrderedPacket {
  PacketView packet;
  Arrival arrival;
  uint64_t extended_sequence = 0;  // strictly increases until a restart
  uint32_t lost_before = 0;        // packets missing between the previous delivered one and this
  bool restarted = false;          // sequence or SSRC began anew: how much is missing is unknown
};

// Thread: one. Takes memory only when packets are held and the arena must grow (up to `window_bytes`).
class ReorderBuffer {
 public:
  explicit ReorderBuffer(ReorderConfig config = {});

  // Takes a packet. The bytes must stay valid until pop() has returned false.
  void push(const PacketView& packet, const Arrival& arrival);
  // The next packet in order, if there is one now. Its bytes are valid until the next call of push or pop.
  bool pop(OrderedPacket& out);
  // Gives up holes seen longer than `hole_limit` ago.
  void on_time(MonoTime now);
  // When on_time should be called next; nothing while no hole is waited for.
  std::optional<MonoTime> deadline() const;
  // Gives up every hole, at the end of a session.
  void flush();

  const ReorderStats& stats() const { return stats_; }
  Reception& reception() { return reception_; }
  const Reception& reception() const { return reception_; }
  size_t held_packets() const { return held_; }
  size_t held_bytes() const { return held_bytes_; }

 private:
  struct Slot {
    PacketView packet;  // spans rebuilt from `offset` when popped
    Arrival arrival;
    size_t offset = 0;
    uint32_t size = 0;
    bool used = false;
  };
  void restart(uint32_t ssrc, uint16_t sequence);
  bool try_stray(const PacketView& packet, const Arrival& arrival);
  bool restart_tolerated();
  void drop_stray();
  bool is_old_run(const PacketView& packet, uint64_t extended);
  void fill_out(OrderedPacket& out, uint64_t extended);
  void skip_to(uint64_t extended);
  void note_hole();
  uint64_t first_held() const;
  bool try_hold();
  void make_room(size_t bytes);
  bool was_seen(uint64_t extended) const;
  void mark_seen(uint64_t extended, bool seen);
  Slot& slot(uint64_t extended) { return slots_[extended & mask_]; }

  // What every packet needs, then the rest.
  bool started_ = false;
  bool have_direct_ = false;
  bool have_stray_ = false;
  bool stray_first_ = false;  // the stray is to be delivered before direct_
  uint32_t ssrc_ = 0;
  size_t held_ = 0;
  int misorder_ = 0;           // how far back a sequence number is late rather than foreign
  uint64_t next_ = 0;          // extended sequence number expected next
  uint64_t give_up_ = 0;       // holes below this are given up
  uint32_t pending_lost_ = 0;  // to be told with the next delivered packet, as is:
  bool restarted_ = false;
  uint32_t old_run_ = 0;        // packets in a row that seem to have come before, each one up from the one before
  uint32_t run_timestamp_ = 0;  // of the packet before them
  uint16_t last_old_ = 0;
  OrderedPacket direct_;
  ReorderStats stats_;
  Reception reception_;
  std::array<uint64_t, 16> seen_{};  // bits of the last 1024 sequence numbers

  ReorderConfig config_;
  uint64_t mask_ = 0;
  std::vector<Slot> slots_;  // empty until the first packet is held
  std::vector<uint8_t> arena_;
  size_t arena_end_ = 0;
  size_t held_bytes_ = 0;
  MonoTime hole_since_{};

  MonoTime refused_at_{};  // the last time that a restart was not tolerated
  std::vector<uint8_t> stray_bytes_;
  PacketView stray_;
  Arrival stray_arrival_;
};

}  // namespace vigie::rtp
