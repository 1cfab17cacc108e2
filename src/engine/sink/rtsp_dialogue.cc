// What the server answers: the methods of RFC 2326 as far as a live stream has them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "rtsp/sdp.h"
#include "rtsp/sdp_video.h"
#include "rtsp/text.h"
#include "rtsp/url.h"
#include "sink/rtp_feed.h"
#include "sink/rtsp_connection.h"
#include "sink/text.h"

namespace vigie::sink {

using rtsp::Method;

namespace {

constexpr std::string_view kTrack = "trackID=0";
constexpr std::string_view kServerName = "vigie";

rtsp::MethodSet served_methods() {
  return {Method::options, Method::describe, Method::setup,         Method::play,
          Method::pause,   Method::teardown, Method::get_parameter, Method::set_parameter};
}

int status_of(const Error& error) {
  switch (error.code) {
    case Code::not_found:
    case Code::invalid_argument: return 404;
    case Code::withheld:
    case Code::not_authorized: return 403;
    case Code::admission_refused: return 453;
    case Code::internal: return 500;
    default: return 503;  // the camera's side has no picture now; it may have one soon
  }
}

// Cuts "/trackID=0" off the end; false when another track is named.
bool strip_track(std::string_view& text, bool& track) {
  const size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return true;
  const std::string_view last = text.substr(slash + 1);
  if (!rtsp::istarts_with(last, "trackID=")) return true;
  if (!rtsp::iequals(last, kTrack)) return false;
  text = text.substr(0, slash);
  track = true;
  return true;
}

}  // namespace

// The track may stand before the query or, as most players concatenate, behind it.
Result<Target> parse_target(std::string_view uri) {
  Target target;
  if (uri == "*") return target;
  const auto fail = [](const char* what) { return make_error(Code::invalid_argument, "request URI", what); };
  // "rtsp://authority" stays in `base` as the client wrote it; only the path matters to us.
  size_t path_at = 0;
  if (const size_t scheme = uri.find("://"); scheme != std::string_view::npos) {
    path_at = uri.find_first_of("/?", scheme + 3);
    if (path_at == std::string_view::npos) path_at = uri.size();
  }
  std::string_view query;
  std::string_view front = uri;
  if (const size_t mark = uri.find('?', path_at); mark != std::string_view::npos) {
    query = uri.substr(mark + 1);
    front = uri.substr(0, mark);
    if (rtsp::istarts_with(query, kTrack)) return fail("a track stands where the query should be");
    if (!strip_track(query, target.track)) return fail("there is only trackID=0");
    while (query.ends_with('/')) query.remove_suffix(1);
  }
  while (front.size() > path_at && front.ends_with('/')) front.remove_suffix(1);
  std::string_view path = front.substr(std::min(path_at, front.size()));
  if (!strip_track(path, target.track)) return fail("there is only trackID=0");
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!percent_decode(path, target.path)) return fail("a broken escape in the path");
  target.base = std::string(front.substr(0, path_at)) + std::string(path);
  while (!query.empty()) {
    const std::string_view option = rtsp::cut(query, '&');
    if (option.starts_with("after=") && !percent_decode(option.substr(6), target.after)) {
      return fail("a broken escape in the query");
    }
    if (option.starts_with("ticket=")) target.ticket = option.substr(7);
    if (!option.starts_with("start=")) continue;  // other options are not ours to judge
    if (option == "start=next-key") {
      target.next_key = true;
    } else if (option != "start=last-key") {
      return fail("start is next-key or last-key");
    }
  }
  return target;
}

rtsp::Response RtspConnection::make_response(const rtsp::Request& request, int status) const {
  rtsp::Response response;
  response.status = status;
  response.headers.add("CSeq", request.headers.get("CSeq"));
  response.headers.add("Server", kServerName);
  return response;
}

ViewRequest RtspConnection::view_request(const Target& target) const {
  return {listener_->policy().name, agent_, target.path, peer_.text(), shard_.index(), proven_at_, ticket_};
}

