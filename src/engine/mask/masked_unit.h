#pragma once
// What a lane hands to the gate: pictures that a painter filled, coded or not, with the decision they were filled under.
#include <cstdint>
#include <utility>

#include "base/ref.h"
#include "mask/painter.h"
#include "media/access_unit.h"
#include "media/published_unit.h"

namespace vigie::mask {

// A coded picture whose every sample came from a FilledFrame. Made by MaskedEncoder and nobody else.
class MaskedUnit {
 public:
  const Ref<const AccessUnit>& unit() const { return unit_; }
  const Ref<const Provenance>& provenance() const { return provenance_; }
  uint64_t epoch() const { return epoch_; }

 private:
  friend class MaskedEncoder;
  MaskedUnit(Ref<const AccessUnit> unit, Ref<const Provenance> provenance, uint64_t epoch)
      : unit_(std::move(unit)), provenance_(std::move(provenance)), epoch_(epoch) {}
  Ref<const AccessUnit> unit_;
  Ref<const Provenance> provenance_;
  uint64_t epoch_;
};

// A decoded picture as a painter left it, for those who take frames.
struct LaneFrame {
  FilledFrame filled;
  Ref<const Provenance> provenance;
  uint64_t epoch = 0;
};

}  // namespace vigie::mask
