#include "source/rtsp_client.h"

#include <algorithm>
#include <utility>

#include "rtsp/sdp.h"
#include "rtsp/text.h"

namespace vigie::source {
namespace {

constexpr uint32_t kMaxUnauthorized = 4;     // answers 401 to one request: each way offered once, a stale nonce between
constexpr uint32_t kMaxClosedBehind401 = 3;  // a nonce, and two ways refused
constexpr uint32_t kMaxRestarts = 6;         // new connections of one attempt, redirects apart

bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307; }

}  // namespace

RtspClient::RtspClient(RtspClientConfig config, RtspMemory& memory, RtspClientOutput& output, RtspClientEvents& events)
    : events_(events), config_(std::move(config)), memory_(memory), output_(output) {}

// --- connections

void RtspClient::start(MonoTime now) {
  if (config_.dialogue) attempt_ = config_.dialogue->begin(now);
  Result<rtsp::Url> url = rtsp::Url::parse(config_.url);
  if (!url) {
    fail(url.error().code, url.error().what);
    return;
  }
  url_ = std::move(*url);
  if (config_.username.empty() && config_.password.empty()) {
    auth_ = rtsp::ClientAuth(url_.user, url_.password, config_.quirks);
  } else {
    auth_ = rtsp::ClientAuth(config_.username, config_.password, config_.quirks);
  }
  tunnel_auth_ = auth_;
  if (config_.dialogue) {
    config_.dialogue->conceal(config_.username, config_.password);
    config_.dialogue->conceal(url_.user, url_.password);
  }
  switch (config_.transport) {
    case policy::Transport::automatic: over_tcp_ = !memory_.tcp_refused; break;
    case policy::Transport::tcp:
    case policy::Transport::http: over_tcp_ = true; break;
    case policy::Transport::udp: over_tcp_ = memory_.udp_failed; break;
    case policy::Transport::multicast: over_tcp_ = false; break;
  }
  // Media over UDP would leave in the clear what rtsps was chosen to protect.
  if (url_.tls) over_tcp_ = true;
  if (multicast() && url_.tls) {
    fail(Code::invalid_argument, "multicast cannot be encrypted by rtsps; right would be rtsp, or another transport");
    return;
  }
  dialogue_deadline_ = now + config_.dialogue_deadline;
  connect(now);
}

void RtspClient::connect(MonoTime now) {
  phase_ = Phase::connecting;
  splitter_ = rtsp::StreamSplitter({}, config_.quirks);
  auth_.on_new_connection();
  stream_position_ = 0;
  connection_dirty_ = true;
  pending_.reset();
  cseq_ = 0;
  public_methods_ = {};
  session_.clear();
  have_session_ = false;
  session_timeout_s_ = 60;
  set_up_ = false;
  setup_index_ = 0;
  play_without_range_ = false;
  play_on_track_ = false;
  keepalive_at_.reset();
  report_at_.reset();
  udp_deadline_.reset();
  udp_packet_seen_ = false;
  keepalive_answered_ = false;
  unanswered_since_.reset();
  given_up_cseq_ = 0;
  garbage_runs_recorded_ = 0;
  connect_deadline_ = now + config_.response_deadline;
  output_.close_udp();
  if (tunnelled()) {
    const uint16_t http_port = url_.tls ? 443 : 80;
    output_.connect_tunnel(url_, url_.port_given ? url_.port : http_port, tunnel_auth_);
  } else {
    output_.connect(url_.host, url_.port, url_.tls);
  }
  arm();
}

void RtspClient::reconnect(MonoTime now, std::string_view reason, bool tell) {
  if (++restarts_ > kMaxRestarts) {
    fail(Code::rtsp_unsupported, "the device made us connect anew " + std::to_string(restarts_) + " times");
    return;
  }
  if (phase_ == Phase::playing || !dialogue_deadline_) dialogue_deadline_ = now + config_.dialogue_deadline;
  if (have_session_) send_teardown(now);  // devices with few sessions count the old one else (D13)
  if (tell) events_.on_client_restarting(reason);
  if (phase_ == Phase::ended || phase_ == Phase::teardown) return;
  connect(now);
}

