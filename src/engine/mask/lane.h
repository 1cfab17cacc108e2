#pragma once
// The lane interface: access units in (and, for domes, poses), published units out. What stands between a source and
// fan-out. The clear lane passes on; the pixel lane (decode, fill, encode) plugs in here.
#include "base/ref.h"
#include "mask/publish_gate.h"
#include "media/access_unit.h"
#include "media/published_unit.h"

namespace vigie::mask {

// Receives what a lane lets out. Called on the stream's home shard.
class LaneOutput {
 public:
  virtual ~LaneOutput() = default;
  virtual void on_published(PublishedUnit unit) = 0;
};

// Thread: the stream's home shard for every call; a lane that works elsewhere posts its results back.
class Lane {
 public:
  virtual ~Lane() = default;
  // Takes the next access unit in decoding order, gaps included.
  virtual void push(Ref<const AccessUnit> unit) = 0;
  // The source was lost or restarted: the next unit has no reference to what came before.
  virtual void on_discontinuity() = 0;
};

// Passes units on byte for byte, never decoded, while the gate's decision is clear.
class ClearLane final : public Lane {
 public:
  ClearLane(PublishGate& gate, LaneOutput& output) : gate_(gate), output_(output) {}
  void push(Ref<const AccessUnit> unit) override;
  void on_discontinuity() override {}

 private:
  PublishGate& gate_;
  LaneOutput& output_;
};

}  // namespace vigie::mask