void RtspConnection::handle(const rtsp::Request& request) {
  last_request_ = shard_.loop().now();
  if (++requests_this_tick_ > kMaxRequestsPerTick) {
    return close(true, "the viewer floods the server with requests", static_cast<uint16_t>(Code::limit_exceeded));
  }
  if (!request.cseq()) return answer_status(request, 400);
  if (request.version != "RTSP/1.0") return answer_status(request, 505);
  if (const std::string_view require = request.headers.get("Require"); !require.empty()) {
    rtsp::Response response = make_response(request, 551);
    response.headers.add("Unsupported", require);
    return answer(response);
  }
  dispatch(request, request.method_id());
}

void RtspConnection::dispatch(const rtsp::Request& request, Method method) {
  switch (method) {
    case Method::options: {
      if (!session_id_.empty()) {
        if (RtpSession* session = shard_.find_session(session_id_)) session->touch();
      }
      rtsp::Response response = make_response(request, 200);
      response.headers.add("Public", rtsp::format_methods(served_methods()));
      return answer(response);
    }
    case Method::announce:
    case Method::record: {
      rtsp::Response response = make_response(request, 405);
      response.headers.add("Allow", rtsp::format_methods(served_methods()));
      return answer(response);
    }
    case Method::redirect:
    case Method::other: return answer_status(request, 501);
    default: break;
  }
  if (!authenticated(request, method)) return;
  if (method == Method::get_parameter && asks_for_cameras(request)) return list_cameras(request);
  switch (method) {
    case Method::describe: return describe(request);
    case Method::setup: return setup(request);
    default: return session_request(request, method);
  }
}

// --- who asks -----------------------------------------------------------------------------------------------------

void RtspConnection::challenge(const rtsp::Request& request, bool stale) {
  rtsp::Response response = make_response(request, 401);
  const auto values = listener_->auth().challenges(shard_.loop().clock().now_mono(), std::to_string(number_), stale);
  for (const std::string& value : values) response.headers.add("WWW-Authenticate", value);
  answer(response);
}

// A ticket in the URL, or digest; never Basic. Requests that only steer or keep alive a granted session are believed
// without a new proof on the connection that has given one, and with an aged nonce, because players do not repeat them.
bool RtspConnection::authenticated(const rtsp::Request& request, Method method) {
  const bool asks = method == Method::describe || method == Method::setup || asks_for_cameras(request);
  const Result<Target> target = parse_target(request.uri);
  if (asks && target.ok()) {
    if (!target->ticket.empty()) return let_in_by_ticket(request, *target);
    // Most players leave the query out of SETUP.
    if (method == Method::setup && ticket_ && ticket_path_ == target->path) return true;
    if (std::exchange(ticket_, nullptr)) {
      authenticated_ = false;
      agent_.clear();
    }
  }
  if (listener_->policy().access == policy::Access::open) return true;
  const bool lenient = authenticated_ && !asks;
  const std::string_view header = request.headers.get("Authorization");
  if (header.empty()) {
    if (lenient) return true;
    challenge(request, false);
    return false;
  }
  const Result<rtsp::Authorization> given = rtsp::parse_authorization(header);
  rtsp::ServerAuth::Verdict verdict = rtsp::ServerAuth::Verdict::refused;
  // Asked before the password: should the policy change in between, the proof counts as the older one.
  const uint64_t revision = shard_.provider().revision();
  if (given.ok() && given->scheme == rtsp::AuthScheme::digest) {
    const std::optional<rtsp::Secret> secret = shard_.provider().credential(given->user);
    const std::string base = target.ok() && target->track ? target->base : std::string();
    verdict = listener_->auth().verify(*given, request.method, request.uri, base, secret ? &*secret : nullptr,
                                       shard_.loop().clock().now_mono(), std::to_string(number_));
    if (verdict == rtsp::ServerAuth::Verdict::stale && lenient && given->user == agent_) {
      verdict = rtsp::ServerAuth::Verdict::accepted;
    }
  }
  switch (verdict) {
    case rtsp::ServerAuth::Verdict::accepted:
      authenticated_ = true;
      agent_ = given->user;
      proven_at_ = revision;
      granted();
      return true;
    case rtsp::ServerAuth::Verdict::stale: challenge(request, true); return false;
    case rtsp::ServerAuth::Verdict::refused: break;
  }
  refused_credentials("wrong credentials from " + peer_.host_text());
  challenge(request, false);
  return false;
}

