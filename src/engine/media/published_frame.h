#pragma once
// The only form in which decoded pictures reach hosts. Made by mask/publish_gate and nobody else.
#include <utility>

#include "media/frame.h"
#include "media/published_unit.h"

namespace vigie {

// A decoded picture that passed the gate. A cheap value (two references).
class PublishedFrame {
 public:
  PublishedFrame() = default;  // empty: carries nothing
  const Frame& frame() const { return *frame_; }
  const Provenance& provenance() const { return *provenance_; }
  const Ref<const Frame>& ref() const { return frame_; }
  const Ref<const Provenance>& provenance_ref() const { return provenance_; }
  explicit operator bool() const { return static_cast<bool>(frame_); }

 private:
  friend class mask::PublishGate;
  PublishedFrame(Ref<const Frame> frame, Ref<const Provenance> provenance)
      : frame_(std::move(frame)), provenance_(std::move(provenance)) {}
  Ref<const Frame> frame_;
  Ref<const Provenance> provenance_;
};

}  // namespace vigie
