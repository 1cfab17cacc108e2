#include "loadgen/sim_server.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/base64.h"
#include "base/random.h"
#include "loadgen/sim_connection.h"
#include "loadgen/sim_udp.h"

namespace vigie::loadgen {

SimServer::SimServer(Loop& loop, SimOptions options, const std::vector<Clip*>& clips)
    : loop_(loop), options_(std::move(options)), started_(loop.now()), random_(options_.seed) {
  for (uint32_t i = 0; i < options_.cameras; ++i) {
    CameraSlot slot;
    slot.camera =
        std::make_unique<SimCamera>(options_.first + i, *clips[i], options_.pace, loop.clock(), random_.next());
    if (!options_.quirks.empty()) slot.quirks = options_.quirks[i];
    slot.media = MediaQuirks::make(slot.quirks, clips[i]->codec);
    if (slot.quirks.has(Quirk::D14)) slot.camera->set_silent(true);
    slots_.push_back(std::move(slot));
  }
  nonce_ = random_hex(16);
}

SimServer::~SimServer() {
  for (auto& [connection, owner] : connections_) connection->closing = true;
  connections_.clear();
  if (listener_) loop_.unwatch(listener_.get());
}

Status SimServer::listen() {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string where = options_.host + ":" + std::to_string(options_.port);
  if (::getaddrinfo(options_.host.c_str(), std::to_string(options_.port).c_str(), &hints, &found) != 0) {
    return make_error(Code::bind_failed, where, "the host must be a numeric address");
  }
  sockaddr_storage local{};
  std::memcpy(&local, found->ai_addr, found->ai_addrlen);
  const socklen_t local_size = found->ai_addrlen;
  ::freeaddrinfo(found);
  listener_.reset(::socket(local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&local), local_size) != 0 ||
      ::listen(listener_.get(), 1024) != 0) {
    return make_error(Code::bind_failed, where, std::strerror(errno));
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &size);
  port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                            : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  udp_ = std::make_unique<UdpSockets>(loop_, [this](ByteSpan rtcp, const sockaddr_storage& from) {
    if (rtcp.size() >= 2 && rtcp[1] == 201) ++counts_.receiver_reports;
    for (auto& [connection, owner] : connections_) connection->heard_control_from(from);
  });
  if (const Status opened = udp_->open(local, local_size); !opened.ok()) return opened;
  loop_.watch(listener_.get(), EPOLLIN, this);
  loop_.after(1s, [this] { sweep(); });
  return {};
}

void SimServer::on_ready(uint32_t) {
  for (;;) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Fd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++counts_.connections;
    auto connection = std::make_unique<SimConnection>(*this, std::move(fd), peer, size);
    SimConnection* key = connection.get();
    connections_.emplace(key, std::move(connection));
  }
}

void SimServer::close(SimConnection* connection) {
  if (connection->closing) return;
  connection->closing = true;
  loop_.unwatch(connection->fd());
  if (connection->slot != nullptr) stop_playing(*connection->slot, connection);
  loop_.after_round([this, connection] { connections_.erase(connection); });
}

void SimServer::sweep() {
  const MonoTime now = loop_.now();
  for (auto& [connection, owner] : connections_) {
    if (!connection->closing && now - connection->last_heard > connection->patience()) {
      ++counts_.timed_out;
      close(connection);
    }
  }
  loop_.after(1s, [this] { sweep(); });
}

SimServer::CameraSlot* SimServer::find_camera(std::string_view uri) {
  const size_t scheme = uri.find("://");
  const size_t path = scheme == std::string_view::npos ? 0 : uri.find('/', scheme + 3);
  if (path == std::string_view::npos || uri.substr(path, 4) != "/cam") return nullptr;
  const std::string_view digits = uri.substr(path + 4);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || (end != digits.data() + digits.size() && *end != '/' && *end != '?')) return nullptr;
  if (number < options_.first || number - options_.first >= slots_.size()) return nullptr;
  return &slots_[number - options_.first];
}