bool RtspConnection::let_in_by_ticket(const rtsp::Request& request, const Target& target) {
  const uint64_t revision = shard_.provider().revision();
  Result<std::shared_ptr<const rtsp::Ticket>> ticket = shard_.provider().ticket(target.ticket);
  if (!ticket.ok()) {
    refused_credentials(ticket.error().text() + "; from " + peer_.host_text());
    rtsp::Response response = make_response(request, 403);
    response.headers.add("Content-Type", "text/plain; charset=utf-8");
    response.body = ticket.error().text() + "\r\n";
    answer(response);
    return false;
  }
  authenticated_ = true;
  ticket_ = std::move(ticket).value();
  ticket_path_ = target.path;
  agent_ = ticket_->agent;
  proven_at_ = revision;
  granted();
  return true;
}

void RtspConnection::refused_credentials(std::string what) {
  shard_.shared().refused_authentication.fetch_add(1, std::memory_order_relaxed);
  shard_.emit(EventKind::viewer_refused, "listener " + listener_->policy().name, "authentication",
              static_cast<uint16_t>(Code::not_authorized), std::move(what));
  if (++refusals_ >= kMaxRefusals) close_after_answer_ = true;
}

void RtspConnection::refuse(const rtsp::Request& request, const Error& error) {
  const int status = status_of(error);
  shard_.emit(EventKind::viewer_refused, "listener " + listener_->policy().name, std::to_string(status),
              static_cast<uint16_t>(error.code), error.text() + "; asked by " + peer_.text());
  rtsp::Response response = make_response(request, status);
  if (status == 453) shard_.shared().refused_admission.fetch_add(1, std::memory_order_relaxed);
  if (status == 503) response.headers.add("Retry-After", "5");
  if (status == 403) {
    // The reason goes where players show it: into the phrase, and whole into the body.
    response.reason = error.code == Code::withheld ? "Forbidden: camera withheld, " + error.what : "Forbidden";
  }
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = error.text() + "\r\n";
  answer(response);
}

// --- DESCRIBE and SETUP -------------------------------------------------------------------------------------------

void RtspConnection::describe(const rtsp::Request& request) {
  const std::string_view accept = request.headers.get("Accept");
  if (!accept.empty() && accept.find("application/sdp") == std::string_view::npos &&
      accept.find("*/*") == std::string_view::npos) {
    return answer_status(request, 406);
  }
  const Result<Target> target = parse_target(request.uri);
  if (!target.ok()) return refuse(request, target.error());
  open_stream(request, *target);
}

// The first alternative we can serve.
static const rtsp::Transport* choose_transport(const std::vector<rtsp::Transport>& offers, bool udp_allowed) {
  for (const rtsp::Transport& offer : offers) {
    if (offer.profile != rtsp::RtpProfile::avp || offer.delivery == rtsp::Delivery::multicast) continue;
    if (!offer.mode.empty() && !rtsp::iequals(offer.mode, "PLAY")) continue;
    if (offer.lower == rtsp::LowerTransport::tcp || offer.interleaved) {
      if (offer.interleaved && offer.interleaved->rtp == offer.interleaved->rtcp) continue;
      return &offer;
    }
    if (udp_allowed && offer.client_port && offer.client_port->rtp != 0 && offer.client_port->rtcp != 0) return &offer;
  }
  return nullptr;
}

static const rtsp::Transport* choose_transport(const Result<std::vector<rtsp::Transport>>& offers,
                                               const policy::ListenerPolicy& policy) {
  return offers.ok() ? choose_transport(*offers, policy.udp && !policy.tls) : nullptr;
}

void RtspConnection::setup(const rtsp::Request& request) {
  if (!session_id_.empty() && shard_.shard_of(session_id_) == shard_.index() && !shard_.find_session(session_id_)) {
    session_id_.clear();  // it ended by itself
  }
  // One track, so one session a connection; a second track of a session (aggregate control) does not exist.
  if (!session_id_.empty()) return answer_status(request, request.headers.has("Session") ? 459 : 455);
  if (request.headers.has("Session")) return answer_status(request, 454);
  if (!choose_transport(rtsp::parse_transport(request.headers.get("Transport")), listener_->policy())) {
    return answer_status(request, 461);
  }
  const Result<Target> target = parse_target(request.uri);
  if (!target.ok()) return refuse(request, target.error());
  if (described_ && described_target_.path == target->path) {
    Target wanted = *target;
    wanted.next_key = wanted.next_key || described_target_.next_key;
    OpenedStream stream = std::move(*described_);
    described_.reset();
    return answer_setup(request, std::move(stream), wanted);
  }
  open_stream(request, *target);
}

