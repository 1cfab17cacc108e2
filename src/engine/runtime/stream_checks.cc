// What a stream's lane and pictures say about its decision: whether a camera's own masks are there, whether it still shows
// the view that its masks were drawn on, and whether this machine keeps up with masking it.
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "runtime/privacy.h"
#include "runtime/stream_pipeline.h"

namespace vigie::runtime {

// ---- Masked at the source ---------------------------------------------------------------------------------------

// The policy's decision about the camera's own form; covered instead while the guard of this very decision says so.
std::shared_ptr<const mask::PrivacyDecision> StreamPipeline::own_decision(const policy::CameraPolicy& camera,
                                                                          uint64_t policy_revision) {
  std::shared_ptr<mask::PrivacyDecision> decision = privacy_decision(camera, nullptr, policy_revision);
  const bool same = own_policy_ && decision->same_picture(*own_policy_);
  if (guard_ && same) {
    decision->proof_epoch = own_policy_->proof_epoch;
  } else {
    if (guard_) guard_->stop();
    guard_.reset();
    source_fault_.clear();
  }
  if (!guard_ && decision->state == PrivacyState::masked_at_source) {
    decision->proof_epoch = ++proof_epoch_;
    guard_ = std::make_shared<mask::SourceGuard>(loop_, home_.workers, loop_.clock(), home_.frames, *decision,
                                                 static_cast<mask::SourceGuardObserver&>(*this));
  }
  own_policy_ = std::move(decision);
  return decision_in_force();
}

std::shared_ptr<const mask::PrivacyDecision> StreamPipeline::decision_in_force() const {
  if (source_fault_.empty()) return own_policy_;
  auto covered = std::make_shared<mask::PrivacyDecision>(*own_policy_);
  covered->state = PrivacyState::covered;
  covered->reason = source_fault_;
  return covered;
}

void StreamPipeline::on_verified_unit(const Ref<const AccessUnit>& unit, const mask::SourceProof& proof) {
  own_->publish(own_->gate().publish_verified(unit, proof));
}

// From one moment to the other: the gate refuses what came before, the log is emptied, the lane makes the card.
void StreamPipeline::on_source_judged(const std::string& fault) {
  source_fault_ = fault;
  decide(*own_, decision_in_force(), {});
  tell_shown(*own_, own_->gate().state(), fault);
  keep_lane_if_needed();
  update_picture();
  answer_if_servable(*own_);
}

// ---- Knocked cameras --------------------------------------------------------------------------------------------

void StreamPipeline::watch_scene(std::shared_ptr<const mask::SceneOrder> order) {
  const bool same = order && scene_order_ && order->mask_revision == scene_order_->mask_revision;
  if (!order) {
    scene_ = {};
  } else if (!same) {
    scene_ = {.origin = mask::SceneReport::Origin::learning,
              .mask_revision = order->mask_revision,
              .verdict = {},
              .reference = {}};
  }
  scene_order_ = std::move(order);
  if (guard_) guard_->watch_scene(scene_order_);
  if (lane_) lane_->watch_scene(lane_scene());
}

// One of the two looks: where there is a guard, it covers for both.
std::shared_ptr<const mask::SceneOrder> StreamPipeline::lane_scene() const { return guard_ ? nullptr : scene_order_; }

void StreamPipeline::on_scene(const mask::SceneReport& report) {
  if (!scene_order_ || report.mask_revision != scene_order_->mask_revision) return;
  const mask::SceneReport before = std::exchange(scene_, report);
  if (report.origin == mask::SceneReport::Origin::learned && report.reference != before.reference) {
    emit(key_, EventKind::scene_reference, "learned", 0,
         "the view of mask revision " + std::to_string(report.mask_revision) + " was learned");
  }
  const mask::Verdict& now = report.verdict;
  if (now.cover == before.verdict.cover && now.alarm == before.verdict.alarm) return;
  const std::string_view kind = verdict_kind_name(now.kind);
  const auto percent = [](double share) { return std::round(share * 1000) / 10 + 0.0; };  // + 0.0: no "-0.0"
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%.*s by %.1f %% to the right, %.1f %% down", static_cast<int>(kind.size()),
                kind.data(), percent(now.dx), percent(now.dy));
  emit(key_, EventKind::scene_alarm, now.cover ? "moved" : now.alarm ? "cannot_tell" : "in_place", 0, text.data());
}

Result<std::vector<uint8_t>> StreamPipeline::scene_reference() const {
  if (Status allowed = may_publish(); !allowed.ok()) return std::move(allowed).error();
  if (scene_.reference) return *scene_.reference;
  return make_error(Code::not_found, key_.text(),
                    scene_order_ ? "no view has been learned yet" : "the view of this camera is not watched");
}

// ---- Overload -----------------------------------------------------------------------------------------------------

void StreamPipeline::on_overload(const mask::OverloadReport& report) {
  std::array<char, 160> text{};
  const char* right = report.state == mask::Overload::in_time
                          ? ""
                          : ": this server is late with masking; right would be fewer masked streams in use at a time";
  std::snprintf(text.data(), text.size(), "%.1f of %.1f pictures a second are shown%s", report.shown_fps,
                report.offered_fps, right);
  emit(key_, EventKind::lane_overload, std::string(overload_name(report.state)), 0, text.data());
}

}  // namespace vigie::runtime
