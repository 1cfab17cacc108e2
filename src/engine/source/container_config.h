#pragma once
// What MP4 and Matroska keep beside the pictures: parameter sets and the size of the NAL units' lengths.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/codec.h"

namespace vigie::source {

// From a track's codec configuration record (avcC, hvcC); Annex B where there is no record.
struct ContainerConfig {
  size_t length_size = 0;                            // 1, 2 or 4; 0 = Annex B
  std::vector<std::vector<uint8_t>> parameter_sets;  // in the record's order; may be empty
};

// Errors: parameter_sets when the record is cut short or of a version that is not known.
// Source: ISO/IEC 14496-15 5.3.3.1, 8.3.3.1.
Result<ContainerConfig> parse_container_config(Codec codec, ByteSpan record);

// The NAL units of one picture whose lengths stand before each; false when a length goes beyond the end. Empty NAL
// units are left out. At most `max_nals`.
bool split_length_prefixed(ByteSpan bytes, size_t length_size, std::vector<ByteSpan>& out, size_t max_nals = 4096);

}  // namespace vigie::source
