#include "net/tls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support.h"
#include "test_certificates.h"

namespace vigie::net {
namespace {

struct Server : AcceptHandler {
  EventLoop& loop;
  Ref<TlsServerContext> context;
  std::unique_ptr<TcpListener> listener;
  std::vector<std::unique_ptr<Recorder>> sessions;
  StreamOptions options;

  Server(EventLoop& its_loop, Ref<TlsServerContext> its_context, const SocketAddress& at)
      : loop(its_loop), context(std::move(its_context)) {
    auto made = TcpListener::listen(loop, {.address = at}, *this);
    EXPECT_TRUE(made);
    listener = std::move(*made);
  }
  void on_accept(Fd connection, const SocketAddress& peer) override {
    sessions.push_back(std::make_unique<Recorder>());
    auto stream = accept_tls(loop, std::move(connection), peer, options, context, *sessions.back());
    ASSERT_TRUE(stream) << stream.error().text();
    sessions.back()->stream = std::move(*stream);
  }
  void on_accept_paused(const Error& error) override { FAIL() << error.text(); }
  SocketAddress address() const { return listener->local_address(); }
};

// Authorities and certificates, made once for all tests.
class Tls : public testing::Test {
 protected:
  static void SetUpTestSuite() { files_ = new TestCertificates(); }
  static void TearDownTestSuite() {
    delete files_;
    files_ = nullptr;
  }

  Ref<TlsServerContext> server_context(const std::string& name, HelperPool* helpers = nullptr) {
    auto made = TlsServerContext::make({files_->certificate(name), files_->key(name), helpers});
    EXPECT_TRUE(made) << made.error().text();
    return *made;
  }
  Ref<TlsClientContext> client_context(const std::string& ca, HelperPool* helpers = nullptr) {
    auto made = TlsClientContext::make({.ca_file = files_->certificate(ca), .helpers = helpers});
    EXPECT_TRUE(made) << made.error().text();
    return *made;
  }
  void connect(Recorder& client, const SocketAddress& to, const std::string& host, Ref<TlsClientContext> context,
               const ConnectOptions& options = {}) {
    auto stream = connect_tls(*loop_, to, host, options, std::move(context), client);
    ASSERT_TRUE(stream) << stream.error().text();
    client.stream = std::move(*stream);
  }