std::string SimServer::describe(const CameraSlot& slot, const std::string& base) const {
  const Clip& clip = slot.camera->clip();
  const auto encode = [](const std::vector<uint8_t>& nal) { return base64_encode(nal); };
  int payload_type = clip.payload_type;
  if (slot.sdp_lie == "payload") payload_type = payload_type == 97 ? 98 : 97;
  const std::string type = std::to_string(payload_type);
  std::string sps = encode(clip.sps);
  if (slot.sdp_lie == "sprop") {
    SyntheticOptions other;
    other.codec = clip.codec;
    other.width = 640;
    other.height = 480;
    other.gop = 1;
    other.bits_per_second = 1e4;
    sps = encode(make_synthetic_clip(other).sps);
  }
  std::string sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=simulated camera " + std::to_string(slot.camera->number()) +
                    "\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\nm=video 0 RTP/AVP " + type +
                    "\r\n";
  const bool sprop = slot.sdp_lie != "no-sprop";
  sdp += "a=rtpmap:" + type + " " + std::string(codec_name(clip.codec)) + "/90000\r\n";
  if (clip.codec == Codec::h264) {
    char profile[8] = "42C028";
    if (clip.sps.size() > 3)
      std::snprintf(profile, sizeof profile, "%02X%02X%02X", clip.sps[1], clip.sps[2], clip.sps[3]);
    sdp += "a=fmtp:" + type + " packetization-mode=1;profile-level-id=" + profile;
    if (sprop) sdp += ";sprop-parameter-sets=" + sps + "," + encode(clip.pps);
    sdp += "\r\n";
  } else if (clip.codec == Codec::h265 && sprop) {
    sdp += "a=fmtp:" + type + " sprop-vps=" + encode(clip.vps) + ";sprop-sps=" + sps +
           ";sprop-pps=" + encode(clip.pps) + "\r\n";
  }
  char fps[32];
  std::snprintf(fps, sizeof fps, "%g", slot.sdp_lie == "fps" ? 120.0 : clip.fps);
  sdp += std::string("a=framerate:") + fps + "\r\na=control:" + base + "trackID=0\r\n";
  if (options_.audio) {
    sdp += "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:" + base + "trackID=1\r\n";
  }
  return bend_sdp(sdp, slot.quirks, slot.camera->number());
}

void SimServer::start_playing(CameraSlot& slot, SimConnection* session) {
  if (session->playing) return;
  session->playing = true;
  session->joined = false;
  slot.sessions.push_back(session);
  if (slot.sessions.size() == 1) {
    const bool keyframe = options_.keyframe_on_play || slot.quirks.has(Quirk::I7);
    const MonoTime due = slot.camera->resume(keyframe && !slot.quirks.has(Quirk::G15));
    if (slot.media) slot.media->begin_play(slot.camera->next_timestamp());
    if (!slot.scheduled) schedule(slot, due);
  }
}

void SimServer::stop_playing(CameraSlot& slot, SimConnection* session) {
  if (!session->playing) return;
  session->playing = false;
  std::erase(slot.sessions, session);
  if (slot.sessions.empty()) slot.camera->pause();
}

void SimServer::schedule(CameraSlot& slot, MonoTime when) {
  slot.scheduled = true;
  loop_.at(when, [this, &slot] {
    slot.scheduled = false;
    if (slot.sessions.empty()) return;
    schedule(slot, slot.camera->step(*this));
  });
}

void SimServer::begin_unit(SimCamera& camera) {
  CameraSlot& slot = slot_of(camera);
  for (SimConnection* session : slot.sessions) session->joined = true;
  if (slot.media) slot.media->begin_unit(camera.next_sequence(), camera.next_timestamp());
}

