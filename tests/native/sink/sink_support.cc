#include "sink_support.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "mask/publish_gate.h"
#include "rtsp/text.h"
#include "rtsp/transport.h"

namespace vigie::sink {

PublishedUnit make_unit(const UnitSpec& spec) {
  auto unit = make_ref<AccessUnit>();
  unit->codec = Codec::h264;
  unit->keyframe = spec.keyframe;
  unit->pts = Ticks90k{spec.pts};
  unit->presentation_offset = Ticks90k{spec.presentation_offset};
  unit->first_arrival = unit->last_arrival = spec.arrival;
  unit->capture_time = spec.capture;
  unit->payload = Buffer::make_heap(spec.bytes + 128);
  const auto add = [&](const Bytes& nal) {
    static constexpr uint8_t kStart[] = {0, 0, 0, 1};
    unit->payload.append(kStart);
    unit->nals.push_back({static_cast<uint32_t>(unit->payload.size()), static_cast<uint32_t>(nal.size())});
    unit->payload.append(nal);
  };
  if (spec.keyframe) {
    add({0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04});
    add({0x68, 0xce, 0x3c, 0x80});
  }
  Bytes slice(spec.bytes);
  for (size_t i = 0; i < slice.size(); ++i) slice[i] = static_cast<uint8_t>(1 + (i * 7 + spec.number * 13) % 250);
  slice[0] = spec.keyframe ? 0x65 : 0x41;
  slice[1] = 0x9a;  // first_mb_in_slice = 0
  add(slice);
  auto sets = make_ref<ParameterSets>();
  unit->parameter_sets = sets;
  mask::PublishGate gate;
  gate.decide({PrivacyState::clear_by_decision, 1, "test scene"});
  return gate.publish_clear(unit);
}

// --- provider -----------------------------------------------------------------------------------------------------

void FakeProvider::open(const ViewRequest& request, Nanos, Reply reply) {
  requests.push_back(request);
  const auto it = streams.find(request.path);
  if (it == streams.end()) return reply(make_error(Code::not_found, request.path, "no such camera"));
  if (it->second.refusal) return reply(*it->second.refusal);
  OpenedStream opened = it->second.opened;
  opened.hold = std::make_shared<CountedHold>(holds);
  opened.right_ends = ends;
  if (it->second.late) {
    pending.push_back([reply, opened] { reply(opened); });
  } else {
    reply(std::move(opened));
  }
}

Result<CameraPage> FakeProvider::list(const ViewRequest& request, std::string_view after, size_t limit) {
  requests.push_back(request);
  if (no_longer_allowed) return *no_longer_allowed;
  CameraPage page;
  page.revision = policy_revision;
  for (const OfferedCamera& camera : offered) {
    if (camera.name <= after) continue;
    page.more = page.cameras.size() == limit;
    if (page.more) break;
    page.cameras.push_back(camera);
  }
  return page;
}

std::optional<rtsp::Secret> FakeProvider::credential(const std::string& agent) {
  const auto it = passwords.find(agent);
  if (it == passwords.end()) return std::nullopt;
  return rtsp::Secret{it->second, {}, {}};
}

void FakeProvider::answer_late() {
  for (const auto& answer : std::exchange(pending, {})) answer();
}

std::vector<std::string> FakeProvider::told(EventKind kind) const {
  std::vector<std::string> out;
  for (const Event& event : events) {
    if (event.kind == kind) out.push_back(event.state + "|" + event.text);
  }
  return out;
}

// --- client -------------------------------------------------------------------------------------------------------

Client::Client(const std::function<void()>& turn, const net::SocketAddress& server, int receive_buffer) : turn_(turn) {
  fd_.reset(::socket(server.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_buffer > 0) ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  EXPECT_EQ(::connect(fd_.get(), server.data(), server.length()), 0);
}

void Client::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno != EAGAIN) return;
      turn_();
      continue;
    }
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

bool Client::receive() {
  uint8_t buffer[65536];
  while (!ended_ && fd_) {
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      ended_ = true;
      reset_ = got < 0 && errno == ECONNRESET;
      break;
    }
    raw_bytes += static_cast<size_t>(got);
    unread_.insert(unread_.end(), buffer, buffer + got);
  }
  split();
  return !ended_;
}

void Client::split() {
  size_t at = 0;
  for (bool more = true; more;) {
    const auto item = splitter_.next(ByteSpan(unread_).subspan(at));
    at += item.consumed;
    switch (item.kind) {
      case rtsp::StreamSplitter::Kind::interleaved:
        frames.emplace_back(item.channel, Bytes(item.payload.begin(), item.payload.end()));
        break;
      case rtsp::StreamSplitter::Kind::response: responses_.push_back(splitter_.take_response()); break;
      case rtsp::StreamSplitter::Kind::request: ADD_FAILURE() << "the server sent a request"; break;
      case rtsp::StreamSplitter::Kind::error: ADD_FAILURE() << splitter_.error().text(); [[fallthrough]];
      case rtsp::StreamSplitter::Kind::need_more: more = false; break;
    }
  }
  EXPECT_EQ(splitter_.counters().garbage_bytes, 0u) << "interleaved framing was broken";
  unread_.erase(unread_.begin(), unread_.begin() + static_cast<ptrdiff_t>(at));
}

std::optional<rtsp::Response> Client::response() {
  for (int i = 0; i < 2000 && responses_.empty(); ++i) {
    turn_();
    if (!receive()) break;
  }
  if (responses_.empty()) return std::nullopt;
  rtsp::Response first = std::move(responses_.front());
  responses_.erase(responses_.begin());
  return first;
}

