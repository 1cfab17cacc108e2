#pragma once
// "Masked at the source": passes a camera's pictures on as they came, and only while they prove that its masks are there.
//
//   home shard: push() --passing--> observer, with the proof --> publish gate
//                  |   \--waiting--> held back until the first keyframe is proved
//                  \--keyframes, and whole groups now and then--> inbox --worker--> SourceCheck --post--> verdict
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/worker_pool.h"
#include "codec/frame_pool.h"
#include "mask/privacy_decision.h"
#include "mask/source_check.h"
#include "mask/source_proof.h"
#include "media/access_unit.h"

namespace vigie::mask {

// The budget, and what follows from it. Media time, except what says otherwise.
struct SourceGuardOptions {
  Ticks90k look_interval{90000};        // of keyframes that come closer than this, one is looked at
  Ticks90k group_interval{10 * 90000};  // every picture of one group is looked at, once in so long
  uint32_t group_units = 300;           // of a longer group, its beginning
  Nanos proof_life = 30s;               // by arrival: without a proof for so long, the picture is covered
  uint32_t good_keyframes = 3;          // in a row, looked at and proved, until a covered picture is passed on again
  size_t held_units = 512, held_bytes = size_t{16} << 20;  // while the first proof is waited for
};

struct SourceGuardStats {
  enum class State : uint8_t { waiting, passing, covered } state = State::waiting;
  SourceCheckCounters counters;
  size_t held_units = 0;
};
std::string_view source_guard_state_name(SourceGuardStats::State state);

// On the stream's home shard, in order.
class SourceGuardObserver {
 public:
  virtual ~SourceGuardObserver() = default;
  virtual void on_verified_unit(const Ref<const AccessUnit>& unit, const SourceProof& proof) = 0;
  // Pictures are passed on from now (`fault` empty), or must be covered, and why.
  virtual void on_source_judged(const std::string& fault) = 0;
  virtual void on_scene(const SceneReport& report) = 0;
};

// One for each decision; another decision makes another guard.
//
//   waiting --proof--> passing --fault, or proof too old--> covered --3 good keyframes, then the next one--> passing
//   passing --connected anew, other parameter sets--> waiting; waiting --fault--> covered
//
// While passing, a keyframe is looked at when it is already on its way: what a camera shows that drops its masks leaves
// from that moment until its next keyframe that is looked at has been judged.
// Ownership: by std::shared_ptr; the stream's pipeline calls stop() before it lets go.
// Thread: the stream's home shard, except what says otherwise.
class SourceGuard final : public WorkerJob, public std::enable_shared_from_this<SourceGuard> {
 public:
  // All references outlive the guard; `observer` until stop(). `decision` is of state masked_at_source.
  SourceGuard(Executor& home, WorkerPool& workers, const Clock& clock, codec::FramePool& frames,
              const PrivacyDecision& decision, SourceGuardObserver& observer, SourceGuardOptions options = {});
  ~SourceGuard() override;

  // The next access unit in decoding order, gaps included.
  void push(const Ref<const AccessUnit>& unit);
  // The source was lost or restarted: nothing passes before another proof.
  void on_discontinuity();
  // As Lane::watch_scene; a view that has moved is a fault.
  void watch_scene(std::shared_ptr<const SceneOrder> order);
  void stop();
  bool passing() const { return state_ == State::passing; }
  SourceGuardStats stats() const;

  // WorkerJob. Thread: the workers'.
  MonoTime due() const override { return MonoTime{Nanos{due_ns_.load(std::memory_order_relaxed)}}; }
  bool run_piece() override;

 private:
  using State = SourceGuardStats::State;
  struct Message {
    Ref<const AccessUnit> unit;  // or, where empty, `step`
    bool look = false;           // a keyframe, alone; else one of a group
    bool group = false;          // and its group after it
    uint64_t run = 0;
    MonoTime queued_at{};
    std::function<void(SourceCheck&)> step;
  };

  void examine(const Ref<const AccessUnit>& unit);
  void post(Message message);
  void post_step(std::function<void(SourceCheck&)> step);
  bool other_sets(const AccessUnit& unit) const;
  void wait();
  void hold(const Ref<const AccessUnit>& unit);
  void on_verdict(const SourceVerdict& verdict, uint64_t run);
  void pass();
  void cover(const std::string& fault);

  Executor& home_;
  WorkerPool& workers_;
  const Clock& clock_;
  SourceGuardObserver* observer_;  // null after stop()
  const SourceGuardOptions options_;

  State state_ = State::waiting;
  std::string fault_;  // while covered
  uint64_t run_ = 0;   // grows with everything that a proof does not reach beyond
  std::optional<SourceProof> proof_;
  uint32_t good_ = 0;  // keyframes in a row, while covered
  Ref<const ParameterSets> sets_;
  Codec codec_ = Codec::h264;
  std::deque<Ref<const AccessUnit>> held_;
  size_t held_bytes_ = 0;
  std::optional<Ticks90k> looked_last_, group_last_;
  uint32_t group_left_ = 0;  // units of the group that is followed

  SourceCheck check_;  // the worker's, one thread at a time
  std::atomic<int64_t> due_ns_{0};
  mutable std::mutex mutex_;  // of what follows
  std::deque<Message> inbox_;
  SourceCheckCounters counters_;
};

}  // namespace vigie::mask