void SimServer::write_packets(SimCamera& camera, UnitTrain& train, size_t from, size_t to,
                              std::span<const uint32_t> order, const PatchValues& values) {
  CameraSlot& slot = slot_of(camera);
  PatchValues patch = values;
  if (slot.media) slot.media->bend(patch);
  bool patched = false;
  std::vector<uint32_t> whole;
  for (size_t i = 0; i < slot.sessions.size(); ++i) {
    SimConnection* session = slot.sessions[i];
    if (!session->joined) continue;
    if (!patched || patch.channel != session->channel()) {
      patch.channel = session->channel();
      patch_headers(train, from, to, patch);
      if (slot.media) slot.media->bend_headers(train, from, to);
      patched = true;
    }
    if (session->udp()) {
      if (order.empty() && whole.empty()) {
        whole.resize(to - from);
        std::iota(whole.begin(), whole.end(), static_cast<uint32_t>(from));
      }
      session->send_datagrams(train, order.empty() ? std::span<const uint32_t>(whole) : order);
      continue;
    }
    const uint8_t* data = nullptr;
    size_t size = 0;
    if (order.empty()) {
      data = train.bytes.data() + train.packets[from].offset - 4;
      size = train.packets[to - 1].offset + train.packets[to - 1].size - (train.packets[from].offset - 4);
    } else {
      scratch_.clear();
      for (const uint32_t index : order) {
        const PacketSpan packet = train.packets[index];
        const uint8_t* begin = train.bytes.data() + packet.offset - 4;
        scratch_.insert(scratch_.end(), begin, begin + packet.size + 4);
      }
      data = scratch_.data();
      size = scratch_.size();
    }
    if (slot.media && slot.media->wraps()) {
      const std::string answer = session->answers_inside() ? session->take_answer() : std::string();
      const ByteSpan wrapped = slot.media->wrap(train, from, to, {data, size}, answer);
      data = wrapped.data();
      size = wrapped.size();
    }
    if (!session->send_bytes(data, size)) ++counts_.backpressure_units;
    // A failed write has closed the session and taken it out of the list.
    if (i >= slot.sessions.size() || slot.sessions[i] != session) --i;
  }
}

void SimServer::end_unit(SimCamera& camera) {
  CameraSlot& slot = slot_of(camera);
  if (slot.media) {
    slot.media->end_unit();
    const std::vector<SimConnection*> sessions = slot.sessions;
    for (SimConnection* session : sessions) {
      if (session->closing || !session->joined || !session->holds_answer()) continue;
      const std::string answer = session->take_answer();
      session->send_bytes(reinterpret_cast<const uint8_t*>(answer.data()), answer.size());
    }
  }
  const MonoTime now = loop_.now();
  if (now - slot.last_report >= options_.report_interval && options_.report_interval > 0ns && !slot.no_reports) {
    slot.last_report = now;
    send_report(slot);
  }
}

uint64_t SimServer::ntp_time(const CameraSlot& slot) const {
  if (slot.clock_lie == "zero") return 0;
  const double gained =
      std::chrono::duration<double>(loop_.now() - slot.clock_ppm_since).count() * slot.clock_ppm / 1e6;
  const int64_t wall_ns = loop_.clock().now_wall().time_since_epoch().count() +
                          static_cast<int64_t>((slot.wall_offset_seconds + gained) * 1e9);
  const int64_t epoch = slot.clock_lie == "since-1970" ? 0 : 2'208'988'800;
  return static_cast<uint64_t>(wall_ns / 1'000'000'000 + epoch) << 32 |
         (static_cast<uint64_t>(wall_ns % 1'000'000'000) << 32) / 1'000'000'000;
}

void SimServer::send_report(CameraSlot& slot) {
  // Sender report and a CNAME (RFC 3550 6.4.1, 6.5.1): NTP and RTP time of the same instant of the camera's clock.
  uint8_t rtcp[28 + 20] = {};
  const uint64_t ntp = ntp_time(slot);
  rtcp[0] = 0x80;
  rtcp[1] = 200;
  store_be16(rtcp + 2, 6);
  store_be32(rtcp + 4, slot.camera->ssrc());
  store_be32(rtcp + 8, static_cast<uint32_t>(ntp >> 32));
  store_be32(rtcp + 12, static_cast<uint32_t>(ntp));
  store_be32(rtcp + 16, slot.camera->clock_timestamp(loop_.now()));
  store_be32(rtcp + 20, static_cast<uint32_t>(slot.camera->counts().packets));
  store_be32(rtcp + 24, static_cast<uint32_t>(slot.camera->counts().bytes));
  uint8_t* sdes = rtcp + 28;
  sdes[0] = 0x81;
  sdes[1] = 202;
  store_be16(sdes + 2, 4);
  store_be32(sdes + 4, slot.camera->ssrc());
  sdes[8] = 1;
  sdes[9] = 9;
  std::copy_n("simulated", 9, sdes + 10);
  if (slot.media) slot.media->bend_report(rtcp);
  const std::vector<SimConnection*> sessions = slot.sessions;
  for (SimConnection* session : sessions) {
    if (session->closing || !session->joined) continue;
    session->send_control(rtcp);
    if (!slot.media) continue;
    for (const std::vector<uint8_t>& more : slot.media->more_reports(rtcp, !session->udp()))
      session->send_control(more);
  }
  ++counts_.sender_reports;
}

}  // namespace vigie::loadgen
