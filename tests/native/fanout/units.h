#pragma once
// Published units for tests, made through a real gate.
#include <cstdint>
#include <vector>

#include "mask/publish_gate.h"

namespace vigie::test {

struct UnitSpec {
  bool keyframe = false;
  size_t bytes = 100;
  MonoTime arrival{};
};

inline Ref<AccessUnit> make_unit(const UnitSpec& spec) {
  auto unit = make_ref<AccessUnit>();
  unit->keyframe = spec.keyframe;
  unit->last_arrival = spec.arrival;
  unit->payload = Buffer::make_heap(spec.bytes);
  unit->payload.append(std::vector<uint8_t>(spec.bytes, 0x11));
  unit->nals.push_back({4, static_cast<uint32_t>(spec.bytes - 4)});
  return unit;
}

inline PublishedUnit publish(Ref<const AccessUnit> unit) {
  mask::PublishGate gate;
  gate.decide({PrivacyState::clear_by_decision, 1, "test scene"});
  return gate.publish_clear(std::move(unit));
}
inline PublishedUnit publish(const UnitSpec& spec) { return publish(make_unit(spec)); }

}  // namespace vigie::test