void RtspClient::on_connected(MonoTime now, std::string_view peer) {
  if (phase_ != Phase::connecting) return;
  peer_ = peer;
  connect_deadline_.reset();
  phase_ = Phase::options;
  request(Purpose::options, rtsp::Method::options, url_.request_uri(), now);
}

void RtspClient::on_closed(MonoTime now, const Error& why) {
  switch (phase_) {
    case Phase::idle:
    case Phase::ended: return;
    case Phase::teardown: finish(why); return;
    default: break;
  }
  // Some devices close behind each 401 (C8): the authorised request is made on a new connection.
  if (pending_ && pending_->unauthorized > 0 && phase_ != Phase::playing && closed_behind_401_ < kMaxClosedBehind401) {
    if (!let_pass(Quirk::C8, "the device closed the connection behind its 401", Code::connection_lost)) return;
    ++closed_behind_401_;
    reconnect(now, "closed after asking for credentials", false);
    return;
  }
  if (phase_ == Phase::playing && pending_ && pending_->purpose == Purpose::keepalive && keepalive_by_get_parameter_ &&
      !keepalive_answered_) {
    if (!let_pass(Quirk::D1, "the device closed the connection behind GET_PARAMETER", why.code)) return;
    memory_.avoid_get_parameter = true;
  }
  fail(why.code, why.what);
}

bool RtspClient::try_other_transport(std::string_view reason, MonoTime now, bool answered) {
  const bool to_udp = over_tcp_;
  if (switched_ || tunnelled() || multicast()) return false;
  if (to_udp && (url_.tls || config_.transport == policy::Transport::tcp)) return false;
  if (answered && !let_pass(Quirk::J4, reason)) return false;
  switched_ = true;
  over_tcp_ = !to_udp;
  memory_.tcp_refused = to_udp;
  memory_.udp_failed = !to_udp;
  // A16, J4: some devices accept SETUP only behind a DESCRIBE on the same connection, so all begins anew.
  reconnect(now, std::string(reason) + (to_udp ? "; trying UDP" : "; trying TCP"), true);
  return true;
}

// --- requests

void RtspClient::request(Purpose purpose, rtsp::Method method, std::string uri, MonoTime now) {
  Pending pending;
  pending.purpose = purpose;
  pending.request.method = std::string(rtsp::method_name(method));
  pending.request.uri = std::move(uri);
  rtsp::HeaderList& headers = pending.request.headers;
  headers.add("User-Agent", config_.user_agent);
  if (have_session_) headers.add("Session", session_);
  if (purpose == Purpose::describe) headers.add("Accept", "application/sdp");
  if (purpose == Purpose::play && !play_without_range_) headers.add("Range", "npt=0.000-");  // A18
  transmit(std::move(pending), now);
}

void RtspClient::transmit(Pending pending, MonoTime now) {
  pending.cseq = ++cseq_;
  pending.request.headers.set("CSeq", std::to_string(pending.cseq));
  if (auth_.ready()) {
    pending.request.headers.set(
        "Authorization", auth_.authorization(pending.request.method, pending.request.uri, output_.make_cnonce()));
  }
  const bool teardown = pending.purpose == Purpose::teardown;
  pending.deadline = now + (teardown ? config_.teardown_deadline : config_.response_deadline);
  const std::string text = rtsp::serialise(pending.request);
  if (pending_) given_up_cseq_ = pending_->cseq;
  pending_ = std::move(pending);
  record(true, text, now);
  output_.send(as_bytes(text));
  arm();
}

void RtspClient::send_describe(MonoTime now) {
  phase_ = Phase::describe;
  request(Purpose::describe, rtsp::Method::describe, url_.request_uri(), now);
}

