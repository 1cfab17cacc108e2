// Clients that never read, flood, stop half-way or send rubbish cost only themselves.
#include <sys/resource.h>

#include "sink_support.h"

namespace vigie::sink {
namespace {

class Hostile : public SinkTest {
 protected:
  // An honest viewer must receive what is published while `attack` goes on.
  void with_witness(const std::function<void()>& attack) {
    publish(1);
    Client witness = client();
    ASSERT_EQ(witness.play_tcp(url("/cam"))->status, 200);
    attack();
    publish(20);
    turn(20);
    ASSERT_TRUE(witness.receive());
    UnitReader reader;
    reader.read(witness);
    EXPECT_EQ(reader.units.size(), published_);
    EXPECT_EQ(reader.lost, 0u);
    EXPECT_EQ(witness.request("GET_PARAMETER", url("/cam"))->status, 200);
  }
  // Sends and waits until the server has had enough.
  bool is_cut(Client& attacker, const std::string& text) {
    attacker.send(text);
    return until([&] {
      attacker.receive();
      return attacker.ended();
    });
  }
};

TEST_F(Hostile, Rubbish) {
  open_server();
  with_witness([&] {
    std::string noise(4000, '\0');
    for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * 131 + 17);
    for (const std::string& text : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(200, '\n') + "x\r\n",
                                    noise, std::string("\x16\x03\x01\x02\x00\x01\x00", 7) + noise}) {
      Client attacker = client();
      EXPECT_TRUE(is_cut(attacker, text)) << text.substr(0, 10);
    }
  });
}

TEST_F(Hostile, EndlessHeader) {
  open_server();
  with_witness([&] {
    Client attacker = client();
    attacker.send("DESCRIBE " + url("/cam") + " RTSP/1.0\r\nCSeq: 1\r\nX: ");
    EXPECT_TRUE(is_cut(attacker, std::string(100'000, 'a')));
    Client body = client();
    EXPECT_TRUE(is_cut(body, "SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4294967295\r\n\r\n"));
    Client frames = client();
    std::string frame = std::string("$\x05\xff\xff", 4) + std::string(65535, 'x');
    std::string flood;
    for (int i = 0; i < 40; ++i) flood += frame;
    EXPECT_TRUE(is_cut(frames, flood)) << "bytes without end";
  });
}

TEST_F(Hostile, FloodOfRequests) {
  open_server();
  with_witness([&] {
    Client attacker = client();
    std::string flood;
    for (int i = 0; i < 3000; ++i) flood += "OPTIONS * RTSP/1.0\r\nCSeq: " + std::to_string(i) + "\r\n\r\n";
    EXPECT_TRUE(is_cut(attacker, flood));
  });
}

TEST_F(Hostile, HalfHeaders) {
  open_server();
  with_witness([&] {
    std::vector<std::unique_ptr<Client>> halves;
    for (int i = 0; i < 50; ++i) {
      halves.push_back(std::make_unique<Client>([this] { turn(1); }, address_));
      halves.back()->send("DESCRIBE rtsp://x/y RTSP/1.0\r\nCS");
    }
    turn(60);
    EXPECT_EQ(server_->counters().half_open, 50u);
    pass(11s);
    EXPECT_EQ(server_->counters().half_open, 0u);
    EXPECT_EQ(server_->counters().connections_open, 1u);
  });
}

TEST_F(Hostile, FloodWhileAnAnswerIsAwaited) {
  open_server();
  auto other = add_stream("/other", "other");
  provider_.streams["/other"].late = true;
  with_witness([&] {
    Client attacker = client();
    attacker.send("DESCRIBE " + url("/other") + " RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    ASSERT_TRUE(until([&] { return provider_.pending.size() == 1; }));
    for (int i = 0; i < 400; ++i)
      attacker.send("OPTIONS * RTSP/1.0\r\nCSeq: 2\r\nX: " + std::string(200, 'y') + "\r\n\r\n");
    turn(50);
    provider_.answer_late();
    EXPECT_TRUE(until([&] {
      attacker.receive();
      return attacker.ended();
    })) << "the requests behind it are a flood";
  });
}

TEST_F(Hostile, TenThousandConnects) {
  open_server();
  with_witness([&] {
    for (int i = 0; i < 10'000; ++i) {
      Client attacker = client();
      if (i % 50 == 0) turn(1);
    }
    ASSERT_TRUE(until([&] { return server_->counters().connections_open == 1; }));
  });
  EXPECT_GE(server_->counters().connections_accepted, 9000u);
}

// Descriptors run out: accepting pauses, the playing viewer goes on, and it recovers.
TEST_F(Hostile, NoDescriptorsLeft) {
  open_server();
  with_witness([&] {
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    const int lowest = ::dup(0);
    ::close(lowest);
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(std::make_unique<Client>([this] { turn(1); }, address_));
    rlimit tight = old;
    tight.rlim_cur = static_cast<rlim_t>(clients.back()->fd() + 1);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    turn(5);
    ::setrlimit(RLIMIT_NOFILE, &old);
    EXPECT_GE(server_->counters().accept_pauses, 1u);
    pass(1s);
    EXPECT_EQ(clients.back()->request("OPTIONS", "*")->status, 200);
  });
}

}  // namespace
}  // namespace vigie::sink
