#pragma once
// A small RTSP server over real sockets, on the test's own loop: does what a camera does, and what the test asks of it.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "camera_server.h"
#include "client_script.h"
#include "net/udp.h"
#include "packets.h"
#include "rtsp/message.h"
#include "rtsp/stream_splitter.h"
#include "rtsp/transport.h"

namespace vigie::source::testing {

// A socket that sends from an address of this machine, and to groups on the loopback interface.
inline net::UdpSocket loopback_sender(const std::string& from) {
  net::UdpOptions options;
  options.bind = net::SocketAddress::parse_ip(from, 0).value();
  net::UdpSocket socket = net::UdpSocket::open(options).value();
  const in_addr loopback{htonl(INADDR_LOOPBACK)};
  EXPECT_EQ(setsockopt(socket.fd(), IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback)), 0);
  return socket;
}

class TinyServer final : private net::AcceptHandler {
 public:
  TinyServer(net::EventLoop& loop, Ref<net::TlsServerContext> tls = nullptr) : loop_(loop), tls_(std::move(tls)) {
    listener_ = listen_on_loopback(loop, *this);
    port = listener_->local_address().port();
  }
  std::string url() const {
    return std::string(tls_ ? "rtsps" : "rtsp") + "://127.0.0.1:" + std::to_string(port) + "/live";
  }
  // Sends one picture of `packets` RTP packets to whoever plays, the first one behind its parameter sets.
  void send_picture(int packets = 1) {
    const bool idr = sequence_ == first_sequence;
    if (idr) {
      send_rtp(packet(sequence_++, timestamp_, kSps, false));
      send_rtp(packet(sequence_++, timestamp_, kPps, false));
    }
    for (int i = 0; i < packets; ++i) {
      std::string payload = slice(idr, 400);
      if (i > 0) payload[1] = 0x11;  // a later slice of the same picture
      send_rtp(packet(sequence_++, timestamp_, payload, i + 1 == packets));
    }
    timestamp_ += 3600;
  }
  void send_rtp(const std::string& plain) {
    const std::string bytes = protect ? protect(plain) : plain;
    if (udp_to_) {
      ASSERT_TRUE(udp_rtp->send(as_bytes(bytes), *udp_to_).ok());
      return;
    }
    if (!playing_) return;
    write(interleaved(bytes));
  }
  void write(const std::string& bytes) {
    if (!connections_.empty() && connections_.back()->stream) {
      const net::IoResult result = connections_.back()->stream->write(as_bytes(bytes));
      ASSERT_EQ(result.bytes, bytes.size());
    }
  }
  void cut() {
    playing_ = false;
    udp_to_.reset();
    for (auto& connection : connections_) connection->stream.reset();
  }
  void close_listener() { listener_.reset(); }
  bool playing() const { return playing_ || udp_to_.has_value(); }

  uint16_t port = 0;
  uint16_t first_sequence = 100;
  std::vector<std::string> methods;  // as they came
  std::string sdp{kSdp};
  std::function<std::string(const std::string&)> protect;  // what SRTP makes of a packet
  std::optional<net::SocketAddress> udp_source_override;
  std::optional<uint16_t> announced_port;  // instead of the one that sends
  std::optional<net::UdpSocket> udp_rtp;
  // Asked for multicast, it sends there and answers SETUP so.
  std::optional<net::SocketAddress> group;
  std::string group_transport;
  std::string reports;  // interleaved frames that came in
  bool send_udp_pictures = true;

 private:
  struct Connection final : net::StreamHandler {
    explicit Connection(TinyServer& s) : server(s) {}
    void on_stream_readable() override { server.on_readable(*this); }
    void on_stream_failed(const Error&) override { stream.reset(); }
    TinyServer& server;
    std::unique_ptr<net::Stream> stream;
    rtsp::StreamSplitter splitter;
    std::string unread;
  };
  void on_accept(Fd fd, const net::SocketAddress& peer) override {
    connections_.push_back(std::make_unique<Connection>(*this));
    Connection& connection = *connections_.back();
    auto stream = accept_stream(loop_, std::move(fd), peer, tls_, connection);
    ASSERT_TRUE(stream.ok());
    connection.stream = std::move(*stream);
  }
  void on_accept_paused(const Error&) override {}
  void on_readable(Connection& connection) {
    std::array<uint8_t, 4096> memory;
    const net::IoResult result = connection.stream->read(memory);
    if (!result.ok()) {
      if (!result.would_block()) connection.stream.reset();
      return;
    }
    connection.unread += as_text(ByteSpan(memory).first(result.bytes));
    for (;;) {
      const auto item = connection.splitter.next(as_bytes(connection.unread));
      if (item.kind == rtsp::StreamSplitter::Kind::interleaved) reports += as_text(item.payload);
      connection.unread.erase(0, item.consumed);
      if (item.kind == rtsp::StreamSplitter::Kind::need_more) return;
      if (item.kind == rtsp::StreamSplitter::Kind::request) answer(connection, connection.splitter.take_request());
    }
  }
  void answer(Connection& connection, const rtsp::Request& request) {
    methods.push_back(request.method);
    rtsp::Response response = camera_answer(request, sdp);
    switch (request.method_id()) {
      case rtsp::Method::setup: {
        rtsp::Transport transport = rtsp::parse_transport(request.headers.get("Transport")).value().front();
        if (transport.delivery == rtsp::Delivery::multicast && group) {
          udp_rtp.emplace(loopback_sender("127.0.0.1"));
          client_ = group;
          response.headers.add("Transport", group_transport);
          break;
        }
        if (transport.client_port) {
          net::UdpOptions options;
          options.bind = udp_source_override.value_or(net::SocketAddress::loopback_v4(0));
          udp_rtp.emplace(net::UdpSocket::open(options).value());
          client_ = net::SocketAddress::loopback_v4(transport.client_port->rtp);
          transport.server_port = rtsp::PortPair{announced_port.value_or(udp_rtp->local_address().port()), 9};
        } else {
          client_.reset();
        }
        response.headers.add("Transport", rtsp::format_transport(transport));
        break;
      }
      case rtsp::Method::play:
        if (client_) {
          udp_to_ = client_;
        } else {
          playing_ = true;
        }
        break;
      case rtsp::Method::teardown:
        playing_ = false;
        udp_to_.reset();
        break;
      default: break;
    }
    const std::string text = rtsp::serialise(response);
    ASSERT_EQ(connection.stream->write(as_bytes(text)).bytes, text.size());
  }

  net::EventLoop& loop_;
  Ref<net::TlsServerContext> tls_;
  std::unique_ptr<net::TcpListener> listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
  bool playing_ = false;
  std::optional<net::SocketAddress> client_, udp_to_;
  uint16_t sequence_ = 100;
  uint32_t timestamp_ = 1'000'000;
};

}  // namespace vigie::source::testing
