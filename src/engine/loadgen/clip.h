#pragma once
// What a simulated camera plays: access units as ready RTP packets, shared by all cameras of one program.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/codec.h"

namespace vigie::loadgen {

// One RTP packet inside UnitTrain::bytes: the four bytes before `offset` are its interleaved header (RFC 2326 10.12).
struct PacketSpan {
  uint32_t offset = 0;
  uint32_t size = 0;
};

// One access unit as a row of interleaved RTP packets, contiguous, so that one write sends any run of them.
// Ownership: shared by every camera that plays the clip; the headers are patched in place just before each write, which
// is safe because one thread does both and the kernel copies.
struct UnitTrain {
  std::vector<uint8_t> bytes;
  std::vector<PacketSpan> packets;
  bool keyframe = false;
  int64_t pts_ticks = 0;  // 90 kHz since the clip's start
  int64_t dts_ticks = 0;  // when it leaves, likewise
  int64_t stamp_offset = -1;
  int64_t trailer_offset = -1;
};

struct Clip {
  Codec codec = Codec::h264;
  std::vector<UnitTrain> units;
  std::vector<uint8_t> vps, sps, pps;  // the first of each, for the SDP
  double fps = 25;
  int64_t duration_ticks = 0;
  uint8_t payload_type = 96;
};

// What one run of packets of a unit needs in its headers.
struct PatchValues {
  uint16_t first_sequence = 0;  // of packet 0 of the unit
  uint32_t rtp_timestamp = 0;
  uint32_t ssrc = 0;
  uint8_t channel = 0;
  uint8_t payload_type = 96;
  bool marker = true;  // on the unit's last packet
};

// Rewrites the interleaved and RTP headers of packets [from, to), but for the RTP header's first byte.
void patch_headers(UnitTrain& train, size_t from, size_t to, const PatchValues& values);

// Packs NAL units into RTP packets: single NAL unit packets and fragmentation units (RFC 6184 5.6, 5.8; RFC 7798 4.4.1,
// 4.4.3). `max_payload` counts the RTP payload.
class TrainBuilder {
 public:
  TrainBuilder(Codec codec, size_t max_payload) : codec_(codec), max_payload_(max_payload) {}
  void add_nal(ByteSpan nal);
  // A packet as it is: payload header and data (MJPEG). `first` is the RTP header's first byte; where it says so, CSRCs
  // and extension begin `header`, and padding ends `data`.
  void add_payload(ByteSpan header, ByteSpan data, uint8_t first = 0x80);
  // Finds the stamp and the trailer, if there are any.
  UnitTrain finish(bool keyframe);

 private:
  Codec codec_;
  size_t max_payload_;
  UnitTrain train_;
};

// The SEI NAL unit that carries a (still empty) stamp.
std::vector<uint8_t> stamp_sei(Codec codec);

struct FileOptions {
  double fps = 25;
  bool stamp = true;
  size_t max_payload = 1400;
  std::string timing;  // text file, a line "pts dts" in 90 kHz ticks for every access unit; empty: constant rate
};
// Reads an Annex B elementary stream (.h264 .264 .h265 .265 .hevc) or a row of JPEG images (.mjpeg .mjpg) whole.
// Errors: invalid_argument with the file's name for what cannot be read or holds no picture.
Result<Clip> load_clip(const std::string& path, const FileOptions& options);

struct SyntheticOptions {
  Codec codec = Codec::h264;
  double bits_per_second = 4e6;
  double fps = 25;
  uint32_t gop = 50;
  double key_ratio = 5;  // keyframe size over the size of the others
  double jitter = 0.2;   // sizes of the others vary by this share
  uint32_t width = 1920;
  uint32_t height = 1080;
  size_t max_payload = 1400;
  uint64_t seed = 1;
  uint32_t slices = 1;  // of each picture, not of MJPEG
};
// One GOP of access units of the right size and structure whose slice data are pseudo-random bytes: no decoder will
// make a picture of them. For load.
Clip make_synthetic_clip(const SyntheticOptions& options);

}  // namespace vigie::loadgen
