#pragma once
// A byte stream over plain TCP or TLS, with one interface. See tcp.h and tls.h for how to make one.
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"

namespace vigie::net {

// What a read or write came to. `ok`: `bytes` were moved, at least one. `failed`: ask the stream's error().
enum class IoState : uint8_t { ok = 0, would_block = 1, eof = 2, failed = 3 };
struct IoResult {
  IoState state = IoState::ok;
  size_t bytes = 0;
  bool ok() const { return state == IoState::ok; }
  bool would_block() const { return state == IoState::would_block; }
};

// Options of a TCP socket; 0 or negative leaves the kernel's default.
struct StreamOptions {
  bool no_delay = true;
  int send_buffer_bytes = 0;     // SO_SNDBUF as given; the kernel doubles it for its own bookkeeping
  int receive_buffer_bytes = 0;  // SO_RCVBUF
  int notsent_lowat_bytes = 0;   // TCP_NOTSENT_LOWAT: writable only while less than this waits unsent
  int dscp = -1;                 // 0 to 63
  Nanos keep_alive{0};           // idle time before the first probe, then a third of it between probes, 3 probes
  Nanos user_timeout{0};         // TCP_USER_TIMEOUT: unacknowledged for so long = connection lost
};

// Told about a stream. Every method is called from the loop, never from inside a call on the stream, and may destroy
// the stream.
class StreamHandler {
 public:
  // Connected, and the TLS handshake done. Not called for streams that were open from birth (accepted plain TCP).
  virtual void on_stream_open() {}
  // Bytes, end of stream or an error wait to be read. Level-triggered: called again until read() says would_block.
  virtual void on_stream_readable() = 0;
  // Only while write interest is on. Level-triggered.
  virtual void on_stream_writable() {}
  // Connecting or the handshake failed, or the connection broke while nobody was reading or writing. Called at most
  // once; nothing is called after it. Errors found by read or write are returned there and not told here.
  virtual void on_stream_failed(const Error& error) = 0;

 protected:
  ~StreamHandler() = default;
};

// Thread: the loop it was made on. Destroying it is close().
class Stream {
 public:
  virtual ~Stream() = default;

  // Bytes can be moved. Before that read and write say would_block.
  virtual bool is_open() const = 0;
  virtual bool is_tls() const = 0;

  // Reads into `into` until it is full or nothing more waits (plain TCP: one recv).
  virtual IoResult read(std::span<uint8_t> into) = 0;
  // Writes as much as is taken (plain TCP: one send). Bytes taken are on their way and never to be given again.
  virtual IoResult write(ByteSpan bytes) = 0;
  // As write, over several pieces in order (plain TCP: one sendmsg; at most IOV_MAX pieces are looked at).
  virtual IoResult writev(std::span<const iovec> pieces) = 0;

  // Read interest is on from birth, write interest off.
  virtual void set_read_interest(bool on) = 0;
  virtual void set_write_interest(bool on) = 0;

  // Bytes taken by write that the peer has not acknowledged yet (SIOCOUTQ, and what TLS still holds).
  virtual size_t unsent_bytes() const = 0;
  // Sends what was taken, then end-of-stream; reading goes on. TLS adds its close_notify.
  virtual void shutdown_write() = 0;
  // Closes in order: what was taken is still delivered by the kernel. Input that was not read is discarded first, so
  // that the kernel does not answer it with a reset that would destroy our last bytes. Idempotent, no more callbacks.
  virtual void close() = 0;
  // Resets (SO_LINGER 0): whatever waits in the kernel's queue is thrown away, the peer sees a reset. Idempotent.
  virtual void reset_close() = 0;

  virtual Status set_options(const StreamOptions& options) = 0;
  virtual SocketAddress local_address() const = 0;
  virtual SocketAddress peer_address() const = 0;
  // Why read or write said failed.
  virtual const Error& error() const = 0;
  // For tests and diagnosis; -1 when closed.
  virtual int fd() const = 0;
};

}  // namespace vigie::net
