#pragma once
// Annex B byte streams, cut into access units.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/start_code.h"
#include "media/codec.h"

namespace vigie::rtp {

// Cuts a byte stream that comes in pieces (a raw .h264 or .h265 file) into access units.
// Thread: one. Memory: one access unit and the piece, both bounded by `max_unit_bytes`.
class AnnexbSplitter {
 public:
  explicit AnnexbSplitter(Codec codec, size_t max_unit_bytes = size_t{8} << 20);
  void push(ByteSpan piece);
  // No more bytes follow: what is left is the last unit.
  void finish();
  // The next whole unit as a byte stream, valid until the next call of push, finish or pop.
  bool pop(ByteSpan& unit);
  // Bytes thrown away: before the first start code, or a unit over the limit.
  uint64_t dropped_bytes() const { return dropped_bytes_; }

 private:
  void scan();
  Codec codec_;
  size_t max_unit_bytes_;
  std::vector<uint8_t> bytes_;
  size_t begin_ = 0;     // first byte of the unit being gathered
  size_t scan_ = 0;      // start codes before this are known
  size_t unit_end_ = 0;  // end of a whole unit that begins at begin_, 0 while not known
  bool synced_ = false;  // a start code was seen
  bool has_vcl_ = false;
  bool finished_ = false;
  uint64_t dropped_bytes_ = 0;
};

}  // namespace vigie::rtp
