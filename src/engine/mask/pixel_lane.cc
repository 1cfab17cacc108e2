#include "mask/pixel_lane.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace vigie::mask {

// Collects what one piece of work gives, and takes it home in one post.
class PixelLane::Outbox final : public LaneResults {
 public:
  void on_lane_unit(uint32_t version, MaskedUnit unit) override {
    add([version, unit = std::move(unit)](LaneObserver& observer) { observer.on_lane_unit(version, unit); });
  }
  void on_lane_frame(uint32_t version, LaneFrame frame) override {
    add([version, frame = std::move(frame)](LaneObserver& observer) { observer.on_lane_frame(version, frame); });
  }
  void on_clear_frame(uint32_t version, uint64_t epoch, Ref<const Frame> frame) override {
    add([version, epoch, frame = std::move(frame)](LaneObserver& observer) {
      observer.on_clear_frame(version, epoch, frame);
    });
  }
  void on_lane_state(uint32_t version, uint64_t epoch, PrivacyState state, std::string_view reason) override {
    add([version, epoch, state, reason = std::string(reason)](LaneObserver& observer) {
      observer.on_lane_state(version, epoch, state, reason);
    });
  }
  void on_scene(const SceneReport& report) override {
    add([report](LaneObserver& observer) { observer.on_scene(report); });
  }
  void on_overload(const OverloadReport& report) {
    add([report](LaneObserver& observer) { observer.on_overload(report); });
  }

  bool empty() const { return results_.empty(); }
  void deliver(LaneObserver& observer) const {
    for (const auto& result : results_) result(observer);
  }

 private:
  void add(std::function<void(LaneObserver&)> result) { results_.push_back(std::move(result)); }
  std::vector<std::function<void(LaneObserver&)>> results_;
};

PixelLane::PixelLane(Executor& home, WorkerPool& workers, const Clock& clock, codec::FramePool& frames,
                     LaneObserver& observer, PixelLaneOptions options)
    : home_(home),
      workers_(workers),
      clock_(clock),
      observer_(&observer),
      options_(options),
      raw_gop_(options.raw_gop),
      work_(clock, frames, options.limits) {}

PixelLane::~PixelLane() = default;

// ---- home shard ---------------------------------------------------------------------------------------------------

void PixelLane::push(const Ref<const AccessUnit>& unit) {
  raw_gop_.push(unit);
  if (awake_) post_unit(unit, true);
}

void PixelLane::on_discontinuity() {
  raw_gop_.clear();
  if (awake_) post_step([](LaneWork& work) { work.discontinuity(); });
}

void PixelLane::order(uint32_t version, LaneOrder order) {
  wishes_[version] = order.units || order.frames;
  post_step([version, order = std::move(order)](LaneWork& work) { work.order(version, order); });
  update_wakefulness();
}

void PixelLane::forget(uint32_t version) {
  if (wishes_.erase(version) == 0) return;
  post_step([version](LaneWork& work) { work.forget(version); });
  update_wakefulness();
}

void PixelLane::update_wakefulness() {
  const bool wanted = std::ranges::any_of(wishes_, [](const auto& wish) { return wish.second; });
  if (wanted == awake_) return;
  awake_ = wanted;
  {
    const std::lock_guard lock(mutex_);
    stats_.awake = awake_;
  }
  if (!awake_) {
    post_step([](LaneWork& work) { work.sleep(); });
    return;
  }
  const auto units = raw_gop_.units();
  for (size_t i = 0; i < units.size(); ++i) {
    const bool newest = i + 1 == units.size();
    post_unit(units[i], newest, newest);
  }
}

void PixelLane::push_pose(const Pose& pose) {
  post_step([pose](LaneWork& work) { (void)work.push_pose(pose); });
}

void PixelLane::distrust_pose(PoseDoubt doubt) {
  post_step([doubt](LaneWork& work) { work.distrust_pose(doubt); });
}

void PixelLane::trust_pose() {
  post_step([](LaneWork& work) { work.trust_pose(); });
}

void PixelLane::watch_scene(std::shared_ptr<const SceneOrder> order) {
  post_step([order = std::move(order)](LaneWork& work) { work.watch_scene(order); });
}

void PixelLane::stop() {
  observer_ = nullptr;
  awake_ = false;
  wishes_.clear();
  raw_gop_.clear();
  {
    const std::lock_guard lock(mutex_);
    inbox_.clear();
    waiting_units_ = 0;
    stats_.awake = false;
  }
  post_step([](LaneWork& work) { work.sleep(); });
}

void PixelLane::post_step(std::function<void(LaneWork&)> step) {
  post({.unit = {}, .show = false, .queued_at = clock_.now_mono(), .step = std::move(step)});
}

void PixelLane::post_unit(const Ref<const AccessUnit>& unit, bool show, bool awaited) {
  post({.unit = unit, .show = show, .queued_at = clock_.now_mono(), .step = {}, .awaited = awaited});
}

void PixelLane::post(Message message) {
  {
    const std::lock_guard lock(mutex_);
    if (inbox_.empty()) due_ns_.store(message.queued_at.time_since_epoch().count(), std::memory_order_relaxed);
    if (message.unit) ++waiting_units_;
    inbox_.push_back(std::move(message));
    // While no worker comes round to it, nobody else bounds the queue.
    if (waiting_units_ > options_.inbox_units) skip_to_newest_keyframe(true);
  }
  workers_.wake(shared_from_this());
}

