// The part of the RTSP client that lives from SETUP on: transports, media in, signs of life out, time.
#include <algorithm>
#include <cstring>
#include <utility>

#include "rtsp/text.h"
#include "source/rtsp_client.h"

namespace vigie::source {
namespace {

constexpr Nanos kLongestKeepalive = 30s;  // NAT forgets, whatever the device announces
constexpr Nanos kShortestKeepalive = 500ms;
constexpr size_t kReportBytes = 160;

// The message that ends `consumed`; line ends or garbage may stand in front of it.
std::string_view wire_text(ByteSpan consumed, std::string_view begins) {
  const std::string_view text = as_text(consumed);
  const size_t at = text.find(begins);
  return at == std::string_view::npos ? text : text.substr(at);
}

// A parameter of a Transport header as it was written; empty when it is not there, or has no value.
struct Parameter {
  bool given = false;
  std::string_view value;
  bool is_pair() const { return value.find('-') != std::string_view::npos; }
};
Parameter find_parameter(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    std::string_view value = rtsp::cut(header, ';');
    if (rtsp::iequals(rtsp::trim(rtsp::cut(value, '=')), name)) return {true, rtsp::trim(value)};
  }
  return {};
}

std::string pair_text(rtsp::ChannelPair pair) { return std::to_string(pair.rtp) + "-" + std::to_string(pair.rtcp); }

}  // namespace

// --- bytes in

size_t RtspClient::on_bytes(ByteSpan unread, const rtp::Arrival& arrival) {
  size_t taken = 0;
  connection_dirty_ = false;
  while (phase_ != Phase::ended && phase_ != Phase::connecting) {
    const ByteSpan rest = unread.subspan(taken);
    const rtsp::SplitterCounters before = splitter_.counters();
    const rtsp::StreamSplitter::Item item = splitter_.next(rest);
    taken += item.consumed;
    const uint64_t garbage = splitter_.counters().garbage_bytes - before.garbage_bytes;
    if (garbage > 0) record_garbage(rest, before.garbage_bytes, before.resyncs, arrival.mono);
    if (garbage > 0 ||
        (item.kind == rtsp::StreamSplitter::Kind::interleaved && item.consumed > 4 + item.payload.size())) {
      tell_stray(item, garbage, arrival);
    }
    switch (item.kind) {
      case rtsp::StreamSplitter::Kind::interleaved: on_interleaved(item.channel, item.payload, arrival); break;
      case rtsp::StreamSplitter::Kind::response: {
        const rtsp::Response response = splitter_.take_response();
        record(false, wire_text(rest.first(item.consumed), response.version + " "), arrival.mono);
        on_response(response, arrival.mono);
        break;
      }
      case rtsp::StreamSplitter::Kind::request: {
        const rtsp::Request request = splitter_.take_request();
        record(false, wire_text(rest.first(item.consumed), request.method + " "), arrival.mono);
        on_request(request, arrival.mono);
        break;
      }
      case rtsp::StreamSplitter::Kind::need_more: stream_position_ += taken; return taken;
      case rtsp::StreamSplitter::Kind::error: {
        const Error& error = splitter_.error();
        if (config_.dialogue && taken < unread.size() && garbage_runs_recorded_ <= before.resyncs) {
          config_.dialogue->add_unreadable(attempt_, arrival.mono, unread.subspan(taken));
        }
        const std::string at = ", byte " + std::to_string(stream_position_ + taken);
        finish(make_error(error.code, place() + at, error.what));
        return unread.size();
      }
    }
    // What is left belongs to a connection that is no more.
    if (connection_dirty_) return unread.size();
  }
  return unread.size();
}

void RtspClient::tell_stray(const rtsp::StreamSplitter::Item& item, size_t garbage, const rtp::Arrival& arrival) {
  StrayBytes stray;
  stray.garbage = garbage;
  if (item.kind == rtsp::StreamSplitter::Kind::interleaved) {
    stray.line_ends = item.consumed - 4 - item.payload.size() - garbage;
  }
  events_.on_client_stray(stray, arrival);
}

