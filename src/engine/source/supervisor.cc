#include "source/supervisor.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "source/container_source.h"
#include "source/rtsp_source.h"
#include "source/sdp_source.h"

namespace vigie::source {
namespace {

std::string seconds(Nanos time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(time.count()) / 1e9);
  return text;
}

std::string file_path(const std::string& url) {
  constexpr std::string_view kScheme = "file://";
  return url.starts_with(kScheme) ? url.substr(kScheme.size()) : url;
}

}  // namespace

Nanos backoff_ceiling(uint32_t failures, Nanos first, Nanos most) {
  Nanos ceiling = first;
  for (uint32_t i = 1; i < failures && ceiling < most; ++i) ceiling *= 2;
  return std::min(ceiling, most);
}

StreamSupervisor::StreamSupervisor(SourceShard& shard, StreamKey key, policy::StreamPolicy policy,
                                   SourceObserver& observer, SupervisorOptions options)
    : observer_(observer),
      shard_(shard),
      loop_(shard.loop()),
      key_(std::move(key)),
      policy_(std::move(policy)),
      options_(std::move(options)),
      random_(options_.seed ? options_.seed : secure_random_u64()) {
  memory_.quirks.strict = policy_.strict;
  if (pushed()) push_port_ = std::make_shared<PushPort>(shard_, key_.text(), options_.push);
}

StreamSupervisor::~StreamSupervisor() {
  if (push_port_) push_port_->close();
  for (const net::TimerId timer : {timer_, linger_timer_, reap_timer_, done_timer_}) loop_.cancel_timer(timer);
}

// --- from outside

void StreamSupervisor::start() {
  if (std::exchange(started_, true)) return;
  if (wanted()) begin("started");
}

void StreamSupervisor::acquire() {
  ++holds_;
  loop_.cancel_timer(std::exchange(linger_timer_, {}));
  if (started_ && !stopping_ && state_ == StreamState::idle) begin("wanted");
}

void StreamSupervisor::release() {
  if (holds_ > 0 && --holds_ == 0) linger();
}

void StreamSupervisor::linger() {
  if (wanted() || stopping_ || state_ == StreamState::idle || linger_timer_) return;
  linger_timer_ = loop_.add_timer(loop_.clock().now_mono() + policy_.linger, [this] { on_linger_end(); });
}

void StreamSupervisor::on_linger_end() {
  linger_timer_ = {};
  if (!wanted() && state_ != StreamState::stopped) go_idle("nobody wants it any more");
}

void StreamSupervisor::update(const policy::StreamPolicy& policy) {
  policy_ = policy;
  if (!started_ || stopping_) return;
  if (wanted()) {
    loop_.cancel_timer(std::exchange(linger_timer_, {}));
    if (state_ == StreamState::idle) begin("wanted always");
  } else {
    linger();
  }
  if (state_ == StreamState::waiting && !pushed()) {
    set_timer(policy_.first_picture_deadline, &StreamSupervisor::on_first_picture_deadline);
  } else if (state_ == StreamState::playing) {
    on_silence_check();
  }
}

void StreamSupervisor::stop(Task done) {
  stop_done_ = std::move(done);
  if (stopping_) {
    if (!leaving_) finish_stop();
    return;
  }
  stopping_ = true;
  if (push_port_) push_port_->close();
  pass_.give_back();
  clear_timer();
  loop_.cancel_timer(std::exchange(linger_timer_, {}));
  if (state_ != StreamState::stopped) change(StreamState::stopped, nullptr, "stopped");
  if (attempt_) {
    say_goodbye(true);
  } else {
    finish_stop();
  }
}

void StreamSupervisor::finish_stop() {
  if (done_timer_ || !stop_done_) return;
  done_timer_ = loop_.add_timer(loop_.clock().now_mono(), [this] {
    done_timer_ = {};
    Task done = std::move(stop_done_);
    done();  // may destroy this
  });
}

SourceCounters StreamSupervisor::counters() const { return memory_.counters; }
const QuirkSet& StreamSupervisor::quirks_seen() const { return memory_.quirks.seen; }
std::vector<DialogueLine> StreamSupervisor::dialogue() const { return memory_.dialogue.lines(); }

void StreamSupervisor::start_tape(size_t max_bytes) { memory_.tape = std::make_unique<Tape>(max_bytes); }
std::optional<ReceiverFacts> StreamSupervisor::receiver_facts() const {
  return memory_.receiver ? memory_.receiver->facts() : std::nullopt;
}
std::optional<Nanos> StreamSupervisor::camera_clock_error() const {
  return memory_.receiver ? memory_.receiver->clock_error() : std::nullopt;
}

