#include "source/rtp_port.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/multicast.h"
#include "rtsp/text.h"

namespace vigie::source {
namespace {

constexpr int kReceiveBuffer = 2 << 20;  // a keyframe's burst; the kernel's limit may make it less
constexpr int kBatchesPerWakeup = 8;
constexpr Nanos kSenderGone = 2s;  // silent for so long, the sender may be another one

Error wrong(std::string what) { return make_error(Code::sdp_malformed, "SDP", std::move(what)); }

Result<net::SocketAddress> read_address(const std::string& text, uint16_t port) {
  if (text.empty()) return net::SocketAddress::any_v4(port);
  auto address = net::SocketAddress::parse_ip(text, port);
  if (address) return address;
  return wrong("\"" + rtsp::single_line(text.substr(0, 64)) +
               "\" is no address; right would be IPv4 or IPv6 in digits");
}

// Link-local addresses mean nothing without their interface.
void set_scope(net::SocketAddress& address, uint32_t interface) {
  if (!address.is_v6() || address.scope_id() != 0 || !(address.is_multicast() || address.is_link_local())) return;
  sockaddr_in6 v6{};
  std::memcpy(&v6, address.data(), sizeof(v6));
  v6.sin6_scope_id = interface;
  address = net::SocketAddress(v6);
}

}  // namespace

Result<RtpEndpoint> make_endpoint(const rtsp::MediaAddress& address) {
  RtpEndpoint out;
  auto host = read_address(address.host, address.rtp_port);
  if (!host) return std::move(host).error();
  out.rtp = *host;
  if (address.rtp_port == 0) return wrong("the video has no port; right would be m=video PORT RTP/AVP …");
  out.rtcp = out.rtp;
  if (!address.rtcp_mux) {
    if (address.rtcp_port == 0) return wrong("no port is left for RTCP; right would be a=rtcp:PORT");
    out.rtcp.set_port(address.rtcp_port);
  }
  out.ttl = address.ttl;
  for (const rtsp::SourceFilter& filter : address.filters) {
    if (filter.destination != "*") {
      const auto destination = read_address(filter.destination, 0);
      if (!destination) return destination.error();
      if (!destination->same_host(out.rtp)) continue;
    }
    for (const std::string& text : filter.sources) {
      auto source = read_address(text, 0);
      if (!source) return std::move(source).error();
      if (source->family() != out.rtp.family()) {
        return wrong("the sender " + source->host_text() + " and the destination " + out.rtp.host_text() +
                     " are not of one kind");
      }
      out.sources.push_back(*source);
    }
  }
  out.source_specific = !out.sources.empty();
  return out;
}

RtpPort::RtpPort(SourceShard& shard, std::string where, SourceCounters& counters, RtpPortEvents& events)
    : shard_(shard), loop_(shard.loop()), where_(std::move(where)), counters_(counters), events_(events) {}

Result<net::UdpSocket> RtpPort::listen(const net::SocketAddress& at) {
  const bool group = at.is_multicast();
  net::UdpOptions options;
  options.bind = at;
  options.receive_buffer_bytes = kReceiveBuffer;
  options.gro = true;
  options.reuse_address = group;
  if (!group) options.interface = endpoint_.interface;
  auto socket = net::UdpSocket::open(options);
  if (!socket || !group) return socket;
  net::Membership membership;
  membership.group = at;
  if (endpoint_.source_specific) membership.sources = endpoint_.sources;
  membership.interface = endpoint_.interface_index;
  membership.ttl = endpoint_.ttl;
  if (Status joined = net::join_group(socket->fd(), membership); !joined) return std::move(joined).error();
  return socket;
}

Status RtpPort::open(RtpEndpoint endpoint) {
  close();
  endpoint_ = std::move(endpoint);
  if (!endpoint_.interface.empty()) {
    auto index = net::interface_index(endpoint_.interface);
    if (!index) return std::move(index).error();
    endpoint_.interface_index = *index;
  }
  for (net::SocketAddress* address : {&endpoint_.rtp, &endpoint_.rtcp}) set_scope(*address, endpoint_.interface_index);
  for (net::SocketAddress& source : endpoint_.sources) set_scope(source, endpoint_.interface_index);
  auto rtp = listen(endpoint_.rtp);
  if (!rtp) return std::move(rtp).error();
  std::optional<net::UdpSocket> rtcp;
  if (!one_socket()) {
    auto second = listen(endpoint_.rtcp);
    if (!second) return std::move(second).error();
    rtcp.emplace(std::move(*second));
  }
  if (Status added = loop_.add_fd(rtp->fd(), net::kReadable, rtp_ear_); !added) return added;
  if (rtcp) {
    if (Status added = loop_.add_fd(rtcp->fd(), net::kReadable, rtcp_ear_); !added) {
      loop_.remove_fd(rtp->fd());
      return added;
    }
  }
  rtp_.emplace(std::move(*rtp));
  rtcp_ = std::move(rtcp);
  if (endpoint_.rtp.is_multicast()) {
    reports_to_ = endpoint_.source_specific ? endpoint_.sources.front() : endpoint_.rtcp;
    reports_to_.set_port(endpoint_.rtcp.port());
  }
  return {};
}

void RtpPort::close() {
  ++generation_;
  for (auto* socket : {&rtp_, &rtcp_}) {
    if (!*socket) continue;
    loop_.remove_fd((*socket)->fd());
    socket->reset();
  }
  sender_ = reports_to_ = net::SocketAddress();
  foreign_told_ = false;
}

void RtpPort::send_report(ByteSpan report) {
  // A report that does not leave is no fault: the next one follows.
  net::UdpSocket* socket = rtcp_ ? &*rtcp_ : rtp_ ? &*rtp_ : nullptr;
  if (socket && reports_to_.valid() && !report.empty()) (void)socket->send(report, reports_to_);
}

std::string RtpPort::text() const { return (endpoint_.rtp.is_multicast() ? "group " : "port ") + endpoint_.rtp.text(); }

void RtpPort::on_ready(bool rtcp) {
  net::UdpReceiveBatch& batch = shard_.udp_batch();
  const uint64_t generation = generation_;
  for (int i = 0; i < kBatchesPerWakeup && generation == generation_; ++i) {
    if (!(rtcp ? rtcp_ : rtp_)->receive(batch).ok()) break;  // would_block, or an ICMP answer to a report
    const rtp::Arrival arrival{loop_.clock().now_mono(), loop_.clock().now_wall()};
    net::for_each_packet(batch, [&](ByteSpan packet, const net::SocketAddress& from) {
      if (generation == generation_) take(rtcp, packet, from, arrival);
    });
  }
  if (generation == generation_) events_.on_port_drained();
}

void RtpPort::take(bool rtcp, ByteSpan packet, const net::SocketAddress& from, const rtp::Arrival& arrival) {
  if (!rtcp && one_socket()) rtcp = rtp::looks_like_rtcp(packet);
  if (rtcp) {
    if (!believes(from)) return;
    if (!endpoint_.rtp.is_multicast()) reports_to_ = from;
  } else if (!believes_rtp(packet, from, arrival.mono)) {
    ++counters_.foreign_packets;
    return;
  }
  if (is_open()) events_.on_port_packet(rtcp, packet, arrival);
}

bool RtpPort::believes(const net::SocketAddress& from) const {
  if (endpoint_.sources.empty()) return sender_.same_host(from);
  return std::ranges::any_of(endpoint_.sources, [&](const auto& source) { return source.same_host(from); });
}

bool RtpPort::believes_rtp(ByteSpan packet, const net::SocketAddress& from, MonoTime now) {
  if (!endpoint_.sources.empty()) {
    if (believes(from)) return true;
    tell(from, "dropped: " + endpoint_.sources.front().host_text() + " is to send here");
    return false;
  }
  if (sender_.same_host(from)) {
    sender_heard_ = now;
    return true;
  }
  rtp::PacketView parsed;
  if (rtp::try_parse_packet(packet, parsed) != rtp::PacketFault::none) return false;
  if (sender_.valid() && now - sender_heard_ < kSenderGone) {
    tell(from, "dropped: " + sender_.host_text() + " sends here already");
    return false;
  }
  const net::SocketAddress before = std::exchange(sender_, from);
  sender_heard_ = now;
  foreign_told_ = false;
  if (before.valid()) {
    tell(from, "taken: " + before.host_text() + " has fallen silent");
    foreign_told_ = false;
  }
  return true;
}

void RtpPort::tell(const net::SocketAddress& from, std::string what) {
  if (std::exchange(foreign_told_, true)) return;
  events_.on_port_fault(
      make_error(Code::foreign_sender, where_ + ", " + text() + ", from " + from.host_text(), std::move(what)));
}

}  // namespace vigie::source
