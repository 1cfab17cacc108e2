#include "net/tcp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "support.h"

namespace vigie::net {
namespace {

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &length), 0) << std::strerror(errno);
  return value;
}

// Writes until the kernel takes no more; returns how much it took.
size_t fill(EventLoop& loop, Stream& stream) {
  const std::string chunk = pattern(64 << 10);
  size_t total = 0;
  for (int refusals = 0; refusals < 3;) {  // the receiver's window opens a few times before all is full
    const IoResult result = stream.write(as_bytes(chunk));
    if (result.would_block()) {
      ++refusals;
      loop.run_once(0ms);
    } else if (!result.ok()) {
      ADD_FAILURE() << stream.error().text();
      break;
    }
    total += result.bytes;
  }
  return total;
}

TEST(Tcp, CarriesBytesBothWaysOverBothFamilies) {
  for (const SocketAddress& at : {SocketAddress::loopback_v4(0), SocketAddress::loopback_v6(0)}) {
    auto loop = make_loop();
    auto pair = make_tcp_pair(*loop, {}, at);
    EXPECT_TRUE(pair->client.stream->is_open());
    EXPECT_FALSE(pair->client.stream->is_tls());
    EXPECT_EQ(pair->client.stream->local_address(), pair->server.stream->peer_address());
    EXPECT_EQ(pair->client.stream->peer_address(), pair->server.stream->local_address());
    ASSERT_EQ(pair->client.stream->write(as_bytes("hello")).bytes, 5U);
    EXPECT_TRUE(run_until(*loop, [&] { return pair->server.got == "hello"; }));

    const std::string a = "gather ";
    const std::string b = "and scatter";
    const iovec pieces[] = {
        {const_cast<char*>(a.data()), a.size()}, {nullptr, 0}, {const_cast<char*>(b.data()), b.size()}};
    ASSERT_EQ(pair->server.stream->writev(pieces).bytes, a.size() + b.size());
    EXPECT_TRUE(run_until(*loop, [&] { return pair->client.got == a + b; }));
    EXPECT_EQ(pair->server.opens, 0) << "an accepted stream was open from birth";

    pair->client.stream->shutdown_write();
    EXPECT_TRUE(run_until(*loop, [&] { return pair->server.eof; }));
    EXPECT_TRUE(pair->server.stream->write(as_bytes("still")).ok()) << "the other way stays open";
    EXPECT_TRUE(run_until(*loop, [&] { return pair->client.got == a + b + "still"; }));
    std::array<uint8_t, 8> room;
    EXPECT_EQ(pair->server.stream->read(room).state, IoState::eof);
    EXPECT_TRUE(pair->client.stream->read(room).would_block());
  }
}

TEST(Tcp, AMegabyteThroughASmallBufferByWriteInterest) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop, {.send_buffer_bytes = 16 << 10, .receive_buffer_bytes = 16 << 10});
  const std::string all = pattern(1 << 20);
  size_t sent = 0;
  pair->client.on_write = [&] {
    const IoResult result = pair->client.stream->write(as_bytes(all).subspan(sent));
    EXPECT_NE(result.state, IoState::failed);
    sent += result.bytes;
    if (sent == all.size()) pair->client.stream->set_write_interest(false);
  };
  pair->client.stream->set_write_interest(true);
  EXPECT_TRUE(run_until(*loop, [&] { return pair->server.got.size() >= all.size(); }));
  EXPECT_TRUE(pair->server.got == all);
  EXPECT_GT(pair->client.writables, 1);
  const int writables = pair->client.writables;
  loop->run_once(0ms);
  EXPECT_EQ(pair->client.writables, writables) << "no interest, no call";
}

TEST(Tcp, ReadInterestOffStopsTheCalls) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop);
  pair->server.stream->set_read_interest(false);
  ASSERT_TRUE(pair->client.stream->write(as_bytes("x")).ok());
  EXPECT_TRUE(run_until(*loop, [&] { return pair->client.stream->unsent_bytes() == 0; }));
  loop->run_once(0ms);
  EXPECT_EQ(pair->server.readables, 0);
  pair->server.stream->set_read_interest(true);
  EXPECT_TRUE(run_until(*loop, [&] { return pair->server.got == "x"; }));
}

