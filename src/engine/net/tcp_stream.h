#pragma once
// Plain TCP's Stream. Private to net/: others make one through tcp.h.
#include <memory>

#include "net/event_loop.h"
#include "net/tcp.h"

namespace vigie::net {

// Opens a nonblocking TCP socket with its options and starts to connect. Errors: as connect_tcp.
Result<Fd> start_connect(const SocketAddress& to, const ConnectOptions& options);
// What became of it: the pending error of the socket, 0 when connected.
int pending_error(int fd);
Error connect_error(const SocketAddress& to, int error);
Error connect_timeout(const SocketAddress& to, Nanos timeout, const char* what);
SocketAddress local_address_of(int fd);
size_t outgoing_bytes(int fd);
// Discards what waits to be read, so that closing does not answer it with a reset; gives up after 1 MiB.
void discard_input(int fd);
void set_reset_on_close(int fd);

// One system call each; EINTR is retried.
IoResult receive_bytes(int fd, std::span<uint8_t> into, int& error);
IoResult send_bytes(int fd, ByteSpan bytes, int& error);
IoResult send_pieces(int fd, std::span<const iovec> pieces, int& error);

class TcpStream final : public Stream, private FdHandler {
 public:
  TcpStream(EventLoop& loop, Fd fd, const SocketAddress& peer, bool connecting, StreamHandler& handler);
  ~TcpStream() override;
  // Registers with the loop; a connecting stream gets `timeout`.
  Status start(Nanos timeout);

  bool is_open() const override { return fd_ && !connecting_; }
  bool is_tls() const override { return false; }
  IoResult read(std::span<uint8_t> into) override;
  IoResult write(ByteSpan bytes) override;
  IoResult writev(std::span<const iovec> pieces) override;
  void set_read_interest(bool on) override;
  void set_write_interest(bool on) override;
  size_t unsent_bytes() const override;
  void shutdown_write() override;
  void close() override;
  void reset_close() override;
  Status set_options(const StreamOptions& options) override;
  SocketAddress local_address() const override { return local_address_of(fd_.get()); }
  SocketAddress peer_address() const override { return peer_; }
  const Error& error() const override { return error_; }
  int fd() const override { return fd_.get(); }

 private:
  void on_ready(uint32_t events) override;
  void on_connected();
  void on_connect_timeout();
  void fail(Error error);
  void update_interest();
  void drop_fd();
  IoResult finish_io(IoResult result, int error);

  EventLoop& loop_;
  Fd fd_;
  const SocketAddress peer_;
  StreamHandler& handler_;
  bool connecting_;
  bool want_read_ = true;
  bool want_write_ = false;
  bool watched_ = false;
  Nanos connect_timeout_{0};
  TimerId timer_;
  bool* destroyed_ = nullptr;  // set while a callback runs
  Error error_{Code::connection_lost, {}, {}};
};

}  // namespace vigie::net
