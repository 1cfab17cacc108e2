#pragma once
// The lane interface: access units and poses in, masked pictures out. What stands between a source and fan-out wherever
// pictures may not leave as they came. The pixel lane (decode, fill, encode) is one; another way of hiding plugs in here.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/ref.h"
#include "base/time.h"
#include "codec/encoder.h"
#include "mask/masked_unit.h"
#include "mask/overload_watch.h"
#include "mask/pose.h"
#include "mask/pose_history.h"
#include "mask/privacy_decision.h"
#include "mask/scene_keeper.h"
#include "media/access_unit.h"
#include "media/frame.h"

namespace vigie::mask {

// What one published form of a stream wants of its lane, under one decision of its gate.
struct LaneOrder {
  std::shared_ptr<const PrivacyDecision> decision;
  uint64_t epoch = 0;
  bool units = false;   // somebody takes coded pictures
  bool frames = false;  // somebody takes decoded ones
};

// The lane's results, on the stream's home shard and in order. `version`: the form's number in its lane.
class LaneObserver {
 public:
  virtual ~LaneObserver() = default;
  virtual void on_lane_unit(uint32_t version, const MaskedUnit& unit) = 0;
  virtual void on_lane_frame(uint32_t version, const LaneFrame& frame) = 0;
  // Of a form whose decision is clear, for those who take frames; its units leave without a lane.
  virtual void on_clear_frame(uint32_t version, uint64_t epoch, Ref<const Frame> frame) = 0;
  // What is shown changed: masked; covered, and why; withheld where nothing can be coded at all.
  virtual void on_lane_state(uint32_t version, uint64_t epoch, PrivacyState state, const std::string& reason) = 0;
  // The view was looked at: Lane::watch_scene.
  virtual void on_scene(const SceneReport& /*report*/) {}
  // The lane cannot keep up, or can again.
  virtual void on_overload(const OverloadReport& /*report*/) {}
};

// What a lane has done, and what it cost. Times are of the worker's thread, without waiting.
struct LaneCounters {
  uint64_t units_in = 0;          // given to the decoder
  uint64_t pictures = 0;          // decoded
  uint64_t coded_units = 0;       // of all forms
  uint64_t damaged_units = 0;     // passed over until the next keyframe that was whole
  uint64_t decoder_faults = 0;    // the decoder refused or flagged a unit
  uint64_t thinned_pictures = 0;  // decoded and not shown, because the lane was late
  uint64_t skipped_units = 0;     // not even decoded, because it was much too late
  uint64_t decoded_pixels = 0, coded_pixels = 0;
  Nanos decode_time{}, mask_time{}, encode_time{};
};

struct LaneStats {
  LaneCounters counters;
  size_t waiting_units = 0;
  size_t raw_gop_bytes = 0;
  std::string encoder;            // empty before the first unit
  codec::EncoderQuality quality;  // of the form that was coded first
  bool awake = false;
  Overload overload = Overload::in_time;
};

// Ownership: by std::shared_ptr; the stream's pipeline calls stop() before it lets go.
// Thread: the stream's home shard, except what says otherwise.
class Lane {
 public:
  virtual ~Lane() = default;
  // The next access unit in decoding order, gaps included. Cheap while nobody wants anything.
  virtual void push(const Ref<const AccessUnit>& unit) = 0;
  // The source was lost or restarted: the next unit has no reference to what came before.
  virtual void on_discontinuity() = 0;
  // A form's wishes. With a new epoch its next unit is an IDR picture. Numbers of forms are never used twice.
  virtual void order(uint32_t version, LaneOrder order) = 0;
  virtual void forget(uint32_t version) = 0;
  // Of a camera that turns: where it looked, whether that is to be believed (M-3). Thread: any.
  virtual void push_pose(const Pose& pose) = 0;
  virtual void distrust_pose(PoseDoubt doubt) = 0;
  virtual void trust_pose() = 0;
  // Looks whether the camera still shows the view of its masks, and covers every masked form while it does not. Null:
  // nothing is watched, as in the beginning. To be said anew is harmless.
  virtual void watch_scene(std::shared_ptr<const SceneOrder> order) = 0;
  // Nothing more comes of it; what it is at is thrown away.
  virtual void stop() = 0;
  virtual LaneStats stats() const = 0;
};

}  // namespace vigie::mask
