// Parameter sets, SPS parsing and JPEG headers. Input: codec, then NAL units each behind a length byte.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rtp/h264_sps.h"
#include "rtp/h265_sps.h"
#include "rtp/jpeg.h"
#include "rtp/parameter_sets.h"

using namespace vigie;
using namespace vigie::rtp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteSpan all = ByteSpan(data, size).subspan(1);
  if (const auto sps = parse_h264_sps(all); sps && (sps->width == 0 || sps->width > 16384)) std::abort();
  if (const auto sps = parse_h264_sps(all)) {
    for (size_t at = 0; at < std::min<size_t>(all.size(), 64); ++at) {
      const auto field = h264_field(all.subspan(at), *sps);
      if (field && field->frame_num >> sps->picture.frame_num_bits != 0) std::abort();
    }
  }
  if (const auto sps = parse_h265_sps(all); sps && (sps->height == 0 || sps->height > 16384)) std::abort();
  if (const auto image = parse_jpeg_for_rtp(all); image.ok()) {
    if (image->scan.empty() || image->tables[0].size() != 64 || image->width > 2040) std::abort();
    if (!jpeg_size(all).ok()) std::abort();
  }
  ParameterSetTracker tracker(static_cast<Codec>(1 + data[0] % 3));
  ByteReader reader(all);
  std::vector<std::vector<uint8_t>> sdp;
  while (reader.remaining() > 0) {
    const size_t wanted = reader.u8();
    const size_t length = std::min(wanted, reader.remaining());
    const ByteSpan nal = reader.bytes(length);
    if (data[0] & 4) {
      sdp.emplace_back(nal.begin(), nal.end());
      continue;
    }
    const uint64_t revision = tracker.current()->revision;
    const bool changed = tracker.observe(nal);
    if ((tracker.current()->revision != revision) != changed) std::abort();
    if (tracker.observe(nal)) std::abort();  // the same once more is no change
  }
  tracker.seed(sdp);
  if (tracker.current()->sps.size() > 32 || tracker.current()->pps.size() > 64) std::abort();
  return 0;
}
