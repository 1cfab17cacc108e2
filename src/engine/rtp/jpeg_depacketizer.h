#pragma once
// MJPEG payloads (RFC 2435) -> complete JFIF images.
#include <cstdint>
#include <vector>

#include "rtp/depacketizer.h"
#include "rtp/jpeg.h"
#include "rtp/unit_assembler.h"

namespace vigie::rtp {

// A picture with a missing fragment is dropped whole: without restart markers nothing after the hole can be decoded.
class JpegDepacketizer final : public Depacketizer {
 public:
  JpegDepacketizer(const DepacketizerConfig& config, BufferPool& pool);
  void push(const OrderedPacket& packet, UnitBatch& out) override;
  void flush(UnitBatch& out) override;
  void restart() override;

 private:
  struct CachedTables {
    uint8_t q = 0;
    JpegTables tables;
  };
  struct Header {
    uint32_t offset = 0;
    uint8_t type = 0;
    uint8_t q = 0;
    uint32_t width = 0;
    uint32_t height = 0;
    bool restarts = false;  // there is a restart header
    uint16_t restart_interval = 0;
  };
  bool read_header(ByteReader& reader, Header& header) const;
  bool find_tables(ByteReader& reader, uint8_t q, JpegTables& tables);
  bool begin(const OrderedPacket& packet, const Header& header, ByteReader& reader);
  void look_for_restarts(ByteSpan scan);
  bool restarts_add_up();
  void complete(UnitBatch& out);
  void on_marker(UnitBatch& out);
  bool contradicts();
  void drop();
  bool ends_with_eoi() const;

  UnitAssembler assembler_;
  SizeGuess guess_;
  std::vector<CachedTables> cache_;  // Q = 128 to 254, as they came

  bool active_ = false;
  bool marked_ = false;
  uint32_t timestamp_ = 0;
  uint32_t expected_offset_ = 0;  // of the next fragment
  uint8_t type_ = 0;
  uint32_t width_ = 0, height_ = 0;
  Arrival first_, last_;
  // G18: restart markers in scans that were announced without. Only the first pictures are looked at, or all of them
  // once there was one.
  bool looking_ = false;  // at the picture in the making
  bool scan_ended_with_ff_ = false;
  uint32_t restarts_ = 0;          // markers in it so far
  uint16_t written_interval_ = 0;  // what its header says
  uint16_t found_interval_ = 0;    // what the markers of the picture before say
  bool unannounced_ = false;
  uint32_t looked_at_ = 0;
  bool next_gap_ = false;
  uint32_t next_lost_ = 0;
  bool after_marker_ = false;
  uint32_t ended_offset_ = 0;  // where the unit that left with its marker ended
};

}  // namespace vigie::rtp
