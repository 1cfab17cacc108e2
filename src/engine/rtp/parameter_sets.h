#pragma once
// Follows a track's parameter sets, from SDP and in band.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/quirk.h"
#include "base/ref.h"
#include "media/codec.h"
#include "media/parameter_sets.h"

namespace vigie::rtp {

// Thread: one. Takes memory only when the content changes.
class ParameterSetTracker {
 public:
  explicit ParameterSetTracker(Codec codec, Quirks* quirks = nullptr);

  // Parameter sets from the SDP, in any order; Annex B inside is split (B19), what is not a parameter set of the codec
  // is left out (B20). Returns how many were usable.
  size_t seed(std::span<const std::vector<uint8_t>> nals);
  // One NAL unit seen in band, without start code; anything but a parameter set is ignored. A set replaces the one
  // with the same id. Returns true when the content changed.
  bool observe(ByteSpan nal);
  // MJPEG: the picture's size from its header.
  bool observe_picture_size(uint32_t width, uint32_t height);

  // In force now; never null. A new object with a new revision only when the content changed.
  const Ref<const ParameterSets>& current();

  // Parameter sets that could not be used: no id in range, over 4 KiB, one id too many, or bytes behind the end of an
  // SPS where that is not tolerated (G9).
  uint64_t refused() const { return refused_; }

 private:
  struct Entry {
    uint32_t id = 0;
    std::vector<uint8_t> nal;
    std::optional<PictureFacts> picture;  // of an H.264 SPS that could be read
  };
  using Table = std::vector<Entry>;
  PpsFacts facts_of_pps(const Entry& pps) const;
  Table* table_for(ByteSpan nal, size_t& max_entries);

  Codec codec_;
  Quirks* quirks_;
  Table vps_, sps_, pps_;  // the set that changed last comes first
  uint32_t width_ = 0, height_ = 0;
  PictureFacts picture_;
  bool dirty_ = true;
  uint64_t revision_ = 0;
  uint64_t refused_ = 0;
  Ref<const ParameterSets> current_;
};

}  // namespace vigie::rtp
