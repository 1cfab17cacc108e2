#pragma once
// The pixel lane: decode, one copy, fill, encode, on a worker; the stream's home shard feeds it and gets the results.
//
//   home shard: push() --> RawGop
//                  \-----> inbox --worker--> LaneWork --post--> home shard: LaneObserver --> publish gate
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/executor.h"
#include "base/worker_pool.h"
#include "mask/lane.h"
#include "mask/lane_budget.h"
#include "mask/lane_work.h"
#include "mask/raw_gop.h"

namespace vigie::mask {

struct PixelLaneOptions {
  LaneBudget* budget = nullptr;  // told about once a second what the lane costs; outlives it
  uint64_t budget_id = 0;
  RawGopLimits raw_gop;
  LaneLimits limits;
  size_t inbox_units = 512;
  // What an overloaded lane gives up, by how long the unit at hand has waited: first pictures, down to one a `thin_interval`,
  // then one a `floor_interval` (L-14: 12 and 6 a second), then all up to a newer keyframe. The mask never.
  Nanos thin_after = 120ms;
  Nanos floor_after = 300ms;
  Nanos skip_after = 1s;
  Ticks90k thin_interval{90000 / 12};
  Ticks90k floor_interval{90000 / 6};
};

class PixelLane final : public Lane, public WorkerJob, public std::enable_shared_from_this<PixelLane> {
 public:
  // All references outlive the lane; `observer` until stop().
  PixelLane(Executor& home, WorkerPool& workers, const Clock& clock, codec::FramePool& frames, LaneObserver& observer,
            PixelLaneOptions options = {});
  ~PixelLane() override;

  // While nobody wants anything a unit is kept until the next keyframe, and nothing is decoded. The first wish of all
  // wakes the lane: it decodes what came since the last keyframe and shows the newest picture of it at once. With the
  // last wish gone it lets decoder and encoders go.
  void push(const Ref<const AccessUnit>& unit) override;
  void on_discontinuity() override;
  void order(uint32_t version, LaneOrder order) override;
  void forget(uint32_t version) override;
  void push_pose(const Pose& pose) override;
  void distrust_pose(PoseDoubt doubt) override;
  void trust_pose() override;
  void watch_scene(std::shared_ptr<const SceneOrder> order) override;
  void stop() override;
  LaneStats stats() const override;

  // WorkerJob. Thread: the workers'.
  MonoTime due() const override { return MonoTime{Nanos{due_ns_.load(std::memory_order_relaxed)}}; }
  bool run_piece() override;

 private:
  struct Message {
    Ref<const AccessUnit> unit;  // or, where empty, `step`
    bool show = true;
    MonoTime queued_at{};
    std::function<void(LaneWork&)> step;
    bool awaited = false;  // whoever woke the lane waits for this picture, and another may never come
  };
  class Outbox;

  void post_step(std::function<void(LaneWork&)> step);
  void post_unit(const Ref<const AccessUnit>& unit, bool show, bool awaited = false);
  void post(Message message);
  void update_wakefulness();
  bool take_message(Message& message);
  void skip_to_newest_keyframe(bool always);  // the lock is held
  bool thins_out(Ticks90k at, Nanos late) const;
  void tell_load(const LaneCounters& counters, bool awake, Outbox& outbox);

  Executor& home_;
  WorkerPool& workers_;
  const Clock& clock_;
  LaneObserver* observer_;  // null after stop()
  const PixelLaneOptions options_;
  RawGop raw_gop_;
  std::map<uint32_t, bool> wishes_;  // by version: whether it wants anything
  bool awake_ = false;

  LaneWork work_;  // the worker's, one thread at a time
  LaneCounters told_;
  MonoTime told_at_{};
  OverloadWatch overload_;
  std::atomic<int64_t> due_ns_{0};
  mutable std::mutex mutex_;  // of what follows
  std::optional<Ticks90k> shown_last_, taken_last_;
  std::deque<Message> inbox_;
  size_t waiting_units_ = 0;
  LaneStats stats_;
};

}  // namespace vigie::mask
