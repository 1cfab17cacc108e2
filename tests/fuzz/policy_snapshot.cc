// Any text into the snapshot parser; what it takes must hold the rules it checks, and be the same beside one before.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "policy/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace vigie::policy;
  static vigie::Ref<const PolicySnapshot> before;
  const auto result = parse_snapshot({reinterpret_cast<const char*>(data), size});
  const auto beside = parse_snapshot({reinterpret_cast<const char*>(data), size}, before.get());
  if (result.ok() != beside.ok()) std::abort();
  if (!result) {
    if (result.error().text() != beside.error().text()) std::abort();
    return 0;
  }
  const PolicySnapshot& snapshot = **result;
  if (snapshot.agents != (*beside)->agents || snapshot.cameras != (*beside)->cameras) std::abort();
  before = *beside;
  if (!validate(snapshot) || !diff(&snapshot, snapshot).empty()) std::abort();
  if (!check_succession(&snapshot, snapshot)) std::abort();
  size_t needed = snapshot.listeners.size() + (snapshot.limits == LimitsPolicy{} ? 0 : 1);
  for (const auto& camera : snapshot.cameras) {
    if (camera.privacy == Privacy::clear && camera.privacy_reason.empty()) std::abort();
    if (camera.privacy == Privacy::clear && camera.masks) std::abort();
    needed += camera.streams.size();
  }
  for (const auto& listener : snapshot.listeners) {
    if (!listener.tls && !listener.trusted && !listens_on_loopback(listener.listen)) std::abort();
  }
  if (diff(nullptr, snapshot).size() != needed) std::abort();
  return 0;
}
