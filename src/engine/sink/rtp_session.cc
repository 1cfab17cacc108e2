#include "sink/rtp_session.h"

#include <algorithm>
#include <utility>

#include "rtp/rtcp.h"
#include "sink/rtp_feed.h"
#include "sink/text.h"

namespace vigie::sink {

std::string_view viewer_transport_name(ViewerTransport transport) {
  switch (transport) {
    case ViewerTransport::tcp: return "tcp";
    case ViewerTransport::tls: return "tls";
    case ViewerTransport::udp: return "udp";
  }
  return "unknown";
}

RtpSession::RtpSession(SessionHost& host, net::EventLoop& loop, StreamProvider& provider,
                       const policy::LimitsPolicy& limits, SessionSetup setup)
    : limits_(limits), host_(host), loop_(loop), provider_(provider), setup_(std::move(setup)) {
  last_life_ = loop_.now();
  since_ = loop_.wall_now();
  right_ends_ = setup_.stream.right_ends;
  if (const auto* feed = dynamic_cast<const RtpFeed*>(setup_.stream.hub->deriver())) ssrc_ = feed->ssrc();
}

RtpSession::~RtpSession() {
  loop_.cancel_timer(right_end_timer_);
  loop_.cancel_timer(drain_timer_);
  finish("closed", 0, false);
}

void RtpSession::open(Delivery& delivery) {
  delivery_ = &delivery;
  emit(EventKind::viewer_opened, "opened", 0,
       std::string(viewer_transport_name(setup_.transport)) + " to " + setup_.request.peer +
           (setup_.request.agent.empty() ? "" : " for " + setup_.request.agent));
  subscribe(setup_.next_key ? fanout::Start::next_keyframe : fanout::Start::probe);
  if (!over_) arm_right_end();
}

void RtpSession::open(std::unique_ptr<UdpDelivery> delivery) {
  udp_ = std::move(delivery);
  open(*udp_);
}

void RtpSession::subscribe(fanout::Start start) {
  evicted_seen_ = 0;
  skipped_seen_ = 0;
  // The new one before the old one goes, so that a shard with one viewer does not fetch the log again.
  auto subscription = setup_.stream.hub->subscribe(setup_.request.shard_index, *this, start);
  subscription_ = std::move(subscription);
}

// --- RTSP ---------------------------------------------------------------------------------------------------------

rtsp::RtpInfo RtpSession::play() {
  rtsp::RtpInfo info;
  info.url = setup_.track_url;
  if (!playing_) {
    if (std::exchange(resumed_after_pause_, false)) {
      // A player that plays on knows the stream already. Pictures out of order that were shown once find no room in time
      // a second time.
      const fanout::LogEntry* newest = subscription_->newest();
      const bool wait = setup_.next_key || (newest && newest->rtp.reordered);
      subscribe(wait ? fanout::Start::next_keyframe : fanout::Start::last_keyframe);
    }
    if (over_) return info;
    playing_ = true;
    played_at_ = loop_.clock().now_mono();
    next_kernel_check_ = {};
    if (setup_.next_key) subscription_->wait_for_keyframe();
    fresh_ = true;
    if (const fanout::LogEntry* entry = subscription_->peek()) begin_flow(*entry);
  }
  if (const fanout::LogEntry* entry = subscription_->peek()) {
    const SessionNumbers::Mapped first = numbers_.preview(*entry);
    info.seq = first.first_sequence;
    info.rtptime = first.timestamp;
  }
  return info;
}

// The first unit since PLAY is known; with a log that has yet to come from another shard, that is later than PLAY.
void RtpSession::begin_flow(const fanout::LogEntry& entry) {
  fresh_ = false;
  if (paused_at_ != 0 && entry.number > paused_at_) {
    dropped_[static_cast<size_t>(DropReason::paused)] += entry.number - paused_at_;
  }
  paused_at_ = 0;
  begin_catch_up(entry);
}

void RtpSession::start_flow() {
  if (!playing_ || over_) return;
  flowing_ = true;
  if (!delivery_->busy()) pump();
}

void RtpSession::pause() {
  if (!playing_) return;
  playing_ = flowing_ = false;
  resumed_after_pause_ = true;
  count_log_drops();
  paused_at_ = subscription_->newest_number() + 1 - subscription_->behind();
}

// --- units --------------------------------------------------------------------------------------------------------

void RtpSession::on_unit() {
  if (!flowing_ || delivery_->busy()) return;
  pump();
}

void RtpSession::on_delivery_ready(SendOutcome kept_unit) {
  if (over_) return;
  took_data_ = true;
  if (kept_unit == SendOutcome::dropped) drop_refused_unit();
  if (flowing_) pump();
}

void RtpSession::pump() {
  while (!over_) {
    const fanout::LogEntry* entry = subscription_->peek();
    if (subscription_->evicted_units() != evicted_seen_) {
      count_log_drops();
      ++jumps_;
      if (entry) begin_catch_up(*entry);
    }
    if (!entry) return;
    if (fresh_) begin_flow(*entry);
    if (!keeps_up(*entry)) continue;
    if (!send_unit(*entry)) return;
  }
}

// The arrival by which a unit's lag is judged: history that was in the log at PLAY (or at a jump) is not late.
MonoTime RtpSession::effective_arrival(const fanout::LogEntry& entry) const {
  return std::max(entry.unit.unit().last_arrival, catch_up_arrival_);
}

// False when the viewer was too far behind and its cursor has moved.
bool RtpSession::keeps_up(const fanout::LogEntry& entry) {
  const MonoTime newest = subscription_->newest()->unit.unit().last_arrival;
  const MonoTime arrival = effective_arrival(entry);
  if (newest - arrival > limits_.lag_limit) {
    jump(DropReason::lag_limit, subscription_->jump_to_newest_keyframe(true));
    return false;
  }
  // The kernel's queue is looked at now and then only: it is a system call.
  if (newest < next_kernel_check_) return true;
  next_kernel_check_ = newest + limits_.lag_limit / 4;
  if (delivery_->kernel_age(newest) <= limits_.lag_limit) return true;
  jump(DropReason::lag_limit, subscription_->wait_for_keyframe());
  next_kernel_check_ = {};
  return false;
}

void RtpSession::jump(DropReason reason, uint64_t passed) {
  ++jumps_;
  note_drops(reason, passed);
  if (const fanout::LogEntry* entry = subscription_->peek()) begin_catch_up(*entry);
}

void RtpSession::begin_catch_up(const fanout::LogEntry& entry) {
  const fanout::LogEntry& newest = *subscription_->newest();
  numbers_.begin_catch_up(entry, newest);
  catch_up_arrival_ = newest.unit.unit().last_arrival;
}

// True when the next unit may follow at once.
bool RtpSession::send_unit(const fanout::LogEntry& entry) {
  if (entry.unit.unit().codec != setup_.stream.track.codec) {
    cut(make_error(Code::connection_lost, setup_.stream.key.text(),
                   "the stream is " + std::string(codec_name(entry.unit.unit().codec)) +
                       " now, which is not what this viewer was told; ask again"));
    return false;
  }
  Ref<const fanout::Derived> derived = subscription_->derived(entry);
  if (!derived) {  // nothing that RTP can carry
    subscription_->advance();
    return true;
  }
  const auto train = Ref<const RtpTrain>::adopt(static_cast<const RtpTrain*>(derived.detach()));
  const AccessUnit& unit = entry.unit.unit();
  const SessionNumbers::Mapped numbers = numbers_.take(entry);
  const MonoTime arrival = effective_arrival(entry);
  Pace pace = Pace::live;
  if (subscription_->behind() > 1) pace = numbers_.catching_up(entry) ? Pace::history : Pace::backlog;
  const SendOutcome outcome =
      delivery_->send(train, {numbers.shared, numbers.first_sequence, numbers.timestamp, pace}, arrival);
  if (outcome == SendOutcome::failed) {
    cut(make_error(Code::connection_lost, setup_.request.peer, "the viewer's connection broke"));
    return false;
  }
  if (outcome == SendOutcome::kept) kept_arrival_ = arrival;
  ++units_sent_;
  packets_sent_ += train->train().packet_count();
  octets_sent_ += train->train().payload_octets();
  bytes_sent_ += train->train().framed().size();
  newest_sent_arrival_ = unit.last_arrival;
  last_unit_ = unit.capture_time;
  took_data_ = true;
  if (first_picture_delay_ < Nanos{0}) {
    first_picture_delay_ = loop_.clock().now_mono() - played_at_;
    first_unit_ = unit.capture_time;
    emit(EventKind::viewer_playing, "playing", 0, "the first picture is on its way to " + setup_.request.peer);
  }
  subscription_->advance();
  if (outcome == SendOutcome::dropped) drop_refused_unit();
  if (last_report_ == MonoTime{}) send_report();
  return outcome != SendOutcome::kept && !delivery_->busy();
}

// --- falling behind -----------------------------------------------------------------------------------------------

void RtpSession::relieve() {
  if (!flowing_ || over_) return;
  const fanout::LogEntry* newest = subscription_->newest();
  if (!newest) return;
  const Nanos kept_lag = newest->unit.unit().last_arrival - kept_arrival_;
  if (delivery_->kept_bytes() > kFinishBytes && kept_lag > limits_.lag_limit) {
    if (const uint32_t lost = delivery_->truncate(); lost > 0) drop_kept_unit(DropReason::lag_limit, lost);
  }
  if (const fanout::LogEntry* entry = subscription_->peek()) (void)keeps_up(*entry);
}

// The unit counted as sent was not, or not wholly.
void RtpSession::drop_kept_unit(DropReason reason, uint32_t packets) {
  --units_sent_;
  packets_sent_ -= packets;
  note_drops(reason, 1);
}

// UDP: the kernel took only a part. The numbers of the rest stay used, so the viewer sees its loss; what follows up to
// the next keyframe would only show broken pictures and takes no numbers.
void RtpSession::drop_refused_unit() {
  const uint64_t refused = udp_->packets_refused();
  drop_kept_unit(DropReason::udp_would_block, static_cast<uint32_t>(refused - std::exchange(refused_seen_, refused)));
  dropped_[static_cast<size_t>(DropReason::waiting_keyframe)] += subscription_->wait_for_keyframe();
}

void RtpSession::note_drops(DropReason reason, uint64_t units) {
  dropped_[static_cast<size_t>(reason)] += units;
  drops_to_tell_ += units;
  drop_to_tell_ = reason;
  if (loop_.now() - last_drop_event_ >= std::chrono::seconds(1)) emit_drops();
}

void RtpSession::emit_drops() {
  if (drops_to_tell_ == 0) return;
  last_drop_event_ = loop_.now();
  emit(EventKind::viewer_dropped, std::string(drop_reason_name(drop_to_tell_)), 0,
       std::to_string(std::exchange(drops_to_tell_, 0)) +
           " units passed over: " + std::string(drop_reason_name(drop_to_tell_)));
}

// Takes over what the log itself passed over for this cursor.
void RtpSession::count_log_drops() {
  if (const uint64_t evicted = subscription_->evicted_units(); evicted != evicted_seen_) {
    note_drops(DropReason::log_evicted, evicted - std::exchange(evicted_seen_, evicted));
  }
  if (const uint64_t skipped = subscription_->skipped_units(); skipped != skipped_seen_) {
    dropped_[static_cast<size_t>(DropReason::waiting_keyframe)] += skipped - std::exchange(skipped_seen_, skipped);
  }
}

void RtpSession::on_log_emptied(const fanout::Draining& draining) {
  if (over_) return;
  if (const uint32_t lost = delivery_->truncate(); lost > 0) drop_kept_unit(DropReason::waiting_keyframe, lost);
  dropped_[static_cast<size_t>(DropReason::waiting_keyframe)] += subscription_->wait_for_keyframe();
  if (!udp_ && units_sent_ > 0) drain(draining);
}

// The kernel is a queue too. A viewer that reads has what lies in it within a round trip; from one that does not, only a
// reset takes it back.
void RtpSession::drain(const fanout::Draining& draining) {
  drains_to_ = delivery_->taken_bytes() + delivery_->kept_bytes();
  drains_until_ = loop_.now() + kDrainLimit;
  draining_ = draining;
  check_drained();
}

void RtpSession::check_drained() {
  loop_.cancel_timer(drain_timer_);
  drain_timer_ = {};
  if (over_ || !draining_) return draining_.reset();
  const uint64_t taken = delivery_->taken_bytes();
  const uint64_t waiting = delivery_->kernel_bytes();
  if (taken >= drains_to_ && taken - std::min(taken, waiting) >= drains_to_) return draining_.reset();
  if (loop_.now() >= drains_until_) {
    cut(make_error(Code::withheld, setup_.stream.key.text(),
                   "the privacy decision changed while older pictures were still queued for this viewer"));
    return draining_.reset();
  }
  drain_timer_ = loop_.add_timer_after(kDrainCheck, [this] { check_drained(); });
}

void RtpSession::on_hub_closed(const Error& reason) { cut(reason); }

// --- reports ------------------------------------------------------------------------------------------------------

// the newest picture's capture time by the camera's clock beside its RTP timestamp, not the time of sending.
void RtpSession::send_report() {
  const fanout::LogEntry* newest = subscription_->newest();
  if (!newest || over_) return;
  last_report_ = loop_.now();
  rtp::SenderReport report;
  report.ssrc = ssrc_;
  report.ntp = rtp::ntp_from_wall(newest->unit.unit().capture_time);
  report.rtp_timestamp = newest->rtp.timestamp;
  report.packet_count = static_cast<uint32_t>(packets_sent_);
  report.octet_count = static_cast<uint32_t>(octets_sent_);
  std::array<uint8_t, 512> memory;
  rtp::RtcpWriter writer(memory);
  writer.sender_report(report);
  writer.sdes_cname(ssrc_, setup_.stream.key.text());
  delivery_->send_rtcp(writer.bytes());
}

void RtpSession::on_rtcp(ByteSpan compound) {
  if (over_) return;
  rtp::RtcpCompound parsed;
  rtp::parse_rtcp(compound, parsed);
  if (parsed.receiver_ssrc) touch();
  for (const rtp::ReportBlock& block : parsed.report_blocks()) {
    if (block.ssrc != ssrc_) continue;
    reported_ = true;
    fraction_lost_ = block.fraction_lost;
    cumulative_lost_ = block.cumulative_lost;
    jitter_ = block.jitter;
  }
}

void RtpSession::tick() {
  if (over_) return;
  const MonoTime now = loop_.now();
  if (flowing_ && !udp_ && std::exchange(took_data_, false)) last_life_ = now;
  if (now - last_life_ > limits_.session_timeout) {
    return cut(make_error(Code::timed_out, setup_.request.peer, "no sign of life within the session timeout"));
  }
  if (right_ends_ &&
      provider_.rights_now(loop_.clock()) >= *right_ends_) {  // the clock may have been set past the timer
    return cut(make_error(Code::not_authorized, setup_.stream.key.text(), "the right to view has ended"));
  }
  if (!flowing_) return;
  if (delivery_->busy()) relieve();
  count_log_drops();
  if (now - last_drop_event_ >= std::chrono::seconds(1)) emit_drops();
  if (units_sent_ > 0 && now - last_report_ >= kReportInterval) send_report();
}

// --- rights and the end -------------------------------------------------------------------------------------------

void RtpSession::recheck() {
  if (over_) return;
  if (Status allowed = provider_.still_allowed(setup_.request, setup_.stream.key); !allowed.ok()) {
    return cut(allowed.error());
  }
  right_ends_ = provider_.right_ends(setup_.request, setup_.stream.key);
  arm_right_end();
}

void RtpSession::arm_right_end() {
  loop_.cancel_timer(std::exchange(right_end_timer_, {}));
  if (!right_ends_) return;
  // Far ends are caught by tick(); a timer beyond a day would only risk overflow.
  const WallTime now = provider_.rights_now(loop_.clock());
  const Nanos left = std::clamp<Nanos>(*right_ends_ - now, Nanos{0}, std::chrono::hours(24));
  right_end_timer_ = loop_.add_timer(loop_.clock().now_mono() + left, [this] {
    right_end_timer_ = {};
    if (provider_.rights_now(loop_.clock()) < *right_ends_) return arm_right_end();
    cut(make_error(Code::not_authorized, setup_.stream.key.text(), "the right to view has ended"));
  });
}

void RtpSession::cut(const Error& reason) {
  if (over_) return;
  // A viewer on UDP has no connection whose reset would tell it.
  finish(reason.text(), static_cast<uint16_t>(reason.code), udp_ != nullptr);
  host_.on_session_cut(*this);
}

void RtpSession::finish(const std::string& why, uint16_t code, bool bye) {
  if (over_ || !delivery_) return;
  if (udp_) (void)udp_->truncate();
  if (bye && units_sent_ > 0) {
    std::array<uint8_t, 512> memory;
    rtp::RtcpWriter writer(memory);
    writer.receiver_report(ssrc_);
    writer.sdes_cname(ssrc_, setup_.stream.key.text());
    writer.bye(ssrc_);
    delivery_->send_rtcp(writer.bytes());
  }
  if (subscription_) {
    count_log_drops();
    emit_drops();
  }
  over_ = true;
  playing_ = flowing_ = false;
  uint64_t dropped = 0;
  for (const uint64_t units : dropped_) dropped += units;
  emit(EventKind::viewer_closed, "closed", code,
       why + "; units=" + std::to_string(units_sent_) + " dropped=" + std::to_string(dropped) + " bytes=" +
           std::to_string(bytes_sent_) + " first_unit=" + utc_text(first_unit_) + " last_unit=" + utc_text(last_unit_));
}

void RtpSession::emit(EventKind kind, std::string state, uint16_t code, std::string text) {
  Event event;
  event.at = loop_.wall_now();
  event.kind = kind;
  event.object = "viewer " + std::to_string(setup_.viewer) + " " + setup_.stream.key.text();
  event.state = std::move(state);
  event.code = code;
  event.text = std::move(text);
  if (kind != EventKind::viewer_dropped) event.facts = facts();
  provider_.emit(std::move(event));
}

// No text in it needs an escape: names are checked by policy, the peer is an address.
std::string RtpSession::facts() const {
  const StreamKey& key = setup_.stream.key;
  const std::pair<const char*, std::string> texts[] = {
      {"agent", setup_.request.agent},
      {"route", setup_.request.route()},
      {"peer", setup_.request.peer},
      {"listener", setup_.request.listener},
      {"transport", std::string(viewer_transport_name(setup_.transport))},
      {"camera", key.camera},
      {"stream", key.stream},
      {"version", key.version}};
  const auto ns = [](WallTime time) { return std::to_string(Nanos(time.time_since_epoch()).count()); };
  std::string out = "{\"viewer\": " + std::to_string(setup_.viewer);
  for (const auto& [name, text] : texts) out += std::string(", \"") + name + "\": \"" + text + "\"";
  if (first_picture_delay_ >= Nanos{0}) {
    out += ", \"first_unit_ns\": " + ns(first_unit_) + ", \"last_unit_ns\": " + ns(last_unit_);
  }
  return out + ", \"units\": " + std::to_string(units_sent_) + "}";
}

ViewerStats RtpSession::stats() {
  ViewerStats out;
  out.viewer = setup_.viewer;
  out.session = setup_.id.substr(0, 6);
  out.peer = setup_.request.peer;
  out.agent = setup_.request.agent;
  out.route = setup_.request.route();
  out.listener = setup_.request.listener;
  out.key = setup_.stream.key;
  out.transport = setup_.transport;
  out.shard = setup_.request.shard_index;
  out.playing = playing_;
  out.since = since_;
  out.jumps = jumps_;
  out.units_sent = units_sent_;
  out.packets_sent = packets_sent_;
  out.bytes_sent = bytes_sent_;
  out.first_unit = first_unit_;
  out.last_unit = last_unit_;
  out.first_picture_delay = first_picture_delay_;
  out.reported = reported_;
  out.fraction_lost = fraction_lost_;
  out.cumulative_lost = cumulative_lost_;
  out.jitter = jitter_;
  if (units_sent_ > 0) out.newest_age = loop_.clock().now_mono() - newest_sent_arrival_;
  if (!over_ && subscription_) {
    if (flowing_) {
      const fanout::LogEntry* entry = subscription_->peek();
      count_log_drops();
      out.units_waiting = subscription_->behind();
      if (const fanout::LogEntry* newest = subscription_->newest()) {
        const MonoTime at = newest->unit.unit().last_arrival;
        if (delivery_->kept_bytes() > 0) {
          out.queue_time = at - kept_arrival_;
        } else if (entry) {
          out.queue_time = at - effective_arrival(*entry);
        }
        out.kernel_time = delivery_->kernel_age(at);
      }
    }
    out.kernel_bytes = delivery_->kernel_bytes();
  }
  out.units_dropped = dropped_;
  out.units_offered = out.units_sent + out.units_waiting;
  for (const uint64_t units : dropped_) out.units_offered += units;
  return out;
}

}  // namespace vigie::sink
