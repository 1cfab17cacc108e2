#include "source/rtsp_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/random.h"
#include "net/multicast.h"
#include "net/tcp.h"
#include "net/tls.h"

namespace vigie::source {
namespace {

constexpr size_t kMaxUnsentBytes = 64 << 10;  // requests and reports that the device does not read
constexpr int kUdpReceiveBuffer = 2 << 20;    // a keyframe's burst; the kernel's limit may make it less
constexpr int kUdpBatchesPerWakeup = 8;
constexpr Nanos kForeignSourceAfter = 500ms;  // F13
constexpr Nanos kTcpUserTimeout = 15s;
constexpr Nanos kTcpKeepAlive = 20s;

RtspClientConfig client_config(std::string where, const policy::StreamPolicy& policy, const std::string& url,
                               SourceMemory& memory) {
  RtspClientConfig config;
  config.where = std::move(where);
  config.url = url;
  config.username = policy.username;
  config.password = policy.password.reveal();
  config.transport = policy.transport;
  config.quirks = &memory.quirks;
  config.dialogue = &memory.dialogue;
  return config;
}

}  // namespace

RtspSource::RtspSource(SourceShard& shard, std::string where, const policy::StreamPolicy& policy,
                       const std::string& url, SourceMemory& memory, AttemptEvents& events)
    : loop_(shard.loop()),
      memory_(memory),
      events_(events),
      srtp_(where, memory.counters),
      shard_(shard),
      where_(std::move(where)),
      tls_ca_file_(policy.tls_ca_file),
      tls_verify_(policy.tls_verify),
      interface_(policy.interface),
      client_(client_config(where_, policy, url, memory), memory.rtsp, *this, *this),
      group_(shard, where_, memory.counters, *this),
      alarm_(loop_, memory) {
  memory_.need_receiver(loop_.pool(), where_);
}

RtspSource::~RtspSource() {
  memory_.receiver->mute(*this);
  loop_.cancel_timer(client_timer_);
  close();
  close_udp();
}

void RtspSource::start() { client_.start(now()); }

void RtspSource::stop(Task done) {
  stopped_ = true;
  memory_.receiver->mute(*this);
  client_.stop(now(), std::move(done));
}

// --- the connection

void RtspSource::connect(const std::string& host, uint16_t port, bool tls) {
  close();
  tunnel_config_.reset();
  host_ = host;
  port_ = port;
  tls_ = tls;
  resolving_ = shard_.resolver().resolve(loop_, host, port, 5s,
                                         [this](net::ResolveResult addresses) { on_resolved(std::move(addresses)); });
}

void RtspSource::connect_tunnel(const rtsp::Url& url, uint16_t port, const rtsp::ClientAuth& auth) {
  connect(url.host, port, url.tls);
  tunnel_config_.emplace();
  tunnel_config_->target = url.path;
  tunnel_config_->authority = url.authority();
  tunnel_config_->auth = auth;
}

Result<std::unique_ptr<net::Stream>> RtspSource::dial(const net::SocketAddress& to, net::StreamHandler& handler) {
  net::ConnectOptions options;
  options.stream.keep_alive = kTcpKeepAlive;
  options.stream.user_timeout = kTcpUserTimeout;
  options.timeout = addresses_.size() > 1 ? Nanos(2s) : Nanos(5s);
  if (!tls_) return net::connect_tcp(loop_, to, options, handler);
  auto context = shard_.tls_context(tls_ca_file_, tls_verify_);
  if (!context) return std::move(context).error();
  return net::connect_tls(loop_, to, host_, options, *context, handler);
}

void RtspSource::on_resolved(net::ResolveResult addresses) {
  if (!addresses) {
    client_.on_closed(now(), addresses.error());
    return;
  }
  addresses_ = std::move(*addresses);
  next_address_ = 0;
  try_next_address();
}

void RtspSource::try_next_address() {
  Error last = make_error(Code::resolve_failed, host_, "the name has no address");
  while (next_address_ < addresses_.size()) {
    const net::SocketAddress to = addresses_[next_address_++];
    if (tunnel_config_) {
      const auto dial_again = [this, to](net::StreamHandler& handler) { return dial(to, handler); };
      auto tunnel = HttpTunnel::open(loop_, *tunnel_config_, dial_again, *this);
      if (tunnel) {
        tunnel_ = tunnel->get();
        stream_ = std::move(*tunnel);
        return;
      }
      last = std::move(tunnel).error();
      continue;
    }
    auto stream = dial(to, *this);
    if (stream) {
      stream_ = std::move(*stream);
      return;
    }
    last = std::move(stream).error();
  }
  closed_soon(std::move(last));
}

void RtspSource::closed_soon(Error why) {
  loop_.cancel_timer(closed_timer_);
  closed_timer_ = loop_.add_timer(now(), [this, why = std::make_unique<Error>(std::move(why))] {
    closed_timer_ = {};
    client_.on_closed(now(), *why);
  });
}

void RtspSource::on_stream_open() {
  connected_ = true;
  client_.on_connected(now(), stream_->peer_address().text());
}

void RtspSource::on_stream_failed(const Error& error) {
  const bool was_connected = std::exchange(connected_, false);
  const bool answered = tunnel_ != nullptr && tunnel_->answered();
  const std::string redirect = tunnel_ != nullptr ? tunnel_->redirect() : std::string();
  drop_stream();
  if (!redirect.empty()) {
    client_.on_redirected(now(), redirect);
    return;
  }
  if (!was_connected && !answered && next_address_ < addresses_.size()) {
    try_next_address();
    return;
  }
  client_.on_closed(now(), error);
}

void RtspSource::close() {
  ++generation_;
  resolving_.cancel();
  loop_.cancel_timer(std::exchange(closed_timer_, {}));
  connected_ = false;
  drop_stream();
  tail_.clear();
  unsent_.clear();
}

void RtspSource::drop_stream() {
  tunnel_ = nullptr;
  stream_.reset();
}

void RtspSource::on_stream_readable() {
  const std::span<uint8_t> scratch = loop_.read_scratch();
  const size_t kept = tail_.size();
  if (kept > 0) std::memcpy(scratch.data(), tail_.data(), kept);
  const net::IoResult result = stream_->read(scratch.subspan(kept));
  switch (result.state) {
    case net::IoState::would_block: return;
    case net::IoState::eof:
      close();
      client_.on_closed(now(), make_error(Code::connection_lost, {}, "the device closed the connection"));
      return;
    case net::IoState::failed: {
      const Error error = stream_->error();
      close();
      client_.on_closed(now(), error);
      return;
    }
    case net::IoState::ok: break;
  }
  const ByteSpan unread = scratch.first(kept + result.bytes);
  const uint64_t generation = generation_;
  const size_t taken = client_.on_bytes(unread, arrival());
  if (generation != generation_) return;
  tail_.assign(unread.begin() + static_cast<ptrdiff_t>(taken), unread.end());
  // A unit that would not even fit beside nothing cannot come: the splitter's limits are far below the scratch's size.
}

void RtspSource::send(ByteSpan bytes) {
  if (!stream_ || !connected_) return;
  size_t taken = 0;
  if (unsent_.empty()) {
    const net::IoResult result = stream_->write(bytes);
    if (result.state == net::IoState::failed) {
      closed_soon(stream_->error());
      return;
    }
    if (result.ok()) taken = result.bytes;
  }
  if (taken == bytes.size()) return;
  if (unsent_.size() + bytes.size() - taken > kMaxUnsentBytes) {
    closed_soon(make_error(Code::connection_lost, {}, "the device reads nothing of what it is sent"));
    return;
  }
  unsent_.append(as_text(bytes.subspan(taken)));
  stream_->set_write_interest(true);
}

void RtspSource::on_stream_writable() {
  const net::IoResult result = stream_->write(as_bytes(unsent_));
  if (result.ok()) unsent_.erase(0, result.bytes);
  if (result.state == net::IoState::failed || unsent_.empty()) stream_->set_write_interest(false);
}

void RtspSource::set_timer(std::optional<MonoTime> when) {
  if (!when) {
    loop_.cancel_timer(std::exchange(client_timer_, {}));
    return;
  }
  if (client_timer_ && loop_.move_timer(client_timer_, *when)) return;
  client_timer_ = loop_.add_timer(*when, [this] {
    client_timer_ = {};
    client_.on_timer(now());
  });
}

std::string RtspSource::make_cnonce() { return random_hex(12); }

// --- UDP

Result<rtsp::PortPair> RtspSource::open_udp() {
  close_udp();
  net::UdpOptions options;
  // The address that the device already reaches us by.
  options.bind = stream_ ? stream_->local_address() : net::SocketAddress::any_v4(0);
  options.bind.set_port(0);
  options.receive_buffer_bytes = kUdpReceiveBuffer;
  options.gro = true;
  Result<net::UdpPair> pair = net::open_udp_pair(options);
  if (!pair) return std::move(pair).error();
  udp_.emplace(std::move(*pair));
  for (UdpEar* ear : {&rtp_ear_, &rtcp_ear_}) {
    const int fd = (ear->rtcp ? udp_->rtcp : udp_->rtp).fd();
    if (Status added = loop_.add_fd(fd, net::kReadable, *ear); !added) {
      close_udp();
      return std::move(added).error();
    }
  }
  return rtsp::PortPair{udp_->rtp.local_address().port(), udp_->rtcp.local_address().port()};
}

void RtspSource::aim_udp(std::string_view source, rtsp::PortPair ports, ByteSpan rtp_punch, ByteSpan rtcp_punch) {
  if (!udp_ || !stream_) return;
  net::SocketAddress device = stream_->peer_address();
  if (auto given = net::SocketAddress::parse_ip(source, 0); given && given->family() == device.family()) {
    if (!given->is_any()) device = *given;
  }
  if (!udp_from_proven_) udp_from_ = device;
  // A24: a port that was not announced is learnt from the first packet.
  if (ports.rtp != 0) {
    udp_rtp_to_ = device;
    udp_rtp_to_.set_port(ports.rtp);
    (void)udp_->rtp.send(rtp_punch, udp_rtp_to_);
  }
  if (ports.rtcp != 0) {
    udp_rtcp_to_ = device;
    udp_rtcp_to_.set_port(ports.rtcp);
    send_udp_rtcp(rtcp_punch);
  }
}

Status RtspSource::join_group(const rtsp::MediaAddress& group, std::string_view source) {
  close_udp();
  auto endpoint = make_endpoint(group);
  if (!endpoint) return std::move(endpoint).error();
  if (!endpoint->rtp.is_multicast()) {
    return make_error(Code::rtsp_unsupported, where_,
                      "no multicast address; neither SETUP nor the description has one");
  }
  const int family = endpoint->rtp.family();
  if (auto given = net::SocketAddress::parse_ip(source, 0); given && given->family() == family && !given->is_any()) {
    endpoint->sources = {*given};
    endpoint->source_specific = true;
  }
  const net::SocketAddress camera = stream_ ? stream_->peer_address().unmapped() : net::SocketAddress();
  if (endpoint->sources.empty() && camera.family() == family) endpoint->sources = {camera};
  // J5: the groups of a camera are where the camera is, whatever the routes say.
  endpoint->interface = interface_;
  if (stream_) endpoint->interface_index = net::interface_of(stream_->local_address());
  return group_.open(std::move(*endpoint));
}

void RtspSource::send_udp_rtcp(ByteSpan bytes) {
  if (group_.is_open()) group_.send_report(bytes);
  // A report that does not leave is no fault: the next one follows.
  if (udp_ && udp_rtcp_to_.valid() && !bytes.empty()) (void)udp_->rtcp.send(bytes, udp_rtcp_to_);
}

void RtspSource::close_udp() {
  alarm_.cancel();
  group_.close();
  if (!udp_) return;
  loop_.remove_fd(udp_->rtp.fd());
  loop_.remove_fd(udp_->rtcp.fd());
  udp_.reset();
  udp_rtp_to_ = udp_rtcp_to_ = udp_from_ = net::SocketAddress();
  udp_from_proven_ = false;
  foreign_since_.reset();
}

bool RtspSource::accept_udp_from(const net::SocketAddress& from, bool rtcp, MonoTime when) {
  if (udp_from_.same_host(from)) {
    net::SocketAddress& announced = rtcp ? udp_rtcp_to_ : udp_rtp_to_;
    if (announced.valid() && announced.same_host(from) && announced.port() != from.port()) {
      if (!tolerates(&memory_.quirks, Quirk::J2)) return false;
      if (rtcp) announced = from;  // there is where it can be reached
    }
    udp_from_proven_ = true;
    return true;
  }
  if (udp_from_proven_) return false;
  // F13: some devices send media from another address than they answer from. Such a sender is believed only when the
  // expected one has kept silent for a while.
  if (!foreign_since_) foreign_since_ = when;
  if (when - *foreign_since_ < kForeignSourceAfter || !tolerates(&memory_.quirks, Quirk::F13)) return false;
  events_.on_attempt_fault(make_error(Code::rtsp_unsupported, where_ + ", UDP from " + from.host_text(),
                                      "media comes from another address than " + udp_from_.host_text() +
                                          ", where it was announced from; taken all the same"));
  udp_from_ = from;
  udp_from_proven_ = true;
  return true;
}

void RtspSource::on_udp_ready(bool rtcp) {
  net::UdpReceiveBatch& batch = shard_.udp_batch();
  for (int i = 0; i < kUdpBatchesPerWakeup && udp_; ++i) {
    net::UdpSocket& socket = rtcp ? udp_->rtcp : udp_->rtp;
    if (!socket.receive(batch).ok()) break;  // would_block, or an ICMP answer to a punch
    const rtp::Arrival at = arrival();
    net::for_each_packet(batch, [&](ByteSpan packet, const net::SocketAddress& from) {
      if (!udp_ || stopped_) return;
      if (!accept_udp_from(from.unmapped(), rtcp, at.mono)) {
        if (!rtcp) ++memory_.counters.foreign_packets;
        return;
      }
      if (rtcp && !udp_rtcp_to_.valid()) udp_rtcp_to_ = from;
      client_.on_udp_packet(rtcp, packet, at);
    });
  }
  if (udp_) alarm_.arm();
}

void RtspSource::on_port_packet(bool rtcp, ByteSpan packet, const rtp::Arrival& at) {
  if (!stopped_) client_.on_udp_packet(rtcp, packet, at);
}
void RtspSource::on_port_drained() { alarm_.arm(); }
void RtspSource::on_port_fault(const Error& fault) {
  if (!stopped_) events_.on_attempt_fault(fault);
}

// --- what the machine and the receiver say

Status RtspSource::on_client_track(const RtpTrack& track, RtpPath path, std::string_view peer) {
  if (memory_.tape) memory_.tape->set_codec(track.codec);
  return memory_.receiver->begin(track, path, peer, *this);
}
void RtspSource::on_client_playing(bool over_tcp) {
  if (tunnel_) return events_.on_attempt_ready(tls_ ? "RTSP over HTTPS" : "RTSP over HTTP");
  if (group_.is_open()) return events_.on_attempt_ready("RTSP, multicast " + group_.text());
  events_.on_attempt_ready(over_tcp ? (tls_ ? "RTSPS, interleaved" : "RTSP over TCP") : "RTSP over UDP");
}
void RtspSource::on_client_restarting(std::string_view reason) {
  memory_.receiver->end(*this);
  events_.on_attempt_restarting(reason);
}
Status RtspSource::on_client_keys(const SrtpKeys* keys) { return srtp_.begin(keys); }
bool RtspSource::decrypt(bool rtcp, ByteSpan& packet, MonoTime at) {
  std::optional<Error> fault;
  const bool taken = srtp_.open(rtcp, packet, at, host_, fault);
  if (!fault) return taken;
  if (srtp_.hopeless()) {
    closed_soon(make_error(fault->code, {}, fault->what));
  } else {
    events_.on_attempt_fault(*fault);
  }
  return taken;
}
void RtspSource::on_client_rtp(ByteSpan packet, const rtp::Arrival& at) {
  if (srtp_.active() && !decrypt(false, packet, at.mono)) return;
  if (memory_.tape) memory_.tape->add(false, packet, at.mono, early());
  memory_.receiver->on_rtp(packet, at);
}
void RtspSource::on_client_rtcp(ByteSpan packet, const rtp::Arrival& at) {
  if (srtp_.active() && !decrypt(true, packet, at.mono)) return;
  if (memory_.tape) memory_.tape->add(true, packet, at.mono, early());
  memory_.receiver->on_rtcp(packet, at);
}
void RtspSource::on_client_stray(const StrayBytes& stray, const rtp::Arrival& at) {
  if (!memory_.tape) return;
  if (stray.garbage > 0) memory_.tape->add_garbage(stray.garbage, at.mono, early());
  if (stray.line_ends > 0) memory_.tape->add_line_ends(stray.line_ends, at.mono, early());
  if (stray.channel) memory_.tape->add_stray(*stray.channel, stray.payload_bytes, at.mono, early());
}
ByteSpan RtspSource::on_client_wants_report(std::span<uint8_t> out, MonoTime when) {
  return srtp_.protect(out, memory_.receiver->make_report(out, when));
}
void RtspSource::on_client_fault(const Error& fault) { events_.on_attempt_fault(fault); }
void RtspSource::on_client_ended(const Error& reason) {
  memory_.receiver->end(*this);
  if (!stopped_) events_.on_attempt_ended(reason);
}
void RtspSource::on_receiver_track(const TrackInfo& track) { events_.on_attempt_track(track); }
void RtspSource::on_receiver_unit(Ref<const AccessUnit> unit) { events_.on_attempt_unit(std::move(unit)); }
void RtspSource::on_receiver_fault(const Error& fault) { events_.on_attempt_fault(fault); }

}  // namespace vigie::source
