// Byte streams: in pieces or whole they give the same units, and each makes an access unit or a clear refusal.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rtp/annexb.h"
#include "rtp/unit_maker.h"

using namespace vigie;
using namespace vigie::rtp;

namespace {

using Units = std::vector<std::vector<uint8_t>>;

Units split(Codec codec, ByteSpan bytes, size_t piece) {
  AnnexbSplitter splitter(codec, 64 * 1024);
  Units units;
  const auto drain = [&] {
    for (ByteSpan unit; splitter.pop(unit);) units.emplace_back(unit.begin(), unit.end());
  };
  for (size_t at = 0; at < bytes.size(); at += piece) {
    splitter.push(bytes.subspan(at, std::min(piece, bytes.size() - at)));
    drain();
  }
  splitter.finish();
  drain();
  return units;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 32 * 1024) return 0;
  const Codec codec = data[0] & 1 ? Codec::h265 : Codec::h264;
  const ByteSpan bytes(data + 2, size - 2);
  const Units whole = split(codec, bytes, size);
  if (split(codec, bytes, 1 + data[1]) != whole) std::abort();
  BufferPool pool;
  ParameterSetTracker tracker(codec);
  for (const std::vector<uint8_t>& unit : whole) {
    const auto made = make_access_unit(codec, unit, {}, tracker, pool);
    if (!made.ok()) continue;
    for (size_t i = 0; i < (*made)->nals.size(); ++i) {
      if ((*made)->nal(i).empty() || find_start_code((*made)->nal(i)) != (*made)->nal(i).size()) std::abort();
    }
  }
  (void)make_access_unit_length_prefixed(codec, bytes, size_t{1} << data[1] % 3, {}, tracker, pool);
  (void)make_access_unit(Codec::mjpeg, bytes, {}, tracker, pool);
  return 0;
}