// --- attempts

void StreamSupervisor::begin(std::string_view reason) {
  const MonoTime now = loop_.clock().now_mono();
  if (now < not_before_) {  // it failed a moment ago, and nobody's impatience makes that better
    change(StreamState::backing_off, nullptr, "waits " + seconds(not_before_ - now) + " after the last failure");
    if (state_ == StreamState::backing_off) set_timer(not_before_ - now, &StreamSupervisor::on_backoff_end);
    return;
  }
  change(StreamState::connecting, nullptr, reason);
  if (state_ != StreamState::connecting) return;
  if (pushed()) {
    open();
  } else {
    pass_ = shard_.gate().request([this] { open(); });
  }
}

std::unique_ptr<Attempt> StreamSupervisor::make_attempt() {
  AttemptEvents& events = *this;
  if (options_.make_attempt) return options_.make_attempt(policy_, url(), events);
  switch (policy_.kind) {
    case policy::SourceKind::rtsp:
      return std::make_unique<RtspSource>(shard_, key_.text(), policy_, url(), memory_, events);
    case policy::SourceKind::file:
      return std::make_unique<ContainerSource>(shard_, key_.text(), file_input(file_path(url()), policy_.file_loop),
                                               memory_.file, events);
    case policy::SourceKind::network: {
      // A policy that was validated has no other schemes than these.
      auto input = network_input({.url = url(),
                                  .username = policy_.username,
                                  .password = policy_.password.reveal(),
                                  .tls_ca_file = policy_.tls_ca_file,
                                  .tls_verify = policy_.tls_verify});
      return std::make_unique<ContainerSource>(shard_, key_.text(), input ? std::move(*input) : MediaInput{},
                                               memory_.file, events);
    }
    case policy::SourceKind::sdp: return std::make_unique<SdpSource>(shard_, key_.text(), policy_, memory_, events);
    case policy::SourceKind::push: return std::make_unique<PushSource>(push_port_, events);
  }
  return nullptr;
}

void StreamSupervisor::open() {
  playing_since_.reset();
  attempt_ = make_attempt();
  attempt_->start();
}

void StreamSupervisor::on_attempt_ready(std::string_view how) {
  pass_.give_back();
  auth_failures_ = 0;
  ++memory_.counters.connects;
  how_ = how;
  change(StreamState::waiting, nullptr, how_);
  if (state_ == StreamState::waiting && !pushed()) {
    set_timer(policy_.first_picture_deadline, &StreamSupervisor::on_first_picture_deadline);
  }
}

void StreamSupervisor::on_attempt_restarting(std::string_view reason) {
  clear_timer();
  change(StreamState::connecting, nullptr, reason);
}

void StreamSupervisor::on_attempt_track(const TrackInfo& track) {
  if (!stopping_) observer_.on_track(track);
}

void StreamSupervisor::on_attempt_unit(Ref<const AccessUnit> unit) {
  if (!memory_.receiver) {  // an RTP receiver counts its own
    SourceCounters& counters = memory_.counters;
    ++counters.units;
    counters.bytes += unit->payload.size();
    if (unit->keyframe) ++counters.keyframes;
  }
  if (!unit->damaged) {
    last_picture_ = unit->last_arrival;
    const bool first = state_ == StreamState::waiting || (state_ == StreamState::silent && attempt_);
    if (first) {
      playing_since_ = last_picture_;
      change(StreamState::playing, nullptr,
             (state_ == StreamState::silent ? "pictures again, " : "first picture, ") + how_);
      if (state_ != StreamState::playing) return;
      set_timer(policy_.silence_limit, &StreamSupervisor::on_silence_check);
    }
  }
  if (!stopping_) observer_.on_unit(std::move(unit));
}

void StreamSupervisor::on_attempt_fault(const Error& fault) {
  if (!stopping_) observer_.on_fault(fault);
}

void StreamSupervisor::on_attempt_ended(const Error& reason) {
  let_go();
  if (reason.code == Code::end_of_source) {
    pass_.give_back();
    clear_timer();
    change(StreamState::stopped, nullptr, reason.what);
    return;
  }
  fail(reason);
}

// --- failures

