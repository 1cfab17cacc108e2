#include "rtp/jpeg.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace vigie::rtp {
namespace {

constexpr uint8_t kSof0 = 0xc0, kSof1 = 0xc1, kDht = 0xc4, kSoi = 0xd8, kEoi = 0xd9, kSos = 0xda, kDqt = 0xdb,
                  kDri = 0xdd;
constexpr uint32_t kMaxSide = 2040;

// ITU-T T.81 tables K.1 and K.2, row by row.
constexpr uint8_t kLuma[64] = {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
                               14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
                               18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
                               49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99};
constexpr uint8_t kChroma[64] = {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
                                 99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
                                 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99};

// T.81 figure A.6: position in the zigzag -> position in the block.
constexpr std::array<uint8_t, 64> make_zigzag() {
  std::array<uint8_t, 64> order{};
  int row = 0, column = 0;
  for (int i = 0; i < 64; ++i) {
    order[static_cast<size_t>(i)] = static_cast<uint8_t>(row * 8 + column);
    if ((row + column) % 2 == 0) {
      if (column == 7) {
        ++row;
      } else if (row == 0) {
        ++column;
      } else {
        --row;
        ++column;
      }
    } else if (row == 7) {
      ++column;
    } else if (column == 0) {
      ++row;
    } else {
      ++row;
      --column;
    }
  }
  return order;
}
constexpr std::array<uint8_t, 64> kZigzag = make_zigzag();

// T.81 tables K.3 to K.6: sixteen counts by code length, then the values.
constexpr uint8_t kDcLuma[] = {0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
constexpr uint8_t kDcChroma[] = {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
constexpr uint8_t kAcLuma[] = {
    0,    2,    1,    3,    3,    2,    4,    3,    5,    5,    4,    4,    0,    0,    1,    0x7d, 0x01, 0x02,
    0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14, 0x32,
    0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
    0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63,
    0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85,
    0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4,
    0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa};
constexpr uint8_t kAcChroma[] = {
    0,    2,    1,    2,    4,    4,    3,    4,    7,    5,    4,    4,    0,    1,    2,    0x77, 0x00, 0x01,
    0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81,
    0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16,
    0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38,
    0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a,
    0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3,
    0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa};

// By table class and id as DHT has them: class << 4 | id.
ByteSpan standard_huffman(uint8_t class_and_id) {
  switch (class_and_id) {
    case 0x00: return kDcLuma;
    case 0x01: return kDcChroma;
    case 0x10: return kAcLuma;
    case 0x11: return kAcChroma;
    default: return {};
  }
}

Error bad_jpeg(std::string what, size_t at) {
  return make_error(Code::payload_malformed, "JPEG byte " + std::to_string(at), std::move(what));
}

bool is_frame_header(uint8_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != kDht && marker != 0xc8 && marker != 0xcc;
}

// Calls `visit(marker, body, body position)` for each segment up to and with SOS; `visit` gives back an error, which
// ends the walk, or nothing. Returns the position behind SOS.
template <class Visit>
Result<size_t> walk_segments(ByteSpan jpeg, Visit&& visit) {
  if (jpeg.size() < 4 || jpeg[0] != 0xff || jpeg[1] != kSoi) return bad_jpeg("does not begin with SOI", 0);
  size_t at = 2;
  for (;;) {
    while (at + 1 < jpeg.size() && jpeg[at] == 0xff && jpeg[at + 1] == 0xff) ++at;  // fill bytes
    if (jpeg.size() - at < 4 || jpeg[at] != 0xff) return bad_jpeg("a marker should be here", at);
    const uint8_t marker = jpeg[at + 1];
    const size_t size = load_be16(&jpeg[at + 2]);
    if (size < 2 || size > jpeg.size() - at - 2) return bad_jpeg("the segment goes past the end", at);
    std::optional<Error> error = visit(marker, jpeg.subspan(at + 4, size - 2), at + 4);
    if (error) return std::move(*error);
    at += 2 + size;
    if (marker == kSos) return at;
  }
}

// What the frame header says of its tables, and the tables seen.
struct RtpReader {
  JpegImage image;
  std::array<ByteSpan, 4> tables{};
  std::array<uint8_t, 3> table_of{}, component_id{};
  bool have_frame = false;

  std::optional<Error> quantisation(ByteSpan body, size_t at) {
    while (!body.empty()) {
      if (body[0] >> 4 != 0) return bad_jpeg("16-bit quantisation tables cannot go over RTP here", at);
      if ((body[0] & 15) > 3 || body.size() < 65) return bad_jpeg("the quantisation table is cut short", at);
      tables[body[0] & 15] = body.subspan(1, 64);
      body = body.subspan(65);
    }
    return std::nullopt;
  }

  std::optional<Error> huffman(ByteSpan body, size_t at) {
    while (!body.empty()) {
      const ByteSpan expected = standard_huffman(body[0]);
      if (expected.empty() || body.size() < 1 + expected.size() ||
          !std::equal(expected.begin(), expected.end(), body.begin() + 1)) {
        return bad_jpeg("RFC 2435 carries the standard Huffman tables only", at);
      }
      body = body.subspan(1 + expected.size());
    }
    return std::nullopt;
  }

  std::optional<Error> frame(uint8_t marker, ByteSpan body, size_t at) {
    if (marker != kSof0 && marker != kSof1) return bad_jpeg("RFC 2435 carries baseline images only", at);
    if (body.size() < 6 + 9 || body[5] != 3) return bad_jpeg("RFC 2435 carries three components only", at);
    if (body[0] != 8) return bad_jpeg("RFC 2435 carries 8-bit samples only", at);
    image.height = load_be16(&body[1]);
    image.width = load_be16(&body[3]);
    if (image.width == 0 || image.height == 0 || image.width > kMaxSide || image.height > kMaxSide) {
      return bad_jpeg("RFC 2435 carries sides of 1 to 2040 pixels", at);
    }
    for (size_t i = 0; i < 3; ++i) {
      component_id[i] = body[6 + 3 * i];
      table_of[i] = body[8 + 3 * i] & 3;
    }
    const uint8_t luma = body[7];
    if ((luma != 0x21 && luma != 0x22) || body[10] != 0x11 || body[13] != 0x11) {
      return bad_jpeg("RFC 2435 carries 4:2:2 and 4:2:0 sampling only", at);
    }
    image.type = luma == 0x21 ? 0 : 1;
    have_frame = true;
    return std::nullopt;
  }

  std::optional<Error> scan(ByteSpan body, size_t at) {
    if (!have_frame) return bad_jpeg("the scan comes before the frame header", at);
    if (body.size() < 10 || body[0] != 3) return bad_jpeg("RFC 2435 carries one interleaved scan only", at);
    constexpr uint8_t kHuffmanOf[3] = {0x00, 0x11, 0x11};
    for (size_t i = 0; i < 3; ++i) {
      if (body[1 + 2 * i] != component_id[i] || body[2 + 2 * i] != kHuffmanOf[i]) {
        return bad_jpeg("the scan uses its components or Huffman tables in another way than RFC 2435", at);
      }
    }
    if (table_of[1] != table_of[2]) return bad_jpeg("RFC 2435 carries one chroma quantisation table only", at);
    image.tables = {tables[table_of[0]], tables[table_of[1]]};
    if (image.tables[0].empty() || image.tables[1].empty()) return bad_jpeg("a quantisation table is missing", at);
    return std::nullopt;
  }
};

void put_segment(uint8_t*& p, uint8_t marker, size_t body_bytes) {
  p[0] = 0xff;
  p[1] = marker;
  store_be16(p + 2, static_cast<uint16_t>(body_bytes + 2));
  p += 4;
}

void put(uint8_t*& p, ByteSpan bytes) {
  std::memcpy(p, bytes.data(), bytes.size());
  p += bytes.size();
}

}  // namespace

Result<JpegSize> jpeg_size(ByteSpan jpeg) {
  JpegSize size;
  const Result<size_t> end = walk_segments(jpeg, [&](uint8_t marker, ByteSpan body, size_t) -> std::optional<Error> {
    if (is_frame_header(marker) && body.size() >= 6) size = {load_be16(&body[3]), load_be16(&body[1])};
    return std::nullopt;
  });
  if (!end) return end.error();
  if (size.width == 0 || size.height == 0) return bad_jpeg("the image has no size", 0);
  return size;
}

Result<JpegImage> parse_jpeg_for_rtp(ByteSpan jpeg) {
  RtpReader reader;
  const Result<size_t> end = walk_segments(jpeg, [&](uint8_t marker, ByteSpan body, size_t at) -> std::optional<Error> {
    if (marker == kDqt) return reader.quantisation(body, at);
    if (marker == kDht) return reader.huffman(body, at);
    if (marker == kSos) return reader.scan(body, at);
    if (marker == kDri && body.size() >= 2) reader.image.restart_interval = load_be16(body.data());
    if (is_frame_header(marker)) return reader.frame(marker, body, at);
    return std::nullopt;
  });
  if (!end) return end.error();
  ByteSpan scan = jpeg.subspan(*end);
  // EOI ends the scan; zero bytes or a vendor's tail may follow it.
  for (size_t at = scan.size(); at >= 2; --at) {
    if (scan[at - 2] == 0xff && scan[at - 1] == kEoi) {
      scan = scan.first(at - 2);
      break;
    }
  }
  if (scan.empty()) return bad_jpeg("the scan is empty", *end);
  reader.image.scan = scan;
  return reader.image;
}

JpegTables jpeg_tables_for_q(uint8_t q) {
  const int factor = std::clamp<int>(q, 1, 99);
  const int scale = factor < 50 ? 5000 / factor : 200 - factor * 2;
  JpegTables tables;
  for (size_t i = 0; i < 64; ++i) {
    tables.bytes[i] = static_cast<uint8_t>(std::clamp((kLuma[kZigzag[i]] * scale + 50) / 100, 1, 255));
    tables.bytes[64 + i] = static_cast<uint8_t>(std::clamp((kChroma[kZigzag[i]] * scale + 50) / 100, 1, 255));
  }
  return tables;
}

bool read_jpeg_tables(ByteSpan bytes, uint8_t precision, JpegTables& out) {
  out.precision = precision & 3;
  const size_t first = out.size(0);
  if (bytes.size() == first) {  // one for both
    out.precision = precision & 1 ? 3 : 0;
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin() + static_cast<ptrdiff_t>(first));
    return true;
  }
  if (bytes.size() < first + out.size(1)) return false;
  std::copy_n(bytes.begin(), first + out.size(1), out.bytes.begin());
  return true;
}

size_t write_jpeg_header(uint8_t* out, uint32_t width, uint32_t height, uint8_t type, uint16_t restart_interval,
                         const JpegTables& tables) {
  constexpr uint8_t kJfif[] = {'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};
  uint8_t* p = out;
  *p++ = 0xff;
  *p++ = kSoi;
  put_segment(p, 0xe0, sizeof kJfif);
  put(p, kJfif);
  for (uint8_t i = 0; i < 2; ++i) {
    put_segment(p, kDqt, 1 + tables.size(i));
    *p++ = static_cast<uint8_t>((tables.precision >> i & 1) << 4 | i);
    put(p, tables.table(i));
  }
  if (restart_interval != 0) {
    put_segment(p, kDri, 2);
    store_be16(p, restart_interval);
    p += 2;
  }
  put_segment(p, tables.precision ? kSof1 : kSof0, 15);
  *p++ = 8;
  store_be16(p, static_cast<uint16_t>(height));
  store_be16(p + 2, static_cast<uint16_t>(width));
  p += 4;
  const uint8_t components[] = {3, 1, static_cast<uint8_t>(type == 0 ? 0x21 : 0x22), 0, 2, 0x11, 1, 3, 0x11, 1};
  put(p, components);
  for (const uint8_t id : {0x00, 0x10, 0x01, 0x11}) {
    const ByteSpan table = standard_huffman(id);
    put_segment(p, kDht, 1 + table.size());
    *p++ = id;
    put(p, table);
  }
  constexpr uint8_t kScan[] = {3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0};
  put_segment(p, kSos, sizeof kScan);
  put(p, kScan);
  return static_cast<size_t>(p - out);
}

}  // namespace vigie::rtp