void RtspClient::send_setup(MonoTime now) {
  phase_ = Phase::setup;
  rtsp::Transport transport;
  transport.profile = profile_;
  transport.delivery = multicast() ? rtsp::Delivery::multicast : rtsp::Delivery::unicast;
  if (multicast()) {
    // The device chooses group and ports.
  } else if (over_tcp_) {
    transport.lower = rtsp::LowerTransport::tcp;
    channels_ = {0, 1};
    transport.interleaved = channels_;
  } else {
    Result<rtsp::PortPair> ports = output_.open_udp();
    if (!ports) {
      fail(ports.error().code, ports.error().what);
      return;
    }
    transport.client_port = *ports;
  }
  Pending pending;
  pending.purpose = Purpose::setup;
  pending.request.method = "SETUP";
  pending.request.uri = setup_uris_[setup_index_];
  pending.request.headers.add("User-Agent", config_.user_agent);
  if (have_session_) pending.request.headers.add("Session", session_);
  pending.request.headers.add("Transport", rtsp::format_transport(transport));
  if (keys_ && !keys_->mikey.empty()) {
    pending.request.headers.add("KeyMgmt", rtsp::answer_key_mgmt(keys_->mikey, own_ssrc(now), pending.request.uri));
  }
  transmit(std::move(pending), now);
}

void RtspClient::send_play(MonoTime now) {
  phase_ = Phase::play;
  if (!over_tcp_ && !multicast()) punch(now);
  request(Purpose::play, rtsp::Method::play, play_on_track_ ? setup_uris_[setup_index_] : aggregate_uri_, now);
}

// --- answers

void RtspClient::on_response(const rtsp::Response& response, MonoTime now) {
  // A11: an answer without CSeq belongs to the request that waits. A12: so does one with the previous number, unless it
  // is the late answer to a request that was given up. Any other number is nobody's.
  const std::optional<uint32_t> cseq = response.cseq();
  const bool late = cseq && given_up_cseq_ != 0 && *cseq == given_up_cseq_;
  if (late) unanswered_since_.reset();
  if (!pending_ || late || (cseq && *cseq != pending_->cseq && *cseq + 1 != pending_->cseq)) {
    ++stats_.unmatched_responses;
    return;
  }
  if (!cseq && !let_pass(Quirk::A11, "the answer carries no CSeq")) return;
  if (cseq && *cseq != pending_->cseq &&
      !let_pass(Quirk::A12, "the answer carries CSeq " + std::to_string(*cseq) + " of an earlier request")) {
    return;
  }
  if (response.status < 200) return;  // provisional: the answer follows
  Pending pending = *std::exchange(pending_, std::nullopt);
  if (response.status == 401 && pending.purpose != Purpose::teardown) {
    on_unauthorized(std::move(pending), response, now);
    return;
  }
  // Most devices answer OPTIONS to anybody: that proves nothing.
  if (pending.purpose != Purpose::options && pending.request.headers.has("Authorization")) auth_.on_accepted();
  if (is_redirect(response.status) && phase_ != Phase::playing && phase_ != Phase::teardown) {
    on_redirect(pending, response, now);
    return;
  }
  switch (pending.purpose) {
    case Purpose::options: on_options(response, now); break;
    case Purpose::describe:
      if (!response.success()) {
        finish(status_error(pending.purpose, response));
        return;
      }
      on_describe(response, now);
      break;
    case Purpose::setup: on_setup(response, now); break;
    case Purpose::play: on_play(response, now); break;
    case Purpose::keepalive: on_keepalive(response, now); break;
    case Purpose::teardown: finish(make_error(Code::closed, place(), "the session was ended by TEARDOWN")); return;
  }
  if (phase_ != Phase::ended) arm();
}

