#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "net/tcp_stream.h"

namespace vigie::net {
namespace {

Error bind_error(const ListenOptions& options, const char* call, int error) {
  return make_error(Code::bind_failed, options.address.text(), std::string(call) + ": " + std::strerror(error));
}

// accept(2): errors of the new connection, already pending on it, are reported by accept and mean "next, please".
bool is_of_connection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM: return true;
    default: return false;
  }
}

Result<Fd> open_bound(const ListenOptions& options) {
  const SocketAddress& address = options.address;
  if (!address.valid()) return make_error(Code::bind_failed, "listener", "no address to listen on");
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return make_error(Code::socket_failed, address.text(), std::string("socket: ") + std::strerror(errno));
  const int on = 1;
  const int v6_only = options.v6_only ? 1 : 0;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
    return bind_error(options, "SO_REUSEADDR", errno);
  }
  if (options.reuse_port && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
    return bind_error(options, "SO_REUSEPORT", errno);
  }
  if (address.is_v6() && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0) {
    return bind_error(options, "IPV6_V6ONLY", errno);
  }
  if (!options.interface.empty()) {
    if (auto done = bind_to_interface(fd.get(), options.interface); !done) return std::move(done).error();
  }
  if (bind(fd.get(), address.data(), address.length()) != 0) return bind_error(options, "bind", errno);
  return fd;
}

}  // namespace

Status check_address_free(const ListenOptions& options) {
  ListenOptions alone = options;
  alone.reuse_port = false;
  auto fd = open_bound(alone);
  if (!fd) return std::move(fd).error();
  return {};
}

Result<std::unique_ptr<TcpListener>> TcpListener::listen(EventLoop& loop, const ListenOptions& options,
                                                         AcceptHandler& handler) {
  auto fd = open_bound(options);
  if (!fd) return std::move(fd).error();
  if (::listen(fd->get(), options.backlog) != 0) return bind_error(options, "listen", errno);
  std::unique_ptr<TcpListener> listener(new TcpListener(loop, std::move(*fd), options, handler));
  if (auto done = loop.add_fd(listener->fd_.get(), kReadable, *listener); !done) return std::move(done).error();
  return listener;
}

TcpListener::TcpListener(EventLoop& loop, Fd fd, const ListenOptions& options, AcceptHandler& handler)
    : loop_(loop), fd_(std::move(fd)), options_(options), handler_(handler), local_(local_address_of(fd_.get())) {}

TcpListener::~TcpListener() {
  if (destroyed_) *destroyed_ = true;
  loop_.cancel_timer(pause_timer_);
  loop_.remove_fd(fd_.get());
}

void TcpListener::on_ready(uint32_t) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  for (int i = 0; i < options_.max_accepts_per_wakeup && accepting_; ++i) {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    Fd connection(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection) {
      const int error = errno;
      if (is_of_connection(error)) continue;
      if (error != EAGAIN && error != EWOULDBLOCK) pause(error);
      if (destroyed) return;
      break;
    }
    accepted_.add();
    const SocketAddress peer = SocketAddress::from(reinterpret_cast<sockaddr*>(&storage), length).unmapped();
    handler_.on_accept(std::move(connection), peer);
    if (destroyed) return;
  }
  destroyed_ = nullptr;
}

void TcpListener::pause(int error) {
  // Level-triggered readiness would call back at once, for ever: wait instead for descriptors to come free.
  pauses_.add();
  pause_timer_ = loop_.add_timer_after(options_.pause_on_limit, [this] {
    pause_timer_ = {};
    update_interest();
  });
  update_interest();
  handler_.on_accept_paused(make_error(Code::socket_failed, local_.text(),
                                       std::string("accept: ") + std::strerror(error) + "; accepting pauses"));
}

void TcpListener::set_accepting(bool on) {
  accepting_ = on;
  update_interest();
}

void TcpListener::update_interest() {
  (void)loop_.modify_fd(fd_.get(), accepting_ && !pause_timer_ ? kReadable : 0U);  // watched and alive: cannot fail
}

}  // namespace vigie::net