TEST(Tcp, OptionsReachTheSocket) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop, {.send_buffer_bytes = 40000,
                                    .notsent_lowat_bytes = 12345,
                                    .dscp = 34,
                                    .keep_alive = 30s,
                                    .user_timeout = 7500ms});
  for (const Stream* stream : {pair->client.stream.get(), pair->server.stream.get()}) {
    const int fd = stream->fd();
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_SNDBUF), 80000);
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 12345);
    EXPECT_EQ(option(fd, IPPROTO_IP, IP_TOS) & 0xFC, 34 << 2);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 7500);
  }
  ASSERT_TRUE(pair->client.stream->set_options({.no_delay = false}));
  EXPECT_EQ(option(pair->client.stream->fd(), IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_EQ(pair->client.stream->set_options({.dscp = 64}).error().code, Code::invalid_argument);

  auto six = make_tcp_pair(*loop, {.dscp = 46}, SocketAddress::loopback_v6(0));
  EXPECT_EQ(option(six->client.stream->fd(), IPPROTO_IPV6, IPV6_TCLASS) & 0xFC, 46 << 2);
}

TEST(Tcp, UnsentBytesCountWhatThePeerHasNotTaken) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop, {.send_buffer_bytes = 32 << 10, .receive_buffer_bytes = 8 << 10});
  pair->server.stream->set_read_interest(false);
  const size_t taken = fill(*loop, *pair->client.stream);
  EXPECT_GT(taken, 8U << 10);
  const size_t unsent = pair->client.stream->unsent_bytes();
  EXPECT_GT(unsent, 0U);
  EXPECT_LE(unsent, taken);
  pair->server.stream->set_read_interest(true);
  EXPECT_TRUE(run_until(*loop, [&] { return pair->server.got.size() == taken; }));
  EXPECT_TRUE(run_until(*loop, [&] { return pair->client.stream->unsent_bytes() == 0; }));
}

TEST(Tcp, NotsentLowatKeepsTheKernelsQueueShort) {
  auto loop = make_loop();
  const auto queued = [&](int lowat) {
    auto pair = make_tcp_pair(*loop, {.receive_buffer_bytes = 8 << 10, .notsent_lowat_bytes = lowat});
    pair->server.stream->set_read_interest(false);
    size_t total = 0;
    const std::string chunk = pattern(4 << 10);
    pair->client.on_write = [&] {
      const IoResult result = pair->client.stream->write(as_bytes(chunk));
      total += result.bytes;
    };
    pair->client.stream->set_write_interest(true);
    for (int idle = 0; idle < 3;) {  // until three wake-ups in a row find nothing writable
      const int before = pair->client.writables;
      loop->run_once(1ms);
      idle = pair->client.writables == before ? idle + 1 : 0;
    }
    return total;
  };
  const size_t with = queued(8 << 10);
  const size_t without = queued(0);
  EXPECT_LT(with, 200U << 10);
  EXPECT_GT(without, 2 * with);
}

TEST(Tcp, ResetCloseThrowsAwayWhatTheKernelHeld) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop, {.receive_buffer_bytes = 8 << 10});
  pair->server.stream->set_read_interest(false);
  const size_t taken = fill(*loop, *pair->client.stream);
  const size_t unsent = pair->client.stream->unsent_bytes();
  ASSERT_GT(unsent, 0U);
  pair->client.stream->reset_close();
  EXPECT_FALSE(pair->client.stream->is_open());
  EXPECT_EQ(pair->client.stream->fd(), -1);
  pair->server.stream->set_read_interest(true);
  EXPECT_TRUE(run_until(*loop, [&] { return pair->server.read_failed; }));
  EXPECT_EQ(pair->server.stream->error().code, Code::connection_lost);
  EXPECT_NE(pair->server.stream->error().what.find(std::strerror(ECONNRESET)), std::string::npos);
  EXPECT_LT(pair->server.got.size(), taken) << "what waited in the sender's kernel never arrives";
  EXPECT_FALSE(pair->server.eof);
  EXPECT_EQ(pair->client.stream->write(as_bytes("x")).state, IoState::failed);
  pair->client.stream->close();
  EXPECT_EQ(pair->client.readables, 0) << "no callback after closing";
}

TEST(Tcp, OrderlyCloseDeliversEverythingThoughInputWasLeftUnread) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop, {.send_buffer_bytes = 32 << 10, .receive_buffer_bytes = 32 << 10});
  pair->server.stream->set_read_interest(false);
  pair->client.stream->set_read_interest(false);
  ASSERT_TRUE(pair->server.stream->write(as_bytes("never read")).ok());
  EXPECT_TRUE(run_until(*loop, [&] { return pair->server.stream->unsent_bytes() == 0; }));
  const size_t taken = fill(*loop, *pair->client.stream);
  pair->client.stream->close();
  pair->server.stream->set_read_interest(true);
  EXPECT_TRUE(run_until(*loop, [&] { return pair->server.eof || pair->server.read_failed; }));
  EXPECT_TRUE(pair->server.eof) << "a reset would have destroyed the last bytes";
  EXPECT_EQ(pair->server.got.size(), taken);
}

