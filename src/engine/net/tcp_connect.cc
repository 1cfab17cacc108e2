// What both stream kinds need of a TCP socket.
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "net/tcp_stream.h"

namespace vigie::net {
namespace {

Status set_option(int fd, int level, int name, int value, const char* text) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) == 0) return {};
  return make_error(Code::socket_failed, text,
                    std::string("value ") + std::to_string(value) + ": " + std::strerror(errno));
}

int to_int(int64_t value) { return static_cast<int>(std::clamp<int64_t>(value, 1, INT_MAX)); }

IoResult io_result(ssize_t moved, int& error) {
  if (moved > 0) return {IoState::ok, static_cast<size_t>(moved)};
  if (moved == 0) return {IoState::eof, 0};
  error = errno;
  if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) return {IoState::would_block, 0};
  return {IoState::failed, 0};
}

}  // namespace

Status set_dscp(int fd, int family, int dscp) {
  if (dscp < 0 || dscp > 63) {
    return make_error(Code::invalid_argument, "dscp", std::to_string(dscp) + " is not between 0 and 63");
  }
  const int tos = dscp << 2;  // the two low bits are ECN's (RFC 3168)
  if (family == AF_INET6) {
    if (auto done = set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, tos, "IPV6_TCLASS"); !done) return done;
    // For IPv4 peers of a dual-stack socket; refused on sockets that are IPv6 only, which need none.
    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
    return {};
  }
  return set_option(fd, IPPROTO_IP, IP_TOS, tos, "IP_TOS");
}

Status apply_stream_options(int fd, int family, const StreamOptions& options) {
  struct Row {
    bool wanted;
    int level;
    int name;
    int value;
    const char* text;
  };
  const int64_t idle_s = std::chrono::ceil<std::chrono::seconds>(options.keep_alive).count();
  const int64_t user_ms = std::chrono::ceil<std::chrono::milliseconds>(options.user_timeout).count();
  const bool keep_alive = options.keep_alive > Nanos{0};
  const Row rows[] = {
      {true, IPPROTO_TCP, TCP_NODELAY, options.no_delay ? 1 : 0, "TCP_NODELAY"},
      {options.send_buffer_bytes > 0, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes, "SO_SNDBUF"},
      {options.receive_buffer_bytes > 0, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes, "SO_RCVBUF"},
      {options.notsent_lowat_bytes > 0, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.notsent_lowat_bytes,
       "TCP_NOTSENT_LOWAT"},
      {keep_alive, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"},
      {keep_alive, IPPROTO_TCP, TCP_KEEPIDLE, to_int(idle_s), "TCP_KEEPIDLE"},
      {keep_alive, IPPROTO_TCP, TCP_KEEPINTVL, to_int(idle_s / 3), "TCP_KEEPINTVL"},
      {keep_alive, IPPROTO_TCP, TCP_KEEPCNT, 3, "TCP_KEEPCNT"},
      {options.user_timeout > Nanos{0}, IPPROTO_TCP, TCP_USER_TIMEOUT, to_int(user_ms), "TCP_USER_TIMEOUT"},
  };
  for (const Row& row : rows) {
    if (!row.wanted) continue;
    if (auto done = set_option(fd, row.level, row.name, row.value, row.text); !done) return done;
  }
  if (options.dscp >= 0) return set_dscp(fd, family, options.dscp);
  return {};
}

int pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

Error connect_error(const SocketAddress& to, int error) {
  return make_error(Code::connect_failed, to.text(), std::strerror(error));
}

Error connect_timeout(const SocketAddress& to, Nanos timeout, const char* what) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  return make_error(Code::timed_out, to.text(), std::string(what) + " took longer than " + std::to_string(ms) + " ms");
}

SocketAddress local_address_of(int fd) {
  SocketAddress out;
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return out;
  return SocketAddress::from(reinterpret_cast<sockaddr*>(&storage), length);
}

size_t outgoing_bytes(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

void discard_input(int fd) {
  constexpr int kSteps = 64;
  std::array<uint8_t, size_t{16} << 10> waste;
  for (int i = 0; i < kSteps && recv(fd, waste.data(), waste.size(), MSG_DONTWAIT) > 0; ++i) {
  }
}

void set_reset_on_close(int fd) {
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

IoResult receive_bytes(int fd, std::span<uint8_t> into, int& error) {
  ssize_t moved = 0;
  do {
    moved = recv(fd, into.data(), into.size(), 0);
  } while (moved < 0 && errno == EINTR);
  return io_result(moved, error);
}

IoResult send_bytes(int fd, ByteSpan bytes, int& error) {
  ssize_t moved = 0;
  do {
    moved = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (moved < 0 && errno == EINTR);
  return io_result(moved, error);
}

IoResult send_pieces(int fd, std::span<const iovec> pieces, int& error) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
  ssize_t moved = 0;
  do {
    moved = sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (moved < 0 && errno == EINTR);
  return io_result(moved, error);
}

Result<Fd> start_connect(const SocketAddress& to, const ConnectOptions& options) {
  if (!to.valid() || to.port() == 0) {
    return make_error(Code::connect_failed, to.text(), "an address with a port is needed");
  }
  Fd fd(socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return make_error(Code::socket_failed, to.text(), std::string("socket: ") + std::strerror(errno));
  if (auto done = apply_stream_options(fd.get(), to.family(), options.stream); !done) return std::move(done).error();
  if (!options.interface.empty()) {
    if (auto done = bind_to_interface(fd.get(), options.interface); !done) return std::move(done).error();
  }
  if (options.local.valid() && bind(fd.get(), options.local.data(), options.local.length()) != 0) {
    return make_error(Code::bind_failed, options.local.text(), std::strerror(errno));
  }
  if (connect(fd.get(), to.data(), to.length()) != 0 && errno != EINPROGRESS) return connect_error(to, errno);
  return fd;
}

}  // namespace vigie::net
