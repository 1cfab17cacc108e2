#include "loadgen/jpeg.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace vigie::loadgen {
namespace {

struct Image {
  uint8_t type = 1;  // 0: 4:2:2, 1: 4:2:0; 64 more with restart intervals
  uint32_t width = 0, height = 0;
  uint16_t restart_interval = 0;
  std::array<std::array<uint8_t, 64>, 4> tables{};
  uint8_t luma_table = 0, chroma_table = 0;
  size_t scan_begin = 0, scan_end = 0;  // without EOI
  size_t end = 0;                       // after EOI
};

Error bad(const char* what) { return make_error(Code::invalid_argument, "", what); }

Status read_frame_header(ByteSpan body, Image& image) {
  if (body.size() < 15 || body[0] != 8 || body[5] != 3) return bad("a JPEG image needs three components of 8 bits");
  image.height = load_be16(&body[1]);
  image.width = load_be16(&body[3]);
  if (image.width > 2040 || image.height > 2040 || image.width == 0 || image.height == 0) {
    return bad("RFC 2435 carries images of 1 to 2040 pixels a side");
  }
  const uint8_t sampling = body[7];
  if (sampling == 0x21)
    image.type = 0;
  else if (sampling == 0x22)
    image.type = 1;
  else
    return bad("RFC 2435 carries 4:2:2 and 4:2:0 only");
  image.luma_table = body[8] & 3;
  image.chroma_table = body[11] & 3;
  return {};
}

Status read_tables(ByteSpan body, Image& image) {
  while (body.size() >= 65) {
    if (body[0] >> 4) return bad("quantization tables must have 8 bits");
    std::copy_n(body.begin() + 1, 64, image.tables[body[0] & 3].begin());
    body = body.subspan(65);
  }
  return {};
}

// Reads one image that begins at `at` with SOI.
Result<Image> read_image(ByteSpan bytes, size_t at) {
  Image image;
  at += 2;
  for (;;) {
    if (at + 4 > bytes.size() || bytes[at] != 0xff) return bad("a JPEG header is cut short");
    const uint8_t marker = bytes[at + 1];
    const size_t length = load_be16(&bytes[at + 2]);
    if (length < 2 || at + 2 + length > bytes.size()) return bad("a JPEG segment is cut short");
    const ByteSpan body = bytes.subspan(at + 4, length - 2);
    at += 2 + length;
    Status read;
    if (marker == 0xc0)
      read = read_frame_header(body, image);
    else if (marker == 0xc2)
      read = bad("progressive JPEG cannot be carried");
    else if (marker == 0xdb)
      read = read_tables(body, image);
    else if (marker == 0xdd && body.size() >= 2)
      image.restart_interval = load_be16(body.data());
    if (!read.ok()) return read.error();
    if (marker == 0xda) break;
  }
  if (image.width == 0) return bad("a JPEG image has no frame header");
  image.scan_begin = at;
  while (at + 1 < bytes.size() && !(bytes[at] == 0xff && bytes[at + 1] == 0xd9)) ++at;
  image.scan_end = at;
  image.end = std::min(at + 2, bytes.size());
  if (image.restart_interval) image.type = static_cast<uint8_t>(image.type + 64);
  return image;
}

void packetize(const Image& image, ByteSpan scan, size_t max_payload, TrainBuilder& builder) {
  for (size_t at = 0; at < scan.size();) {
    std::vector<uint8_t> header{0,
                                static_cast<uint8_t>(at >> 16),
                                static_cast<uint8_t>(at >> 8),
                                static_cast<uint8_t>(at),
                                image.type,
                                255,
                                static_cast<uint8_t>((image.width + 7) / 8),
                                static_cast<uint8_t>((image.height + 7) / 8)};
    if (image.restart_interval) {  // RFC 2435 3.1.7; F and L set, count 0x3FFF: whole frame
      header.insert(header.end(), {static_cast<uint8_t>(image.restart_interval >> 8),
                                   static_cast<uint8_t>(image.restart_interval), 0xff, 0xff});
    }
    if (at == 0) {  // 3.1.8
      header.insert(header.end(), {0, 0, 0, 128});
      const auto& luma = image.tables[image.luma_table];
      const auto& chroma = image.tables[image.chroma_table];
      header.insert(header.end(), luma.begin(), luma.end());
      header.insert(header.end(), chroma.begin(), chroma.end());
    }
    const size_t take = std::min(max_payload - header.size(), scan.size() - at);
    builder.add_payload(header, scan.subspan(at, take));
    at += take;
  }
}

}  // namespace

Status add_jpeg_units(Clip& clip, ByteSpan images, size_t max_payload) {
  if (max_payload < 256) return bad("the packet size must leave room for the JPEG tables");
  size_t at = 0;
  while (at + 4 <= images.size()) {
    if (images[at] != 0xff || images[at + 1] != 0xd8) {
      ++at;
      continue;
    }
    const Result<Image> image = read_image(images, at);
    if (!image.ok()) return image.error();
    TrainBuilder builder(Codec::mjpeg, max_payload);
    packetize(*image, images.subspan(image->scan_begin, image->scan_end - image->scan_begin), max_payload, builder);
    clip.units.push_back(builder.finish(true));
    at = image->end;
  }
  return {};
}

}  // namespace vigie::loadgen
