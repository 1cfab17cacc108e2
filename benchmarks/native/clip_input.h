#pragma once
// How benchmarks of coded clips begin and give up.
#include <errno.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "media/access_unit.h"
#include "rtp/annexb.h"
#include "rtp/unit_maker.h"

namespace vigie::bench {

[[noreturn]] inline void stop(const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.c_str());
  std::exit(1);
}

// The first `most` access units of an Annex B file. Ends the program where there is none.
inline std::vector<Ref<const AccessUnit>> read_units(const std::string& name, Codec codec, size_t most,
                                                     BufferPool& pool) {
  std::ifstream file(name, std::ios::binary);
  if (!file) stop(name + " cannot be read");
  const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  rtp::AnnexbSplitter splitter(codec);
  splitter.push(bytes);
  splitter.finish();
  rtp::ParameterSetTracker tracker(codec);
  std::vector<Ref<const AccessUnit>> units;
  for (ByteSpan annexb; units.size() < most && splitter.pop(annexb);) {
    auto unit = rtp::make_access_unit(codec, annexb, {}, tracker, pool);
    if (!unit) stop(unit.error().text());
    units.push_back(std::move(*unit));
  }
  if (units.empty()) stop(name + " holds no " + std::string(codec_name(codec)));
  return units;
}

}  // namespace vigie::bench
