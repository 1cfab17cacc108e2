// Contexts: certificates, trust, and the rules of every connection.
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "net/tls_session.h"

namespace vigie::net {
namespace {

Error tls_error(const std::string& where, std::string what) {
  return make_error(Code::tls_failed, where, std::move(what));
}

SslContextPtr make_context(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method));
  if (!context) return context;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // RTSP and RTP say their own lengths, so an end without close_notify hides nothing; many cameras send none.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context.get(), 1);
  // Never ask for a passphrase on the host's terminal.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });
  return context;
}

std::string unreadable(const std::string& file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? std::string() : std::string(std::strerror(errno));
}

Result<SslContextPtr> load_server_context(const TlsServerOptions& options) {
  ERR_clear_error();
  for (const std::string& file : {options.certificate_file, options.key_file}) {
    if (const std::string why = unreadable(file); !why.empty()) return tls_error(file, why);
  }
  SslContextPtr context = make_context(TLS_server_method());
  if (!context) return tls_error("server", take_ssl_error());
  if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate_file.c_str()) != 1) {
    return tls_error(options.certificate_file, "not a PEM certificate chain: " + take_ssl_error());
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const auto code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
      ERR_clear_error();
      return tls_error(options.key_file, "the key does not belong to the certificate " + options.certificate_file);
    }
    return tls_error(options.key_file, "not a PEM private key without passphrase: " + take_ssl_error());
  }
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    ERR_clear_error();
    return tls_error(options.key_file, "the key does not belong to the certificate " + options.certificate_file);
  }
  return context;
}

}  // namespace

std::string take_ssl_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  return ERR_SYSTEM_ERROR(code) ? std::strerror(static_cast<int>(ERR_GET_REASON(code))) : "unknown reason";
}

TlsClientContext::TlsClientContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClientContext::~TlsClientContext() = default;

Result<Ref<TlsClientContext>> TlsClientContext::make(const TlsClientOptions& options) {
  ERR_clear_error();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->bio_method = make_socket_bio_method();
  impl->context = make_context(TLS_client_method());
  if (!impl->context || !impl->bio_method) return tls_error("client", take_ssl_error());
  SSL_CTX* context = impl->context.get();
  if (options.verify_peer) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, explain_verification);
    if (options.ca_file.empty()) {
      if (SSL_CTX_set_default_verify_paths(context) != 1) return tls_error("system store", take_ssl_error());
    } else {
      if (const std::string why = unreadable(options.ca_file); !why.empty()) return tls_error(options.ca_file, why);
      if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
        return tls_error(options.ca_file, "not a PEM file of certificates: " + take_ssl_error());
      }
    }
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  }
  return make_ref<TlsClientContext>(std::move(impl));
}

TlsServerContext::TlsServerContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServerContext::~TlsServerContext() = default;

Result<Ref<TlsServerContext>> TlsServerContext::make(const TlsServerOptions& options) {
  auto context = load_server_context(options);
  if (!context) return std::move(context).error();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->bio_method = make_socket_bio_method();
  impl->context = std::move(*context);
  if (!impl->bio_method) return tls_error("server", take_ssl_error());
  return make_ref<TlsServerContext>(std::move(impl));
}

Status TlsServerContext::reload() {
  auto context = load_server_context(impl_->options);
  if (!context) return std::move(context).error();
  const std::lock_guard lock(impl_->mutex);
  impl_->context.swap(*context);
  return {};
}

SslContextPtr TlsServerContext::Impl::current() {
  const std::lock_guard lock(mutex);
  SSL_CTX_up_ref(context.get());
  return SslContextPtr(context.get());
}

}  // namespace vigie::net
