// Any text as the URI of a viewer's request: what it asks for holds no control character, and what the viewer makes of
// our answer (the control of the track, behind the base that it wrote) leads to the same camera.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "rtsp/text.h"
#include "sink/rtsp_connection.h"

namespace {

using namespace vigie;
using namespace vigie::sink;

void require(bool holds) {
  if (!holds) std::abort();
}

bool has_control(std::string_view text) { return std::any_of(text.begin(), text.end(), rtsp::is_control); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view uri = as_text({data, size});
  const auto target = parse_target(uri);
  if (!target) return 0;
  require(!has_control(target->path) && !has_control(target->after));
  require(target->path.size() <= size && target->after.size() <= size && target->base.size() <= size);
  const auto track = parse_target(target->base + "/trackID=0");
  require(track.ok() && track->track && !track->next_key && track->after.empty());
  require(track->path == target->path && track->base == target->base);
  return 0;
}
