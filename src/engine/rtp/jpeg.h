#pragma once
// JPEG headers, as far as RFC 2435 carries them: read from an image, written from an RTP header.
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace vigie::rtp {

struct JpegSize {
  uint32_t width = 0;
  uint32_t height = 0;
};
// Size by the frame header. Errors: payload_malformed when the bytes are no JPEG or the header is missing.
Result<JpegSize> jpeg_size(ByteSpan jpeg);

// What RFC 2435 needs of an image that it can carry. Spans point into the image.
struct JpegImage {
  uint32_t width = 0;
  uint32_t height = 0;
  uint8_t type = 0;  // 0: 4:2:2, 1: 4:2:0
  uint16_t restart_interval = 0;
  std::array<ByteSpan, 2> tables;  // luma, chroma: 64 bytes each, zigzag order
  ByteSpan scan;                   // entropy-coded data, without EOI
};
// Errors: payload_malformed, saying what RFC 2435 cannot carry: progressive or 12-bit images, other sampling or
// component counts, 16-bit tables, Huffman tables other than the standard ones, sides over 2040 pixels.
Result<JpegImage> parse_jpeg_for_rtp(ByteSpan jpeg);

// One or two quantisation tables as the RTP header carries them.
struct JpegTables {
  std::array<uint8_t, 256> bytes{};  // luma, chroma
  uint8_t precision = 0;             // bit i set: table i has 16-bit entries
  size_t size(size_t index) const { return precision >> index & 1 ? 128 : 64; }
  ByteSpan table(size_t index) const { return {bytes.data() + (index == 0 ? 0 : size(0)), size(index)}; }
};
// The tables that stand for Q = 1 to 99 (RFC 2435 4.2).
JpegTables jpeg_tables_for_q(uint8_t q);
// Tables from the bytes of a quantisation table header; one table serves both. False when they do not fit.
bool read_jpeg_tables(ByteSpan bytes, uint8_t precision, JpegTables& out);

constexpr size_t kMaxJpegHeaderBytes = 1024;
// Writes SOI to SOS with the standard Huffman tables into `out` (kMaxJpegHeaderBytes) and returns the size.
size_t write_jpeg_header(uint8_t* out, uint32_t width, uint32_t height, uint8_t type, uint16_t restart_interval,
                         const JpegTables& tables);

}  // namespace vigie::rtp
