#pragma once
// A small RTSP server inside HTTP over real sockets, on the test's own loop: two connections with one cookie.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/base64.h"
#include "camera_server.h"
#include "client_script.h"
#include "packets.h"
#include "rtsp/message.h"
#include "rtsp/stream_splitter.h"

namespace vigie::source::testing {

class TunnelServer final : private net::AcceptHandler {
 public:
  struct Connection final : net::StreamHandler {
    explicit Connection(TunnelServer& s) : server(s) {}
    void on_stream_readable() override { server.on_readable(*this); }
    void on_stream_failed(const Error&) override { stream.reset(); }
    TunnelServer& server;
    std::unique_ptr<net::Stream> stream;
    std::string unread;
    std::string head;  // once it has come
    size_t body_bytes = 0;
  };

  explicit TunnelServer(net::EventLoop& loop, Ref<net::TlsServerContext> tls = nullptr)
      : loop_(loop), tls_(std::move(tls)) {
    listener_ = listen_on_loopback(loop, *this);
    port = listener_->local_address().port();
  }
  std::string url() const {
    return std::string(tls_ ? "rtsps" : "rtsp") + "://127.0.0.1:" + std::to_string(port) + "/live?channel=1";
  }
  // Down the GET connection.
  void write(const std::string& bytes) {
    if (!get || !get->stream) return;
    EXPECT_EQ(get->stream->write(as_bytes(bytes)).bytes, bytes.size());
  }
  void send_picture() {
    const bool idr = sequence == 100;
    for (const std::string& payload :
         idr ? std::vector<std::string>{kSps, kPps, slice(true, 400)} : std::vector<std::string>{slice(false, 400)}) {
      write(interleaved(packet(sequence++, timestamp, payload, payload.size() == 400)));
    }
    timestamp += 3600;
  }
  static std::string cookie_of(const std::string& head) {
    const size_t at = head.find("x-sessioncookie: ");
    return at == std::string::npos ? "" : head.substr(at + 17, head.find('\r', at) - at - 17);
  }

  uint16_t port = 0;
  bool playing = false;
  std::deque<std::string> get_answers, post_answers;  // raw, first come; empty: as a good server does
  bool close_post_behind_request = false;
  bool answer_requests = true;
  bool answer_get = true;
  std::vector<std::string> gets, posts;  // their heads
  std::vector<std::string> methods;      // of RTSP, as they came
  std::vector<std::string> post_bodies;  // of each POST, as it came
  std::string reports;                   // interleaved frames that came in
  Connection* get = nullptr;
  Connection* post = nullptr;
  uint16_t sequence = 100;
  uint32_t timestamp = 1'000'000;

 private:
  void on_accept(Fd fd, const net::SocketAddress& peer) override {
    connections_.push_back(std::make_unique<Connection>(*this));
    Connection& connection = *connections_.back();
    auto stream = accept_stream(loop_, std::move(fd), peer, tls_, connection);
    ASSERT_TRUE(stream.ok());
    connection.stream = std::move(*stream);
  }
  void on_accept_paused(const Error&) override {}

  void on_readable(Connection& connection) {
    std::array<uint8_t, 65536> memory;
    const net::IoResult result = connection.stream->read(memory);
    if (!result.ok()) {
      if (!result.would_block()) connection.stream.reset();
      return;
    }
    connection.unread += as_text(ByteSpan(memory).first(result.bytes));
    if (connection.head.empty()) {
      const size_t end = connection.unread.find("\r\n\r\n");
      if (end == std::string::npos) return;
      connection.head = connection.unread.substr(0, end + 4);
      connection.unread.erase(0, end + 4);
      on_head(connection);
    }
    if (connection.stream && &connection == post) on_body(connection);
  }

  void on_head(Connection& connection) {
    const bool is_get = connection.head.starts_with("GET ");
    std::deque<std::string>& answers = is_get ? get_answers : post_answers;
    (is_get ? gets : posts).push_back(connection.head);
    if (!is_get) post_bodies.emplace_back();
    if (!answers.empty()) {
      const std::string answer = std::move(answers.front());
      answers.pop_front();
      if (!answer.empty()) {
        (void)connection.stream->write(as_bytes(answer));
        connection.stream.reset();
        return;
      }
    }
    if (is_get) {
      get = &connection;
      splitter_ = rtsp::StreamSplitter();
      if (answer_get) write("HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n");
    } else {
      EXPECT_TRUE(get != nullptr && cookie_of(get->head) == cookie_of(connection.head));
      post = &connection;
    }
  }

  // Base64 in quartets, padding in mid-stream included, as QuickTime's and GStreamer's servers read it.
  void on_body(Connection& connection) {
    const size_t whole = connection.unread.size() / 4 * 4;
    post_bodies.back() += connection.unread.substr(0, whole);
    for (size_t at = 0; at < whole; at += 4) {
      const auto bytes = base64_decode_strict(std::string_view(connection.unread).substr(at, 4));
      ASSERT_TRUE(bytes.has_value()) << connection.unread;
      rtsp_ += as_text(*bytes);
    }
    connection.unread.erase(0, whole);
    connection.body_bytes += whole;
    for (;;) {
      const auto item = splitter_.next(as_bytes(rtsp_));
      if (item.kind == rtsp::StreamSplitter::Kind::interleaved) reports += as_text(item.payload);
      rtsp_.erase(0, item.consumed);
      if (item.kind == rtsp::StreamSplitter::Kind::need_more) return;
      ASSERT_NE(item.kind, rtsp::StreamSplitter::Kind::error) << splitter_.error().what;
      if (item.kind == rtsp::StreamSplitter::Kind::request) {
        answer(splitter_.take_request());
        if (close_post_behind_request) {
          connection.stream.reset();
          return;
        }
      }
    }
  }

  void answer(const rtsp::Request& request) {
    methods.push_back(request.method);
    if (!answer_requests) return;
    rtsp::Response response = camera_answer(request, kSdp);
    switch (request.method_id()) {
      case rtsp::Method::setup:
        EXPECT_NE(request.headers.get("Transport").find("RTP/AVP/TCP"), std::string_view::npos);
        response.headers.add("Transport", request.headers.get("Transport"));
        break;
      case rtsp::Method::play: playing = true; break;
      default: break;
    }
    write(rtsp::serialise(response));
  }

  net::EventLoop& loop_;
  Ref<net::TlsServerContext> tls_;
  std::unique_ptr<net::TcpListener> listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
  rtsp::StreamSplitter splitter_;
  std::string rtsp_;
};

}  // namespace vigie::source::testing
