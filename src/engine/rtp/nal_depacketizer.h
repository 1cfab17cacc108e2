#pragma once
// What H.264 and H.265 have in common: where an access unit begins and ends, what loss does to it, and its making.
#include <cstdint>
#include <optional>

#include "rtp/depacketizer.h"
#include "rtp/h264_sps.h"
#include "rtp/nal_kind.h"
#include "rtp/unit_assembler.h"

namespace vigie::rtp {

// The life of a packet here:
//   note_loss      what is missing, and whom it damages
//   find_boundary  does this packet begin another unit? (timestamp, or picture data that cannot continue this one)
//   read_payload   the codec's part: calls whole_nal() and fragment()
//   on_marker      does it end the unit?
class NalDepacketizer : public Depacketizer {
 public:
  void push(const OrderedPacket& packet, UnitBatch& out) final;
  void flush(UnitBatch& out) final;
  void restart() final;

 protected:
  // `type_mask`: the bits of a NAL unit's first byte that are its type.
  NalDepacketizer(const DepacketizerConfig& config, BufferPool& pool, uint8_t type_mask);

  // The kind of a NAL unit by its header and the byte after it; `nal` may be cut short.
  virtual NalKind kind_of(ByteSpan nal) const = 0;
  // The kind of the first NAL unit in a payload.
  virtual NalKind peek(ByteSpan payload) const = 0;
  virtual void read_payload(ByteSpan payload) = 0;
  // A NAL unit with a type that may stand alone in a payload and in an access unit.
  virtual bool known_nal(ByteSpan nal) const = 0;

  // The field that a slice begins; none for a frame. `nal` may be cut short behind 24 bytes.
  virtual std::optional<H264Field> field_of(ByteSpan) { return std::nullopt; }
  // A whole NAL unit that leads a picture has come.
  virtual void on_leading_nal(ByteSpan) {}

  void whole_nal(ByteSpan nal);
  // A payload that is a piece of byte stream (G1).
  void annexb_payload(ByteSpan payload);
  // `header`: the NAL unit's own header, rebuilt from the fragment's.
  void fragment(bool start, bool end, ByteSpan header, ByteSpan data);
  static bool starts_with_start_code(ByteSpan payload);
  void malformed() { ++stats_.malformed_packets; }
  // A fragment that cannot be used: the NAL unit it belongs to is dropped.
  void bad_fragment();
  // A payload shorter than its own header (G17).
  void short_fragment() { tolerate(Quirk::G17) ? malformed() : bad_fragment(); }

 private:
  void note_loss(const OrderedPacket& packet);
  void find_boundary(const OrderedPacket& packet, const NalKind& kind);
  void on_marker();
  void doubt_marker();
  void end_where_told();
  void add_nal(ByteSpan nal, bool may_split);
  void add_pieces(ByteSpan annexb);
  // `head`: its first bytes, 24 or all there are.
  void begin_nal(const NalKind& kind, ByteSpan head);
  void begin_picture(ByteSpan head);
  void close_nal();
  void drop_open_nal();
  void activate();
  void note_marker_lie();
  void refuse(ByteSpan nal);
  void complete();
  void make_unit(size_t nal_count);

  const uint8_t type_mask_;
  UnitAssembler assembler_;
  SizeGuess key_guess_, delta_guess_;
  UnitBatch* out_ = nullptr;
  const OrderedPacket* packet_ = nullptr;
  bool packet_lossy_ = false;

  // The unit in the making.
  bool active_ = false;
  bool has_vcl_ = false;
  bool head_missing_ = false;
  bool damaged_ = false;
  bool gap_ = false;
  bool marked_ = false;       // the last packet with picture data carried the marker
  bool marker_late_ = false;  // it came behind the picture, on what leads the next one (F1)
  uint32_t lost_ = 0;
  uint32_t timestamp_ = 0;
  size_t tail_ = 0;  // NAL units from here on lead the next picture; 0 = none (a unit has a slice before them)
  Arrival first_, last_;
  // Set while the unit has one field of a frame and its other one may still join it.
  std::optional<H264Field> field_;
  NalKind open_kind_;
  uint8_t open_type_ = 0;      // of a NAL unit that comes in fragments
  bool empty_start_ = false;   // its first fragment had no data (G4): the next one begins it
  bool skipping_nal_ = false;  // later fragments of a NAL unit that was dropped

  // Before the next unit.
  bool next_gap_ = false;
  uint32_t next_lost_ = 0;
  bool after_marker_ = false;  // the unit before left with its marker, and nothing came since
  uint32_t marked_timestamp_ = 0;
  bool annexb_source_ = false;
  std::optional<H264Field> last_field_;  // of the unit before, where it left with one
  bool fields_apart_ = false;            // the fields of a frame have timestamps of their own
};

}  // namespace vigie::rtp
