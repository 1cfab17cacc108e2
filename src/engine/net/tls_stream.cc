#include "net/tls_stream.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace vigie::net {
namespace {
constexpr size_t kBatchBytes = size_t{32} << 10;  // encrypted before each send; bounds what waits outside the kernel
}

TlsStream::TlsStream(EventLoop& loop, std::shared_ptr<TlsSession> session, const SocketAddress& peer, Phase phase,
                     HelperPool* helpers, StreamHandler& handler)
    : loop_(loop), session_(std::move(session)), peer_(peer), helpers_(helpers), handler_(handler), phase_(phase) {
  session_->stream = this;
}

TlsStream::~TlsStream() {
  if (destroyed_) *destroyed_ = true;
  close();
}

Status TlsStream::start(Nanos timeout) {
  interest_ = phase_ == Phase::connecting ? kWritable : kReadable;
  if (phase_ == Phase::handshaking && session_->client) interest_ = kWritable;
  if (auto done = loop_.add_fd(session_->fd.get(), interest_, *this); !done) return done;
  watched_ = true;
  timeout_ = timeout;
  timer_ = loop_.add_timer(loop_.clock().now_mono() + timeout, [this] { on_timeout(); });
  return {};
}

void TlsStream::on_ready(uint32_t events) {
  switch (phase_) {
    case Phase::connecting: return on_connected();
    case Phase::handshaking:
      if (session_->pending() > 0) {
        if (!flush()) return fail(error_);
        if (session_->pending() > 0) return;
        set_interest(kReadable);
        if (!(events & (kReadable | kBroken))) return;
      }
      return step_handshake();
    case Phase::open: return on_open_ready(events);
    case Phase::closed: return;
  }
}

void TlsStream::on_connected() {
  if (const int error = pending_error(session_->fd.get()); error != 0) return fail(connect_error(peer_, error));
  phase_ = Phase::handshaking;
  loop_.move_timer(timer_, loop_.clock().now_mono() + timeout_);
  step_handshake();
}

void TlsStream::on_timeout() {
  timer_ = {};
  fail(connect_timeout(peer_, timeout_, phase_ == Phase::connecting ? "connecting" : "the TLS handshake"));
}

void TlsStream::step_handshake() {
  if (!helpers_) return on_handshake_step(shake_hands(*session_));
  // The session is the helper's until it posts back; unwatched meanwhile, for a hang-up would be reported for ever.
  busy_ = true;
  loop_.remove_fd(session_->fd.get());
  watched_ = false;
  const bool queued = helpers_->try_submit([session = session_, &loop = loop_]() mutable {
    HandshakeStep step = shake_hands(*session);
    loop.post([session = std::move(session), step = std::move(step)]() mutable {
      if (session->stream) session->stream->on_handshake_step(std::move(step));
    });
  });
  if (queued) return;
  busy_ = false;
  fail(make_error(Code::limit_exceeded, peer_.text(), "too many TLS handshakes are under way"));
}

void TlsStream::on_handshake_step(HandshakeStep step) {
  if (busy_) {
    busy_ = false;
    interest_ = kReadable;
    if (auto done = loop_.add_fd(session_->fd.get(), interest_, *this); !done) return fail(std::move(done).error());
    watched_ = true;
  }
  const bool sent = flush();  // a refusal too: the alert tells the other side why
  if (step.state == HandshakeStep::State::failed) {
    return fail(make_error(Code::tls_failed, peer_.text(), std::move(step.why)));
  }
  if (!sent) return fail(error_);
  if (step.state == HandshakeStep::State::again) {
    return set_interest(session_->pending() > 0 ? kWritable : kReadable);
  }
  loop_.cancel_timer(std::exchange(timer_, {}));
  phase_ = Phase::open;
  session_->pool = &loop_.pool();
  // What came along with the last handshake message is inside OpenSSL already.
  more_ = SSL_has_pending(session_->ssl.get()) != 0;
  if (more_) loop_.at_batch_end(*this);
  update_interest();
  handler_.on_stream_open();  // may destroy this
}