Nanos StreamSupervisor::backoff(const Error& fault) {
  const auto part = [this](Nanos of) {
    return Nanos(static_cast<int64_t>(random_.below(static_cast<uint64_t>(of.count()) + 1)));
  };
  Nanos wait;
  if (fault.code == Code::rtsp_auth) {
    // No full jitter: a short draw would spend one more of the few tries before the camera locks the account.
    const Nanos ceiling = backoff_ceiling(++auth_failures_, options_.auth_backoff_first, options_.auth_backoff_most);
    wait = ceiling / 2 + part(ceiling / 2);
  } else {
    const bool unreachable = fault.code == Code::connect_failed || fault.code == Code::timed_out;
    const Nanos most = unreachable ? options_.unreachable_backoff_most : options_.backoff_most;
    wait = part(backoff_ceiling(failures_, options_.backoff_first, most));
  }
  return wait;
}

void StreamSupervisor::fail(const Error& fault, bool told) {
  if (stopping_) return;
  const MonoTime now = loop_.clock().now_mono();
  pass_.give_back();
  clear_timer();
  ++memory_.counters.failures;
  if (playing_since_ && now - *playing_since_ >= options_.proven_after) failures_ = 0;
  playing_since_.reset();
  ++failures_;
  if (attempt_) say_goodbye(false);
  const Nanos wait = backoff(fault);
  not_before_ = now + wait;
  if (!policy_.backup_url.empty()) use_backup_ = !use_backup_;
  if (!wanted()) {
    change(StreamState::idle, told ? nullptr : &fault, "failed, and nobody wants it any more");
    return;
  }
  std::string reason = told ? std::string() : fault.text() + "; ";
  reason += "next attempt in " + seconds(wait);
  if (!policy_.backup_url.empty()) reason += use_backup_ ? ", from the backup URL" : ", from the first URL";
  change(StreamState::backing_off, told ? nullptr : &fault, reason);
  if (state_ == StreamState::backing_off) set_timer(wait, &StreamSupervisor::on_backoff_end);
}

void StreamSupervisor::on_backoff_end() {
  not_before_ = {};
  begin("attempt " + std::to_string(failures_ + 1));
}

void StreamSupervisor::on_first_picture_deadline() {
  fail(make_error(Code::no_first_picture, key_.text(),
                  "none within " + seconds(policy_.first_picture_deadline) + " of the start (" + how_ + ")"));
}

void StreamSupervisor::on_silence_check() {
  const Nanos silence = loop_.clock().now_mono() - last_picture_;
  if (silence < policy_.silence_limit) {
    set_timer(policy_.silence_limit - silence, &StreamSupervisor::on_silence_check);
    return;
  }
  const Error fault = make_error(Code::silent, key_.text(), "no complete picture for " + seconds(silence));
  clear_timer();
  change(StreamState::silent, &fault, fault.text());
  // A host that pushes is not ours to reconnect: it comes back by itself.
  if (state_ == StreamState::silent && !pushed()) fail(fault, true);
}

void StreamSupervisor::go_idle(std::string_view reason) {
  pass_.give_back();
  clear_timer();
  if (attempt_) say_goodbye(false);
  change(StreamState::idle, nullptr, reason);
}

// --- ends

void StreamSupervisor::reap_soon(std::unique_ptr<Attempt> attempt) {
  if (!attempt) return;
  dead_.push_back(std::move(attempt));
  if (reap_timer_) return;
  reap_timer_ = loop_.add_timer(loop_.clock().now_mono(), [this] {
    reap_timer_ = {};
    dead_.clear();
  });
}

void StreamSupervisor::let_go() { reap_soon(std::move(attempt_)); }

void StreamSupervisor::say_goodbye(bool then_done) {
  reap_soon(std::move(leaving_));
  leaving_ = std::move(attempt_);
  Attempt* leaving = leaving_.get();
  leaving->stop([this, leaving, then_done] {
    if (leaving_.get() == leaving) reap_soon(std::move(leaving_));
    if (then_done) finish_stop();
  });
}

// --- state and time

void StreamSupervisor::change(StreamState to, const Error* fault, std::string_view reason) {
  const StreamState from = std::exchange(state_, to);
  if (from != to) observer_.on_state(from, to, fault, reason);
}

void StreamSupervisor::set_timer(Nanos delay, void (StreamSupervisor::*what)()) {
  clear_timer();
  timer_ = loop_.add_timer(loop_.clock().now_mono() + delay, [this, what] {
    timer_ = {};
    (this->*what)();
  });
}

void StreamSupervisor::clear_timer() { loop_.cancel_timer(std::exchange(timer_, {})); }

}  // namespace vigie::source
