#include "net/tcp.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "net/tcp_stream.h"

namespace vigie::net {

TcpStream::TcpStream(EventLoop& loop, Fd fd, const SocketAddress& peer, bool connecting, StreamHandler& handler)
    : loop_(loop), fd_(std::move(fd)), peer_(peer), handler_(handler), connecting_(connecting) {}

TcpStream::~TcpStream() {
  if (destroyed_) *destroyed_ = true;
  close();
}

Status TcpStream::start(Nanos timeout) {
  if (auto done = loop_.add_fd(fd_.get(), connecting_ ? kWritable : kReadable, *this); !done) return done;
  watched_ = true;
  if (connecting_) {
    connect_timeout_ = timeout;
    timer_ = loop_.add_timer(loop_.clock().now_mono() + timeout, [this] { on_connect_timeout(); });
  }
  return {};
}

void TcpStream::on_ready(uint32_t events) {
  if (connecting_) return on_connected();
  bool destroyed = false;
  destroyed_ = &destroyed;
  if (want_read_ && (events & (kReadable | kBroken))) {
    handler_.on_stream_readable();  // a broken connection shows itself in read()
    if (destroyed) return;
  } else if (!want_write_ && (events & kBroken)) {
    destroyed_ = nullptr;
    const int error = pending_error(fd_.get());
    return fail(make_error(Code::connection_lost, peer_.text(), error ? std::strerror(error) : "hung up"));
  }
  if (want_write_ && fd_ && (events & (kWritable | kBroken))) {
    handler_.on_stream_writable();
    if (destroyed) return;
  }
  destroyed_ = nullptr;
}

void TcpStream::on_connected() {
  if (const int error = pending_error(fd_.get()); error != 0) return fail(connect_error(peer_, error));
  connecting_ = false;
  loop_.cancel_timer(std::exchange(timer_, {}));
  update_interest();
  handler_.on_stream_open();  // may destroy this
}

void TcpStream::on_connect_timeout() {
  timer_ = {};
  fail(connect_timeout(peer_, connect_timeout_, "connecting"));
}

void TcpStream::fail(Error error) {
  error_ = std::move(error);
  drop_fd();
  const Error told = error_;
  handler_.on_stream_failed(told);  // may destroy this
}

void TcpStream::drop_fd() {
  loop_.cancel_timer(std::exchange(timer_, {}));
  if (std::exchange(watched_, false)) loop_.remove_fd(fd_.get());
  fd_.reset();
}

void TcpStream::update_interest() {
  if (!watched_ || connecting_) return;
  // A modification of a watched, living descriptor cannot fail.
  (void)loop_.modify_fd(fd_.get(), (want_read_ ? kReadable : 0U) | (want_write_ ? kWritable : 0U));
}

void TcpStream::set_read_interest(bool on) {
  if (std::exchange(want_read_, on) != on) update_interest();
}

void TcpStream::set_write_interest(bool on) {
  if (std::exchange(want_write_, on) != on) update_interest();
}

IoResult TcpStream::finish_io(IoResult result, int error) {
  if (result.state == IoState::failed) {
    error_ = make_error(Code::connection_lost, peer_.text(), std::strerror(error));
  }
  return result;
}

IoResult TcpStream::read(std::span<uint8_t> into) {
  if (!fd_) return {IoState::failed, 0};
  if (connecting_ || into.empty()) return {IoState::would_block, 0};
  int error = 0;
  const IoResult result = receive_bytes(fd_.get(), into, error);
  return result.ok() ? result : finish_io(result, error);
}

IoResult TcpStream::write(ByteSpan bytes) {
  if (!fd_) return {IoState::failed, 0};
  if (connecting_) return {IoState::would_block, 0};
  if (bytes.empty()) return {IoState::ok, 0};
  int error = 0;
  const IoResult result = send_bytes(fd_.get(), bytes, error);
  return result.ok() ? result : finish_io(result, error);
}

IoResult TcpStream::writev(std::span<const iovec> pieces) {
  if (!fd_) return {IoState::failed, 0};
  if (connecting_) return {IoState::would_block, 0};
  int error = 0;
  const IoResult result = send_pieces(fd_.get(), pieces, error);
  if (result.state == IoState::eof) return {IoState::ok, 0};  // every piece was empty
  return result.ok() ? result : finish_io(result, error);
}

size_t TcpStream::unsent_bytes() const { return fd_ ? outgoing_bytes(fd_.get()) : 0; }

void TcpStream::shutdown_write() {
  if (is_open()) ::shutdown(fd_.get(), SHUT_WR);
}

void TcpStream::close() {
  if (!fd_) return;
  if (!connecting_) {
    ::shutdown(fd_.get(), SHUT_WR);
    discard_input(fd_.get());
  }
  drop_fd();
}

void TcpStream::reset_close() {
  if (!fd_) return;
  set_reset_on_close(fd_.get());
  drop_fd();
}

Status TcpStream::set_options(const StreamOptions& options) {
  if (!fd_) return make_error(Code::closed, peer_.text(), "the stream is closed");
  return apply_stream_options(fd_.get(), peer_.family(), options);
}

Result<std::unique_ptr<Stream>> connect_tcp(EventLoop& loop, const SocketAddress& to, const ConnectOptions& options,
                                            StreamHandler& handler) {
  auto fd = start_connect(to, options);
  if (!fd) return std::move(fd).error();
  auto stream = std::make_unique<TcpStream>(loop, std::move(*fd), to, true, handler);
  if (auto done = stream->start(options.timeout); !done) return std::move(done).error();
  return std::unique_ptr<Stream>(std::move(stream));
}

Result<std::unique_ptr<Stream>> adopt_tcp(EventLoop& loop, Fd fd, const SocketAddress& peer,
                                          const StreamOptions& options, StreamHandler& handler) {
  if (auto done = apply_stream_options(fd.get(), peer.family(), options); !done) return std::move(done).error();
  auto stream = std::make_unique<TcpStream>(loop, std::move(fd), peer, false, handler);
  if (auto done = stream->start(Nanos{0}); !done) return std::move(done).error();
  return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace vigie::net