std::optional<rtsp::Response> Client::request(const std::string& method, const std::string& uri,
                                              const std::string& headers) {
  std::string text = method + " " + uri + " RTSP/1.0\r\nCSeq: " + std::to_string(++cseq) + "\r\n" + headers;
  if (!session.empty() && headers.find("Session:") == std::string::npos) text += "Session: " + session + "\r\n";
  send(text + "\r\n");
  auto answer = response();
  if (answer) {
    EXPECT_EQ(answer->cseq(), static_cast<uint32_t>(cseq));
    if (method == "SETUP" && answer->success()) {
      session = rtsp::parse_session(answer->headers.get("Session")).value().id;
    }
  }
  return answer;
}

std::optional<rtsp::Response> Client::play_tcp(const std::string& uri, const std::string& channels) {
  auto answer = request("SETUP", uri + "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=" + channels + "\r\n");
  if (!answer || !answer->success()) return answer;
  return request("PLAY", uri);
}

uint16_t Client::local_port() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  return net::SocketAddress::from(reinterpret_cast<sockaddr*>(&storage), length).port();
}

// --- reader -------------------------------------------------------------------------------------------------------

UnitReader::UnitReader() : reorder_({.in_order_transport = true}) {
  depacketizer_ = rtp::Depacketizer::make({}, pool_).value();
}

void UnitReader::push(ByteSpan packet) {
  rtp::PacketView view;
  ASSERT_EQ(rtp::try_parse_packet(packet, view), rtp::PacketFault::none);
  if (!first_sequence) first_sequence = view.sequence;
  last_sequence = view.sequence;
  ssrc = view.ssrc;
  if (view.marker) timestamps.push_back(view.timestamp);
  reorder_.push(view, {});
  rtp::OrderedPacket ordered;
  rtp::UnitBatch batch;
  while (reorder_.pop(ordered)) {
    lost += ordered.lost_before;
    EXPECT_FALSE(ordered.restarted && first_sequence != view.sequence);
    depacketizer_->push(ordered, batch);
    for (const auto& unit : batch) units.push_back(unit);
  }
}

void UnitReader::read(Client& client, uint8_t channel) {
  for (; next_frame_ < client.frames.size(); ++next_frame_) {
    if (client.frames[next_frame_].first == channel) push(client.frames[next_frame_].second);
  }
}

// --- fixture ------------------------------------------------------------------------------------------------------

SinkTest::SinkTest() {
  loop_ = net::EventLoop::make({.name = "test", .clock = &clock_}).value();
  loop_->run_once(Nanos{0});
  hub_ = add_stream("/cam");
}

SinkTest::~SinkTest() {
  if (server_) server_->close_blocking();
  server_.reset();
  provider_.streams.clear();
  provider_.pending.clear();
  turn(2);
}

policy::ListenerPolicy SinkTest::open_listener() {
  policy::ListenerPolicy listener;
  listener.name = "local";
  listener.listen = "127.0.0.1:0";
  listener.access = policy::Access::open;
  return listener;
}

void SinkTest::open_server(policy::LimitsPolicy limits, policy::ListenerPolicy listener) {
  RtspServerOptions options;
  options.shards = {loop_.get()};
  options.provider = &provider_;
  options.limits = limits;
  server_ = std::make_unique<RtspServer>(options);
  const Status status = server_->open_listener_blocking(listener);
  ASSERT_TRUE(status.ok()) << status.error().text();
  address_ = server_->listener_address(listener.name).value();
}

std::shared_ptr<fanout::Hub> SinkTest::add_stream(const std::string& path, const std::string& camera) {
  auto hub = fanout::Hub::make({{loop_.get(), &loop_->pool()}}, 0, {}, std::make_unique<RtpFeed>(1400));
  auto sets = make_ref<ParameterSets>();
  sets->codec = Codec::h264;
  sets->width = 1280;
  sets->height = 720;
  sets->sps = {{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x84}};
  sets->pps = {{0x68, 0xce, 0x3c, 0x80}};
  FakeProvider::Stream stream;
  stream.opened.key = {camera, "main"};
  stream.opened.track = {Codec::h264, sets, 25.0};
  stream.opened.hub = hub;
  provider_.streams[path] = std::move(stream);
  return hub;
}

void SinkTest::publish(size_t count, size_t bytes, size_t gop, fanout::Hub* hub) {
  for (size_t i = 0; i < count; ++i) {
    clock_.advance(40ms);
    loop_->run_once(Nanos{0});
    UnitSpec spec;
    spec.keyframe = published_ % gop == 0;
    spec.number = ++published_;
    spec.bytes = bytes;
    spec.pts = pts_ += 3600;
    spec.arrival = clock_.now_mono();
    spec.capture = clock_.now_wall() - 70ms;
    (hub ? hub : hub_.get())->publish(make_unit(spec));
  }
}

void SinkTest::turn(int times) {
  for (int i = 0; i < times; ++i) loop_->run_once(Nanos{0});
}

void SinkTest::pass(Nanos time) {
  for (Nanos gone{0}; gone < time; gone += 500ms) {
    clock_.advance(std::min<Nanos>(500ms, time - gone));
    turn(2);
  }
}

bool SinkTest::until(const std::function<bool()>& done) {
  for (int i = 0; i < 5000; ++i) {
    if (done()) return true;
    loop_->run_once(1ms);
  }
  return done();
}

ViewerStats SinkTest::only_viewer() {
  const auto viewers = server_->viewers_blocking();
  EXPECT_EQ(viewers.size(), 1u);
  return viewers.empty() ? ViewerStats{} : viewers[0];
}

std::string field(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    std::string_view item = rtsp::trim(rtsp::cut(header, ';'));
    const std::string_view key = rtsp::cut(item, '=');
    if (rtsp::iequals(key, name)) return std::string(item);
  }
  return {};
}

}  // namespace vigie::sink