void RtspClient::on_interleaved(uint8_t channel, ByteSpan payload, const rtp::Arrival& arrival) {
  if (phase_ == Phase::teardown) return;
  if (set_up_ && over_tcp_ && (channel == channels_.rtp || channel == channels_.rtcp)) {
    if (phase_ != Phase::playing && !tolerates(config_.quirks, Quirk::E3)) return;
    if (channel == channels_.rtp) {
      events_.on_client_rtp(payload, arrival);
    } else {
      events_.on_client_rtcp(payload, arrival);
    }
    return;
  }
  ++stats_.unknown_channel_frames;
  StrayBytes stray;
  stray.channel = channel;
  stray.payload_bytes = payload.size();
  events_.on_client_stray(stray, arrival);
  // Before SETUP's answer they can only be an earlier session's.
  const Quirk quirk = set_up_ ? Quirk::E4 : Quirk::D12;
  if (tolerates(config_.quirks, quirk)) return;
  let_pass(quirk, "a packet came on channel " + std::to_string(channel) + ", which was not set up");
}

void RtspClient::on_udp_packet(bool rtcp, ByteSpan packet, const rtp::Arrival& arrival) {
  if (!set_up_ || over_tcp_ || (phase_ != Phase::play && phase_ != Phase::playing)) return;
  // A group's packets come at any time.
  if (phase_ == Phase::play && !multicast() && !tolerates(config_.quirks, Quirk::J1)) return;
  if (rtcp) {
    events_.on_client_rtcp(packet, arrival);
    return;
  }
  if (!udp_packet_seen_) {
    udp_packet_seen_ = true;
    if (udp_deadline_) {
      udp_deadline_.reset();
      arm();
    }
  }
  events_.on_client_rtp(packet, arrival);
}

void RtspClient::on_request(const rtsp::Request& request, MonoTime now) {
  ++stats_.device_requests;
  if (!let_pass(Quirk::A15, "the device sent a request of its own, " + request.method)) return;
  rtsp::Response response;
  switch (request.method_id()) {
    case rtsp::Method::options:
      response.headers.add("Public", "OPTIONS, GET_PARAMETER, SET_PARAMETER, ANNOUNCE");
      break;
    case rtsp::Method::announce:
    case rtsp::Method::get_parameter:
    case rtsp::Method::set_parameter: break;
    default: response.status = 501; break;
  }
  response.headers.add("CSeq", request.headers.get("CSeq"));
  if (request.headers.has("Session")) response.headers.add("Session", request.headers.get("Session"));
  const std::string text = rtsp::serialise(response);
  record(true, text, now);
  output_.send(as_bytes(text));
}

// --- deviations, and the record of what was said

Status RtspClient::tolerated(Quirk quirk, std::string_view found, Code code) {
  if (tolerates(config_.quirks, quirk)) return {};
  return make_error(code, place(), rtsp::not_tolerated(std::string(found), quirk));
}

bool RtspClient::let_pass(Quirk quirk, std::string_view found, Code code) {
  const Status status = tolerated(quirk, found, code);
  if (!status) finish(status.error());
  return status.ok();
}

void RtspClient::record(bool sent, std::string_view message, MonoTime now) {
  if (config_.dialogue) config_.dialogue->add(attempt_, now, sent, message);
}

// One line for each run of garbage, however many reads it takes.
void RtspClient::record_garbage(ByteSpan unread, uint64_t garbage_before, uint64_t resyncs_before, MonoTime now) {
  if (!config_.dialogue || garbage_runs_recorded_ > resyncs_before) return;
  garbage_runs_recorded_ = resyncs_before + 1;
  const uint64_t bytes = splitter_.counters().garbage_bytes - garbage_before;
  config_.dialogue->add_unreadable(attempt_, now, unread.first(std::min<size_t>(bytes, unread.size())));
}

// --- SETUP's answer

