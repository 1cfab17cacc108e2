#pragma once
// Driving a loop by hand until something has happened, and handlers that remember.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/event_loop.h"
#include "net/stream.h"
#include "net/tcp.h"

namespace vigie::net {

inline std::unique_ptr<EventLoop> make_loop(const Clock* clock = nullptr) {
  auto loop = EventLoop::make({.name = "test", .clock = clock});
  EXPECT_TRUE(loop) << loop.error().text();
  return std::move(*loop);
}

// Runs wake-ups until `done`, at most ten seconds of real time. Returns whether it came to be.
inline bool run_until(EventLoop& loop, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.run_once(5ms);
  }
  return true;
}

// Reads all that comes and remembers it.
struct Recorder final : StreamHandler {
  std::unique_ptr<Stream> stream;
  std::string got;
  int opens = 0;
  int readables = 0;
  int writables = 0;
  bool eof = false;
  bool read_failed = false;
  size_t read_size = 65536;
  std::optional<Error> failure;
  std::function<void()> on_open;
  std::function<void()> on_read;
  std::function<void()> on_write;

  void on_stream_open() override {
    ++opens;
    if (on_open) on_open();
  }
  void on_stream_readable() override {
    ++readables;
    if (on_read) return on_read();
    read_once();
  }
  void read_once() {
    std::vector<uint8_t> room(read_size);
    const IoResult result = stream->read(room);
    got.append(reinterpret_cast<const char*>(room.data()), result.bytes);
    if (result.state == IoState::eof) eof = true;
    if (result.state == IoState::failed) read_failed = true;
    if (eof || read_failed) stream->set_read_interest(false);
  }
  void on_stream_writable() override {
    ++writables;
    if (on_write) on_write();
  }
  void on_stream_failed(const Error& error) override { failure = error; }
};

struct AcceptRecorder : AcceptHandler {
  std::vector<std::pair<Fd, SocketAddress>> connections;
  std::vector<Error> pauses;
  std::function<void(Fd, const SocketAddress&)> on_connection;
  void on_accept(Fd connection, const SocketAddress& peer) override {
    if (on_connection) return on_connection(std::move(connection), peer);
    connections.emplace_back(std::move(connection), peer);
  }
  void on_accept_paused(const Error& error) override { pauses.push_back(error); }
};

inline std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 131 % 251);
  return out;
}

// A connected pair over loopback: `client` connected by connect_tcp, `server` adopted from a listener.
struct TcpPair {
  Recorder client;
  Recorder server;
};
inline std::unique_ptr<TcpPair> make_tcp_pair(EventLoop& loop, const StreamOptions& options = {},
                                              const SocketAddress& at = SocketAddress::loopback_v4(0)) {
  auto pair = std::make_unique<TcpPair>();
  AcceptRecorder accepted;
  auto listener = TcpListener::listen(loop, {.address = at}, accepted);
  EXPECT_TRUE(listener);
  auto stream = connect_tcp(loop, (*listener)->local_address(), {.stream = options}, pair->client);
  EXPECT_TRUE(stream);
  pair->client.stream = std::move(*stream);
  EXPECT_TRUE(run_until(loop, [&] { return pair->client.opens == 1 && !accepted.connections.empty(); }));
  auto adopted =
      adopt_tcp(loop, std::move(accepted.connections[0].first), accepted.connections[0].second, options, pair->server);
  EXPECT_TRUE(adopted);
  pair->server.stream = std::move(*adopted);
  return pair;
}

}  // namespace vigie::net