void RtspConnection::open_stream(const rtsp::Request& request, const Target& target) {
  waiting_ = request;
  waiting_target_ = target;
  // The provider may answer before open() returns, or when this connection is long gone.
  shard_.provider().open(view_request(target), kOpenTimeout,
                         [anchor = shard_.anchor(), number = number_](Result<OpenedStream> opened) {
                           const std::shared_ptr<ShardAnchor> here = anchor.lock();
                           if (!here) return;
                           if (RtspConnection* connection = here->shard->find_connection(number)) {
                             connection->on_opened(std::move(opened));
                           }
                         });
}

void RtspConnection::on_opened(Result<OpenedStream> opened) {
  if (!waiting_) return;
  const rtsp::Request request = std::move(*waiting_);
  const Target target = waiting_target_;
  waiting_.reset();
  // The grant may be older than the policy; SETUP asks for itself.
  const bool describes = request.method_id() == Method::describe;
  if (opened.ok() && describes) {
    Status allowed = shard_.provider().still_allowed(view_request(target), opened->key);
    if (!allowed.ok()) opened = std::move(allowed).error();
  }
  if (!opened.ok()) {
    refuse(request, opened.error());
  } else if (describes) {
    answer_describe(request, *opened, target);
    described_ = std::move(opened).value();
    described_target_ = target;
  } else {
    answer_setup(request, std::move(opened).value(), target);
  }
  take_unread();
}

void RtspConnection::answer_describe(const rtsp::Request& request, const OpenedStream& stream, const Target& target) {
  granted();
  static const ParameterSets kNone;
  const ParameterSets& sets = stream.track.parameter_sets ? *stream.track.parameter_sets : kNone;
  rtsp::SessionDescription session;
  session.name = stream.key.text();
  session.session_id = number_;
  session.session_version = 1;
  if (stream_) session.origin_address = stream_->local_address().host_text();
  session.control = "*";
  session.range = "npt=now-";
  session.tool = kServerName;
  rtsp::MediaDescription media =
      rtsp::describe_video(sets, RtpFeed::payload_type(stream.track.codec), kTrack, stream.track.declared_fps);
  if (sets.width > 0 && sets.height > 0) {
    media.attributes.push_back({"x-dimensions", std::to_string(sets.width) + "," + std::to_string(sets.height)});
  }
  session.medias.push_back(std::move(media));
  rtsp::Response response = make_response(request, 200);
  response.headers.add("Content-Base", rtsp::strip_credentials(target.base) + "/");
  response.headers.add("Content-Type", "application/sdp");
  response.headers.add("Cache-Control", "no-cache");
  response.body = rtsp::format_sdp(session);
  answer(response);
}

void RtspConnection::answer_setup(const rtsp::Request& request, OpenedStream stream, const Target& target) {
  const auto offers = rtsp::parse_transport(request.headers.get("Transport"));
  const rtsp::Transport* wanted = choose_transport(offers, listener_->policy());
  if (!wanted || !stream_) return answer_status(request, 461);
  SessionSetup setup;
  setup.request = view_request(target);
  // The grant may be older than the policy.
  if (Status allowed = shard_.provider().still_allowed(setup.request, stream.key); !allowed.ok()) {
    return refuse(request, allowed.error());
  }
  stream.right_ends = shard_.provider().right_ends(setup.request, stream.key);
  const bool tcp = wanted->lower == rtsp::LowerTransport::tcp || wanted->interleaved;
  setup.id = shard_.make_session_id();
  setup.connection = tcp ? number_ : 0;
  setup.peer = peer_;
  setup.stream = std::move(stream);
  setup.transport = !tcp ? ViewerTransport::udp : listener_->tls() ? ViewerTransport::tls : ViewerTransport::tcp;
  setup.next_key = target.next_key;
  setup.track_url = rtsp::strip_credentials(request.uri);
  const std::string id = setup.id;
  if (tcp) {
    channels_ = wanted->interleaved.value_or(rtsp::ChannelPair{});
    out_.set_channels(channels_);
    session_is_tcp_ = true;
    session_id_ = id;
  }
  Result<RtpSession*> opened =
      shard_.open_session(std::move(setup), tcp ? &out_ : nullptr, *wanted, *listener_, stream_->local_address());
  if (closed_) return;  // the stream ended while it was being opened, and took this connection along
  if (!opened.ok()) {
    session_is_tcp_ = false;
    session_id_.clear();
    return refuse(request, opened.error());
  }
  session_id_ = id;
  granted();
  rtsp::Transport agreed;
  agreed.delivery = rtsp::Delivery::unicast;
  if ((*opened)->ssrc() != 0) agreed.ssrc = (*opened)->ssrc();
  if (tcp) {
    agreed.lower = rtsp::LowerTransport::tcp;
    agreed.interleaved = channels_;
  } else {
    agreed.client_port = wanted->client_port;
    agreed.server_port = (*opened)->udp()->server_ports();
  }
  rtsp::Response response = make_response(request, 200);
  response.headers.add("Transport", rtsp::format_transport(agreed));
  rtsp::SessionHeader session;
  session.id = id;
  session.timeout_s = static_cast<uint32_t>(
      std::max<int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(shard_.limits().session_timeout).count()));
  session.timeout_given = true;
  response.headers.add("Session", rtsp::format_session(session));
  answer(response);
}