bool RtspClient::accept_setup(const rtsp::Response& response, MonoTime now) {
  if (!take_session(response)) return false;
  bool wrong_kind = false;
  if (Status status = take_transport(response, wrong_kind); !status) {
    if (wrong_kind && try_other_transport(status.error().what, now, true)) return false;
    if (phase_ != Phase::ended) finish(status.error());
    return false;
  }
  set_up_ = true;
  return true;
}

Status RtspClient::take_transport(const rtsp::Response& response, bool& wrong_kind) {
  rtsp::Transport transport;
  bool known = false;
  const std::string_view header = response.headers.get("Transport");
  const auto list = rtsp::parse_transport(header, config_.quirks);
  if (list) {
    if (std::any_of(list->begin(), list->end(), [](const rtsp::Transport& t) { return t.protocol_behind; })) {
      constexpr auto kFound = "the answer to SETUP has a transport with a parameter in front of its protocol";
      if (Status behind = tolerated(Quirk::A23, kFound); !behind) return behind;
    }
    // A25: of several, the one of the kind we asked for.
    const auto fits = [this](const rtsp::Transport& t) {
      if (multicast()) return t.delivery == rtsp::Delivery::multicast;
      return over_tcp_ == (t.interleaved.has_value() || t.lower == rtsp::LowerTransport::tcp);
    };
    const auto found = std::find_if(list->begin(), list->end(), fits);
    transport = found != list->end() ? *found : list->front();
    known = true;
    if (list->size() > 1) {
      const std::string count = std::to_string(list->size());
      if (Status one = tolerated(Quirk::A25, "the answer to SETUP has " + count + " transports"); !one) return one;
    }
  }
  const bool secure = transport.profile == rtsp::RtpProfile::savp || transport.profile == rtsp::RtpProfile::savpf;
  if (known && secure != keys_.has_value()) {
    return make_error(Code::rtsp_unsupported, place(),
                      secure ? "the device answers SETUP with SRTP, for which it gave no key"
                             : "asked for SRTP, the device set up plain RTP");
  }
  if (multicast()) return take_group(transport);
  if (over_tcp_) return take_channels(transport, header);
  if (known && (transport.interleaved || transport.lower == rtsp::LowerTransport::tcp)) {
    wrong_kind = true;  // J4
    return make_error(Code::rtsp_unsupported, place(), "asked for UDP, the device set up TCP");
  }
  if (transport.delivery == rtsp::Delivery::multicast) {
    wrong_kind = true;
    return make_error(Code::rtsp_unsupported, place(), "asked for unicast, the device set up multicast");
  }
  return take_ports(transport, header);
}

Status RtspClient::take_channels(const rtsp::Transport& transport, std::string_view header) {
  // A20: a plain "RTP/AVP" in the answer does not matter, nor a missing header. A21: other channels than asked do.
  const rtsp::ChannelPair asked = channels_;
  if (transport.interleaved) channels_ = *transport.interleaved;
  const bool single = transport.interleaved && (!find_parameter(header, "interleaved").is_pair() ||
                                                transport.interleaved->rtp == transport.interleaved->rtcp);
  if (channels_.rtp == channels_.rtcp) channels_.rtcp = static_cast<uint8_t>(channels_.rtp + 1);
  if (transport.lower != rtsp::LowerTransport::tcp || !transport.interleaved || single) {
    const std::string_view found = header.empty()                                 ? "has no Transport"
                                   : transport.lower != rtsp::LowerTransport::tcp ? "names UDP"
                                   : single                                       ? "names a single channel"
                                                                                  : "names no channels";
    if (Status ok = tolerated(Quirk::A20, std::string("the answer to SETUP over TCP ").append(found)); !ok) return ok;
  }
  if (channels_ == asked) return {};
  return tolerated(Quirk::A21,
                   "the device set up the channels " + pair_text(channels_) + ", asked for " + pair_text(asked));
}