  static TestCertificates* files_;
  std::unique_ptr<EventLoop> loop_ = make_loop();
};
TestCertificates* Tls::files_ = nullptr;

TEST_F(Tls, RoundTripInlineAndOnHelpersByNameAndByAddress) {
  struct Row {
    bool helpers;
    const char* host;
    SocketAddress at;
  };
  const Row rows[] = {
      {false, "camera.test", SocketAddress::loopback_v4(0)},
      {true, "camera.test", SocketAddress::loopback_v4(0)},
      {false, "127.0.0.1", SocketAddress::loopback_v4(0)},
      {true, "::1", SocketAddress::loopback_v6(0)},
  };
  for (const Row& row : rows) {
    HelperPool helpers({.name = "tls", .threads = 2});
    HelperPool* used = row.helpers ? &helpers : nullptr;
    Server server(*loop_, server_context("good", used), row.at);
    Recorder client;
    connect(client, server.address(), row.host, client_context("ca", used));
    std::array<uint8_t, 4> room;
    EXPECT_TRUE(client.stream->read(room).would_block());
    EXPECT_TRUE(client.stream->write(as_bytes("early")).would_block());
    ASSERT_TRUE(run_until(*loop_, [&] { return client.opens == 1 || client.failure; }));
    ASSERT_FALSE(client.failure) << client.failure->text();
    EXPECT_TRUE(client.stream->is_tls());
    ASSERT_EQ(client.stream->write(as_bytes("question")).bytes, 8U);
    ASSERT_TRUE(run_until(*loop_, [&] { return !server.sessions.empty() && server.sessions[0]->got == "question"; }));
    Recorder& session = *server.sessions[0];
    EXPECT_EQ(session.opens, 1);
    const std::string a = "an ";
    const std::string b = "answer";
    const iovec pieces[] = {{const_cast<char*>(a.data()), a.size()}, {nullptr, 0}, {const_cast<char*>(b.data()), 6}};
    ASSERT_EQ(session.stream->writev(pieces).bytes, 9U);
    ASSERT_TRUE(run_until(*loop_, [&] { return client.got == "an answer"; }));
    client.stream->shutdown_write();
    ASSERT_TRUE(run_until(*loop_, [&] { return session.eof; }));
    session.stream->close();
    ASSERT_TRUE(run_until(*loop_, [&] { return client.eof; }));
  }
}

TEST_F(Tls, RefusesWhatItCannotTrustAndSaysWhy) {
  struct Row {
    const char* certificate;
    const char* authority;
    const char* host;
    const char* words;
  };
  const Row rows[] = {
      {"good", "other_ca", "camera.test", "authority that is not trusted"},
      {"good", "ca", "elsewhere.test", "not for \"elsewhere.test\"; it names DNS camera.test, IP 127.0.0.1, IP ::1"},
      {"good", "ca", "127.0.0.2", "not for \"127.0.0.2\""},
      {"good", "ca", "amera.test", "not for"},
      {"expired", "ca", "camera.test", "expired on "},
      {"future", "ca", "camera.test", "valid only from "},
      {"self_signed", "ca", "camera.test", "signed by itself"},
      {"nameless", "ca", "camera.test", "names no host at all"},
  };
  for (const bool on_helpers : {false, true}) {
    HelperPool helpers({.name = "tls"});
    for (const Row& row : rows) {
      Server server(*loop_, server_context(row.certificate), SocketAddress::loopback_v4(0));
      Recorder client;
      connect(client, server.address(), row.host, client_context(row.authority, on_helpers ? &helpers : nullptr));
      ASSERT_TRUE(run_until(*loop_, [&] { return client.failure || client.opens > 0; }));
      ASSERT_TRUE(client.failure) << row.certificate << " was accepted for " << row.host;
      EXPECT_EQ(client.failure->code, Code::tls_failed);
      EXPECT_EQ(client.failure->where, server.address().text());
      EXPECT_NE(client.failure->what.find(row.words), std::string::npos) << client.failure->what;
      ASSERT_TRUE(run_until(*loop_, [&] { return !server.sessions.empty() && server.sessions[0]->failure; }));
      EXPECT_NE(server.sessions[0]->failure->what.find("alert"), std::string::npos)
          << "the alert tells the server why: " << server.sessions[0]->failure->what;
    }
  }
}

TEST_F(Tls, ChecksCanBeSwitchedOffOneByOne) {
  auto any_name = TlsClientContext::make({.ca_file = files_->certificate("ca"), .verify_host = false});
  auto anything = TlsClientContext::make({.verify_peer = false});
  ASSERT_TRUE(any_name && anything);
  struct Row {
    Ref<TlsClientContext> context;
    const char* certificate;
    bool opens;
  };
  const Row rows[] = {{*any_name, "good", true},
                      {*any_name, "self_signed", false},
                      {*any_name, "expired", false},
                      {*anything, "self_signed", true},
                      {*anything, "expired", true}};
  for (const Row& row : rows) {
    Server server(*loop_, server_context(row.certificate), SocketAddress::loopback_v4(0));
    Recorder client;
    connect(client, server.address(), "another.name", row.context);
    ASSERT_TRUE(run_until(*loop_, [&] { return client.failure || client.opens > 0; }));
    EXPECT_EQ(client.opens == 1, row.opens) << row.certificate;
  }
}

TEST_F(Tls, ManyBytesThroughSmallBuffersWithSmallReads) {
  HelperPool helpers({.name = "tls"});
  Server server(*loop_, server_context("good", &helpers), SocketAddress::loopback_v4(0));
  server.options = {.send_buffer_bytes = 16 << 10, .receive_buffer_bytes = 16 << 10};
  Recorder client;
  client.read_size = 1000;  // OpenSSL holds more than one read takes: nobody may wait for epoll to say so
  connect(client, server.address(), "camera.test", client_context("ca", &helpers),
          {.stream = {.receive_buffer_bytes = 16 << 10}});
  ASSERT_TRUE(run_until(*loop_, [&] { return client.opens == 1 && server.sessions[0]->opens == 1; }));
  Recorder& session = *server.sessions[0];
  const std::string all = pattern(700001);
  size_t sent = 0;
  bool was_full = false;
  session.on_write = [&] {
    const ByteSpan rest = as_bytes(all).subspan(sent);
    const IoResult result = session.stream->write(rest);
    ASSERT_NE(result.state, IoState::failed) << session.stream->error().text();
    sent += result.bytes;
    was_full = was_full || result.bytes < rest.size();
    if (sent == all.size()) session.stream->set_write_interest(false);
  };
  session.stream->set_write_interest(true);
  ASSERT_TRUE(run_until(*loop_, [&] { return client.got.size() >= all.size(); }));
  EXPECT_TRUE(client.got == all);
  EXPECT_TRUE(was_full);
  EXPECT_TRUE(run_until(*loop_, [&] { return session.stream->unsent_bytes() == 0; }));
}

TEST_F(Tls, BufferedBytesAreToldAgainAfterReadingWasPaused) {
  Server server(*loop_, server_context("good"), SocketAddress::loopback_v4(0));
  Recorder client;
  client.read_size = 10;
  connect(client, server.address(), "camera.test", client_context("ca"));
  ASSERT_TRUE(run_until(*loop_, [&] { return client.opens == 1 && server.sessions[0]->opens == 1; }));
  client.on_read = [&] {
    client.read_once();
    client.stream->set_read_interest(false);
  };
  ASSERT_TRUE(server.sessions[0]->stream->write(as_bytes(pattern(100))).ok());
  ASSERT_TRUE(run_until(*loop_, [&] { return client.got.size() == 10; }));
  for (int i = 0; i < 5; ++i) loop_->run_once(0ms);
  EXPECT_EQ(client.got.size(), 10U) << "paused is paused";
  client.on_read = nullptr;
  client.stream->set_read_interest(true);
  EXPECT_TRUE(run_until(*loop_, [&] { return client.got == pattern(100); }));
}

TEST_F(Tls, UnsentBytesCountWhatTlsHoldsAndAResetThrowsItAway) {
  Server server(*loop_, server_context("good"), SocketAddress::loopback_v4(0));
  server.options = {.send_buffer_bytes = 8 << 10};
  Recorder client;
  connect(client, server.address(), "camera.test", client_context("ca"), {.stream = {.receive_buffer_bytes = 8 << 10}});
  ASSERT_TRUE(run_until(*loop_, [&] { return client.opens == 1 && server.sessions[0]->opens == 1; }));
  client.stream->set_read_interest(false);
  Stream& stream = *server.sessions[0]->stream;
  const std::string chunk = pattern(100000);
  size_t taken = 0;
  for (int refusals = 0; refusals < 3;) {
    const IoResult result = stream.write(as_bytes(chunk));
    ASSERT_NE(result.state, IoState::failed);
    taken += result.bytes;
    if (!result.ok()) ++refusals;
    loop_->run_once(0ms);
  }
  EXPECT_GT(stream.unsent_bytes(), 0U);
  EXPECT_LE(stream.unsent_bytes(), taken + taken / 10);
  stream.reset_close();
  client.stream->set_read_interest(true);
  ASSERT_TRUE(run_until(*loop_, [&] { return client.read_failed || client.eof; }));
  EXPECT_TRUE(client.read_failed);
  EXPECT_LT(client.got.size(), taken);
}

TEST_F(Tls, PeersThatDoNotSpeakTlsCostOnlyThemselves) {
  HelperPool helpers({.name = "tls"});
  Server server(*loop_, server_context("good", &helpers), SocketAddress::loopback_v4(0));
  Recorder rubbish;
  auto stream = connect_tcp(*loop_, server.address(), {}, rubbish);
  ASSERT_TRUE(stream);
  rubbish.stream = std::move(*stream);
  rubbish.on_open = [&] { (void)rubbish.stream->write(as_bytes("OPTIONS rtsp://x RTSP/1.0\r\nCSeq: 1\r\n\r\n")); };
  ASSERT_TRUE(run_until(*loop_, [&] { return !server.sessions.empty() && server.sessions[0]->failure; }));
  EXPECT_EQ(server.sessions[0]->failure->code, Code::tls_failed);
  EXPECT_NE(server.sessions[0]->failure->what.find("does not speak TLS"), std::string::npos)
      << server.sessions[0]->failure->what;

  Recorder hasty;  // hangs up in the middle of the handshake
  stream = connect_tcp(*loop_, server.address(), {}, hasty);
  ASSERT_TRUE(stream);
  hasty.stream = std::move(*stream);
  hasty.on_open = [&] { hasty.stream->close(); };
  ASSERT_TRUE(run_until(*loop_, [&] { return server.sessions.size() == 2 && server.sessions[1]->failure; }));
  EXPECT_NE(server.sessions[1]->failure->what.find("closed the connection during the handshake"), std::string::npos)
      << server.sessions[1]->failure->what;

  Recorder good;
  connect(good, server.address(), "camera.test", client_context("ca"));
  EXPECT_TRUE(run_until(*loop_, [&] { return good.opens == 1; }));
}

TEST_F(Tls, ASilentPeerTimesOutByTheLoopsClock) {
  ManualClock clock;
  auto loop = make_loop(&clock);
  AcceptRecorder silent;
  auto listener = TcpListener::listen(*loop, {.address = SocketAddress::loopback_v4(0)}, silent);
  ASSERT_TRUE(listener);
  HelperPool helpers({.name = "tls"});
  Recorder client;
  auto stream = connect_tls(*loop, (*listener)->local_address(), "camera.test", {.timeout = 3s},
                            client_context("ca", &helpers), client);
  ASSERT_TRUE(stream);
  client.stream = std::move(*stream);
  ASSERT_TRUE(run_until(*loop, [&] { return !silent.connections.empty(); }));
  std::array<char, 3> hello{};
  ASSERT_TRUE(run_until(*loop, [&] { return recv(silent.connections[0].first.get(), hello.data(), 3, 0) > 0; }));
  EXPECT_EQ(hello[0], 22) << "a TLS handshake record";
  clock.advance(3s);
  ASSERT_TRUE(run_until(*loop, [&] { return client.failure.has_value(); }));
  EXPECT_EQ(client.failure->code, Code::timed_out);
}

TEST_F(Tls, StreamsMayDieAtAnyStepWhileHelpersWork) {
  HelperPool helpers({.name = "tls", .threads = 2});
  Server server(*loop_, server_context("good", &helpers), SocketAddress::loopback_v4(0));
  const Ref<TlsClientContext> context = client_context("ca", &helpers);
  for (int wakeups = 0; wakeups < 12; ++wakeups) {
    Recorder client;
    connect(client, server.address(), "camera.test", context);
    for (int i = 0; i < wakeups; ++i) loop_->run_once(1ms);
    wakeups % 2 == 0 ? client.stream.reset() : client.stream->reset_close();
  }
  server.sessions.clear();
  Recorder good;
  connect(good, server.address(), "camera.test", context);
  EXPECT_TRUE(run_until(*loop_, [&] { return good.opens == 1; }));
}

TEST_F(Tls, AFullHelperQueueRefusesTheHandshake) {
  HelperPool none({.name = "tls", .threads = 1, .queue_limit = 0});
  Server server(*loop_, server_context("good", &none), SocketAddress::loopback_v4(0));
  Recorder client;
  connect(client, server.address(), "camera.test", client_context("ca"));
  ASSERT_TRUE(run_until(*loop_, [&] { return !server.sessions.empty() && server.sessions[0]->failure; }));
  EXPECT_EQ(server.sessions[0]->failure->code, Code::limit_exceeded);
  ASSERT_TRUE(run_until(*loop_, [&] { return client.failure.has_value(); }));
}

TEST_F(Tls, ReloadServesTheNewCertificateAndKeepsTheOldOneOnErrors) {
  const std::string certificate = files_->path("reload.crt");
  const std::string key = files_->path("reload.key");
  files_->copy(files_->certificate("expired"), certificate);
  files_->copy(files_->key("expired"), key);
  auto context = TlsServerContext::make({certificate, key, nullptr});
  ASSERT_TRUE(context) << context.error().text();
  Server server(*loop_, *context, SocketAddress::loopback_v4(0));
  const auto opens = [&] {
    Recorder client;
    connect(client, server.address(), "camera.test", client_context("ca"));
    EXPECT_TRUE(run_until(*loop_, [&] { return client.opens == 1 || client.failure; }));
    return client.opens == 1;
  };
  EXPECT_FALSE(opens());
  files_->copy(files_->certificate("good"), certificate);
  const Status mismatch = (*context)->reload();
  ASSERT_FALSE(mismatch) << "the key is still the old one";
  EXPECT_NE(mismatch.error().what.find("does not belong"), std::string::npos) << mismatch.error().what;
  EXPECT_FALSE(opens());
  files_->copy(files_->key("good"), key);
  ASSERT_TRUE((*context)->reload());
  EXPECT_TRUE(opens());
}

TEST_F(Tls, WrongFilesAreRefusedByName) {
  const std::string certificate = files_->certificate("good");
  const std::string key = files_->key("good");
  struct Row {
    std::string certificate_file;
    std::string key_file;
    std::string where;
    const char* words;
  };
  const Row rows[] = {
      {"/nonexistent/a.crt", key, "/nonexistent/a.crt", "No such file"},
      {certificate, "/nonexistent/a.key", "/nonexistent/a.key", "No such file"},
      {key, key, key, "not a PEM certificate"},
      {certificate, certificate, certificate, "not a PEM private key"},
      {certificate, files_->key("expired"), files_->key("expired"), "does not belong"},
      {certificate, files_->key("locked"), files_->key("locked"), "without passphrase"},
  };
  for (const Row& row : rows) {
    const auto context = TlsServerContext::make({row.certificate_file, row.key_file, nullptr});
    ASSERT_FALSE(context);
    EXPECT_EQ(context.error().code, Code::tls_failed);
    EXPECT_EQ(context.error().where, row.where);
    EXPECT_NE(context.error().what.find(row.words), std::string::npos) << context.error().what;
  }
  EXPECT_EQ(TlsClientContext::make({.ca_file = "/nonexistent/ca"}).error().where, "/nonexistent/ca");
  EXPECT_NE(TlsClientContext::make({.ca_file = key}).error().what.find("not a PEM"), std::string::npos);
  EXPECT_TRUE(TlsClientContext::make({})) << "the system's store";
}

}  // namespace
}  // namespace vigie::net
