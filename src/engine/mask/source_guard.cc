#include "mask/source_guard.h"

#include <utility>

namespace vigie::mask {

std::string_view source_guard_state_name(SourceGuardStats::State state) {
  switch (state) {
    case SourceGuardStats::State::waiting: return "waiting";
    case SourceGuardStats::State::passing: return "passing";
    case SourceGuardStats::State::covered: break;
  }
  return "covered";
}

SourceGuard::SourceGuard(Executor& home, WorkerPool& workers, const Clock& clock, codec::FramePool& frames,
                         const PrivacyDecision& decision, SourceGuardObserver& observer, SourceGuardOptions options)
    : home_(home),
      workers_(workers),
      clock_(clock),
      observer_(&observer),
      options_(options),
      check_(clock, frames, decision.regions, decision.proof_epoch, options.proof_life) {}

SourceGuard::~SourceGuard() = default;

// ---- home shard ---------------------------------------------------------------------------------------------------

void SourceGuard::push(const Ref<const AccessUnit>& unit) {
  if (!observer_) return;
  // Of another size the same regions lie elsewhere: proved anew, before anything leaves.
  if (other_sets(*unit)) wait();
  examine(unit);
  if (state_ == State::passing && unit->last_arrival > proof_->until()) {
    return cover("the camera's own mask was not seen for too long");
  }
  // Only here, at a keyframe: the card's pictures go on until then, and media time does not go back.
  const bool back = state_ == State::covered && good_ >= options_.good_keyframes && unit->keyframe && !unit->damaged;
  if (back && unit->last_arrival <= proof_->until()) pass();
  if (state_ == State::passing) return observer_->on_verified_unit(unit, *proof_);
  if (state_ == State::waiting) hold(unit);
}

bool SourceGuard::other_sets(const AccessUnit& unit) const {
  return sets_ && (unit.codec != codec_ || unit.parameter_sets->revision != sets_->revision);
}

// Gives the worker what the budget allows.
void SourceGuard::examine(const Ref<const AccessUnit>& unit) {
  codec_ = unit->codec;
  sets_ = unit->parameter_sets;
  if (unit->gap || unit->damaged) group_left_ = 0;
  const bool due = !looked_last_ || unit->pts - *looked_last_ >= options_.look_interval;
  if (unit->keyframe && !unit->damaged && due) {
    looked_last_ = unit->pts;
    const bool group = !group_last_ || unit->pts - *group_last_ >= options_.group_interval;
    if (group) group_last_ = unit->pts;
    group_left_ = group ? options_.group_units : 0;
    return post({.unit = unit, .look = true, .group = group, .run = run_, .queued_at = clock_.now_mono(), .step = {}});
  }
  if (group_left_ == 0) return;
  --group_left_;
  post({.unit = unit, .look = false, .group = false, .run = run_, .queued_at = clock_.now_mono(), .step = {}});
}

void SourceGuard::post(Message message) {
  {
    const std::lock_guard lock(mutex_);
    // A worker that is late looks at the newest keyframe: older ones would only make it later.
    if (message.look) std::erase_if(inbox_, [](const Message& older) { return !older.step; });
    if (inbox_.empty()) due_ns_.store(message.queued_at.time_since_epoch().count(), std::memory_order_relaxed);
    inbox_.push_back(std::move(message));
  }
  workers_.wake(shared_from_this());
}

void SourceGuard::post_step(std::function<void(SourceCheck&)> step) {
  post({.unit = {}, .look = false, .group = false, .run = 0, .queued_at = clock_.now_mono(), .step = std::move(step)});
}

void SourceGuard::watch_scene(std::shared_ptr<const SceneOrder> order) {
  post_step([order = std::move(order)](SourceCheck& check) { check.watch_scene(order); });
}

void SourceGuard::on_discontinuity() {
  if (!observer_) return;
  wait();
  post_step([](SourceCheck& check) { check.on_discontinuity(); });
}

void SourceGuard::wait() {
  ++run_;
  proof_.reset();
  good_ = 0;
  looked_last_.reset();
  group_left_ = 0;
  held_.clear();
  held_bytes_ = 0;
  if (state_ == State::passing) state_ = State::waiting;
}

// From a keyframe on; what outgrows the limits is given up whole.
void SourceGuard::hold(const Ref<const AccessUnit>& unit) {
  const bool begins = unit->keyframe && !unit->damaged;
  if (held_.size() >= options_.held_units || held_bytes_ > options_.held_bytes) {
    held_.clear();
    held_bytes_ = 0;
  }
  if (!begins && held_.empty()) return;
  held_bytes_ += unit->payload.size();
  held_.push_back(unit);
}

void SourceGuard::on_verdict(const SourceVerdict& verdict, uint64_t run) {
  if (!observer_) return;
  if (verdict.scene) observer_->on_scene(*verdict.scene);
  if (!verdict.fault.empty()) {
    good_ = 0;
    if (state_ != State::covered || fault_ != verdict.fault) cover(verdict.fault);
    return;
  }
  if (!verdict.proof || run != run_) return;
  proof_ = verdict.proof;
  if (state_ == State::covered) {
    ++good_;
  } else if (state_ == State::waiting) {
    pass();
  }
}

void SourceGuard::pass() {
  state_ = State::passing;
  good_ = 0;
  fault_.clear();
  observer_->on_source_judged({});
  held_bytes_ = 0;
  for (const Ref<const AccessUnit>& unit : std::exchange(held_, {})) {
    if (unit->pts >= proof_->from())
      observer_->on_verified_unit(unit, *proof_);  // a late worker proves a later keyframe
  }
}

void SourceGuard::cover(const std::string& fault) {
  state_ = State::covered;
  fault_ = fault;
  proof_.reset();
  good_ = 0;
  held_.clear();
  held_bytes_ = 0;
  observer_->on_source_judged(fault_);
}

void SourceGuard::stop() {
  observer_ = nullptr;
  held_.clear();
  const std::lock_guard lock(mutex_);
  inbox_.clear();
}

SourceGuardStats SourceGuard::stats() const {
  const std::lock_guard lock(mutex_);
  return {.state = state_, .counters = counters_, .held_units = held_.size()};
}

// ---- worker -------------------------------------------------------------------------------------------------------

bool SourceGuard::run_piece() {
  Message message;
  {
    const std::lock_guard lock(mutex_);
    if (inbox_.empty()) return false;
    message = std::move(inbox_.front());
    inbox_.pop_front();
    if (!inbox_.empty()) {
      due_ns_.store(inbox_.front().queued_at.time_since_epoch().count(), std::memory_order_relaxed);
    }
  }
  if (message.step) message.step(check_);
  SourceVerdict verdict;
  if (message.unit) verdict = message.look ? check_.look(*message.unit) : check_.follow(*message.unit);
  if (verdict.proof || !verdict.fault.empty()) {
    home_.post([self = shared_from_this(), verdict = std::move(verdict), run = message.run] {
      self->on_verdict(verdict, run);
    });
  }
  if (message.group) check_.begin_group(*message.unit);
  const std::lock_guard lock(mutex_);
  counters_ = check_.counters();
  return !inbox_.empty();
}

}  // namespace vigie::mask
