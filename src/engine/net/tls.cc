// Making TLS streams.
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

#include "net/tls_stream.h"

namespace vigie::net {
namespace {

// Whom the certificate must name: an address literal by its IP entries, anything else by its DNS entries.
bool expect_host(SSL* ssl, const std::string& host, bool verify) {
  if (const auto literal = SocketAddress::parse_ip(host, 0)) {
    SocketAddress plain = *literal;
    const std::string text = plain.host_text();
    return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), text.substr(0, text.find('%')).c_str()) == 1;
  }
  if (SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) return false;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return !verify || SSL_set1_host(ssl, host.c_str()) == 1;
}

}  // namespace

Result<std::unique_ptr<Stream>> connect_tls(EventLoop& loop, const SocketAddress& to, const std::string& host,
                                            const ConnectOptions& options, Ref<TlsClientContext> context,
                                            StreamHandler& handler) {
  auto session = std::make_shared<TlsSession>();
  session->client = std::move(context);
  session->host = host;
  const TlsClientContext::Impl& impl = session->client->impl();
  ERR_clear_error();
  if (!attach_ssl(*session, impl.context.get(), impl.bio_method.get()) ||
      !expect_host(session->ssl.get(), host, impl.options.verify_peer && impl.options.verify_host)) {
    return make_error(Code::connect_failed, to.text(), "TLS for host \"" + host + "\": " + take_ssl_error());
  }
  SSL_set_connect_state(session->ssl.get());
  auto fd = start_connect(to, options);
  if (!fd) return std::move(fd).error();
  session->fd = std::move(*fd);
  auto stream = std::make_unique<TlsStream>(loop, std::move(session), to, TlsStream::Phase::connecting,
                                            impl.options.helpers, handler);
  if (auto done = stream->start(options.timeout); !done) return std::move(done).error();
  return std::unique_ptr<Stream>(std::move(stream));
}

Result<std::unique_ptr<Stream>> accept_tls(EventLoop& loop, Fd fd, const SocketAddress& peer,
                                           const StreamOptions& options, Ref<TlsServerContext> context,
                                           StreamHandler& handler, Nanos handshake_timeout) {
  if (auto done = apply_stream_options(fd.get(), peer.family(), options); !done) return std::move(done).error();
  auto session = std::make_shared<TlsSession>();
  session->server = std::move(context);
  TlsServerContext::Impl& impl = session->server->impl();
  ERR_clear_error();
  if (!attach_ssl(*session, impl.current().get(), impl.bio_method.get())) {
    return make_error(Code::tls_failed, peer.text(), take_ssl_error());
  }
  SSL_set_accept_state(session->ssl.get());
  session->fd = std::move(fd);
  auto stream = std::make_unique<TlsStream>(loop, std::move(session), peer, TlsStream::Phase::handshaking,
                                            impl.options.helpers, handler);
  if (auto done = stream->start(handshake_timeout); !done) return std::move(done).error();
  return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace vigie::net