// --- requests about a session -------------------------------------------------------------------------------------

void RtspConnection::session_request(const rtsp::Request& request, Method method) {
  SessionCall call;
  switch (method) {
    case Method::play: call.kind = SessionCall::Kind::play; break;
    case Method::pause: call.kind = SessionCall::Kind::pause; break;
    case Method::teardown: call.kind = SessionCall::Kind::teardown; break;
    default: call.kind = SessionCall::Kind::touch; break;
  }
  if (request.headers.has("Session")) {
    const Result<rtsp::SessionHeader> session = rtsp::parse_session(request.headers.get("Session"));
    if (!session.ok()) return answer_status(request, 454);
    call.id = session->id;
  } else {
    call.id = session_id_;  // some players leave it out
  }
  if (call.id.empty()) return answer_status(request, call.kind == SessionCall::Kind::touch ? 200 : 455);
  const size_t shard = shard_.shard_of(call.id);
  call.agent = agent_;
  call.peer = peer_;
  call.connection = number_;
  if (shard == shard_.index()) return answer_session(request, method, shard_.call_here(call));
  waiting_ = request;
  shard_.call_elsewhere(shard, std::move(call));
}

void RtspConnection::on_session_answer(const SessionAnswer& given) {
  if (!waiting_) return;
  const rtsp::Request request = std::move(*waiting_);
  waiting_.reset();
  answer_session(request, request.method_id(), given);
  take_unread();
}

// A live stream has no other place than now; a wish for the beginning is granted as such, because that is what players
// send for it.
static std::string range_answer(const rtsp::Request& request) {
  const Result<rtsp::RangeHeader> range = rtsp::parse_range(request.headers.get("Range"));
  const bool from_zero = range.ok() && range->unit == rtsp::RangeHeader::Unit::npt && !range->now && range->start &&
                         *range->start == Nanos{0};
  return from_zero ? "npt=0.000-" : "npt=now-";
}

void RtspConnection::answer_session(const rtsp::Request& request, Method method, const SessionAnswer& given) {
  if (given.status != 200) return answer_status(request, given.status);
  const bool parameter = method == Method::get_parameter || method == Method::set_parameter;
  rtsp::Response response = make_response(request, parameter && !request.body.empty() ? 451 : 200);
  rtsp::SessionHeader session;
  session.id =
      request.headers.has("Session") ? rtsp::parse_session(request.headers.get("Session")).value().id : session_id_;
  response.headers.add("Session", rtsp::format_session(session));
  if (method == Method::play) {
    response.headers.add("Range", range_answer(request));
    response.headers.add("RTP-Info", rtsp::format_rtp_info({given.info}));
  }
  if (method == Method::teardown && session.id == session_id_) {
    session_id_.clear();
    session_is_tcp_ = false;
  }
  answer(response);
  // Only now: no packet may go before the answer to PLAY.
  if (method == Method::play && session_is_tcp_ && !closed_) {
    if (RtpSession* playing = tcp_session()) playing->start_flow();
  }
}

}  // namespace vigie::sink
