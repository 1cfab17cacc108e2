#include "runtime/stream_pipeline.h"

#include <algorithm>
#include <utility>

#include "mask/pixel_lane.h"
#include "runtime/privacy.h"
#include "sink/rtp_feed.h"

namespace vigie::runtime {

// In one word, so that it is read whole: 8 bits of codec, 28 each of width and height. 0: nothing is known.
static uint64_t packed_picture(Codec codec, uint32_t width, uint32_t height) {
  constexpr uint64_t kMask = (uint64_t{1} << 28) - 1;
  return (static_cast<uint64_t>(codec) + 1) << 56 | (width & kMask) << 28 | (height & kMask);
}

StreamPipeline::Picture StreamPipeline::picture() const {
  const uint64_t packed = picture_.load(std::memory_order_relaxed);
  if (packed == 0) return {};
  constexpr uint64_t kMask = (uint64_t{1} << 28) - 1;
  return {.codec = static_cast<Codec>((packed >> 56) - 1),
          .width = static_cast<uint32_t>(packed >> 28 & kMask),
          .height = static_cast<uint32_t>(packed & kMask)};
}

StreamPipeline::StreamPipeline(const Home& home, StreamKey key, const policy::StreamPolicy& policy)
    : key_(std::move(key)),
      home_(home),
      loop_(home.loop),
      events_(home.events),
      supervisor_(std::make_unique<source::StreamSupervisor>(home.sources, key_, policy,
                                                             static_cast<source::SourceObserver&>(*this))),
      push_port_(supervisor_->push_port()),
      log_bytes_(policy.log_bytes),
      own_(make_outlet("")) {}

StreamPipeline::~StreamPipeline() = default;

std::shared_ptr<Outlet> StreamPipeline::make_outlet(const std::string& version) {
  return std::make_shared<Outlet>(StreamKey{key_.camera, key_.stream, version}, next_outlet_++, loop_,
                                  fanout::Hub::make(home_.shards, home_.shard_index, {.bytes = log_bytes_},
                                                    std::make_unique<sink::RtpFeed>(home_.packet_bytes)));
}

// ---- The life of an access unit ---------------------------------------------------------------------------------

// 1. The supervisor connects, or begins to wait for somebody who wants the stream. Whatever the source is (RTSP with
//    its packets, reorder buffer and depacketizer; a file; a host that pushes), it ends in the calls that follow.
void StreamPipeline::start() { supervisor_->start(); }

// 2. The source knows its track: codec and parameter sets. Viewers who wait for a description can be answered.
void StreamPipeline::on_track(const TrackInfo& track) {
  const ParameterSets& sets = *track.parameter_sets;
  const bool news = !track_ || track_->codec != track.codec || track_->parameter_sets->width != sets.width ||
                    track_->parameter_sets->height != sets.height;
  track_ = track;
  update_picture();
  if (news) {
    std::string text(codec_name(track.codec));
    if (sets.width != 0) text += " " + std::to_string(sets.width) + "x" + std::to_string(sets.height);
    emit(key_, EventKind::stream_track, "", 0, std::move(text));
  }
  answer_if_servable(*own_);
}

// 3. A complete access unit has come in: its last packet was read a moment ago. It is counted as what arrived, by its
//    arrival. A camera that may be shown as it is: the gate passes the unit on, byte for byte. One that masks itself: so
//    does the gate, while the guard has proof of its masks (stream_checks.cc). Every other form is made by the lane, on a
//    codec worker; a camera that is withheld has neither, and its units end in the gate.
void StreamPipeline::on_unit(Ref<const AccessUnit> unit) {
  rate_.add(unit->last_arrival, unit->payload.size());
  newest_unit_ = unit->last_arrival;
  newest_clock_quality_ = unit->clock_quality;
  if (guard_) guard_->push(unit);  // first: the lane may come of it
  if (pose_wait_) {
    pose_wait_->push(unit);
  } else if (lane_) {
    lane_->push(unit);
  }
  if (!guard_ && !own_->needs_lane()) own_->publish(own_->gate().publish_clear(std::move(unit)));
}

// 4. The lane has decoded the unit, filled its private places and coded what was left, and is back on this shard. The
//    gate lets it out only if it was filled under the decision that is in force now.
void StreamPipeline::on_lane_unit(uint32_t version, const mask::MaskedUnit& unit) {
  Outlet* outlet = outlet_of(version);
  if (!outlet) return;
  PublishedUnit published = outlet->gate().publish_masked(unit);
  if (!published) return;
  const Ref<const ParameterSets>& sets = published.unit().parameter_sets;
  if (!outlet->track() || outlet->track()->parameter_sets != sets) {
    outlet->set_track(
        {.codec = published.unit().codec, .parameter_sets = sets, .declared_fps = track_ ? track_->declared_fps : 0});
  }
  outlet->publish(std::move(published));
  answer_if_servable(*outlet);
}

// 5. The outlet's hub numbers what the gate let out (Outlet::publish), builds its RTP train once, and every subscriber is
//    told: RTSP sessions send it with one call each, embedding hosts find it in their queue. Frames go to taps.
void StreamPipeline::on_lane_frame(uint32_t version, const mask::LaneFrame& frame) {
  if (Outlet* outlet = outlet_of(version)) outlet->publish(outlet->gate().publish_masked(frame));
}

void StreamPipeline::on_clear_frame(uint32_t version, uint64_t epoch, Ref<const Frame> frame) {
  if (Outlet* outlet = outlet_of(version)) outlet->publish(outlet->gate().publish_clear(std::move(frame), epoch));
}

// ---- What decides about it --------------------------------------------------------------------------------------

void StreamPipeline::decide(const policy::CameraPolicy& camera, uint64_t policy_revision, Task done) {
  // Everybody who must forget something holds it; the last one lets `done` run.
  const fanout::Draining draining = fanout::draining_until(loop_, std::move(done));
  for (auto at = versions_.begin(); at != versions_.end();) {
    const std::shared_ptr<Outlet> outlet = *at;
    const bool kept = std::ranges::any_of(camera.versions,
                                          [&](const auto& version) { return version.name == outlet->key().version; });
    if (kept) {
      ++at;
      continue;
    }
    at = versions_.erase(at);
    if (lane_) lane_->forget(outlet->id());
    outlet->close(make_error(Code::not_found, outlet->key().text(), "the version was removed"));
  }
  const auto decision = own_decision(camera, policy_revision);
  watch_scene(scene_order(camera));
  decide(*own_, decision, draining);
  for (const policy::MaskVersionPolicy& version : camera.versions) {
    std::shared_ptr<Outlet> found = outlet(version.name);
    if (!found) found = versions_.emplace_back(make_outlet(version.name));
    decide(*found, privacy_decision(camera, &version, policy_revision), draining);
  }
  keep_lane_if_needed();
  wait_for_poses(camera.dome.has_value());
  update_picture();
}

void StreamPipeline::wait_for_poses(bool turns) {
  if (turns == (pose_wait_ != nullptr)) return;
  if (pose_wait_) pose_wait_->flush();
  pose_wait_.reset();
  if (!turns) return;
  pose_wait_ = std::make_unique<PoseWait>(loop_, [this](const Ref<const AccessUnit>& unit) {
    if (lane_) lane_->push(unit);
  });
}

void StreamPipeline::decide(Outlet& outlet, std::shared_ptr<const mask::PrivacyDecision> decision,
                            const fanout::Draining& draining) {
  const bool was_masked = outlet.gate().state() == PrivacyState::masked;
  if (!outlet.decide(std::move(decision))) return;
  // The gate lets nothing of the former decision out any more; what it let out before must leave the logs as well, and
  // whatever of it is on its way to viewers.
  outlet.hub()->empty_log(draining);
  if (!was_masked && outlet.gate().state() == PrivacyState::masked && (outlet.holds > 0 || outlet.wants_frames())) {
    home_.budget.count_in(budget_id(), pixels_per_second(), true);
  }
  update_lane(outlet);
  answer_if_servable(outlet);
}

// Tells the lane what the outlet wants of it; makes the lane where there is none yet, so that it keeps the current GOP.
void StreamPipeline::update_lane(Outlet& outlet) {
  const bool frames = outlet.wants_frames();
  if (!lane_) {
    if (stopped_ || (!outlet.needs_lane() && !frames)) return;
    mask::PixelLaneOptions options;
    options.budget = &home_.budget;
    options.budget_id = budget_id();
    options.limits.encoder = home_.mask_encoder;
    lane_ = std::make_shared<mask::PixelLane>(loop_, home_.workers, loop_.clock(), home_.frames,
                                              static_cast<mask::LaneObserver&>(*this), options);
    if (pose_doubt_ != mask::PoseDoubt::none) lane_->distrust_pose(pose_doubt_);
    lane_->watch_scene(lane_scene());
    if (!own_->needs_lane()) give_lane_the_log();
  }
  lane_->order(outlet.id(), {.decision = outlet.decision(),
                             .epoch = outlet.gate().epoch(),
                             .units = outlet.wants_lane_units(),
                             .frames = frames});
}

// Of a camera that is passed on untouched the current group of pictures is in the log: the first tap begins at the newest
// picture, not at the next keyframe.
void StreamPipeline::give_lane_the_log() {
  struct Reader final : fanout::Subscriber {
    void on_unit() override {}
    void on_log_emptied(const fanout::Draining& /*draining*/) override {}
    void on_hub_closed(const Error& /*reason*/) override {}
    bool wants_derived() const override { return false; }
  } reader;
  const auto cursor = own_->hub()->subscribe(home_shard(), reader, fanout::Start::last_keyframe);
  for (; const fanout::LogEntry* entry = cursor->peek(); cursor->advance()) lane_->push(entry->unit.ref());
}

void StreamPipeline::keep_lane_if_needed() {
  const bool needed = any_outlet([](const Outlet& outlet) { return outlet.needs_lane() || outlet.wants_frames(); });
  if (needed || !lane_) return;
  lane_->stop();
  lane_.reset();
}

const TrackInfo* StreamPipeline::servable(const Outlet& outlet) const {
  if (!supervisor_ || supervisor_->state() != source::StreamState::playing) return nullptr;
  if (outlet.needs_lane()) return outlet.track() ? &*outlet.track() : nullptr;
  if (guard_ && !guard_->passing()) return nullptr;
  return track_ && track_->parameter_sets && track_->parameter_sets->complete() ? &*track_ : nullptr;
}

void StreamPipeline::answer_if_servable(Outlet& outlet) {
  if (!outlet.may_publish().ok()) return;
  if (const TrackInfo* track = servable(outlet)) outlet.answer(TrackInfo(*track));
}

void StreamPipeline::when_ready(Outlet& outlet, Nanos timeout, TrackReady ready) {
  if (Status allowed = outlet.may_publish(); !allowed.ok()) return ready(std::move(allowed).error());
  if (const TrackInfo* track = servable(outlet)) return ready(TrackInfo(*track));
  const auto late = [this, key = outlet.key().text()] {
    return make_error(Code::no_first_picture, key,
                      "the camera has no picture at present" + (fault_ ? " (" + fault_->text() + ")" : std::string()));
  };
  outlet.wait_for_track(timeout, late, std::move(ready));
}

std::shared_ptr<Outlet> StreamPipeline::outlet(std::string_view version) const {
  if (version.empty()) return own_;
  const auto found =
      std::ranges::find_if(versions_, [&](const auto& outlet) { return outlet->key().version == version; });
  return found == versions_.end() ? nullptr : *found;
}

Outlet* StreamPipeline::outlet_of(uint32_t id) const {
  if (own_->id() == id) return own_.get();
  const auto found = std::ranges::find_if(versions_, [&](const auto& outlet) { return outlet->id() == id; });
  return found == versions_.end() ? nullptr : found->get();
}

// Whether the lane has anything to do, for any form.
bool StreamPipeline::lane_wanted() const {
  return any_outlet([](const Outlet& outlet) { return outlet.wants_frames() || outlet.wants_lane_units(); });
}

// Of a stream that has not shown itself yet: those of an ordinary one.
double StreamPipeline::pixels_per_second() const {
  constexpr double kOrdinary = 1920.0 * 1080 * 25, kOrdinaryFps = 25;
  if (!track_ || track_->parameter_sets->width == 0) return kOrdinary;
  const double fps = rate_.rates(loop_.now()).units_per_second;
  return static_cast<double>(track_->parameter_sets->width) * track_->parameter_sets->height *
         (fps > 0 ? fps : kOrdinaryFps);
}

Status StreamPipeline::acquire(Outlet& outlet) {
  if (!supervisor_) return {};
  const bool wakes = outlet.holds == 0 && !outlet.linger_timer;
  // A card costs nothing.
  if (wakes && outlet.gate().state() == PrivacyState::masked) {
    Status fits = home_.budget.reserve(budget_id(), pixels_per_second(), !lane_wanted());
    if (!fits.ok()) {
      fits.error().where = outlet.key().text();
      return fits;
    }
  }
  supervisor_->acquire();
  ++outlet.holds;
  loop_.cancel_timer(std::exchange(outlet.linger_timer, {}));
  if (wakes) update_lane(outlet);
  return {};
}

void StreamPipeline::release(Outlet& outlet) {
  if (!supervisor_) return;
  supervisor_->release();
  if (outlet.holds == 0 || --outlet.holds > 0 || !outlet.needs_lane() || outlet.closed()) return;
  outlet.linger_timer = loop_.add_timer_after(kLaneLinger, [this, &outlet] {
    outlet.linger_timer = {};
    rest(outlet);
  });
}

// Nobody has wanted it for a while. Its log ends here: whoever comes next begins at a picture of his own time.
void StreamPipeline::rest(Outlet& outlet) {
  update_lane(outlet);
  if (!lane_wanted()) home_.budget.release(budget_id());
  if (outlet.needs_lane()) outlet.hub()->empty_log({});
}

Status StreamPipeline::add_frames(const std::shared_ptr<Outlet>& outlet, const std::shared_ptr<FrameQueue>& queue) {
  Status allowed = outlet->may_publish();
  if (!allowed.ok() || !supervisor_) return allowed;
  if (!lane_wanted()) {
    allowed = home_.budget.reserve(budget_id(), pixels_per_second(), true);
    if (!allowed.ok()) return allowed;
  }
  supervisor_->acquire();
  outlet->add_frames(queue);
  update_lane(*outlet);
  return {};
}

void StreamPipeline::remove_frames(Outlet& outlet, const FrameQueue* queue) {
  if (supervisor_) supervisor_->release();
  outlet.remove_frames(queue);
  if (!outlet.wants_frames() && lane_ && !outlet.closed()) update_lane(outlet);
  if (!lane_wanted()) home_.budget.release(budget_id());
  keep_lane_if_needed();
}

Status StreamPipeline::push_pose(const mask::Pose& pose) {
  Status taken = pose_check_.push(pose);
  if (!taken.ok()) return taken;
  if (pose.state == mask::PoseState::unknown) pose_doubt_ = mask::PoseDoubt::unknown;
  if (lane_) lane_->push_pose(pose);
  if (pose_wait_) pose_wait_->on_pose(pose.at);
  return taken;
}

void StreamPipeline::distrust_pose(mask::PoseDoubt doubt) {
  pose_check_.invalidate(doubt);
  pose_doubt_ = doubt;
  if (lane_) lane_->distrust_pose(doubt);
}

void StreamPipeline::trust_pose() {
  pose_check_.confirm();
  pose_doubt_ = mask::PoseDoubt::none;
  if (lane_) lane_->trust_pose();
}

void StreamPipeline::stop(const Error& reason, Task done) {
  if (std::exchange(stopped_, true)) {
    if (done) done();
    return;
  }
  pose_wait_.reset();
  home_.budget.release(budget_id());
  if (lane_) lane_->stop();
  lane_.reset();
  if (guard_) guard_->stop();
  own_->close(reason);
  for (const auto& version : versions_) version->close(reason);
  // The supervisor belongs to this shard's loop, so it goes here; posted, because it calls us from inside itself.
  supervisor_->stop([self = shared_from_this(), done = std::move(done)]() mutable {
    net::EventLoop& loop = self->loop_;
    loop.post([self = std::move(self), done = std::move(done)]() mutable {
      self->supervisor_.reset();
      if (done) done();
    });
  });
}

// ---- What is told about it --------------------------------------------------------------------------------------

void StreamPipeline::on_state(source::StreamState from, source::StreamState to, const Error* fault,
                              std::string_view reason) {
  if (fault) fault_ = *fault;
  if (to == source::StreamState::playing) fault_.reset();
  if (from == source::StreamState::playing && lane_) {
    if (pose_wait_) pose_wait_->flush();
    lane_->on_discontinuity();
  }
  if (from == source::StreamState::playing && guard_) guard_->on_discontinuity();
  std::string text(stream_state_name(from));
  text.append(" -> ").append(stream_state_name(to));
  if (!reason.empty()) text.append(": ").append(reason);
  emit(key_, EventKind::stream_state, std::string(stream_state_name(to)),
       fault ? static_cast<uint16_t>(fault->code) : 0, std::move(text));
  // The supervisor tells the new state before it is in it, so ask again from the loop.
  if (to == source::StreamState::playing) {
    loop_.post([self = shared_from_this()] {
      if (self->stopped_) return;
      self->answer_if_servable(*self->own_);
      for (const auto& version : self->versions_) self->answer_if_servable(*version);
    });
  }
}

void StreamPipeline::on_fault(const Error& fault) {
  emit(key_, EventKind::stream_fault, "", static_cast<uint16_t>(fault.code), fault.text());
}

void StreamPipeline::on_lane_state(uint32_t version, uint64_t epoch, PrivacyState state, const std::string& reason) {
  Outlet* outlet = outlet_of(version);
  if (!outlet || epoch != outlet->gate().epoch()) return;
  // Of a camera that masks itself a lane makes frames alone; and its card was told of when it was decided.
  const bool told = outlet->gate().state() == PrivacyState::masked_at_source ||
                    (outlet->shown() == state && outlet->shown_reason() == reason);
  if (!told) tell_shown(*outlet, state, reason);
}

void StreamPipeline::tell_shown(Outlet& outlet, PrivacyState state, const std::string& reason) {
  std::string text(privacy_state_name(state));
  if (!reason.empty()) text.append(": ").append(reason);
  outlet.note_shown(state, reason);
  emit(outlet.key(), EventKind::privacy_state, std::string(privacy_state_name(state)), 0, std::move(text));
}

// What viewers of the camera's own form get: a lane's pictures are H.264 of even size.
void StreamPipeline::update_picture() {
  if (!track_) return;
  const uint32_t width = track_->parameter_sets->width, height = track_->parameter_sets->height;
  picture_.store(own_->needs_lane() ? packed_picture(Codec::h264, width & ~1U, height & ~1U)
                                    : packed_picture(track_->codec, width, height),
                 std::memory_order_relaxed);
}

void StreamPipeline::emit(const StreamKey& key, EventKind kind, std::string state, uint16_t code, std::string text) {
  events_.push({.seq = 0,
                .at = {},
                .kind = kind,
                .object = key.text(),
                .state = std::move(state),
                .code = code,
                .text = std::move(text),
                .merged = 0});
}

namespace {

OutletStats outlet_stats(const Outlet& outlet, MonoTime now) {
  OutletStats out;
  out.version = outlet.key().version;
  out.privacy = outlet.shown();
  out.privacy_reason = outlet.shown_reason().empty() ? outlet.gate().provenance()->reason : outlet.shown_reason();
  out.mask_revision = outlet.gate().provenance()->mask_revision;
  out.version_revision = outlet.gate().provenance()->version_revision;
  out.withheld_units = outlet.gate().withheld_units();
  out.stale_units = outlet.gate().stale_units();
  out.rates = outlet.rates(now);
  out.hub = outlet.hub()->counters();
  out.holds = outlet.holds;
  return out;
}

}  // namespace

StreamStats StreamPipeline::stats() const {
  StreamStats out;
  out.key = key_;
  if (supervisor_) {
    out.state = supervisor_->state();
    out.source = supervisor_->counters();
    out.quirks = supervisor_->quirks_seen();
    out.holds = supervisor_->holds();
    out.camera_clock_error = supervisor_->camera_clock_error();
  } else {
    out.state = source::StreamState::stopped;
  }
  if (fault_) out.fault = fault_->text();
  out.own = outlet_stats(*own_, loop_.now());
  for (const auto& version : versions_) out.versions.push_back(outlet_stats(*version, loop_.now()));
  if (lane_) out.lane = lane_->stats();
  if (guard_) out.source_check = guard_->stats();
  out.scene = scene_;
  out.rates = rate_.rates(loop_.now());
  if (track_) {
    out.codec = track_->codec;
    out.width = track_->parameter_sets->width;
    out.height = track_->parameter_sets->height;
  }
  if (newest_unit_ != MonoTime{}) out.newest_unit_age = loop_.now() - newest_unit_;
  out.clock_quality = newest_clock_quality_;
  return out;
}

Status StreamPipeline::start_tape(size_t max_bytes) {
  Status allowed = may_publish();
  if (allowed.ok()) supervisor_->start_tape(max_bytes);
  return allowed;
}

SourceReport StreamPipeline::source_report() const {
  SourceReport out{.stats = stats(), .track = track_, .receiver = {}, .dialogue = {}, .packets = {}};
  if (!supervisor_) return out;
  out.receiver = supervisor_->receiver_facts();
  out.dialogue = supervisor_->dialogue();
  // They show no picture, and yet belong to nobody where no decision lets the camera be shown.
  if (const source::Tape* tape = supervisor_->tape(); tape && may_publish().ok()) out.packets = tape->packets();
  return out;
}

}  // namespace vigie::runtime