Status RtspClient::take_group(const rtsp::Transport& transport) {
  const bool tcp = transport.interleaved || transport.lower == rtsp::LowerTransport::tcp;
  if (tcp || transport.delivery == rtsp::Delivery::unicast) {
    return make_error(Code::rtsp_unsupported, place(),
                      std::string("asked for multicast, the device set up ") + (tcp ? "TCP" : "unicast"));
  }
  rtsp::MediaAddress group = announced_;
  if (!transport.destination.empty()) group.host = transport.destination;
  // Some devices write the group's ports as if they were somebody's.
  for (const auto& ports : {transport.port, transport.client_port, transport.server_port}) {
    if (!ports || ports->rtp == 0) continue;
    group.rtp_port = ports->rtp;
    group.rtcp_port = ports->rtcp;
    group.rtcp_mux = ports->rtp == ports->rtcp;
    break;
  }
  if (transport.ttl) group.ttl = *transport.ttl;
  group_ = rtsp::single_line(group.host.substr(0, 64)) + ", port " + std::to_string(group.rtp_port);
  Status joined = output_.join_group(group, transport.source);
  if (joined) return {};
  return make_error(joined.error().code, place(), "the group " + group_ + ": " + joined.error().what);
}

Status RtspClient::take_ports(const rtsp::Transport& transport, std::string_view header) {
  // A24: ports may be missing or zero; then nothing can be sent until the first packet shows where it comes from.
  udp_server_ = transport.server_port.value_or(rtsp::PortPair{});
  udp_source_ = transport.source;
  const Parameter source = find_parameter(header, "source");
  if (udp_server_.rtp == 0 || udp_server_.rtcp == 0 || !find_parameter(header, "server_port").is_pair()) {
    if (udp_server_.rtp == 0) udp_server_ = {};  // then the other number says nothing either
    return tolerated(Quirk::A24, "the answer to SETUP over UDP names no pair of server ports");
  }
  if (source.given && udp_source_.empty()) return tolerated(Quirk::A24, "the answer to SETUP has an empty source");
  return {};
}

bool RtspClient::take_session(const rtsp::Response& response) {
  if (!response.headers.has("Session")) return true;
  const auto session = rtsp::parse_session(response.headers.get("Session"));
  if (!session) return true;
  if (session->blanks && !let_pass(Quirk::A27, "there are blanks in the Session header")) return false;
  // A26: the newest id counts.
  if (have_session_ && session->id != session_ && !let_pass(Quirk::A26, "the session id changes")) return false;
  session_ = session->id;
  have_session_ = true;
  if (session->timeout_given) session_timeout_s_ = session->timeout_s;
  return true;
}

uint32_t RtspClient::own_ssrc(MonoTime now) {
  std::array<uint8_t, kReportBytes> memory;
  const ByteSpan report = events_.on_client_wants_report(memory, now);
  return report.size() >= 8 ? load_be32(&report[4]) : 0;  // in the clear in SRTCP too
}

void RtspClient::punch(MonoTime now) {
  std::array<uint8_t, kReportBytes> memory;
  const ByteSpan report = events_.on_client_wants_report(memory, now);
  std::array<uint8_t, rtp::kHeaderBytes> empty;
  rtp::HeaderFields fields;
  fields.payload_type = track_.payload_type;
  if (report.size() >= 8) fields.ssrc = load_be32(&report[4]);
  rtp::write_header(empty.data(), fields);
  output_.aim_udp(udp_source_, udp_server_, empty, report);
}

// --- signs of life

Nanos RtspClient::keepalive_interval() const {
  // D15, A27: half of what was announced.
  const Nanos half = std::chrono::milliseconds(uint64_t{500} * session_timeout_s_);
  return std::clamp(half, kShortestKeepalive, kLongestKeepalive);
}