void TlsStream::on_open_ready(uint32_t events) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  if (session_->pending() > 0 && (events & (kWritable | kBroken))) flush();
  if (want_read_ && (events & (kReadable | kBroken))) {
    handler_.on_stream_readable();
    if (destroyed) return;
  } else if (!want_write_ && (events & kBroken)) {
    destroyed_ = nullptr;
    const int error = pending_error(session_->fd.get());
    return fail(make_error(Code::connection_lost, peer_.text(), error ? std::strerror(error) : "hung up"));
  }
  if (phase_ == Phase::open && want_write_ && (events & (kWritable | kBroken)) &&
      (session_->pending() == 0 || broken_)) {
    handler_.on_stream_writable();
    if (destroyed) return;
  }
  destroyed_ = nullptr;
  update_interest();
}

void TlsStream::on_batch_end() {
  if (phase_ != Phase::open || !more_ || !want_read_) return;
  handler_.on_stream_readable();  // may destroy this
}

bool TlsStream::flush() {
  TlsSession& session = *session_;
  while (session.pending() > 0) {
    int error = 0;
    const IoResult result = send_bytes(session.fd.get(), session.out.bytes().subspan(session.out_sent), error);
    if (result.state == IoState::failed) {
      break_off(error);
      return false;
    }
    if (!result.ok()) return true;
    session.out_sent += result.bytes;
  }
  session.out = Buffer();
  session.out_sent = 0;
  if (std::exchange(shut_when_sent_, false)) ::shutdown(session.fd.get(), SHUT_WR);
  return true;
}

IoResult TlsStream::break_off(int error) {
  if (!std::exchange(broken_, true)) {
    error_ = make_error(Code::connection_lost, peer_.text(), error ? std::strerror(error) : "the connection broke");
  }
  return {IoState::failed, 0};
}

IoResult TlsStream::read(std::span<uint8_t> into) {
  if (phase_ == Phase::closed) return {IoState::failed, 0};
  if (phase_ != Phase::open || into.empty()) return {IoState::would_block, 0};
  SSL* ssl = session_->ssl.get();
  ERR_clear_error();
  session_->drained = false;
  more_ = false;
  size_t total = 0;
  while (total < into.size()) {
    size_t got = 0;
    if (SSL_read_ex(ssl, into.data() + total, into.size() - total, &got) == 1) {
      total += got;
      continue;
    }
    const int error = SSL_get_error(ssl, 0);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) break;
    if (total > 0) {
      more_ = true;  // the end or the failure is told by the next read
      break;
    }
    if (error == SSL_ERROR_ZERO_RETURN) return {IoState::eof, 0};
    const std::string reason = take_ssl_error();
    if (session_->socket_error != 0) return break_off(session_->socket_error);
    if (!std::exchange(broken_, true)) error_ = make_error(Code::connection_lost, peer_.text(), "TLS: " + reason);
    return {IoState::failed, 0};
  }
  if (total == into.size()) more_ = SSL_has_pending(ssl) != 0;
  if (session_->pending() > 0) {  // answers to key updates and the like
    flush();
    update_interest();
  }
  if (more_ && want_read_) loop_.at_batch_end(*this);
  return total > 0 ? IoResult{IoState::ok, total} : IoResult{IoState::would_block, 0};
}

bool TlsStream::encrypt(ByteSpan bytes) {
  // Never short and never blocked: bio_write takes everything, and renegotiation is off.
  size_t put = 0;
  if (SSL_write_ex(session_->ssl.get(), bytes.data(), bytes.size(), &put) == 1) return true;
  const std::string reason = take_ssl_error();
  if (!std::exchange(broken_, true)) error_ = make_error(Code::connection_lost, peer_.text(), "TLS: " + reason);
  return false;
}

IoResult TlsStream::write(ByteSpan bytes) {
  const iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  return writev({&piece, 1});
}

