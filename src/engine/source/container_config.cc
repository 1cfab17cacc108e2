#include "source/container_config.h"

#include <string>

#include "base/start_code.h"

namespace vigie::source {
namespace {

constexpr size_t kMaxSets = 64;

Error broken(const ByteReader& reader) {
  return make_error(Code::parameter_sets, "codec configuration, byte " + std::to_string(reader.position()),
                    "the record ends inside an entry");
}

bool read_sets(ByteReader& reader, size_t count, ContainerConfig& out) {
  for (size_t i = 0; i < count; ++i) {
    const ByteSpan nal = reader.bytes(reader.u16());
    if (reader.failed() || out.parameter_sets.size() >= kMaxSets) return false;
    if (!nal.empty()) out.parameter_sets.emplace_back(nal.begin(), nal.end());
  }
  return true;
}

Result<ContainerConfig> parse_avcc(ByteSpan record) {
  ByteReader reader(record);
  ContainerConfig config;
  reader.skip(4);  // version, profile, compatibility, level
  config.length_size = (reader.u8() & 3) + size_t{1};
  const size_t sps_count = reader.u8() & 31;
  if (!read_sets(reader, sps_count, config)) return broken(reader);
  const size_t pps_count = reader.u8();
  if (reader.failed() || !read_sets(reader, pps_count, config)) return broken(reader);
  return config;
}

Result<ContainerConfig> parse_hvcc(ByteSpan record) {
  ByteReader reader(record);
  ContainerConfig config;
  reader.skip(21);
  config.length_size = (reader.u8() & 3) + size_t{1};
  const size_t arrays = reader.u8();
  for (size_t i = 0; i < arrays; ++i) {
    const uint8_t type = reader.u8() & 63;
    const size_t count = reader.u16();
    const size_t before = config.parameter_sets.size();
    if (reader.failed() || !read_sets(reader, count, config)) return broken(reader);
    // SEI may be kept there too; it belongs to its own picture, not to every keyframe.
    if (type != h265::kVps && type != h265::kSps && type != h265::kPps) config.parameter_sets.resize(before);
  }
  if (reader.failed()) return broken(reader);
  return config;
}

}  // namespace

Result<ContainerConfig> parse_container_config(Codec codec, ByteSpan record) {
  if (codec == Codec::mjpeg || record.empty()) return ContainerConfig{};
  const bool annexb =
      record.size() >= 4 && record[0] == 0 && record[1] == 0 && (record[2] == 1 || (record[2] == 0 && record[3] == 1));
  if (annexb) {
    ContainerConfig config;
    NalWalker walker(record);
    for (ByteSpan nal; config.parameter_sets.size() < kMaxSets && walker.next(nal);) {
      config.parameter_sets.emplace_back(nal.begin(), nal.end());
    }
    return config;
  }
  // hvcC of files made before the standard was final says version 0.
  if (record[0] > 1 || (codec == Codec::h264 && record[0] != 1)) {
    return make_error(Code::parameter_sets, "codec configuration, byte 0",
                      "version " + std::to_string(record[0]) + ", expected 1");
  }
  Result<ContainerConfig> config = codec == Codec::h264 ? parse_avcc(record) : parse_hvcc(record);
  if (config && config->length_size == 3) {
    return make_error(Code::parameter_sets, "codec configuration", "lengths of 3 bytes; 1, 2 or 4 are allowed");
  }
  return config;
}

bool split_length_prefixed(ByteSpan bytes, size_t length_size, std::vector<ByteSpan>& out, size_t max_nals) {
  out.clear();
  size_t at = 0;
  while (at < bytes.size()) {
    if (bytes.size() - at < length_size) return false;
    uint64_t size = 0;
    for (size_t i = 0; i < length_size; ++i) size = size << 8 | bytes[at + i];
    at += length_size;
    if (size > bytes.size() - at) return false;
    if (size > 0) {
      if (out.size() >= max_nals) return false;
      out.push_back(bytes.subspan(at, static_cast<size_t>(size)));
    }
    at += static_cast<size_t>(size);
  }
  return true;
}

}  // namespace vigie::source
