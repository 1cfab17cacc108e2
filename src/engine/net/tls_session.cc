#include "net/tls_session.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vigie::net {
namespace {

constexpr size_t kHandshakeBytes = size_t{4} << 10;
constexpr size_t kRecordsBytes = size_t{34} << 10;  // what one batch of TlsStream::write becomes
constexpr int kMaxNamesShown = 4;

TlsSession& session_of(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* into, size_t size, size_t* got) {
  TlsSession& session = session_of(bio);
  BIO_clear_retry_flags(bio);
  *got = 0;
  if (session.drained) {
    BIO_set_retry_read(bio);
    return 0;
  }
  const IoResult result =
      receive_bytes(session.fd.get(), {reinterpret_cast<uint8_t*>(into), size}, session.socket_error);
  session.drained = result.bytes < size && result.state != IoState::eof;
  *got = result.bytes;
  if (result.ok()) return 1;
  if (result.would_block()) BIO_set_retry_read(bio);
  if (result.state == IoState::eof) session.saw_end = true;
  return 0;
}

int bio_write(BIO* bio, const char* bytes, size_t size, size_t* put) {
  BIO_clear_retry_flags(bio);
  session_of(bio).put_out({reinterpret_cast<const uint8_t*>(bytes), size});
  *put = size;
  return 1;
}

long bio_ctrl(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP: return 1;
    case BIO_CTRL_EOF: return session_of(bio).saw_end ? 1 : 0;
    default: return 0;
  }
}

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(std::max(0, ASN1_STRING_length(string)))};
}

std::string printable(std::string text) {
  constexpr size_t kMaxNameBytes = 128;
  text.resize(std::min(text.size(), kMaxNameBytes));
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

// "DNS a.example, IP 10.0.0.1": whom the certificate names.
std::string names_of(X509* certificate) {
  std::string out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < std::min(sk_GENERAL_NAME_num(names), kMaxNamesShown); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string one;
    if (name->type == GEN_DNS) {
      one = "DNS " + printable(text_of(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const std::string raw = text_of(name->d.iPAddress);
      if (raw.size() == 4) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        std::memcpy(&v4.sin_addr, raw.data(), raw.size());
        one = "IP " + SocketAddress(v4).host_text();
      } else if (raw.size() == 16) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        std::memcpy(&v6.sin6_addr, raw.data(), raw.size());
        one = "IP " + SocketAddress(v6).host_text();
      }
    }
    if (!one.empty()) out += (out.empty() ? "" : ", ") + one;
  }
  GENERAL_NAMES_free(names);
  return out.empty() ? "no host at all (it has no subject alternative name)" : out;
}

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  char text[32] = "";
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string describe_verification(int error, X509* certificate, const std::string& host) {
  switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the certificate is not for \"" + host + "\"; it names " +
             (certificate ? names_of(certificate) : "nobody");
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "a certificate of the chain expired on " +
             time_text(certificate ? X509_get0_notAfter(certificate) : nullptr);
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "a certificate of the chain is valid only from " +
             time_text(certificate ? X509_get0_notBefore(certificate) : nullptr);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "the certificate is signed by itself and not in the trusted authorities";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "the certificate is signed by an authority that is not trusted";
    default: return std::string("the certificate was refused: ") + X509_verify_cert_error_string(error);
  }
}

std::string handshake_failure(const TlsSession& session, int ssl_error) {
  const auto code = ERR_peek_last_error();
  std::string reason = take_ssl_error();
  if (!session.verify_failure.empty()) return session.verify_failure;
  if (session.socket_error != 0) return std::strerror(session.socket_error);
  if (session.saw_end) return "the other side closed the connection during the handshake";
  if (ssl_error == SSL_ERROR_SSL && ERR_GET_LIB(code) == ERR_LIB_SSL) {
    switch (ERR_GET_REASON(code)) {
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_HTTP_REQUEST:
      case SSL_R_PACKET_LENGTH_TOO_LONG: return "the other side does not speak TLS here (" + reason + ")";
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return "the other side has no TLS 1.2 or later (" + reason + ")";
      default: break;
    }
  }
  return reason;
}

}  // namespace

void TlsSession::put_out(ByteSpan bytes) {
  if (!out) out = pool ? pool->make(kRecordsBytes) : Buffer::make_heap(kHandshakeBytes);
  out.append(bytes);
}

BioMethodPtr make_socket_bio_method() {
  BioMethodPtr method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "vigie socket"));
  if (!method || BIO_meth_set_read_ex(method.get(), bio_read) != 1 ||
      BIO_meth_set_write_ex(method.get(), bio_write) != 1 || BIO_meth_set_ctrl(method.get(), bio_ctrl) != 1 ||
      BIO_meth_set_create(method.get(), bio_create) != 1) {
    return nullptr;
  }
  return method;
}

bool attach_ssl(TlsSession& session, SSL_CTX* context, BIO_METHOD* method) {
  session.ssl.reset(SSL_new(context));
  BIO* bio = session.ssl ? BIO_new(method) : nullptr;
  if (!bio) return false;
  BIO_set_data(bio, &session);
  SSL_set_bio(session.ssl.get(), bio, bio);
  SSL_set_app_data(session.ssl.get(), &session);
  return true;
}

int explain_verification(int ok, X509_STORE_CTX* store) {
  if (ok) return ok;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* session = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  session->verify_failure =
      describe_verification(X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store), session->host);
  return ok;
}

HandshakeStep shake_hands(TlsSession& session) {
  ERR_clear_error();
  session.drained = false;
  const int result = SSL_do_handshake(session.ssl.get());
  if (result == 1) return {HandshakeStep::State::done, {}};
  const int error = SSL_get_error(session.ssl.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return {};
  return {HandshakeStep::State::failed, handshake_failure(session, error)};
}

}  // namespace vigie::net
