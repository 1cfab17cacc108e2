#pragma once
// What a UdpSocket holds. Private to net/.
#include "net/udp.h"

namespace vigie::net {

struct UdpSocket::State {
  Fd fd;
  SocketAddress local;
  bool gso = false;
  uint32_t drops_seen = 0;  // the kernel's counter wraps at 2^32
  Counter drops;
  Counter oversized;
  Counter refused;
  Error error{Code::socket_failed, {}, {}};

  IoState fail(const char* call, int error_number);
};

}  // namespace vigie::net
