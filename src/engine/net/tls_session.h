#pragma once
// One TLS connection's OpenSSL state. Private to net/tls*; the only header here that shows OpenSSL.
#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/buffer.h"
#include "base/fd.h"
#include "net/tcp_stream.h"
#include "net/tls.h"

namespace vigie::net {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;
using SslContextPtr = std::unique_ptr<SSL_CTX, SslDeleter>;
using BioMethodPtr = std::unique_ptr<BIO_METHOD, SslDeleter>;

struct TlsClientContext::Impl {
  TlsClientOptions options;
  BioMethodPtr bio_method;
  SslContextPtr context;
};

struct TlsServerContext::Impl {
  TlsServerOptions options;
  BioMethodPtr bio_method;
  std::mutex mutex;
  SslContextPtr context;  // guarded by mutex: reload replaces it

  SslContextPtr current();
};

class TlsStream;

// Belongs to the loop's thread, except while `busy`: then to the helper that shakes hands. Lives as long as either.
struct TlsSession {
  // First, so that they die last: they keep the method table that the BIO of `ssl` points into.
  Ref<TlsClientContext> client;
  Ref<TlsServerContext> server;
  Fd fd;
  SslPtr ssl;
  std::string host;  // client: whom the certificate must name; empty on a server
  Buffer out;        // encrypted and not yet sent; from the heap until the handshake is done
  size_t out_sent = 0;
  BufferPool* pool = nullptr;   // set once the handshake is done
  TlsStream* stream = nullptr;  // loop's thread only; nullptr once the stream is gone
  std::string verify_failure;   // set by the certificate check
  int socket_error = 0;
  bool drained = false;  // the last recv took less than it could have: no need to ask again
  bool saw_end = false;

  size_t pending() const { return out.size() - out_sent; }
  void put_out(ByteSpan bytes);
};

BioMethodPtr make_socket_bio_method();
// Attaches OpenSSL to the session through `method`. False when memory is out.
bool attach_ssl(TlsSession& session, SSL_CTX* context, BIO_METHOD* method);

// What one step of a handshake came to.
struct HandshakeStep {
  enum class State : uint8_t { again, done, failed } state = State::again;
  std::string why;
};
// Goes as far as the bytes at hand allow; never blocks. Thread: whoever owns the session now.
HandshakeStep shake_hands(TlsSession& session);

// Puts the reason of a refused certificate into words, in the session. SSL_verify_cb.
int explain_verification(int ok, X509_STORE_CTX* store);
// The newest error of OpenSSL's queue in words, and empties the queue.
std::string take_ssl_error();

}  // namespace vigie::net