LaneStats PixelLane::stats() const {
  const std::lock_guard lock(mutex_);
  LaneStats stats = stats_;
  stats.waiting_units = waiting_units_;
  stats.raw_gop_bytes = raw_gop_.bytes();
  return stats;
}

// ---- worker -------------------------------------------------------------------------------------------------------

bool PixelLane::run_piece() {
  Message message;
  if (!take_message(message)) return false;
  Outbox outbox;
  if (message.step) message.step(work_);
  if (message.unit) work_.take(message.unit, message.show, outbox);
  bool more = false, awake = false;
  LaneCounters counters = work_.counters();
  {
    const std::lock_guard lock(mutex_);
    counters.thinned_pictures = stats_.counters.thinned_pictures;
    counters.skipped_units = stats_.counters.skipped_units;
    stats_.counters = counters;
    stats_.encoder = work_.encoder();
    stats_.quality = work_.quality();
    stats_.overload = overload_.state();
    more = !inbox_.empty();
    awake = stats_.awake;
  }
  tell_load(counters, awake, outbox);
  if (!outbox.empty()) {
    home_.post([self = shared_from_this(), outbox = std::move(outbox)] {
      if (self->observer_) outbox.deliver(*self->observer_);
    });
  }
  return more;
}

void PixelLane::tell_load(const LaneCounters& counters, bool awake, Outbox& outbox) {
  if (!awake) {
    if (const auto report = overload_.reset()) outbox.on_overload(*report);
  }
  const MonoTime now = clock_.now_mono();
  const auto seconds = std::chrono::duration<double>(now - told_at_).count();
  if (seconds < 1) return;
  const auto busy = [](const LaneCounters& c) {
    return std::chrono::duration<double>(c.decode_time + c.mask_time + c.encode_time).count();
  };
  // The first window begins with the lane's waking, when it decodes what has piled up: that is no measure.
  const bool whole_window = told_at_ != MonoTime{} && seconds < 3;
  if (whole_window) {
    const uint64_t skipped = counters.skipped_units - told_.skipped_units;
    const uint64_t left_out = counters.thinned_pictures - told_.thinned_pictures + skipped;
    const uint64_t offered = counters.units_in - told_.units_in + skipped;
    if (const auto report = overload_.add(seconds, offered, left_out)) outbox.on_overload(*report);
    if (options_.budget) {
      options_.budget->measured(options_.budget_id, (busy(counters) - busy(told_)) / seconds, left_out > 0,
                                static_cast<double>(counters.decoded_pixels - told_.decoded_pixels) / seconds,
                                static_cast<double>(counters.coded_pixels - told_.coded_pixels) / seconds);
    }
  }
  told_ = counters;
  told_at_ = now;
}

// The next message, after what must be given up has been. False when there is none.
bool PixelLane::take_message(Message& message) {
  const std::lock_guard lock(mutex_);
  if (inbox_.empty()) return false;
  const MonoTime now = clock_.now_mono();
  if (inbox_.front().unit && now - inbox_.front().queued_at > options_.skip_after) skip_to_newest_keyframe(false);
  message = std::move(inbox_.front());
  inbox_.pop_front();
  if (!inbox_.empty()) {
    due_ns_.store(inbox_.front().queued_at.time_since_epoch().count(), std::memory_order_relaxed);
  }
  if (!message.unit) return true;
  --waiting_units_;
  const Ticks90k at = message.unit->pts;
  if (message.show && !message.awaited && thins_out(at, now - message.queued_at)) {
    message.show = false;
    ++stats_.counters.thinned_pictures;
  }
  if (message.show) shown_last_ = at;
  taken_last_ = at;
  return true;
}

// A late picture is left out when the next one still comes in time for the least rate.
bool PixelLane::thins_out(Ticks90k at, Nanos late) const {
  if (!shown_last_ || late <= options_.thin_after) return false;
  const Ticks90k longest = late > options_.floor_after ? options_.floor_interval : options_.thin_interval;
  const Ticks90k since = at - *shown_last_, step = at - *taken_last_;
  return since >= Ticks90k{0} && since + step <= longest;
}

// Takes out every unit before the newest keyframe in the queue; where there is none, all or (not `always`) nothing.
// Steps stay, in order.
void PixelLane::skip_to_newest_keyframe(bool always) {
  const auto newest = std::find_if(inbox_.rbegin(), inbox_.rend(),
                                   [](const Message& message) { return message.unit && message.unit->keyframe; });
  if (newest == inbox_.rend() && !always) return;
  const size_t keep_from = newest == inbox_.rend() ? inbox_.size() : static_cast<size_t>(inbox_.rend() - newest) - 1;
  size_t skipped = 0;
  std::deque<Message> kept;
  for (size_t i = 0; i < inbox_.size(); ++i) {
    if (i < keep_from && inbox_[i].unit) {
      ++skipped;
    } else {
      kept.push_back(std::move(inbox_[i]));
    }
  }
  inbox_ = std::move(kept);
  if (skipped == 0) return;
  waiting_units_ -= skipped;
  stats_.counters.skipped_units += skipped;
  inbox_.push_front({.unit = {}, .show = false, .queued_at = clock_.now_mono(), .step = [](LaneWork& work) {
                       work.missed("this server is overloaded");
                     }});
}

}  // namespace vigie::mask
