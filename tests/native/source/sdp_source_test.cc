// RTP by a session description in a file, over sockets on loopback and a clock turned by hand.
#include "source/sdp_source.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "heap_count.h"
#include "net/multicast.h"
#include "shard_fixture.h"
#include "tiny_server.h"

namespace vigie::source {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::loopback_sender;
using testing::packet;
using testing::slice;

struct SdpSourceTest : testing::ShardTest {
  SdpSourceTest() : path(::testing::TempDir() + "vigie-" + std::to_string(getpid()) + ".sdp") {
    net::UdpOptions options;
    options.bind = net::SocketAddress::loopback_v4(0);
    port = net::open_udp_pair(options)->rtp.local_address().port();
  }
  ~SdpSourceTest() override { std::remove(path.c_str()); }

  void describe(const std::string& connection, const std::string& more = {}, const std::string& protocol = "RTP/AVP") {
    write("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=" + connection + "\r\nt=0 0\r\nm=video " + std::to_string(port) +
          " " + protocol + " 96\r\na=rtpmap:96 H264/90000\r\n" + more);
  }
  void write(const std::string& text) const { std::ofstream(path, std::ios::binary) << text; }
  void start() {
    policy.kind = policy::SourceKind::sdp;
    policy.url = path;
    supervisor = std::make_unique<StreamSupervisor>(*shard, StreamKey{"town", "main"}, policy, observer);
    supervisor->start();
    settle();
  }
  void settle() {
    for (int i = 0; i < 20; ++i) loop->run_once(0ms);
  }
  // One picture; the first one is a keyframe behind its sets.
  void picture(net::UdpSocket& from, const net::SocketAddress& to) {
    const bool idr = sequence == 100;
    if (idr) {
      send(from, to, packet(sequence++, timestamp, testing::kSps, false));
      send(from, to, packet(sequence++, timestamp, testing::kPps, false));
    }
    send(from, to, packet(sequence++, timestamp, slice(idr, 400)));
    timestamp += 3600;
    clock.advance(40ms);
    settle();
  }
  static void send(net::UdpSocket& from, const net::SocketAddress& to, const std::string& bytes) {
    ASSERT_TRUE(from.send(as_bytes(bytes), to).ok());
  }
  net::SocketAddress here(int plus = 0) const {
    return net::SocketAddress::loopback_v4(static_cast<uint16_t>(port + plus));
  }
  void expect_refused(Code code, const std::string& says) {
    observer = testing::Observer();
    supervisor.reset();
    start();
    EXPECT_EQ(supervisor->state(), StreamState::backing_off);
    EXPECT_THAT(observer.codes, ElementsAre(code));
    ASSERT_FALSE(observer.reasons.empty());
    EXPECT_THAT(observer.reasons.back(), HasSubstr(says));
    EXPECT_THAT(observer.reasons.back(), HasSubstr(path));
  }

