#pragma once
// TLS over TCP (OpenSSL 3, TLS 1.2 or later), with the Stream interface. The library's headers stay in tls*.cc.
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/ref.h"
#include "base/result.h"
#include "net/event_loop.h"
#include "net/helper_pool.h"
#include "net/stream.h"
#include "net/tcp.h"

namespace vigie::net {

struct TlsClientOptions {
  std::string ca_file;            // PEM; empty: the system's store
  bool verify_peer = true;        // false: any certificate, no protection against an impostor
  bool verify_host = true;        // the certificate must name the host or address asked for (RFC 9525)
  HelperPool* helpers = nullptr;  // handshakes run there; nullptr: on the loop. Must outlive every stream made with it
};

// What a client needs to connect with TLS; immutable, shared by all connections. Thread: any.
class TlsClientContext : public RefCounted<TlsClientContext> {
 public:
  // Errors: tls_failed, naming the file and why it cannot be used.
  static Result<Ref<TlsClientContext>> make(const TlsClientOptions& options);

  struct Impl;
  explicit TlsClientContext(std::unique_ptr<Impl> impl);
  ~TlsClientContext();
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct TlsServerOptions {
  std::string certificate_file;   // PEM: the server's certificate, then its chain
  std::string key_file;           // PEM, without a passphrase
  HelperPool* helpers = nullptr;  // as above
};

// What a server needs to accept TLS. Thread: any.
class TlsServerContext : public RefCounted<TlsServerContext> {
 public:
  // Errors: tls_failed, naming the file and why (unreadable, not PEM, key does not fit, expired is not checked).
  static Result<Ref<TlsServerContext>> make(const TlsServerOptions& options);
  // Reads the files again for connections from now on. On an error the old certificate stays in use.
  Status reload();

  struct Impl;
  explicit TlsServerContext(std::unique_ptr<Impl> impl);
  ~TlsServerContext();
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Connects TCP, then shakes hands as a client. `host` is the name or address literal the certificate must bear and the
// name sent as SNI (literals are not sent). on_stream_open follows the handshake; on_stream_failed says tls_failed with
// the reason (unknown authority, wrong name, expired, …), connect_failed or timed_out. Errors: as connect_tcp.
Result<std::unique_ptr<Stream>> connect_tls(EventLoop& loop, const SocketAddress& to, const std::string& host,
                                            const ConnectOptions& options, Ref<TlsClientContext> context,
                                            StreamHandler& handler);

// Shakes hands as a server on an accepted connection; on_stream_open follows. A handshake that takes longer than
// `handshake_timeout` fails with timed_out. Errors: socket_failed, tls_failed.
Result<std::unique_ptr<Stream>> accept_tls(EventLoop& loop, Fd fd, const SocketAddress& peer,
                                           const StreamOptions& options, Ref<TlsServerContext> context,
                                           StreamHandler& handler, Nanos handshake_timeout = 10s);

}  // namespace vigie::net