TEST(Tcp, ABreakIsToldOnceWhenNobodyReadsOrWrites) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop);
  pair->server.stream->set_read_interest(false);
  pair->client.stream->reset_close();
  EXPECT_TRUE(run_until(*loop, [&] { return pair->server.failure.has_value(); }));
  EXPECT_EQ(pair->server.failure->code, Code::connection_lost);
  EXPECT_EQ(pair->server.readables, 0);
  pair->server.failure.reset();
  loop->run_once(0ms);
  EXPECT_FALSE(pair->server.failure) << "only once";
}

TEST(Tcp, AHandlerMayDestroyItsStreamInAnyCallback) {
  auto loop = make_loop();
  auto pair = make_tcp_pair(*loop);
  pair->server.on_read = [&] { pair->server.stream.reset(); };
  pair->server.stream->set_write_interest(true);
  bool wrote_after_death = false;
  pair->server.on_write = [&] { wrote_after_death = wrote_after_death || !pair->server.stream; };
  ASSERT_TRUE(pair->client.stream->write(as_bytes("die")).ok());
  EXPECT_TRUE(run_until(*loop, [&] { return !pair->server.stream; }));
  EXPECT_FALSE(wrote_after_death);
  EXPECT_TRUE(run_until(*loop, [&] { return pair->client.eof; }));

  pair = make_tcp_pair(*loop);
  pair->server.on_write = [&] { pair->server.stream.reset(); };
  pair->server.stream->set_write_interest(true);
  EXPECT_TRUE(run_until(*loop, [&] { return !pair->server.stream; }));
}

TEST(Tcp, ConnectingToNobodyFailsInWords) {
  auto loop = make_loop();
  AcceptRecorder nobody;
  SocketAddress closed;
  {
    auto listener = TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0)}, nobody);
    ASSERT_TRUE(listener);
    closed = (*listener)->local_address();
  }
  Recorder client;
  auto stream = connect_tcp(*loop, closed, {}, client);
  if (!stream) {
    client.failure = stream.error();  // loopback may refuse at once
  } else {
    client.stream = std::move(*stream);
    std::array<uint8_t, 4> room;
    EXPECT_TRUE(client.stream->read(room).would_block());
    EXPECT_TRUE(client.stream->write(as_bytes("x")).would_block());
    EXPECT_TRUE(run_until(*loop, [&] { return client.failure.has_value(); }));
  }
  EXPECT_EQ(client.failure->code, Code::connect_failed);
  EXPECT_EQ(client.failure->where, closed.text());
  EXPECT_EQ(client.opens, 0);
  EXPECT_FALSE(connect_tcp(*loop, SocketAddress(), {}, client));
  EXPECT_FALSE(connect_tcp(*loop, SocketAddress::loopback_v4(0), {}, client));
}

TEST(Tcp, ConnectingTimesOutByTheLoopsClock) {
  ManualClock clock;
  auto loop = make_loop(&clock);
  AcceptRecorder unused;
  // A backlog of nothing, filled: further connections get no answer and stay connecting.
  auto listener = TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0), .backlog = 0}, unused);
  ASSERT_TRUE(listener);
  (*listener)->set_accepting(false);
  std::vector<std::unique_ptr<Recorder>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Recorder>());
    auto stream = connect_tcp(*loop, (*listener)->local_address(), {.timeout = 3s}, *clients.back());
    ASSERT_TRUE(stream);
    clients.back()->stream = std::move(*stream);
  }
  Recorder& last = *clients.back();
  for (int i = 0; i < 5; ++i) loop->run_once(1ms);
  ASSERT_EQ(last.opens, 0);
  clock.advance(3s - 1ns);
  loop->run_once(0ms);
  EXPECT_FALSE(last.failure);
  clock.advance(1ns);
  loop->run_once(0ms);
  ASSERT_TRUE(last.failure);
  EXPECT_EQ(last.failure->code, Code::timed_out);
  EXPECT_NE(last.failure->what.find("3000 ms"), std::string::npos);
  EXPECT_FALSE(clients.front()->failure) << "the first one had connected";
}

TEST(Listener, TakesManyAndNamesItsPeers) {
  auto loop = make_loop();
  AcceptRecorder accepted;
  auto listener =
      TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0), .max_accepts_per_wakeup = 3}, accepted);
  ASSERT_TRUE(listener);
  std::vector<std::unique_ptr<Recorder>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<Recorder>());
    auto stream = connect_tcp(*loop, (*listener)->local_address(), {}, *clients.back());
    ASSERT_TRUE(stream);
    clients.back()->stream = std::move(*stream);
  }
  EXPECT_TRUE(run_until(*loop, [&] { return accepted.connections.size() == 10; }));
  EXPECT_EQ((*listener)->accepted().value(), 10U);
  for (const auto& [fd, peer] : accepted.connections) {
    EXPECT_TRUE(peer.is_loopback());
    EXPECT_NE(peer.port(), 0);
  }
}

