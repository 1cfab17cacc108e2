#pragma once
// What the cameras of these tests have in common: they listen on loopback, plain or by TLS, and answer as most do.
#include <memory>
#include <string_view>
#include <utility>

#include "net/tcp.h"
#include "net/tls.h"
#include "rtsp/message.h"

namespace vigie::source::testing {

inline std::unique_ptr<net::TcpListener> listen_on_loopback(net::EventLoop& loop, net::AcceptHandler& handler) {
  net::ListenOptions options;
  options.address = net::SocketAddress::loopback_v4(0);
  return net::TcpListener::listen(loop, options, handler).value();
}

inline Result<std::unique_ptr<net::Stream>> accept_stream(net::EventLoop& loop, Fd fd, const net::SocketAddress& peer,
                                                          const Ref<net::TlsServerContext>& tls,
                                                          net::StreamHandler& handler) {
  return tls ? net::accept_tls(loop, std::move(fd), peer, {}, tls, handler)
             : net::adopt_tcp(loop, std::move(fd), peer, {}, handler);
}

// 200 to anything; of SETUP's answer the Transport is left to whoever knows it.
inline rtsp::Response camera_answer(const rtsp::Request& request, std::string_view sdp) {
  rtsp::Response response;
  response.headers.add("CSeq", request.headers.get("CSeq"));
  switch (request.method_id()) {
    case rtsp::Method::options: response.headers.add("Public", "OPTIONS, GET_PARAMETER"); break;
    case rtsp::Method::describe:
      response.headers.add("Content-Type", "application/sdp");
      response.body = sdp;
      break;
    case rtsp::Method::setup: response.headers.add("Session", "1234;timeout=60"); break;
    default: break;
  }
  return response;
}

}  // namespace vigie::source::testing
