#pragma once
// One stream from its source to its hubs. stream_pipeline.cc reads from top to bottom as the life of an access unit.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/worker_pool.h"
#include "codec/frame_pool.h"
#include "mask/lane.h"
#include "mask/lane_budget.h"
#include "mask/source_guard.h"
#include "media/event.h"
#include "media/track.h"
#include "net/event_loop.h"
#include "policy/snapshot.h"
#include "runtime/event_queue.h"
#include "runtime/outlet.h"
#include "runtime/pose_wait.h"
#include "runtime/rate_meter.h"
#include "runtime/stream_stats.h"
#include "source/source.h"
#include "source/supervisor.h"

namespace vigie::runtime {

// Ownership: shared; everything that needs the home shard's loop is let go by stop(), so the rest may die anywhere.
// Thread: home shard, except what says otherwise.
class StreamPipeline final : public std::enable_shared_from_this<StreamPipeline>,
                             private source::SourceObserver,
                             private mask::LaneObserver,
                             private mask::SourceGuardObserver {
 public:
  // What a pipeline is given by the engine; all of it outlives every pipeline.
  struct Home {
    size_t shard_index;
    net::EventLoop& loop;
    source::SourceShard& sources;
    EventQueue& events;
    WorkerPool& workers;
    codec::FramePool& frames;
    mask::LaneBudget& budget;
    std::string_view mask_encoder;         // EngineOptions::mask_encoder
    std::vector<fanout::ShardRef> shards;  // all of the engine's
    uint32_t packet_bytes;
  };
  // After its last viewer a masked form stays ready so long: decoder and encoder are slow to wake.
  static constexpr Nanos kLaneLinger = 3s;

  StreamPipeline(const Home& home, StreamKey key, const policy::StreamPolicy& policy);
  ~StreamPipeline() override;

  void start();
  // Ends the hubs (every viewer is cut with `reason`), then the source, politely and in bounded time; then `done`.
  void stop(const Error& reason, Task done);
  // Takes the policy's decisions about private places, for the camera's own form and for each version, which come and go
  // with it. When `done` runs, no unit of a former decision is in any log or on its way to anybody.
  void decide(const policy::CameraPolicy& camera, uint64_t policy_revision, Task done);
  void update(const policy::StreamPolicy& policy) { supervisor_->update(policy); }

  // The form of this name (empty: the camera's own); null when there is none.
  std::shared_ptr<Outlet> outlet(std::string_view version) const;
  // Wants the stream in this form until release(): a stream pulled on demand starts, a lane wakes, and both stay a while
  // after the last release. Errors: admission_refused where a lane would have to wake for which the codec workers have no
  // time; nothing is to be released then.
  Status acquire(Outlet& outlet);
  void release(Outlet& outlet);
  // Calls `ready` once, with the track as soon as a viewer can be served, else with why not (withheld at once;
  // no_first_picture or the source's fault after `timeout`). Maybe from inside this call.
  using TrackReady = Outlet::TrackReady;
  void when_ready(Outlet& outlet, Nanos timeout, TrackReady ready);
  // Gives decoded frames to `queue` until remove_frames(). Errors: withheld, admission_refused.
  Status add_frames(const std::shared_ptr<Outlet>& outlet, const std::shared_ptr<FrameQueue>& queue);
  void remove_frames(Outlet& outlet, const FrameQueue* queue);
  // ok when the policy's decision about the camera's own form lets pictures out; else withheld, and why.
  Status may_publish() const { return own_->may_publish(); }
  // The still of the view that the masks belong to, as the policy may carry it back. Errors: withheld;
  // not_found before there is one.
  Result<std::vector<uint8_t>> scene_reference() const;
  StreamStats stats() const;
  SourceReport source_report() const;
  // As StreamSupervisor::start_tape; the packets come with source_report(). Errors: withheld.
  Status start_tape(size_t max_bytes);

  // Of a camera that turns. Without a lane nobody needs it. Errors: invalid_argument, as PoseHistory::push.
  Status push_pose(const mask::Pose& pose);
  void distrust_pose(mask::PoseDoubt doubt);
  void trust_pose();
  // The camera's clock less ours by its sender reports; none before any.
  std::optional<Nanos> camera_clock_error() const {
    return supervisor_ ? supervisor_->camera_clock_error() : std::nullopt;
  }

  // Thread: any.
  struct Picture {
    std::optional<Codec> codec;  // none: no picture has come yet
    uint32_t width = 0, height = 0;
  };
  Picture picture() const;
  const StreamKey& key() const { return key_; }
  net::EventLoop& loop() const { return loop_; }
  size_t home_shard() const { return own_->hub()->home_shard(); }
  // Where a host pushes to; null for other kinds.
  const std::shared_ptr<source::PushPort>& push_port() const { return push_port_; }

 private:
  // The life of an access unit, in order.
  void on_track(const TrackInfo& track) override;
  void on_unit(Ref<const AccessUnit> unit) override;
  void on_verified_unit(const Ref<const AccessUnit>& unit, const mask::SourceProof& proof) override;
  void on_lane_unit(uint32_t version, const mask::MaskedUnit& unit) override;
  void on_lane_frame(uint32_t version, const mask::LaneFrame& frame) override;
  void on_clear_frame(uint32_t version, uint64_t epoch, Ref<const Frame> frame) override;
  // What happens around it.
  void on_source_judged(const std::string& fault) override;
  void on_scene(const mask::SceneReport& report) override;
  void on_overload(const mask::OverloadReport& report) override;
  void on_lane_state(uint32_t version, uint64_t epoch, PrivacyState state, const std::string& reason) override;
  void on_state(source::StreamState from, source::StreamState to, const Error* fault, std::string_view reason) override;
  void on_fault(const Error& fault) override;

  std::shared_ptr<Outlet> make_outlet(const std::string& version);
  Outlet* outlet_of(uint32_t id) const;
  void decide(Outlet& outlet, std::shared_ptr<const mask::PrivacyDecision> decision, const fanout::Draining& draining);
  std::shared_ptr<const mask::PrivacyDecision> own_decision(const policy::CameraPolicy& camera,
                                                            uint64_t policy_revision);
  std::shared_ptr<const mask::PrivacyDecision> decision_in_force() const;
  void tell_shown(Outlet& outlet, PrivacyState state, const std::string& reason);
  std::shared_ptr<const mask::SceneOrder> lane_scene() const;
  void watch_scene(std::shared_ptr<const mask::SceneOrder> order);
  void update_lane(Outlet& outlet);
  template <class Predicate>
  bool any_outlet(Predicate predicate) const {
    return predicate(*own_) || std::ranges::any_of(versions_, [&](const auto& version) { return predicate(*version); });
  }
  bool lane_wanted() const;
  double pixels_per_second() const;
  uint64_t budget_id() const { return reinterpret_cast<uintptr_t>(this); }
  void keep_lane_if_needed();
  void wait_for_poses(bool turns);
  void rest(Outlet& outlet);
  void give_lane_the_log();
  // The track of an outlet that a viewer can be served from now.
  const TrackInfo* servable(const Outlet& outlet) const;
  void answer_if_servable(Outlet& outlet);
  void update_picture();
  void emit(const StreamKey& key, EventKind kind, std::string state, uint16_t code, std::string text);

  const StreamKey key_;
  const Home home_;
  net::EventLoop& loop_;
  EventQueue& events_;
  std::unique_ptr<source::StreamSupervisor> supervisor_;
  std::shared_ptr<source::PushPort> push_port_;
  const size_t log_bytes_;
  uint32_t next_outlet_ = 0;
  const std::shared_ptr<Outlet> own_;
  std::vector<std::shared_ptr<Outlet>> versions_;
  std::shared_ptr<mask::Lane> lane_;                         // null: no form needs one
  std::unique_ptr<PoseWait> pose_wait_;                      // in front of the lane, where the camera turns
  std::shared_ptr<const mask::PrivacyDecision> own_policy_;  // the policy's word, before a guard covers
  std::shared_ptr<mask::SourceGuard> guard_;                 // null: the camera does not mask itself
  std::string source_fault_;                                 // why the guard has it covered
  uint64_t proof_epoch_ = 0;
  std::shared_ptr<const mask::SceneOrder> scene_order_;  // null: the view is not watched
  mask::SceneReport scene_;                              // of the newest look
  std::optional<TrackInfo> track_;                       // the source's
  std::atomic<uint64_t> picture_{0};  // what picture() says, for other threads: codec + 1, width, height
  RateMeter rate_;
  MonoTime newest_unit_{};
  ClockQuality newest_clock_quality_ = ClockQuality::none;
  std::optional<Error> fault_;
  mask::PoseHistory pose_check_;                        // what a pose is checked with where it comes in
  mask::PoseDoubt pose_doubt_ = mask::PoseDoubt::none;  // for lanes that are yet to come
  bool stopped_ = false;
};

}  // namespace vigie::runtime