void RtspClient::on_unauthorized(Pending pending, const rtsp::Response& response, MonoTime now) {
  const rtsp::ClientAuth::Next next = auth_.on_unauthorized(response.headers);
  const std::string during = " at " + pending.request.method;
  switch (next) {
    case rtsp::ClientAuth::Next::refused:
      fail(Code::rtsp_auth, "the device refused the configured user and password" + during);
      return;
    case rtsp::ClientAuth::Next::unsupported:
      fail(Code::rtsp_auth, "the device asks for a kind of authentication that is not known here" + during);
      return;
    case rtsp::ClientAuth::Next::no_credentials:
      fail(Code::rtsp_auth, "the device asks for a user and password, and none are configured for it" + during);
      return;
    case rtsp::ClientAuth::Next::retry: break;
  }
  if (++pending.unauthorized > kMaxUnauthorized) {
    fail(Code::rtsp_auth, "the device goes on asking for credentials" + during);
    return;
  }
  if (rtsp::iequals(response.headers.get("Connection"), "close") && phase_ != Phase::playing &&
      closed_behind_401_ < kMaxClosedBehind401) {
    ++closed_behind_401_;
    reconnect(now, "closed after asking for credentials", false);
    return;
  }
  transmit(std::move(pending), now);
}

void RtspClient::on_redirect(const Pending& pending, const rtsp::Response& response, MonoTime now) {
  const std::string from = std::to_string(response.status) + " to " + pending.request.method;
  follow(from, response.headers.get("Location"), now);
}

void RtspClient::on_redirected(MonoTime now, std::string_view location) {
  if (phase_ != Phase::connecting) {
    on_closed(now,
              make_error(Code::redirect_refused, {}, "the tunnel's POST was redirected in the middle of a session"));
    return;
  }
  location = rtsp::trim(location);
  std::string text(location);
  if (location.starts_with('/')) {
    rtsp::Url here = url_;
    here.path.clear();
    text.insert(0, here.without_credentials());
  } else if (rtsp::istarts_with(location, "http")) {
    text.replace(0, 4, "rtsp");
  }
  follow("a redirect of the HTTP tunnel", text, now);
}

void RtspClient::follow(const std::string& from, std::string_view location, MonoTime now) {
  Result<rtsp::Url> to = rtsp::Url::parse(location);
  if (!to) {
    fail(Code::redirect_refused, from + " names no usable rtsp URL");
    return;
  }
  if (url_.tls && !to->tls) {
    fail(Code::redirect_refused, from + " leads from rtsps to plain rtsp, " + to->without_credentials());
    return;
  }
  if (multicast() && to->tls) {
    fail(Code::redirect_refused, from + " leads to rtsps, which multicast cannot use");
    return;
  }
  if (++redirects_ > config_.max_redirects) {
    fail(Code::redirect_refused, "more than " + std::to_string(config_.max_redirects) + " redirects");
    return;
  }
  // A14: our credentials stay with the host they were given for.
  if (!rtsp::same_host(url_, *to)) auth_ = tunnel_auth_ = rtsp::ClientAuth(to->user, to->password, config_.quirks);
  if (config_.dialogue) config_.dialogue->conceal(to->user, to->password);
  url_ = std::move(*to);
  if (url_.tls) over_tcp_ = true;
  events_.on_client_restarting("redirected to " + url_.without_credentials());
  if (phase_ != Phase::ended && phase_ != Phase::teardown) connect(now);
}

void RtspClient::on_options(const rtsp::Response& response, MonoTime now) {
  // A device that refuses OPTIONS may still play; what it can do is then not known.
  if (response.success()) {
    for (std::string_view line : response.headers.get_all("Public")) {
      const rtsp::MethodSet methods = rtsp::parse_methods(line);
      if (methods.has(rtsp::Method::get_parameter)) public_methods_.insert(rtsp::Method::get_parameter);
      if (methods.has(rtsp::Method::options)) public_methods_.insert(rtsp::Method::options);
    }
  }
  keepalive_by_get_parameter_ = public_methods_.has(rtsp::Method::get_parameter) && !memory_.avoid_get_parameter;
  send_describe(now);
}

