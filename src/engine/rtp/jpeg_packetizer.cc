// MJPEG -> RTP (RFC 2435): the tables go with every picture (Q = 255), restart markers as one unit per picture.
#include <algorithm>

#include "rtp/jpeg.h"
#include "rtp/train_builder.h"

namespace vigie::rtp {
namespace {

constexpr size_t kMainHeader = 8, kRestartHeader = 4, kTableHeader = 4, kTableBytes = 128;
constexpr uint8_t kDynamicQ = 255;

size_t header_bytes(const JpegImage& image) { return kMainHeader + (image.restart_interval ? kRestartHeader : 0); }

TrainSize measure_image(const JpegImage& image, size_t room) {
  const size_t header = header_bytes(image);
  const size_t scan = image.scan.size();
  const size_t first = std::min(scan, room - header - kTableHeader - kTableBytes);
  const size_t rest = (scan - first + room - header - 1) / (room - header);
  TrainSize size;
  size.add(1 + rest, scan + kTableHeader + kTableBytes + (1 + rest) * header);
  return size;
}

}  // namespace

Result<TrainSize> measure_jpeg(const AccessUnit& unit, size_t room) {
  const Result<JpegImage> image = parse_jpeg_for_rtp(unit.payload.bytes());
  if (!image) return image.error();
  return measure_image(*image, room);
}

Result<Train> build_jpeg(const AccessUnit& unit, const TrainParams& params, size_t room, BufferPool& pool) {
  const Result<JpegImage> image = parse_jpeg_for_rtp(unit.payload.bytes());
  if (!image) return image.error();
  TrainBuilder builder(params, measure_image(*image, room), pool);
  const size_t header = header_bytes(*image);
  ByteSpan scan = image->scan;
  uint32_t offset = 0;
  do {
    const size_t tables = offset == 0 ? kTableHeader + kTableBytes : 0;
    const size_t bytes = std::min(scan.size(), room - header - tables);
    uint8_t* p = builder.packet(header + tables + bytes);
    store_be32(p, offset);  // type-specific 0, then 24 bits of offset
    p[4] = static_cast<uint8_t>(image->type + (image->restart_interval ? 64 : 0));
    p[5] = kDynamicQ;
    p[6] = static_cast<uint8_t>((image->width + 7) / 8);
    p[7] = static_cast<uint8_t>((image->height + 7) / 8);
    p += kMainHeader;
    if (image->restart_interval) {
      store_be16(p, image->restart_interval);
      store_be16(p + 2, 0xffff);  // first and last, count unknown: the whole picture
      p += kRestartHeader;
    }
    if (tables != 0) {
      store_be16(p, 0);
      store_be16(p + 2, kTableBytes);
      std::copy(image->tables[0].begin(), image->tables[0].end(), p + 4);
      std::copy(image->tables[1].begin(), image->tables[1].end(), p + 4 + 64);
      p += tables;
    }
    std::memcpy(p, scan.data(), bytes);
    scan = scan.subspan(bytes);
    offset += static_cast<uint32_t>(bytes);
  } while (!scan.empty());
  return builder.finish();
}

}  // namespace vigie::rtp