IoResult TlsStream::writev(std::span<const iovec> pieces) {
  if (phase_ == Phase::closed || broken_) return {IoState::failed, 0};
  if (phase_ != Phase::open) return {IoState::would_block, 0};
  ERR_clear_error();
  if (!flush()) return {IoState::failed, 0};
  size_t taken = 0;
  size_t piece = 0;
  size_t offset = 0;
  while (session_->pending() == 0) {
    size_t batch = 0;
    while (piece < pieces.size() && batch < kBatchBytes) {
      const ByteSpan rest =
          ByteSpan(static_cast<const uint8_t*>(pieces[piece].iov_base), pieces[piece].iov_len).subspan(offset);
      const size_t now = std::min(rest.size(), kBatchBytes - batch);
      if (now > 0 && !encrypt(rest.first(now))) return {IoState::failed, 0};
      batch += now;
      offset += now;
      if (now == rest.size()) {
        ++piece;
        offset = 0;
      }
    }
    if (batch == 0) break;
    taken += batch;
    if (!flush()) return {IoState::failed, 0};
  }
  if (session_->pending() > 0) update_interest();
  const bool nothing_given = taken == 0 && piece == pieces.size();
  return taken > 0 || nothing_given ? IoResult{IoState::ok, taken} : IoResult{IoState::would_block, 0};
}

void TlsStream::set_interest(uint32_t interest) {
  if (!watched_ || std::exchange(interest_, interest) == interest) return;
  (void)loop_.modify_fd(session_->fd.get(), interest);  // watched and alive: cannot fail
}

void TlsStream::update_interest() {
  if (phase_ != Phase::open) return;
  const bool write = (want_write_ || session_->pending() > 0) && !broken_;
  set_interest((want_read_ ? kReadable : 0U) | (write ? kWritable : 0U));
}

void TlsStream::set_read_interest(bool on) {
  want_read_ = on;
  update_interest();
  if (on && more_) loop_.at_batch_end(*this);
}

void TlsStream::set_write_interest(bool on) {
  want_write_ = on;
  update_interest();
}

size_t TlsStream::unsent_bytes() const {
  return phase_ == Phase::open ? session_->pending() + outgoing_bytes(session_->fd.get()) : 0;
}

void TlsStream::shutdown_write() {
  if (phase_ != Phase::open || broken_) return;
  ERR_clear_error();
  SSL_shutdown(session_->ssl.get());
  ERR_clear_error();
  shut_when_sent_ = true;
  flush();
  update_interest();
}

void TlsStream::close() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::open) {
    shutdown_write();
    ::shutdown(session_->fd.get(), SHUT_WR);
    discard_input(session_->fd.get());
  }
  drop_session();
}

void TlsStream::reset_close() {
  if (phase_ == Phase::closed) return;
  set_reset_on_close(session_->fd.get());
  drop_session();
}

void TlsStream::drop_session() {
  phase_ = Phase::closed;
  loop_.cancel_timer(std::exchange(timer_, {}));
  if (std::exchange(watched_, false)) loop_.remove_fd(session_->fd.get());
  session_->stream = nullptr;
  // A helper may still hold the session and the descriptor with it: at least the other side need not wait for that.
  if (busy_) ::shutdown(session_->fd.get(), SHUT_RDWR);
  session_.reset();
}

void TlsStream::fail(Error error) {
  error_ = std::move(error);
  if (phase_ == Phase::handshaking && !busy_) {  // let the alert get through, see Stream::close
    ::shutdown(session_->fd.get(), SHUT_WR);
    discard_input(session_->fd.get());
  }
  drop_session();
  const Error told = error_;
  handler_.on_stream_failed(told);  // may destroy this
}

Status TlsStream::set_options(const StreamOptions& options) {
  if (phase_ == Phase::closed) return make_error(Code::closed, peer_.text(), "the stream is closed");
  return apply_stream_options(session_->fd.get(), peer_.family(), options);
}

}  // namespace vigie::net
