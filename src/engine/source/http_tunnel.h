#pragma once
// RTSP inside HTTP (Apple's tunnel), as one Stream: the client above it talks plain RTSP.
//
//   read   <--  GET's answer: RTSP and interleaved frames as they are
//   write  -->  POST's body: each write in Base64 of its own, with its padding
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/event_loop.h"
#include "net/stream.h"
#include "rtsp/digest.h"
#include "rtsp/message.h"

namespace vigie::source {

struct HttpTunnelConfig {
  std::string target;     // of GET and POST: path and query
  std::string authority;  // for Host
  rtsp::ClientAuth auth;  // for HTTP's own 401; RTSP inside asks for itself
  std::string user_agent = "vigie";
  Nanos answer_deadline = 4s;  // for GET's answer and for each POST's connection
};

// Both connections belong to it: the failure of one ends it, except that a POST closed in order by the server (some do so
// behind each request) is opened anew, under the same cookie, once there is something to send; what may have been lost
// with it is repeated once. A POST whose announced length is used up is replaced too. Not followed:
// `x-server-ip-address` in GET's answer.
// Writes are taken whole, leave at the end of the wake-up, and are kept until the server reads them, up to 64 KiB.
// Thread: the loop's. Cost for reading: one call in between; nothing is copied.
// Source: "Tunneling QuickTime RTSP and RTP over HTTP" (Apple), ONVIF Streaming Specification 5.1.1.3; C8.
class HttpTunnel final : public net::Stream, private net::BatchHook {
 public:
  // Begins one connection to the server, told to the handler given.
  using Dial = std::function<Result<std::unique_ptr<net::Stream>>(net::StreamHandler&)>;

  // on_stream_open follows once both connections stand and GET was answered 200; on_stream_failed says otherwise what was
  // answered: rtsp_auth, rtsp_status, rtsp_unsupported (no tunnel there), redirect_refused (see redirect()), timed_out.
  // Errors: the dial's.
  static Result<std::unique_ptr<HttpTunnel>> open(net::EventLoop& loop, HttpTunnelConfig config, Dial dial,
                                                  net::StreamHandler& handler);
  ~HttpTunnel() override;

  // The Location of a redirect that GET or POST was answered with; empty where there was none.
  const std::string& redirect() const { return redirect_; }
  // An HTTP server has answered: what failed is no matter of the address.
  bool answered() const { return answered_; }

  bool is_open() const override { return open_; }
  bool is_tls() const override { return get_ && get_->is_tls(); }
  net::IoResult read(std::span<uint8_t> into) override;
  net::IoResult write(ByteSpan bytes) override;
  net::IoResult writev(std::span<const iovec> pieces) override;
  void set_read_interest(bool on) override;
  void set_write_interest(bool) override {}  // every write is taken
  size_t unsent_bytes() const override;
  void shutdown_write() override;
  void close() override;
  void reset_close() override;
  Status set_options(const net::StreamOptions& options) override;
  net::SocketAddress local_address() const override;
  net::SocketAddress peer_address() const override;
  const Error& error() const override { return error_; }
  int fd() const override { return get_ ? get_->fd() : -1; }

 private:
  enum class PostPhase : uint8_t { none, connecting, open, draining };

  struct GetEar final : net::StreamHandler {
    explicit GetEar(HttpTunnel& o) : owner(o) {}
    void on_stream_open() override { owner.on_get_open(); }
    void on_stream_readable() override { owner.on_get_readable(); }
    void on_stream_failed(const Error& error) override { owner.fail(error); }
    HttpTunnel& owner;
  };
  struct PostEar final : net::StreamHandler {
    explicit PostEar(HttpTunnel& o) : owner(o) {}
    void on_stream_open() override { owner.on_post_open(); }
    void on_stream_readable() override { owner.on_post_readable(); }
    void on_stream_writable() override { owner.on_post_writable(); }
    void on_stream_failed(const Error& error) override { owner.on_post_failed(error); }
    HttpTunnel& owner;
  };

  HttpTunnel(net::EventLoop& loop, HttpTunnelConfig config, Dial dial, net::StreamHandler& handler);
  Status dial_get();
  Status dial_post();
  void on_get_open();
  void on_get_readable();
  void on_get_answer(const rtsp::Response& response);
  void on_post_open();
  void on_post_readable();
  void on_post_writable();
  void on_post_answer(const rtsp::Response& response);
  void on_post_ended();
  void on_post_failed(const Error& error);
  void on_batch_end() override { flush(); }
  // Sends what there is to send, by a new POST where there is none.
  void flush();
  // Ends the present POST, whose length is used up, and opens the next once the server has closed it.
  void drain_post();
  void replace_post();
  std::string request_head(std::string_view method, std::string_view more);
  // What an answer that is no success means; takes the next way of authentication where there is one, and is then empty.
  std::optional<Error> refusal(std::string_view method, const rtsp::Response& response);
  void arm(const char* what);
  void disarm();
  void fail(Error error);

  net::EventLoop& loop_;
  HttpTunnelConfig config_;
  const Dial dial_;
  net::StreamHandler& handler_;
  GetEar get_ear_{*this};
  PostEar post_ear_{*this};
  const std::string cookie_;

  std::unique_ptr<net::Stream> get_;
  std::string get_head_;
  std::string early_;  // RTSP that came in one read with the head
  bool answered_ = false;
  bool open_ = false;
  uint32_t unauthorized_ = 0;  // answers 401 in a row
  std::string redirect_;

  std::unique_ptr<net::Stream> post_;
  PostPhase post_phase_ = PostPhase::none;
  std::string post_head_;
  bool post_answered_ = false;
  size_t post_left_ = 0;     // of the announced length
  std::string out_;          // given to the present POST and not yet taken by the kernel
  std::string held_;         // for the next POST
  std::string unconfirmed_;  // given to the present POST before anything came back: it may have been lost
  bool repeated_ = false;    // that was given once more already

  net::TimerId timer_;
  Error error_{Code::connection_lost, {}, {}};
};

}  // namespace vigie::source
