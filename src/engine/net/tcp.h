#pragma once
// Plain TCP: connecting, listening, and the Stream over it.
#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/metrics.h"
#include "net/event_loop.h"
#include "net/stream.h"

namespace vigie::net {

struct ConnectOptions {
  StreamOptions stream;
  std::string interface;  // tie the connection to this network interface
  SocketAddress local;    // bind to this address first, when valid
  Nanos timeout = 5s;     // for connecting, and for the TLS handshake again
};

// Starts connecting; on_stream_open or on_stream_failed (connect_failed, timed_out) follows from the loop.
// Errors: connect_failed, bind_failed, not_found (interface), socket_failed: found at once, the handler is not called.
Result<std::unique_ptr<Stream>> connect_tcp(EventLoop& loop, const SocketAddress& to, const ConnectOptions& options,
                                            StreamHandler& handler);

// A stream over an accepted, nonblocking connection. It is open from birth.
// Errors: socket_failed.
Result<std::unique_ptr<Stream>> adopt_tcp(EventLoop& loop, Fd fd, const SocketAddress& peer,
                                          const StreamOptions& options, StreamHandler& handler);

struct ListenOptions {
  SocketAddress address;  // port 0: the kernel chooses
  std::string interface;  // see bind_to_interface
  int backlog = 1024;
  bool v6_only = true;      // false: an any-address IPv6 listener takes IPv4 too, its peers are shown as IPv4
  bool reuse_port = false;  // several listeners (shards) on one port
  int max_accepts_per_wakeup = 64;
  Nanos pause_on_limit = 100ms;  // how long to stop accepting when the process or machine is out of descriptors
};

// ok when nobody listens on this address. Sockets that share a port (reuse_port) let any further one of the same user
// in without a word; ask this before the first of them. Port 0 is always free.
// Errors: as TcpListener::listen. Thread: any.
Status check_address_free(const ListenOptions& options);

class AcceptHandler {
 public:
  // A nonblocking, close-on-exec connection. May destroy the listener.
  virtual void on_accept(Fd connection, const SocketAddress& peer) = 0;
  // Accepting is paused for want of descriptors or memory; connections wait in the backlog.
  virtual void on_accept_paused(const Error& error) = 0;

 protected:
  ~AcceptHandler() = default;
};

// Thread: its loop; the counters from any.
class TcpListener final : private FdHandler {
 public:
  // Errors: bind_failed (with the address and why), not_found (interface), socket_failed.
  static Result<std::unique_ptr<TcpListener>> listen(EventLoop& loop, const ListenOptions& options,
                                                     AcceptHandler& handler);
  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

  // With the port the kernel chose.
  const SocketAddress& local_address() const { return local_; }
  // Stops and goes on taking connections; the backlog fills meanwhile.
  void set_accepting(bool on);
  const Counter& accepted() const { return accepted_; }
  const Counter& pauses() const { return pauses_; }

 private:
  TcpListener(EventLoop& loop, Fd fd, const ListenOptions& options, AcceptHandler& handler);
  void on_ready(uint32_t events) override;
  void pause(int error);
  void update_interest();

  EventLoop& loop_;
  Fd fd_;
  ListenOptions options_;
  AcceptHandler& handler_;
  SocketAddress local_;
  TimerId pause_timer_;
  bool accepting_ = true;
  bool* destroyed_ = nullptr;  // set while in on_ready
  Counter accepted_;
  Counter pauses_;
};

// Applies options to a TCP socket; used by both stream kinds. Errors: socket_failed with the option's name.
Status apply_stream_options(int fd, int family, const StreamOptions& options);
// DSCP (RFC 2474) into IP_TOS or IPV6_TCLASS. Errors: invalid_argument, socket_failed.
Status set_dscp(int fd, int family, int dscp);

}  // namespace vigie::net