  const std::string path;
  uint16_t port = 0;
  uint16_t sequence = 100;
  uint32_t timestamp = 1'000'000;
  policy::StreamPolicy policy;
  testing::Observer observer;
  std::unique_ptr<StreamSupervisor> supervisor;
};

TEST_F(SdpSourceTest, PlaysUnicast) {
  for (const char* connection : {"IN IP4 127.0.0.1", "IN IP4 0.0.0.0", ""}) {
    observer = testing::Observer();
    supervisor.reset();
    sequence = 100;
    describe(connection);
    if (std::string_view(connection).empty()) {  // no c= at all
      write("v=0\r\ns=x\r\nm=video " + std::to_string(port) + " RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
    }
    start();
    ASSERT_EQ(supervisor->state(), StreamState::waiting) << connection;
    net::UdpSocket camera = loopback_sender("127.0.0.1");
    for (int i = 0; i < 20; ++i) picture(camera, here());
    EXPECT_EQ(supervisor->state(), StreamState::playing) << connection;
    EXPECT_GE(observer.units.size(), 18u) << connection;  // the last ones may still wait for their ends
    expect_strictly_increasing(observer.units);
    EXPECT_TRUE(observer.units[0]->gap) << "what came before is unknown";
    EXPECT_EQ(supervisor->counters().units, observer.units.size()) << "counted once";
    EXPECT_EQ(supervisor->counters().lost_packets, 0u);
    EXPECT_EQ(supervisor->counters().malformed, 0u);
    EXPECT_THAT(observer.reasons, Contains(HasSubstr("port ")));
  }
}

TEST_F(SdpSourceTest, PlaysTwiceFromOneGroup) {
  describe("IN IP4 239.255.9.1/1", "a=source-filter:incl IN IP4 * 127.0.0.1\r\n");
  policy.interface = "lo";
  start();
  testing::Observer second;
  StreamSupervisor other(*shard, StreamKey{"town", "sub"}, policy, second);
  other.start();
  settle();
  const auto group = net::SocketAddress::parse_ip("239.255.9.1", port).value();
  net::UdpSocket camera = loopback_sender("127.0.0.1");
  net::UdpSocket foreign = loopback_sender("127.0.0.9");
  for (int i = 0; i < 20; ++i) {
    picture(camera, group);
    send(foreign, group, packet(static_cast<uint16_t>(i), 5, slice(true), true, 0xbad));
  }
  EXPECT_GE(observer.units.size(), 18u);
  EXPECT_EQ(second.units.size(), observer.units.size());
  EXPECT_EQ(supervisor->counters().packets, 22u);
  EXPECT_THAT(observer.faults, IsEmpty());
}

TEST_F(SdpSourceTest, CaptureTimesComeFromSenderReports) {
  for (const char* more : {"", "a=rtcp-mux\r\n"}) {
    observer = testing::Observer();
    supervisor.reset();
    sequence = 100;
    describe("IN IP4 127.0.0.1", more);
    start();
    net::UdpSocket camera = loopback_sender("127.0.0.1");
    picture(camera, here());
    const WallTime wall = clock.now_wall() - 3s;
    const int rtcp = std::string_view(more).empty() ? 1 : 0;
    for (int i = 0; i < 4; ++i) {
      send(camera, here(rtcp), testing::sender_report(0xcafe, clock.now_wall() - 3s, timestamp));
      settle();
      for (int k = 0; k < 25; ++k) picture(camera, here());
    }
    ASSERT_TRUE(supervisor->camera_clock_error().has_value()) << more;
    EXPECT_NEAR(static_cast<double>(supervisor->camera_clock_error()->count()) / 1e9, -3.0, 0.1) << more;
    EXPECT_GT(observer.units.back()->capture_time, wall) << more;
    EXPECT_EQ(supervisor->counters().malformed, 0u) << more;
    EXPECT_THAT(supervisor->quirks_seen().list(), IsEmpty()) << more;
  }
}

TEST_F(SdpSourceTest, AFilesLineEndsAreNoDeviation) {
  policy.strict.insert(Quirk::B7);
  write("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video " + std::to_string(port) +
        " RTP/AVP 96\na=rtpmap:96 H264/90000\n");
  start();
  EXPECT_EQ(supervisor->state(), StreamState::waiting);
  EXPECT_THAT(supervisor->quirks_seen().list(), IsEmpty());
}

TEST_F(SdpSourceTest, ReportsToWhereRtcpCameFrom) {
  describe("IN IP4 127.0.0.1", "a=rtcp:" + std::to_string(port + 1) + "\r\n");
  start();
  net::UdpSocket camera = loopback_sender("127.0.0.1");
  net::UdpSocket camera_rtcp = loopback_sender("127.0.0.1");
  picture(camera, here());
  net::UdpReceiveBatch batch;
  clock.advance(5s);
  settle();
  EXPECT_FALSE(camera_rtcp.receive(batch).ok()) << "nobody is known yet";
  picture(camera, here());
  send(camera_rtcp, here(1), testing::sender_report(0xcafe, clock.now_wall(), timestamp));
  settle();
  clock.advance(5s);
  settle();
  ASSERT_TRUE(camera_rtcp.receive(batch).ok());
  rtp::RtcpCompound report;
  rtp::parse_rtcp(batch.datagrams()[0].bytes, report);
  EXPECT_EQ(report.malformed_packets, 0u);
  EXPECT_NE(report.receiver_ssrc, 0u);
}

TEST_F(SdpSourceTest, TheFirstSenderIsBelievedUntilItFallsSilent) {
  describe("IN IP4 127.0.0.1");
  start();
  net::UdpSocket camera = loopback_sender("127.0.0.1");
  net::UdpSocket foreign = loopback_sender("127.0.0.9");
  send(foreign, here(), "rubbish comes first");  // and makes nobody the sender
  settle();
  for (int i = 0; i < 10; ++i) {
    picture(camera, here());
    send(foreign, here(), packet(static_cast<uint16_t>(i), 5, slice(true), true, 0xbad));
    send(foreign, here(1), testing::sender_report(0xcafe, clock.now_wall() - 3600s, timestamp));
    settle();
  }
  const size_t before = observer.units.size();
  EXPECT_GE(before, 8u);
  EXPECT_EQ(supervisor->counters().foreign_packets, 11u);
  EXPECT_FALSE(supervisor->camera_clock_error().has_value()) << "a foreign report";
  ASSERT_EQ(observer.faults.size(), 1u);
  EXPECT_EQ(observer.faults[0].code, Code::foreign_sender);
  EXPECT_THAT(observer.faults[0].text(), HasSubstr("127.0.0.9"));
  clock.advance(2s);
  for (int i = 0; i < 10; ++i) picture(foreign, here());
  EXPECT_GE(observer.units.size(), before + 8) << "another encoder took over";
  EXPECT_THAT(observer.faults.back().what, HasSubstr("taken"));
}

TEST_F(SdpSourceTest, ReadsTheFileAnewForEachAttempt) {
  start();
  EXPECT_EQ(supervisor->state(), StreamState::backing_off);
  EXPECT_THAT(observer.codes, ElementsAre(Code::file_unreadable));
  EXPECT_THAT(observer.reasons.back(), HasSubstr("No such file"));
  describe("IN IP4 127.0.0.1");
  clock.advance(1s);
  settle();
  EXPECT_EQ(supervisor->state(), StreamState::waiting);
  // Nobody sends: the watchdog ends the attempt, and the next one finds another port.
  const uint16_t old = port;
  net::UdpOptions options;
  options.bind = net::SocketAddress::loopback_v4(0);
  while (port == old) port = net::open_udp_pair(options)->rtp.local_address().port();
  describe("IN IP4 127.0.0.1");
  clock.advance(10s);
  settle();
  EXPECT_EQ(supervisor->state(), StreamState::backing_off);
  EXPECT_THAT(observer.codes, Contains(Code::no_first_picture));
  clock.advance(2s);
  settle();
  net::UdpSocket camera = loopback_sender("127.0.0.1");
  for (int i = 0; i < 5; ++i) picture(camera, here());
  EXPECT_EQ(supervisor->state(), StreamState::playing);
  clock.advance(5s);
  settle();
  EXPECT_THAT(observer.states, Contains(StreamState::silent));
}

TEST_F(SdpSourceTest, SaysWhatIsWrongWithTheFile) {
  write("");
  expect_refused(Code::sdp_malformed, "no line");
  write("#EXTM3U\nnothing of the kind\n");
  expect_refused(Code::sdp_malformed, "no line");
  write("v=0\r\n" + std::string(65536, 'x'));
  expect_refused(Code::file_unreadable, "larger than 65536 bytes");
  write("v=0\r\ns=x\r\nm=audio 5004 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n");
  expect_refused(Code::no_video, "audio PCMA");
  describe("IN IP4 127.0.0.1", "", "RTP/SAVP");
  expect_refused(Code::rtsp_unsupported, "SRTP");  // without a key
  describe("IN IP4 camera.example");
  expect_refused(Code::sdp_malformed, "\"camera.example\" is no address");
  describe("IN IP4 203.0.113.7");
  expect_refused(Code::bind_failed, "203.0.113.7, which is no address of this machine");
  describe("IN IP4 127.0.0.1", "a=source-filter:incl IN IP6 * ::1\r\n");
  expect_refused(Code::sdp_malformed, "not of one kind");
  port = 0;
  describe("IN IP4 127.0.0.1");
  expect_refused(Code::sdp_malformed, "has no port");
  std::remove(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_refused(Code::file_unreadable, "not a file");
}

TEST_F(SdpSourceTest, SaysThatThePortIsTaken) {
  for (const int taken : {0, 1}) {
    net::UdpOptions options;
    options.bind = here(taken);
    const net::UdpSocket other = net::UdpSocket::open(options).value();
    describe("IN IP4 127.0.0.1");
    expect_refused(Code::bind_failed, "the port is taken");
    EXPECT_THAT(observer.reasons.back(), HasSubstr(here(taken).text()));
  }
  supervisor.reset();
  start();
  EXPECT_EQ(supervisor->state(), StreamState::waiting) << "and free again";
}

TEST_F(SdpSourceTest, StopsAtOnceFromInsideACallback) {
  struct Stopping : testing::Observer {
    void on_unit(Ref<const AccessUnit> unit) override {
      Observer::on_unit(std::move(unit));
      if (stream) stream->stop([this] { done = true; });
    }
    StreamSupervisor* stream = nullptr;
    bool done = false;
  } stopping;
  describe("IN IP4 127.0.0.1");
  policy.kind = policy::SourceKind::sdp;
  policy.url = path;
  StreamSupervisor stream(*shard, StreamKey{"town", "main"}, policy, stopping);
  stopping.stream = &stream;
  stream.start();
  settle();
  net::UdpSocket camera = loopback_sender("127.0.0.1");
  // All in one wake-up.
  for (const bool idr : {true, false, false, false}) {
    send(camera, here(), packet(sequence++, timestamp += 3600, slice(idr, 400)));
  }
  settle();
  EXPECT_EQ(stopping.count, 1u);
  EXPECT_TRUE(stopping.done);
  net::UdpOptions options;
  options.bind = here();
  EXPECT_TRUE(net::UdpSocket::open(options).ok()) << "the port is free again";
}

TEST_F(SdpSourceTest, TakesNoMemoryPerPacket) {
  if (!kHeapIsCounted) GTEST_SKIP() << "the sanitizer owns the heap";
  describe("IN IP4 127.0.0.1");
  observer.keep = false;
  start();
  net::UdpSocket camera = loopback_sender("127.0.0.1");
  picture(camera, here());
  // Twenty pictures, of 10 and of 100 packets each: what one unit takes may count, packets must not.
  const auto taken_by = [&](int packets) {
    uint64_t calls = 0;
    for (int i = 0; i < 20; ++i) {
      for (int k = 0; k < packets; ++k) {
        std::string payload = slice(false, 400);
        if (k > 0) payload[1] = 0x11;  // a later slice of the same picture
        send(camera, here(), packet(sequence++, timestamp, payload, k + 1 == packets));
      }
      timestamp += 3600;
      clock.advance(40ms);
      const uint64_t before = heap_calls();
      settle();
      calls += heap_calls() - before;
    }
    return calls;
  };
  taken_by(100);  // everything finds its size
  const size_t before = observer.count;
  const uint64_t few = taken_by(10);
  const uint64_t many = taken_by(100);
  EXPECT_EQ(observer.count - before, 40u);
  EXPECT_LT(many, few + 20 * 8) << few << " and " << many;
}

}  // namespace
}  // namespace vigie::source
