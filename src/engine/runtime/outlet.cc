#include "runtime/outlet.h"

#include <algorithm>
#include <utility>

namespace vigie::runtime {

bool Outlet::decide(std::shared_ptr<const mask::PrivacyDecision> decision) {
  decision_ = std::move(decision);
  if (!gate_.decide(*decision_)) return false;
  shown_.reset();
  shown_reason_.clear();
  // The lane's parameter sets, or the camera's own: those of the former decision describe other pictures.
  track_.reset();
  if (const Status allowed = may_publish(); !allowed.ok()) {
    answer(allowed.error());
    for (const auto& queue : std::exchange(frames_, {})) queue->end(allowed.error());
  }
  for (const auto& queue : frames_) queue->drop_queued();
  return true;
}

Status Outlet::may_publish() const {
  if (closed_) return make_error(Code::not_found, key_.text(), "the stream was removed");
  Status status = gate_.may_publish();
  if (!status.ok()) status.error().where = key_.text();
  return status;
}

void Outlet::publish(PublishedUnit unit) {
  if (!unit) return;
  rate_.add(loop_.now(), unit.unit().payload.size());
  hub_->publish(std::move(unit));
}

void Outlet::publish(const PublishedFrame& frame) {
  if (!frame) return;
  for (const auto& queue : frames_) queue->put(frame);
}

void Outlet::close(const Error& reason) {
  if (std::exchange(closed_, true)) return;
  loop_.cancel_timer(linger_timer);
  gate_.decide({.state = PrivacyState::withheld, .policy_revision = 0, .reason = "the stream was removed"});
  answer(reason);
  for (const auto& queue : std::exchange(frames_, {})) queue->end(reason);
  hub_->close(reason);
}

void Outlet::set_track(const TrackInfo& track) { track_ = track; }

void Outlet::wait_for_track(Nanos timeout, std::function<Error()> late, TrackReady ready) {
  const auto waiter = waiters_.insert(waiters_.end(), Waiter{std::move(ready), {}});
  waiter->timer = loop_.add_timer_after(timeout, [this, waiter, late = std::move(late)] {
    TrackReady answered = std::move(waiter->ready);
    waiters_.erase(waiter);
    answered(late());
  });
}

void Outlet::answer(const Result<TrackInfo>& answer) {
  std::list<Waiter> waiters = std::move(waiters_);
  waiters_.clear();
  for (Waiter& waiter : waiters) {
    loop_.cancel_timer(waiter.timer);
    waiter.ready(answer);
  }
}

void Outlet::remove_frames(const FrameQueue* queue) {
  std::erase_if(frames_, [queue](const auto& other) { return other.get() == queue; });
}

void Outlet::note_shown(PrivacyState state, std::string reason) {
  shown_ = state;
  shown_reason_ = std::move(reason);
}

}  // namespace vigie::runtime
