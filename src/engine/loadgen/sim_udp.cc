#include "loadgen/sim_udp.h"

#include <sys/socket.h>

namespace vigie::loadgen {
namespace {

in_port_t& port_field(sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                       : reinterpret_cast<sockaddr_in*>(&address)->sin_port;
}

Fd bind_udp(sockaddr_storage local, socklen_t size, uint16_t port) {
  Fd fd(::socket(local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  port_field(local) = htons(port);
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), size) != 0) return Fd();
  return fd;
}

}  // namespace

SimServer::UdpSockets::~UdpSockets() {
  if (rtcp_) loop_.unwatch(rtcp_.get());
  if (rtp_) loop_.unwatch(rtp_.get());
}

Status SimServer::UdpSockets::open(const sockaddr_storage& local, socklen_t local_size) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    Fd rtp = bind_udp(local, local_size, 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (!rtp || ::getsockname(rtp.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) break;
    const uint16_t port = ntohs(port_field(bound));
    if (port % 2 != 0) continue;
    Fd rtcp = bind_udp(local, local_size, static_cast<uint16_t>(port + 1));
    if (!rtcp) continue;
    rtp_ = std::move(rtp);
    rtcp_ = std::move(rtcp);
    port_ = port;
    loop_.watch(rtcp_.get(), EPOLLIN, this);
    loop_.watch(rtp_.get(), EPOLLIN, this);  // hole punching datagrams must not pile up
    return {};
  }
  return make_error(Code::bind_failed, "udp", "no free pair of an even and an odd port was found");
}

void SimServer::UdpSockets::on_ready(uint32_t) {
  uint8_t buffer[2048];
  for (const int fd : {rtcp_.get(), rtp_.get()}) {
    for (;;) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t got =
          ::recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) break;
      if (fd == rtcp_.get()) on_control_({buffer, static_cast<size_t>(got)}, from);
    }
  }
}

}  // namespace vigie::loadgen
