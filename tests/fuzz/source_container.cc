// Codec configuration records (avcC, hvcC) and length-prefixed pictures, as files and libavformat give them.
// Byte 0: codec and length size; byte 1: where the record ends and the picture begins.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "source/container_config.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool inside(vigie::ByteSpan part, vigie::ByteSpan whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const vigie::Codec codec = data[0] & 1 ? vigie::Codec::h265 : vigie::Codec::h264;
  const size_t length_size = size_t{1} << (data[0] >> 1) % 3;
  const vigie::ByteSpan bytes(data + 2, size - 2);
  const vigie::ByteSpan record = bytes.first(bytes.size() * data[1] / 255);
  const vigie::ByteSpan picture = bytes.subspan(record.size());

  if (const auto config = vigie::source::parse_container_config(codec, record); config.ok()) {
    require(config->length_size <= 4 && config->length_size != 3);
    size_t kept = 0;
    for (const auto& set : config->parameter_sets) {
      require(!set.empty());
      kept += set.size();
    }
    require(kept <= record.size());
  }

  std::vector<vigie::ByteSpan> nals;
  constexpr size_t kMaxNals = 100;
  const bool whole = vigie::source::split_length_prefixed(picture, length_size, nals, kMaxNals);
  require(nals.size() <= kMaxNals);
  size_t covered = 0;
  for (const vigie::ByteSpan nal : nals) {
    require(!nal.empty() && inside(nal, picture));
    covered += nal.size() + length_size;
  }
  require(covered <= picture.size());
  // What was split whole comes back from the same bytes put together again.
  if (whole) {
    std::vector<uint8_t> again;
    for (const vigie::ByteSpan nal : nals) {
      for (size_t i = length_size; i > 0; --i) again.push_back(static_cast<uint8_t>(nal.size() >> 8 * (i - 1)));
      again.insert(again.end(), nal.begin(), nal.end());
    }
    std::vector<vigie::ByteSpan> second;
    require(vigie::source::split_length_prefixed(again, length_size, second, kMaxNals));
    require(second.size() == nals.size());
  }
  return 0;
}
