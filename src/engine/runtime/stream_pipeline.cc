#include "runtime/stream_pipeline.h"

#include <utility>

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
      loop_(home.loop),
      events_(home.events),
      supervisor_(std::make_unique<source::StreamSupervisor>(home.sources, key_, policy,
                                                             static_cast<source::SourceObserver&>(*this))),
      push_port_(supervisor_->push_port()),
      lane_(std::make_unique<mask::ClearLane>(gate_, static_cast<mask::LaneOutput&>(*this))),
      hub_(fanout::Hub::make(home.shards, home.shard_index, {.bytes = policy.log_bytes},
                             std::make_unique<sink::RtpFeed>(home.packet_bytes))) {}

StreamPipeline::~StreamPipeline() = default;

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
  picture_.store(packed_picture(track.codec, sets.width, sets.height), std::memory_order_relaxed);
  if (news) {
    std::string text(codec_name(track.codec));
    if (sets.width != 0) text += " " + std::to_string(sets.width) + "x" + std::to_string(sets.height);
    emit(EventKind::stream_track, "", 0, std::move(text));
  }
  if (servable()) answer_waiters(*track_);
}

// 3. A complete access unit has come in: its last packet was read a moment ago. It is counted as what arrived, by its
//    arrival, and given to the lane that stands between this source and everybody.
void StreamPipeline::on_unit(Ref<const AccessUnit> unit) {
  rate_.add(unit->last_arrival, unit->payload.size());
  newest_unit_ = unit->last_arrival;
  newest_clock_quality_ = unit->clock_quality;
  lane_->push(std::move(unit));
}

// 4. The lane asked the publish gate, and the gate let the unit out (else this is never called: a withheld camera's
//    units end in the gate). The hub numbers it, builds its RTP train once, and every subscriber is told: RTSP sessions
//    send it with one call each, embedding hosts find it in their queue.
void StreamPipeline::on_published(PublishedUnit unit) { hub_->publish(std::move(unit)); }

// ---- What decides about it --------------------------------------------------------------------------------------

void StreamPipeline::decide(const mask::PrivacyDecision& decision, Task done) {
  if (!gate_.decide(decision)) {
    if (done) done();
    return;
  }
  if (const Status allowed = may_publish(); !allowed.ok()) answer_waiters(allowed.error());
  // The gate lets nothing of the former state out any more; what it let out before must leave the logs as well.
  hub_->empty_log(std::move(done));
}

bool StreamPipeline::servable() const {
  return track_ && track_->parameter_sets && track_->parameter_sets->complete() &&
         supervisor_->state() == source::StreamState::playing;
}

Status StreamPipeline::may_publish() const {
  if (stopped_) return make_error(Code::not_found, key_.text(), "the stream was removed");
  Status status = gate_.may_publish();
  if (!status.ok()) status.error().where = key_.text();
  return status;
}

void StreamPipeline::when_ready(Nanos timeout, TrackReady ready) {
  if (Status allowed = may_publish(); !allowed.ok()) return ready(std::move(allowed).error());
  if (servable()) return ready(*track_);
  const auto waiter = waiters_.insert(waiters_.end(), Waiter{std::move(ready), {}});
  waiter->timer = loop_.add_timer_after(timeout, [this, waiter] {
    TrackReady late = std::move(waiter->ready);
    waiters_.erase(waiter);
    late(make_error(Code::no_first_picture, key_.text(),
                    "the camera has no picture at present" + (fault_ ? " (" + fault_->text() + ")" : std::string())));
  });
}

void StreamPipeline::answer_waiters(const Result<TrackInfo>& answer) {
  std::list<Waiter> waiters = std::move(waiters_);
  waiters_.clear();
  for (Waiter& waiter : waiters) {
    loop_.cancel_timer(waiter.timer);
    waiter.ready(answer);
  }
}

void StreamPipeline::acquire() {
  if (supervisor_) supervisor_->acquire();
}

void StreamPipeline::release() {
  if (supervisor_) supervisor_->release();
}

void StreamPipeline::stop(const Error& reason, Task done) {
  if (std::exchange(stopped_, true)) {
    if (done) done();
    return;
  }
  gate_.decide({PrivacyState::withheld, 0, "the stream was removed"});
  answer_waiters(reason);
  hub_->close(reason);
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
  if (from == source::StreamState::playing) lane_->on_discontinuity();
  std::string text(stream_state_name(from));
  text.append(" -> ").append(stream_state_name(to));
  if (!reason.empty()) text.append(": ").append(reason);
  emit(EventKind::stream_state, std::string(stream_state_name(to)), fault ? static_cast<uint16_t>(fault->code) : 0,
       std::move(text));
  // The supervisor tells the new state before it is in it, so ask again from the loop.
  if (to == source::StreamState::playing) {
    loop_.post([self = shared_from_this()] {
      if (!self->stopped_ && self->servable()) self->answer_waiters(*self->track_);
    });
  }
}

void StreamPipeline::on_fault(const Error& fault) {
  emit(EventKind::stream_fault, "", static_cast<uint16_t>(fault.code), fault.text());
}

void StreamPipeline::emit(EventKind kind, std::string state, uint16_t code, std::string text) {
  events_.push({.seq = 0,
                .at = {},
                .kind = kind,
                .object = key_.text(),
                .state = std::move(state),
                .code = code,
                .text = std::move(text),
                .merged = 0});
}

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
  out.privacy = gate_.state();
  out.withheld_units = gate_.withheld_units();
  out.rates = rate_.rates(loop_.now());
  out.hub = hub_->counters();
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
