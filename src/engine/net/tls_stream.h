#pragma once
// TLS's Stream. Private to net/: others make one through tls.h.
#include <memory>
#include <string>

#include "net/tls_session.h"

namespace vigie::net {

// connecting -> handshaking (-> on a helper and back, as often as bytes come) -> open -> closed
class TlsStream final : public Stream, private FdHandler, private BatchHook {
 public:
  enum class Phase : uint8_t { connecting, handshaking, open, closed };

  TlsStream(EventLoop& loop, std::shared_ptr<TlsSession> session, const SocketAddress& peer, Phase phase,
            HelperPool* helpers, StreamHandler& handler);
  ~TlsStream() override;
  Status start(Nanos timeout);

  bool is_open() const override { return phase_ == Phase::open; }
  bool is_tls() const override { return true; }
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
  SocketAddress local_address() const override { return local_address_of(fd()); }
  SocketAddress peer_address() const override { return peer_; }
  const Error& error() const override { return error_; }
  int fd() const override { return phase_ == Phase::closed ? -1 : session_->fd.get(); }

 private:
  void on_ready(uint32_t events) override;
  void on_batch_end() override;
  void on_connected();
  void on_open_ready(uint32_t events);
  void on_timeout();
  void step_handshake();
  void on_handshake_step(HandshakeStep step);
  // False when the connection broke.
  bool flush();
  bool encrypt(ByteSpan bytes);
  void set_interest(uint32_t interest);
  void update_interest();
  void fail(Error error);
  void drop_session();
  IoResult break_off(int error);

  EventLoop& loop_;
  std::shared_ptr<TlsSession> session_;
  const SocketAddress peer_;
  HelperPool* const helpers_;
  StreamHandler& handler_;
  Phase phase_;
  bool busy_ = false;    // a helper has the session
  bool broken_ = false;  // sending failed; reading may still yield what came before
  bool more_ = false;    // OpenSSL holds bytes that epoll cannot see
  bool shut_when_sent_ = false;
  bool want_read_ = true;
  bool want_write_ = false;
  bool watched_ = false;
  uint32_t interest_ = 0;
  Nanos timeout_{0};
  TimerId timer_;
  bool* destroyed_ = nullptr;  // set while a callback runs
  Error error_{Code::connection_lost, {}, {}};
};

}  // namespace vigie::net