TEST(Listener, DualStackShowsPlainIpv4Peers) {
  auto loop = make_loop();
  AcceptRecorder accepted;
  auto listener = TcpListener::listen(*loop, {.address = SocketAddress::any_v6(0), .v6_only = false}, accepted);
  ASSERT_TRUE(listener) << listener.error().text();
  Recorder client;
  auto stream = connect_tcp(*loop, SocketAddress::loopback_v4((*listener)->local_address().port()), {}, client);
  ASSERT_TRUE(stream);
  client.stream = std::move(*stream);
  EXPECT_TRUE(run_until(*loop, [&] { return !accepted.connections.empty(); }));
  EXPECT_TRUE(accepted.connections[0].second.is_v4());
}

TEST(Listener, V6OnlyLeavesThePortToIpv4) {
  auto loop = make_loop();
  AcceptRecorder accepted;
  auto six = TcpListener::listen(*loop, {.address = SocketAddress::any_v6(0)}, accepted);
  ASSERT_TRUE(six);
  EXPECT_TRUE(TcpListener::listen(*loop, {.address = SocketAddress::any_v4((*six)->local_address().port())}, accepted));
}

TEST(Listener, AnAddressInUseOrOfNobodyIsRefusedInWords) {
  auto loop = make_loop();
  AcceptRecorder accepted;
  auto first = TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0)}, accepted);
  ASSERT_TRUE(first);
  const auto second = TcpListener::listen(*loop, {.address = (*first)->local_address()}, accepted);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::bind_failed);
  EXPECT_EQ(second.error().where, (*first)->local_address().text());
  EXPECT_FALSE(TcpListener::listen(*loop, {}, accepted));
  const auto unknown =
      TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0), .interface = "nosuch0"}, accepted);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::not_found) << unknown.error().text();
}

TEST(Listener, BoundToLoopbackTheInterfaceItStillTakesLocalViewers) {
  auto loop = make_loop();
  AcceptRecorder accepted;
  auto listener = TcpListener::listen(*loop, {.address = SocketAddress::any_v4(0), .interface = "lo"}, accepted);
  if (!listener && listener.error().what.find(std::strerror(EPERM)) != std::string::npos) {
    GTEST_SKIP() << "this kernel lets only root bind to an interface";
  }
  ASSERT_TRUE(listener) << listener.error().text();
  Recorder client;
  auto stream =
      connect_tcp(*loop, SocketAddress::loopback_v4((*listener)->local_address().port()), {.interface = "lo"}, client);
  ASSERT_TRUE(stream);
  client.stream = std::move(*stream);
  EXPECT_TRUE(run_until(*loop, [&] { return accepted.connections.size() == 1; }));
}

TEST(Listener, MayBeDestroyedByItsHandler) {
  auto loop = make_loop();
  AcceptRecorder accepted;
  auto made = TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0)}, accepted);
  ASSERT_TRUE(made);
  std::unique_ptr<TcpListener> listener = std::move(*made);
  int calls = 0;
  accepted.on_connection = [&](Fd, const SocketAddress&) {
    ++calls;
    listener.reset();
  };
  std::array<Recorder, 3> clients;
  const SocketAddress to = listener->local_address();
  for (Recorder& client : clients) {
    auto stream = connect_tcp(*loop, to, {}, client);
    ASSERT_TRUE(stream);
    client.stream = std::move(*stream);
  }
  EXPECT_TRUE(run_until(*loop, [&] { return !listener; }));
  loop->run_once(0ms);
  EXPECT_EQ(calls, 1);
}

// The body of the child of the next test: exits with the number of the first check that failed.
int accept_without_descriptors() {
  ManualClock clock;
  auto loop = make_loop(&clock);
  AcceptRecorder accepted;
  auto listener = TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0)}, accepted);
  Recorder client;
  auto stream = connect_tcp(*loop, (*listener)->local_address(), {}, client);
  if (!stream) return 1;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const Fd highest(open("/dev/null", O_RDONLY | O_CLOEXEC));
  limit.rlim_cur = static_cast<rlim_t>(highest.get()) + 1;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (!run_until(*loop, [&] { return !accepted.pauses.empty(); })) return 2;
  if (accepted.pauses[0].what.find(std::strerror(EMFILE)) == std::string::npos) return 3;
  const uint64_t callbacks = loop->stats().callbacks.value();
  for (int i = 0; i < 50; ++i) loop->run_once(0ms);
  if (loop->stats().callbacks.value() > callbacks + 2) return 4;  // it spins
  if ((*listener)->pauses().value() != 1) return 5;
  limit.rlim_cur += 10;
  setrlimit(RLIMIT_NOFILE, &limit);
  clock.advance(100ms);
  if (!run_until(*loop, [&] { return accepted.connections.size() == 1; })) return 6;
  return 0;
}

TEST(Listener, OutOfDescriptorsItPausesInsteadOfSpinning) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(accept_without_descriptors());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
}

}  // namespace
}  // namespace vigie::net
