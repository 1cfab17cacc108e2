#pragma once
// A server on one hand-driven loop, a provider that says what the test wants, clients on plain sockets, and units whose
// content can be told apart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "fanout/hub.h"
#include "net/event_loop.h"
#include "rtp/depacketizer.h"
#include "rtp/reorder.h"
#include "rtsp/message.h"
#include "rtsp/stream_splitter.h"
#include "sink/rtp_feed.h"
#include "sink/rtsp_server.h"

namespace vigie::sink {

using Bytes = std::vector<uint8_t>;

// An H.264 unit: SPS, PPS and IDR for keyframes, else one slice of `bytes`; content follows from `number`.
struct UnitSpec {
  uint64_t number = 0;
  bool keyframe = false;
  size_t bytes = 1000;
  int64_t pts = 0;
  int64_t presentation_offset = 0;
  MonoTime arrival{};
  WallTime capture{};
};
PublishedUnit make_unit(const UnitSpec& spec);

// Holds what a granted view holds open; counts its life.
struct CountedHold final : StreamHold {
  explicit CountedHold(int& count) : count_(count) { ++count_; }
  ~CountedHold() override { --count_; }
  int& count_;
};

// Thread: the loop's; tests with several threads only use what is set before.
class FakeProvider final : public StreamProvider {
 public:
  struct Stream {
    OpenedStream opened;
    std::optional<Error> refusal;
    bool late = false;  // answers only when answer_late() is called
  };
  std::map<std::string, Stream> streams;  // by path
  std::map<std::string, std::string> passwords;
  std::map<std::string, rtsp::Ticket> tickets;  // by their sealed text
  std::optional<Error> no_longer_allowed;
  std::optional<WallTime> ends;
  uint64_t policy_revision = 0;
  std::vector<OfferedCamera> offered;  // by name
  std::vector<Event> events;
  std::vector<ViewRequest> requests;
  std::vector<std::function<void()>> pending;
  int holds = 0;

  void open(const ViewRequest& request, Nanos timeout, Reply reply) override;
  Status still_allowed(const ViewRequest&, const StreamKey&) override {
    if (no_longer_allowed) return *no_longer_allowed;
    return {};
  }
  std::optional<WallTime> right_ends(const ViewRequest&, const StreamKey&) override { return ends; }
  Nanos set_back{};  // of the wall clock, since the policy came
  WallTime rights_now(const Clock& clock) const override { return clock.now_wall() + set_back; }
  Result<CameraPage> list(const ViewRequest& request, std::string_view after, size_t limit) override;
  std::optional<rtsp::Secret> credential(const std::string& agent) override;
  Result<std::shared_ptr<const rtsp::Ticket>> ticket(std::string_view sealed) override {
    const auto found = tickets.find(std::string(sealed));
    if (found == tickets.end()) return make_error(Code::not_authorized, "ticket", "unknown");
    return std::make_shared<const rtsp::Ticket>(found->second);
  }
  uint64_t revision() const override { return policy_revision; }
  void emit(Event event) override { events.push_back(std::move(event)); }
  void answer_late();
  // Events of one kind, "state|text".
  std::vector<std::string> told(EventKind kind) const;
};

// A client socket, nonblocking.
class Client {
 public:
  Client(const std::function<void()>& turn, const net::SocketAddress& server, int receive_buffer = 0);
  // Sends bytes as they are; the socket's buffer is large enough for what tests say.
  void send(std::string_view text);
  // Takes what has come; false at the end of the stream or after a reset.
  bool receive();
  // The next response; nullopt when the connection ended or none came in time.
  std::optional<rtsp::Response> response();
  std::optional<rtsp::Response> request(const std::string& method, const std::string& uri,
                                        const std::string& headers = {});
  // DESCRIBE is left out. Returns the PLAY response.
  std::optional<rtsp::Response> play_tcp(const std::string& uri, const std::string& channels = "0-1");
  void close() { fd_.reset(); }
  bool ended() const { return ended_; }
  bool was_reset() const { return reset_; }
  uint16_t local_port() const;
  int fd() const { return fd_.get(); }

  std::string session;
  std::vector<std::pair<uint8_t, Bytes>> frames;  // interleaved: channel, packet
  size_t raw_bytes = 0;
  int cseq = 0;

 private:
  void split();
  std::function<void()> turn_;
  Fd fd_;
  Bytes unread_;
  rtsp::StreamSplitter splitter_;
  std::vector<rtsp::Response> responses_;
  bool ended_ = false;
  bool reset_ = false;
};

// Puts packets together again and remembers what they said.
class UnitReader {
 public:
  UnitReader();
  void push(ByteSpan packet);
  // Every frame of a client on `channel` that was not read yet.
  void read(Client& client, uint8_t channel = 0);
  std::vector<Ref<const AccessUnit>> units;
  std::vector<uint32_t> timestamps;  // of packets with the marker
  std::optional<uint16_t> first_sequence;
  uint16_t last_sequence = 0;
  uint64_t lost = 0;
  uint32_t ssrc = 0;

 private:
  BufferPool pool_;
  rtp::ReorderBuffer reorder_;
  std::unique_ptr<rtp::Depacketizer> depacketizer_;
  size_t next_frame_ = 0;
};

// The whole of it.
class SinkTest : public testing::Test {
 protected:
  SinkTest();
  ~SinkTest() override;

  void open_server(policy::LimitsPolicy limits = {}, policy::ListenerPolicy listener = open_listener());
  static policy::ListenerPolicy open_listener();
  // A stream at this path (and a hub behind it).
  std::shared_ptr<fanout::Hub> add_stream(const std::string& path, const std::string& camera = "cam");
  // Publishes `count` units 40 ms apart, the clock going along; `gop`: distance of keyframes.
  void publish(size_t count, size_t bytes = 1000, size_t gop = 25, fanout::Hub* hub = nullptr);
  // Lets the server do what it can, without moving the clock.
  void turn(int times = 4);
  // Moves the clock in steps of the upkeep's tick.
  void pass(Nanos time);
  bool until(const std::function<bool()>& done);
  Client client(int receive_buffer = 0) {
    return Client([this] { turn(1); }, address_, receive_buffer);
  }
  std::string url(const std::string& path) const { return "rtsp://" + address_.text() + path; }
  ViewerStats only_viewer();

  ManualClock clock_;
  std::unique_ptr<net::EventLoop> loop_;
  FakeProvider provider_;
  std::unique_ptr<RtspServer> server_;
  net::SocketAddress address_;
  std::shared_ptr<fanout::Hub> hub_;
  uint64_t published_ = 0;
  int64_t pts_ = 1000;
};

// Value of a header "name=value;…" field; empty when absent.
std::string field(std::string_view header, std::string_view name);

}  // namespace vigie::sink
