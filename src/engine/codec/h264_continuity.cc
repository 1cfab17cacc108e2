#include "codec/h264_continuity.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/rbsp.h"

namespace vigie::codec {
namespace {

constexpr size_t kHeaderBytes = 32;  // of a slice's NAL unit: more than what is read of it

struct SliceHead {
  bool idr = false;
  bool reference = false;  // others refer to it
  uint32_t frame_num = 0;
};

ByteSpan first_slice(const AccessUnit& unit) {
  for (size_t i = 0; i < unit.nals.size(); ++i) {
    const ByteSpan nal = unit.nal(i);
    if (nal.empty()) continue;
    const uint8_t type = h264_nal_type(nal[0]);
    if (type == h264::kSlice || type == h264::kIdr) return nal;
  }
  return {};
}

// Of the SPS that a picture refers to; null where it is not known.
const PictureFacts* facts_for(const ParameterSets& sets, uint32_t pps_id) {
  if (sets.sps.size() == 1) return &sets.picture;
  const auto found = std::ranges::find(sets.pps_facts, pps_id, &PpsFacts::id);
  return found != sets.pps_facts.end() && found->picture ? &*found->picture : nullptr;
}

// 7.3.3. Sets `picture` to what the slice's SPS says, where that is known.
std::optional<SliceHead> read_head(ByteSpan nal, const ParameterSets& sets, const PictureFacts*& picture) {
  if (nal.empty()) return std::nullopt;
  SliceHead head;
  head.idr = h264_nal_type(nal[0]) == h264::kIdr;
  head.reference = (nal[0] & 0x60) != 0;
  const Rbsp rbsp(nal.first(std::min(nal.size(), kHeaderBytes)), 1);
  BitReader r(rbsp.bytes());
  r.ue();  // first_mb_in_slice
  r.ue();  // slice_type
  picture = facts_for(sets, r.ue());
  if (r.failed() || !picture) return std::nullopt;
  if (picture->separate_planes) r.skip(2);
  head.frame_num = r.bits(picture->frame_num_bits);
  return r.failed() ? std::nullopt : std::optional(head);
}

}  // namespace

bool H264Continuity::follows(const AccessUnit& unit) {
  const ParameterSets& sets = *unit.parameter_sets;
  const PictureFacts* picture = sets.sps.size() == 1 ? &sets.picture : nullptr;
  const std::optional<SliceHead> head = read_head(first_slice(unit), sets, picture);
  if (picture && (picture->frame_num_bits == 0 || picture->frame_num_gaps_allowed)) return true;
  if (!head) {
    reference_.reset();
    return false;
  }
  const std::optional<uint32_t> before = reference_;
  if (head->reference || head->idr) {
    reference_ = head->frame_num;
  } else if (before && head->frame_num != *before) {
    // A picture nobody refers to carries the number that the next reference picture will have.
    const uint32_t mask = (uint32_t{1} << picture->frame_num_bits) - 1;
    reference_ = (head->frame_num - 1) & mask;
  }
  if (head->idr) return true;
  if (!before) return false;
  const uint32_t next = (*before + 1) & ((uint32_t{1} << picture->frame_num_bits) - 1);
  return head->frame_num == next ||
         (picture->interlaced && head->frame_num == *before);  // its second field, on its own
}

}  // namespace vigie::codec
