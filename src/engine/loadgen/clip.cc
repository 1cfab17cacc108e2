#include "loadgen/clip.h"

#include <algorithm>
#include <cstring>

#include "loadgen/stamp.h"

namespace vigie::loadgen {
namespace {

constexpr size_t kInterleavedHeader = 4;
constexpr size_t kRtpHeader = 12;

// Makes room for one packet and returns where its payload goes.
uint8_t* grow(UnitTrain& train, size_t payload_size, uint8_t first) {
  const size_t at = train.bytes.size();
  train.bytes.resize(at + kInterleavedHeader + kRtpHeader + payload_size);
  train.packets.push_back(
      {static_cast<uint32_t>(at + kInterleavedHeader), static_cast<uint32_t>(kRtpHeader + payload_size)});
  train.bytes[at + kInterleavedHeader] = first;
  return train.bytes.data() + at + kInterleavedHeader + kRtpHeader;
}

}  // namespace

void patch_headers(UnitTrain& train, size_t from, size_t to, const PatchValues& values) {
  const size_t last = train.packets.size() - 1;
  for (size_t i = from; i < to; ++i) {
    const PacketSpan packet = train.packets[i];
    uint8_t* p = train.bytes.data() + packet.offset - kInterleavedHeader;
    p[0] = '$';
    p[1] = values.channel;
    store_be16(p + 2, static_cast<uint16_t>(packet.size));
    p[5] = static_cast<uint8_t>(values.payload_type | (i == last && values.marker ? 0x80 : 0));
    store_be16(p + 6, static_cast<uint16_t>(values.first_sequence + i));
    store_be32(p + 8, values.rtp_timestamp);
    store_be32(p + 12, values.ssrc);
  }
}

void TrainBuilder::add_payload(ByteSpan header, ByteSpan data, uint8_t first) {
  uint8_t* out = grow(train_, header.size() + data.size(), first);
  std::copy(header.begin(), header.end(), out);
  std::copy(data.begin(), data.end(), out + header.size());
}

void TrainBuilder::add_nal(ByteSpan nal) {
  const size_t nal_header = codec_ == Codec::h265 ? 2 : 1;
  if (nal.size() <= nal_header) return;
  if (nal.size() <= max_payload_) {
    add_payload({}, nal);
    return;
  }
  uint8_t head[3];
  if (codec_ == Codec::h265) {
    head[0] = static_cast<uint8_t>((nal[0] & 0x81) | 49 << 1);
    head[1] = nal[1];
    head[2] = h265_nal_type(nal[0]);
  } else {
    head[0] = static_cast<uint8_t>((nal[0] & 0xe0) | 28);
    head[1] = h264_nal_type(nal[0]);
  }
  const size_t head_size = nal_header + 1;
  uint8_t& fu = head[nal_header];
  const uint8_t type = fu;
  const size_t room = max_payload_ - head_size;
  for (size_t at = nal_header; at < nal.size(); at += room) {
    const size_t size = std::min(room, nal.size() - at);
    fu = static_cast<uint8_t>(type | (at == nal_header ? 0x80 : 0) | (at + size == nal.size() ? 0x40 : 0));
    add_payload({head, head_size}, nal.subspan(at, size));
  }
}

UnitTrain TrainBuilder::finish(bool keyframe) {
  train_.keyframe = keyframe;
  for (const PacketSpan& packet : train_.packets) {
    const uint8_t* payload = train_.bytes.data() + packet.offset + kRtpHeader;
    const size_t size = std::min<size_t>(packet.size - kRtpHeader, kStampSearchBytes);
    if (const void* found = ::memmem(payload, size, kStampUuid, 16)) {
      train_.stamp_offset = static_cast<const uint8_t*>(found) - train_.bytes.data();
      break;
    }
  }
  // A trailer is used only where the last packet holds it whole.
  if (!train_.packets.empty() && train_.packets.back().size >= kRtpHeader + kTrailerBytes) {
    const size_t at = train_.bytes.size() - kTrailerBytes;
    if (std::memcmp(train_.bytes.data() + at, kTrailerMagic, 8) == 0) train_.trailer_offset = static_cast<int64_t>(at);
  }
  return std::exchange(train_, UnitTrain());
}

std::vector<uint8_t> stamp_sei(Codec codec) {
  std::vector<uint8_t> nal;
  if (codec == Codec::h265) {
    nal = {39 << 1, 1};  // prefix SEI
  } else {
    nal = {h264::kSei};
  }
  nal.push_back(5);  // user_data_unregistered
  nal.push_back(kStampBytes);
  nal.resize(nal.size() + kStampBytes);
  write_stamp(nal.data() + nal.size() - kStampBytes, {});
  nal.push_back(0x80);
  return nal;
}

}  // namespace vigie::loadgen
