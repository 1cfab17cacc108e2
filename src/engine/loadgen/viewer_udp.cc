#include "loadgen/viewer_udp.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

namespace vigie::loadgen {
namespace {

void set_port(sockaddr_storage& address, int port) {
  const in_port_t value = htons(static_cast<uint16_t>(port));
  if (address.ss_family == AF_INET6)
    reinterpret_cast<sockaddr_in6*>(&address)->sin6_port = value;
  else
    reinterpret_cast<sockaddr_in*>(&address)->sin_port = value;
}

}  // namespace

Viewer::UdpPair::~UdpPair() {
  if (rtp_) loop_.unwatch(rtp_.get());
  if (rtcp_) loop_.unwatch(rtcp_.get());
}

bool Viewer::UdpPair::open(const sockaddr_storage& server, socklen_t size) {
  sockaddr_storage local{};
  local.ss_family = server.ss_family;
  for (int attempt = 0; attempt < 200; ++attempt) {
    Fd rtp(::socket(local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    set_port(local, 0);
    sockaddr_storage bound{};
    socklen_t bound_size = sizeof bound;
    if (!rtp || ::bind(rtp.get(), reinterpret_cast<const sockaddr*>(&local), size) != 0 ||
        ::getsockname(rtp.get(), reinterpret_cast<sockaddr*>(&bound), &bound_size) != 0) {
      return false;
    }
    const uint16_t port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                                            : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
    if (port % 2 != 0) continue;
    Fd rtcp(::socket(local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    set_port(local, port + 1);
    if (!rtcp || ::bind(rtcp.get(), reinterpret_cast<const sockaddr*>(&local), size) != 0) continue;
    const int on = 1;
    ::setsockopt(rtp.get(), SOL_UDP, UDP_GRO, &on, sizeof on);
    rtp_ = std::move(rtp);
    rtcp_ = std::move(rtcp);
    port_ = port;
    loop_.watch(rtp_.get(), EPOLLIN, this);
    return true;
  }
  return false;
}

void Viewer::UdpPair::connect(std::optional<std::pair<int, int>> server_ports, const sockaddr_storage& server) {
  if (!server_ports) return;
  sockaddr_storage to = server;
  set_port(to, server_ports->second);
  const socklen_t size = to.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  static_cast<void>(
      ::connect(rtcp_.get(), reinterpret_cast<const sockaddr*>(&to), size));  // a report that fails is none
  report();
}

void Viewer::UdpPair::report() {
  // An empty receiver report (RFC 3550 6.4.2): says that somebody is still there.
  const uint8_t rtcp[8] = {0x80, 201, 0, 1, 0x76, 0x69, 0x65, 0x77};
  if (::send(rtcp_.get(), rtcp, sizeof rtcp, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
}

void Viewer::UdpPair::on_ready(uint32_t) {
  for (int round = 0; round < 16; ++round) {
    iovec part{buffer_.data(), buffer_.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(rtp_.get(), &message, MSG_DONTWAIT);
    if (got <= 0) return;
    const int64_t now_ns = loop_.now().time_since_epoch().count();
    size_t segment = static_cast<size_t>(got);
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
        int size = 0;
        std::memcpy(&size, CMSG_DATA(header), sizeof size);
        segment = static_cast<size_t>(size);
      }
    }
    for (size_t at = 0; at < static_cast<size_t>(got) && segment > 0; at += segment) {
      on_packet_({buffer_.data() + at, std::min(segment, static_cast<size_t>(got) - at)}, now_ns);
    }
  }
}

}  // namespace vigie::loadgen