void RtspClient::on_describe(const rtsp::Response& response, MonoTime now) {
  Result<rtsp::SessionDescription> session = rtsp::parse_sdp(response.body, config_.quirks);
  if (!session) {
    fail(session.error().code, session.error().what);
    return;
  }
  Result<rtsp::VideoMedia> video = rtsp::pick_video(*session, config_.quirks);
  if (!video) {
    fail(video.error().code, video.error().what);
    return;
  }
  Result<std::string> base =
      rtsp::choose_base(response.headers.get("Content-Base"), response.headers.get("Content-Location"),
                        url_.request_uri(), config_.quirks);
  if (!base) {
    fail(base.error().code, base.error().what);
    return;
  }
  base_ = std::move(*base);
  aggregate_uri_ = rtsp::resolve_control(base_, session->control);
  setup_uris_ = rtsp::control_candidates(base_, video->control);
  if (setup_uris_.empty()) setup_uris_.push_back(base_);
  setup_index_ = 0;
  control_ = video->control;
  std::string_view type = response.headers.get("Content-Type");
  if (!rtsp::iequals(rtsp::trim(rtsp::cut(type, ';')), "application/sdp") &&
      !let_pass(Quirk::A7, "the answer to DESCRIBE does not have the Content-Type of SDP")) {
    return;
  }

  const rtsp::MediaDescription& media = session->medias[video->media_index];
  // Devices write much into the address of a description that SETUP then answers better.
  const auto announced = rtsp::media_address(*session, media);
  announced_ = announced ? *announced : rtsp::MediaAddress{};
  track_ = make_track(media, std::move(*video));
  if (!take_keys(*session, media, response)) return;
  const bool joins = config_.transport == policy::Transport::multicast;
  const RtpPath path = over_tcp_ ? RtpPath::interleaved : joins ? RtpPath::joined : RtpPath::datagrams;
  if (Status status = events_.on_client_track(track_, path, peer_); !status) {
    fail(status.error().code, status.error().what);
    return;
  }
  if (phase_ == Phase::describe) send_setup(now);
}

bool RtspClient::take_keys(const rtsp::SessionDescription& session, const rtsp::MediaDescription& media,
                           const rtsp::Response& response) {
  keys_.reset();
  profile_ = rtsp::RtpProfile::avp;
  if (rtsp::is_secure(media)) {
    if (!url_.tls) {
      fail(Code::rtsp_unsupported,
           "the device offers SRTP with its keys in the clear, which protects nothing; right would be rtsps://, "
           "or plain RTP set in the device");
      return false;
    }
    Result<rtsp::KeyOffer> offer = rtsp::choose_keys(session, media, response.headers.get("KeyMgmt"));
    if (!offer) {
      fail(offer.error().code, offer.error().what);
      return false;
    }
    keys_ = std::move(*offer);
    profile_ = rtsp::iequals(media.protocol, "RTP/SAVPF") ? rtsp::RtpProfile::savpf : rtsp::RtpProfile::savp;
    // Media that are protected by themselves may leave the connection.
    if (config_.transport == policy::Transport::udp && !switched_ && !memory_.udp_failed) over_tcp_ = false;
  }
  const Status taken = events_.on_client_keys(keys_ ? &keys_->keys : nullptr);
  if (!taken) fail(taken.error().code, taken.error().what);
  return taken.ok();
}

// Whether the URI by which SETUP was accepted is one that may be: what RFC 3986 makes of base and control is no quirk,
// nor is what everybody makes of a base that ends in no slash.
bool RtspClient::right_control() {
  if (rtsp::istarts_with(control_, "rtsp://") || rtsp::istarts_with(control_, "rtsps://")) {
    return setup_index_ == 0 || let_pass(Quirk::A6, "the URL of the control attribute leads nowhere");
  }
  if (control_.starts_with('/')) {
    return setup_index_ == 0 || let_pass(Quirk::A4, "the control attribute begins with a slash and means no path");
  }
  const bool appended = setup_index_ + 1 < setup_uris_.size();  // RFC 3986 comes last
  return !appended || base_.find('?') == std::string::npos ||
         let_pass(Quirk::A5, "the control attribute wants to be appended to the query of its base");
}

