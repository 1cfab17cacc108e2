#pragma once
// The engine's parts. Private to runtime/.
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/worker_pool.h"
#include "codec/frame_pool.h"
#include "mask/lane_budget.h"
#include "net/helper_pool.h"
#include "net/resolver.h"
#include "net/shard_pool.h"
#include "policy/snapshot.h"
#include "runtime/directory.h"
#include "runtime/engine.h"
#include "runtime/event_queue.h"
#include "runtime/frame_tap.h"
#include "runtime/snapshot.h"
#include "runtime/stream_pipeline.h"
#include "runtime/viewing.h"
#include "sink/rtsp_server.h"
#include "source/source_shard.h"

namespace vigie::runtime {

// Counts steps that shards finish, for a host's thread that waits for all of them.
class Countdown {
 public:
  void add() {
    const std::lock_guard lock(mutex_);
    ++left_;
  }
  void done() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) condition_.notify_all();
  }
  void wait_blocking() {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [this] { return left_ == 0; });
  }
  // False when the limit passed first.
  bool wait_blocking(Nanos limit) {
    std::unique_lock lock(mutex_);
    return condition_.wait_for(lock, limit, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  size_t left_ = 0;
};

// Members in the order of their making; close() ends them in reverse, as the table in design/runtime.md says.
class Engine::Impl {
 public:
  static Result<std::unique_ptr<Impl>> make(const EngineOptions& options);
  ~Impl();

  Status check_usable() const;
  Result<uint64_t> apply(std::string_view json, std::optional<uint64_t> expect_revision);
  Status push(const PushedUnit& unit);
  Result<std::shared_ptr<UnitQueue>> subscribe(const SubscribeOptions& options);
  Result<std::shared_ptr<FrameTap>> tap_frames(const TapOptions& options);
  Result<Snapshot> snapshot(const std::string& camera, const std::string& stream, WaitLimit timeout);
  Status push_pose(const std::string& camera, const mask::Pose& pose);
  // `none`: the poses are to be believed again.
  Status set_doubt(const std::string& camera, mask::PoseDoubt doubt);
  Result<std::string> stats();
  Status record_source(const std::string& camera, const std::string& stream, size_t max_bytes);
  Result<std::string> source_report(const std::string& camera, const std::string& stream);
  Result<std::vector<uint8_t>> scene_reference(const std::string& camera, const std::string& stream);
  void close();
  EventQueue& events() { return events_; }
  bool own_process() const { return ::getpid() == pid_; }

 private:
  static constexpr size_t kCachedFrameBytes = size_t{64} << 20;

  explicit Impl(const EngineOptions& options);

  // --- apply.cc
  Status open_new_listeners(const std::vector<policy::Action>& actions, const policy::PolicySnapshot& next);
  void run_action(const policy::Action& action, const Directory& directory);
  void add_stream(const policy::CameraPolicy& camera, const policy::StreamPolicy& stream,
                  const policy::PolicySnapshot& next);
  void remove_stream(const StreamKey& key, const Error& reason);
  void set_privacy(const policy::CameraPolicy& camera, uint64_t revision);
  void put_in_force(const Ref<const policy::PolicySnapshot>& snapshot);

  // --- taps.cc
  Result<std::shared_ptr<FrameTap>> open_tap(const Viewing::Found& found, const TapOptions& options);
  // --- poses.cc
  // Runs `step` for each stream on its home shard; the first error counts, and the others are run all the same.
  Status for_each_stream_of(const std::string& camera, const std::function<Status(StreamPipeline&)>& step);
  // Thread: the pipeline's home shard.
  void tell_doubt(StreamPipeline& pipeline);

  void on_home_blocking(StreamPipeline& pipeline, std::function<void()> step);
  // Calls `step` for every live subscription.
  void for_each_subscription(const std::function<void(const std::string& camera, UnitQueue& queue)>& step);
  void arm_flush_timer();
  void arm_rank_timer(size_t shard);

  const pid_t pid_;
  const EngineOptions options_;
  const Clock& clock_;
  EventQueue events_;
  codec::FramePool frames_{kCachedFrameBytes};
  std::optional<mask::LaneBudget> budget_;
  std::unique_ptr<net::ShardPool> shards_;
  std::unique_ptr<WorkerPool> workers_;  // of lanes
  std::unique_ptr<net::HelperPool> tls_helpers_;
  std::unique_ptr<net::Resolver> resolver_;
  std::vector<std::unique_ptr<source::SourceShard>> source_shards_;
  std::unique_ptr<Viewing> viewing_;
  std::unique_ptr<sink::RtspServer> server_;

  std::mutex control_mutex_;  // apply, stats and close one at a time; guards what follows
  Ref<const policy::PolicySnapshot> snapshot_;
  PipelineMap pipelines_;
  uint64_t generation_ = 0;  // of them
  Countdown stopping_;       // pipelines on their way out

  std::mutex subscriptions_mutex_;
  struct Subscribed {
    std::string camera;
    std::weak_ptr<UnitQueue> queue;
  };
  std::vector<Subscribed> subscriptions_;
  const std::shared_ptr<TapLedger> taps_ = std::make_shared<TapLedger>();

  std::mutex doubts_mutex_;
  std::map<std::string, mask::PoseDoubt> doubts_;  // camera -> why its poses are not to be believed
  std::atomic<bool> closed_{false};
};

}  // namespace vigie::runtime