void RtspClient::send_keepalive(MonoTime now) {
  if (pending_ && pending_->purpose == Purpose::keepalive) {
    ++stats_.keepalives_unanswered;  // D7: no reason to give up while pictures come
    // Short timeouts have us ask again before an answer can be called missing.
    if (unanswered_since_ && now - *unanswered_since_ >= config_.response_deadline &&
        !let_pass(Quirk::D7, "a sign of life by " + pending_->request.method + " was not answered", Code::timed_out)) {
      return;
    }
    if (!keepalive_answered_) keepalive_by_get_parameter_ = !keepalive_by_get_parameter_;
  }
  if (!unanswered_since_) unanswered_since_ = now;
  ++stats_.keepalives;
  keepalive_at_ = now + keepalive_interval();
  request(Purpose::keepalive, keepalive_by_get_parameter_ ? rtsp::Method::get_parameter : rtsp::Method::options,
          play_on_track_ ? base_ : aggregate_uri_, now);
}

void RtspClient::on_keepalive(const rtsp::Response& response, MonoTime) {
  unanswered_since_.reset();
  if (response.status < 400) {
    keepalive_answered_ = true;
    return;
  }
  // D2, D3: an error is no reason to end; the other method is tried next time.
  ++stats_.keepalives_refused;
  const std::string status = std::to_string(response.status);
  if (!let_pass(Quirk::D2, "a sign of life was answered " + status, Code::rtsp_status)) return;
  keepalive_answered_ = false;
  keepalive_by_get_parameter_ = !keepalive_by_get_parameter_;
}

void RtspClient::send_report(MonoTime now) {
  report_at_ = now + config_.report_interval;
  std::array<uint8_t, 4 + kReportBytes> memory;
  const ByteSpan report = events_.on_client_wants_report(std::span(memory).subspan(4), now);
  if (report.empty()) return;
  if (!over_tcp_) {
    output_.send_udp_rtcp(report);
    return;
  }
  if (report.data() != memory.data() + 4) std::memmove(memory.data() + 4, report.data(), report.size());
  memory[0] = '$';
  memory[1] = channels_.rtcp;
  store_be16(&memory[2], static_cast<uint16_t>(report.size()));
  output_.send(ByteSpan(memory.data(), 4 + report.size()));
}

void RtspClient::send_teardown(MonoTime now) {
  request(Purpose::teardown, rtsp::Method::teardown, play_on_track_ ? setup_uris_[setup_index_] : aggregate_uri_, now);
}

// --- time

void RtspClient::on_timer(MonoTime now) {
  if (phase_ == Phase::idle || phase_ == Phase::ended) return;
  if (connect_deadline_ && now >= *connect_deadline_) {
    fail(Code::timed_out, "no connection within " + std::to_string(config_.response_deadline / 1ms) + " ms");
    return;
  }
  if (dialogue_deadline_ && now >= *dialogue_deadline_) {
    fail(Code::timed_out, "the dialogue took longer than " + std::to_string(config_.dialogue_deadline / 1ms) + " ms");
    return;
  }
  if (pending_ && pending_->purpose != Purpose::keepalive && now >= pending_->deadline) {
    fail(Code::timed_out, "no answer to " + pending_->request.method);
    return;
  }
  if (udp_deadline_ && now >= *udp_deadline_) {
    udp_deadline_.reset();
    if (multicast()) {
      fail(Code::timed_out, "no packet came to the group " + group_ + " within " +
                                std::to_string(config_.udp_deadline / 1ms) +
                                " ms; right would be a network that passes multicast on to this machine");
      return;
    }
    if (try_other_transport("no packet came over UDP", now, false)) return;
    if (phase_ == Phase::ended) return;
  }
  if (keepalive_at_ && now >= *keepalive_at_) send_keepalive(now);
  if (phase_ == Phase::ended) return;
  if (report_at_ && now >= *report_at_) send_report(now);
  if (phase_ != Phase::ended) arm();
}

void RtspClient::arm() {
  std::optional<MonoTime> next;
  const auto consider = [&next](const std::optional<MonoTime>& when) {
    if (when && (!next || *when < *next)) next = when;
  };
  consider(connect_deadline_);
  consider(dialogue_deadline_);
  if (pending_ && pending_->purpose != Purpose::keepalive) consider(pending_->deadline);
  consider(udp_deadline_);
  consider(keepalive_at_);
  consider(report_at_);
  output_.set_timer(next);
}

}  // namespace vigie::source