void RtspClient::on_setup(const rtsp::Response& response, MonoTime now) {
  if (response.status == 461 && try_other_transport("461 to SETUP", now, true)) return;
  if (phase_ == Phase::ended) return;
  if ((response.status == 404 || response.status == 400) && setup_index_ + 1 < setup_uris_.size()) {
    ++setup_index_;  // A4, A5, A6: the other ways to read the control attribute
    send_setup(now);
    return;
  }
  if (!response.success()) {
    if (response.status == 461) {
      fail(Code::rtsp_unsupported, std::string("the device refuses ") +
                                       (multicast() ? "multicast"
                                        : over_tcp_ ? "TCP"
                                                    : "UDP") +
                                       " (461)");
    } else {
      finish(status_error(Purpose::setup, response));
    }
    return;
  }
  if (!right_control() || !accept_setup(response, now)) return;
  send_play(now);
}

void RtspClient::on_play(const rtsp::Response& response, MonoTime now) {
  if (response.status == 457 && !play_without_range_) {
    play_without_range_ = true;
    send_play(now);
    return;
  }
  const bool aggregate_refused = response.status == 404 || response.status == 459 || response.status == 454;
  if (aggregate_refused && !play_on_track_ && setup_uris_[setup_index_] != aggregate_uri_) {
    play_on_track_ = true;
    send_play(now);
    return;
  }
  if (!response.success()) {
    finish(status_error(Purpose::play, response));
    return;
  }
  if (!take_session(response)) return;
  (void)rtsp::parse_rtp_info(response.headers.get("RTP-Info"), config_.quirks);  // to note A28: nothing else uses it
  phase_ = Phase::playing;
  dialogue_deadline_.reset();
  keepalive_at_ = now + keepalive_interval();
  report_at_ = now + config_.report_interval;
  if (!over_tcp_) {
    if (!multicast()) punch(now);
    if (!udp_packet_seen_) udp_deadline_ = now + config_.udp_deadline;
  }
  events_.on_client_playing(over_tcp_);
}

// --- the end

void RtspClient::stop(MonoTime now, Task done) {
  stopping_ = true;
  if (phase_ == Phase::ended || phase_ == Phase::idle) {
    phase_ = Phase::ended;
    if (done) done();
    return;
  }
  stop_done_ = std::move(done);
  if (phase_ == Phase::teardown) return;
  if (!have_session_ && !set_up_) {
    finish(make_error(Code::closed, place(), "stopped"));
    return;
  }
  phase_ = Phase::teardown;
  dialogue_deadline_.reset();
  connect_deadline_.reset();
  keepalive_at_.reset();
  report_at_.reset();
  udp_deadline_.reset();
  send_teardown(now);
}

void RtspClient::fail(Code code, std::string what) { finish(make_error(code, place(), std::move(what))); }

void RtspClient::finish(const Error& reason) {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  connection_dirty_ = true;
  pending_.reset();
  output_.set_timer(std::nullopt);
  output_.close();
  output_.close_udp();
  if (!stopping_) {
    events_.on_client_ended(reason);
  } else if (stop_done_) {
    std::exchange(stop_done_, Task())();
  }
}

std::string RtspClient::place() const {
  std::string text = config_.where + ", ";
  text += url_.host.empty() ? std::string("RTSP") : url_.without_credentials();
  if (!peer_.empty()) text += " (" + peer_ + ")";
  switch (phase_) {
    case Phase::connecting: return text + ", connecting";
    case Phase::options: return text + ", OPTIONS";
    case Phase::describe: return text + ", DESCRIBE";
    case Phase::setup: return text + ", SETUP";
    case Phase::play: return text + ", PLAY";
    case Phase::playing: return text + ", playing";
    default: return text;
  }
}

Error RtspClient::status_error(Purpose purpose, const rtsp::Response& response) const {
  static constexpr std::string_view kNames[] = {"OPTIONS", "DESCRIBE", "SETUP", "PLAY", "keep-alive", "TEARDOWN"};
  std::string what(kNames[static_cast<size_t>(purpose)]);
  what += " was answered " + std::to_string(response.status) + " ";
  what += rtsp::reason_phrase(response.status);
  return make_error(Code::rtsp_status, place(), std::move(what));
}

}  // namespace vigie::source
