#include "loadgen/sim_connection.h"

#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "loadgen/sim_udp.h"
#include "loadgen/udp_sender.h"

namespace vigie::loadgen {
namespace {

constexpr std::string_view kRealm = "simulated camera";
constexpr size_t kMaxRequestBuffer = 256 << 10;

sockaddr_storage with_port(sockaddr_storage address, int port) {
  const in_port_t value = htons(static_cast<uint16_t>(port));
  if (address.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&address)->sin6_port = value;
  } else {
    reinterpret_cast<sockaddr_in*>(&address)->sin_port = value;
  }
  return address;
}

}  // namespace

SimConnection::SimConnection(SimServer& server, Fd fd, const sockaddr_storage& peer, socklen_t peer_size)
    : last_heard(server.loop_.now()), server_(server), fd_(std::move(fd)), peer_(peer), peer_size_(peer_size) {
  want(EPOLLIN);
}

SimConnection::~SimConnection() { server_.loop_.unwatch(fd_.get()); }

void SimConnection::want(uint32_t events) {
  if (wanted_ == events) return;
  wanted_ = events;
  server_.loop_.watch(fd_.get(), events, this);
}

void SimConnection::on_ready(uint32_t events) {
  if (closing) return;
  if (events & EPOLLOUT) flush();
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read();
}

bool SimConnection::send_bytes(const uint8_t* data, size_t size) {
  if (closing) return true;
  if (out_.empty()) {
    const ssize_t sent = ::send(fd_.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(size)) return true;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      server_.close(this);
      return true;
    }
    ++server_.counts_.would_block;
    const size_t done = sent > 0 ? static_cast<size_t>(sent) : 0;
    data += done;
    size -= done;
  } else if (out_.size() - out_at_ + size > SimServer::kMaxQueued) {
    return false;
  }
  out_.append(reinterpret_cast<const char*>(data), size);
  want(EPOLLIN | EPOLLOUT);
  return true;
}

void SimConnection::flush() {
  while (out_at_ < out_.size()) {
    const ssize_t sent = ::send(fd_.get(), out_.data() + out_at_, out_.size() - out_at_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) server_.close(this);
      return;
    }
    out_at_ += static_cast<size_t>(sent);
  }
  out_.clear();
  out_at_ = 0;
  want(EPOLLIN);
}

void SimConnection::send_datagrams(const UnitTrain& train, std::span<const uint32_t> order) {
  server_.counts_.would_block += send_train(server_.udp_->rtp(), train, order, media_, peer_size_);
}

void SimConnection::send_control(ByteSpan rtcp) {
  if (udp_) {
    ::sendto(server_.udp_->rtcp(), rtcp.data(), rtcp.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&control_), peer_size_);
    return;
  }
  std::vector<uint8_t> framed{'$', control_channel_, static_cast<uint8_t>(rtcp.size() >> 8),
                              static_cast<uint8_t>(rtcp.size())};
  framed.insert(framed.end(), rtcp.begin(), rtcp.end());
  send_bytes(framed.data(), framed.size());
}

void SimConnection::heard_control_from(const sockaddr_storage& from) {
  const size_t address_and_port = from.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : offsetof(sockaddr_in, sin_zero);
  if (udp_ && std::memcmp(&from, &control_, address_and_port) == 0) heard(LifeSign::rtcp);
}

void SimConnection::heard(LifeSign sign) {
  if (text_.counts(sign)) last_heard = server_.loop_.now();
}

Nanos SimConnection::patience() const {
  const Nanos usual = server_.options_.session_timeout + 5s;
  if (!text_.any() || !playing) return usual;
  return std::chrono::seconds(text_.patience_s(static_cast<int>(usual / 1s)));
}

void SimConnection::read() {
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return server_.close(this);
    if (got < 0) break;
    in_.append(buffer, static_cast<size_t>(got));
    if (static_cast<size_t>(got) < sizeof buffer) break;
  }
  size_t at = 0;
  while (!closing && at < in_.size()) {
    const std::string_view rest = std::string_view(in_).substr(at);
    if (rest[0] == '$') {
      if (rest.size() < 4) break;
      const size_t size = 4 + load_be16(reinterpret_cast<const uint8_t*>(rest.data()) + 2);
      if (rest.size() < size) break;
      if (size >= 6 && static_cast<uint8_t>(rest[5]) == 201) ++server_.counts_.receiver_reports;
      at += size;
      heard(LifeSign::rtcp);
      continue;
    }
    RtspText request;
    bool bad = false;
    const size_t size = read_message(rest, request, bad);
    if (bad) return server_.close(this);
    if (size == 0) break;
    at += size;
    heard(request.first == "OPTIONS"         ? LifeSign::options
          : request.first == "GET_PARAMETER" ? LifeSign::get_parameter
                                             : LifeSign::other);
    handle(request);
  }
  in_.erase(0, at);
  if (in_.size() > kMaxRequestBuffer) server_.close(this);
}

void SimConnection::answer(const RtspText& request, int status, std::string_view reason, Headers headers,
                           std::string body) {
  SimAnswer made;
  made.status = status;
  made.reason = reason;
  made.headers = std::move(headers);
  made.body = std::move(body);
  deliver(request, std::move(made));
}

void SimConnection::deliver(const RtspText& request, SimAnswer answer) {
  answer.cseq = request.header("CSeq");
  answer.huge_length = slot != nullptr && slot->huge_body;
  text_.bend(answer);
  if (!answer.silent) {
    held_ += answer_text(answer);
    const bool late = request.first == "PLAY" && text_.answers_late(udp_);
    if (!playing || !(late || text_.answers_inside(udp_))) {
      const std::string text = take_answer();
      send_bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    }
  }
  if (answer.close) server_.close(this);
}

bool SimConnection::authorized(const RtspText& request, const SimServer::CameraSlot& camera) {
  const SimOptions& options = server_.options_;
  if (options.credentials.empty() && !camera.refuse_credentials) return true;
  const std::string nonce = text_.nonce_for(request, server_.nonce_);
  if (!camera.refuse_credentials && text_.accepts(request, kRealm, nonce, options.credentials)) return true;
  Headers headers;
  for (std::string& challenge : text_.challenges(kRealm, nonce, options.offer_md5, options.offer_sha256)) {
    headers.emplace_back("WWW-Authenticate", std::move(challenge));
  }
  ++server_.counts_.unauthorized;
  answer(request, 401, "Unauthorized", std::move(headers));
  return false;
}

void SimConnection::handle(const RtspText& request) {
  if (request.first.starts_with("RTSP/")) {
    if (std::exchange(waits_for_client_, false)) server_.start_playing(*slot, this);
    return;
  }
  ++server_.counts_.requests;
  SimServer::CameraSlot* camera = server_.find_camera(request.second);
  if (camera != nullptr) text_.wear(camera->quirks, camera->camera->number());
  const bool options = request.first == "OPTIONS";
  if (!options) {
    if (camera == nullptr) return answer(request, 404, "Not Found");
    if (camera->closed_down) return server_.close(this);
    if (camera->answer_delay > 0ns && slot != camera) {
      // Only the first request of a connection waits: a client sends the next one only after the answer anyway.
      slot = camera;
      return server_.loop_.after(camera->answer_delay, [server = &server_, self = this, request] {
        const auto found = server->connections_.find(self);
        if (found != server->connections_.end() && !self->closing) self->handle(request);
      });
    }
    if (slot == nullptr) slot = camera;
  }
  if (text_.any()) {
    const size_t sessions = camera == nullptr ? 0 : camera->sessions.size();
    auto refusal = text_.refuse(request, {!session_.empty(), playing, sessions - (playing && sessions > 0)});
    if (refusal) {
      server_.counts_.refused += refusal->status >= 400;
      return deliver(request, *std::move(refusal));
    }
  }
  if (options) {
    return answer(request, 200, "OK",
                  {{"Public", "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN"}});
  }
  if (!authorized(request, *camera)) return;
  if (request.first == "DESCRIBE") {
    const std::string base = request.second.ends_with('/') ? request.second : request.second + "/";
    return answer(request, 200, "OK", {{"Content-Base", base}, {"Content-Type", "application/sdp"}},
                  server_.describe(*camera, base));
  }
  if (request.first == "SETUP") return setup(request, *camera);
  if (request.first == "PLAY") return play(request, *camera);
  if (request.first == "PAUSE") {
    server_.stop_playing(*camera, this);
    return answer(request, 200, "OK", {{"Session", session_}});
  }
  if (request.first == "GET_PARAMETER" || request.first == "SET_PARAMETER") {
    return answer(request, 200, "OK", session_.empty() ? Headers{} : Headers{{"Session", session_}});
  }
  if (request.first == "TEARDOWN") {
    server_.stop_playing(*camera, this);
    return answer(request, 200, "OK", {{"Session", session_}});
  }
  answer(request, 405, "Method Not Allowed");
}

void SimConnection::setup(const RtspText& request, SimServer::CameraSlot& camera) {
  if (camera.refuse_status != 0) {
    ++server_.counts_.refused;
    return answer(request, camera.refuse_status, "Refused");
  }
  const std::string_view transport = request.header("Transport");
  const bool tcp = transport.find("RTP/AVP/TCP") != std::string_view::npos;
  if ((tcp && !server_.options_.allow_tcp) || (!tcp && !server_.options_.allow_udp)) {
    return answer(request, 461, "Unsupported Transport");
  }
  const bool audio = request.second.ends_with("trackID=1");
  if (audio) ++server_.counts_.audio_setups;
  if (session_.empty()) session_ = std::to_string(10000000 + server_.next_session_++);
  char ssrc[16];
  std::snprintf(ssrc, sizeof ssrc, "%08X", camera.camera->ssrc());
  std::string reply;
  if (tcp) {
    auto pair = read_pair(list_parameter(transport, "interleaved")).value_or(std::pair(audio ? 2 : 0, audio ? 3 : 1));
    text_.choose_channels(pair);
    if (!audio) {
      channel_ = static_cast<uint8_t>(text_.mixes_channels() ? pair.second : pair.first);
      control_channel_ = static_cast<uint8_t>(text_.mixes_channels() ? pair.first : pair.second);
    }
    reply = "RTP/AVP/TCP;unicast;interleaved=" + std::to_string(pair.first) + "-" + std::to_string(pair.second);
  } else {
    const auto pair = read_pair(list_parameter(transport, "client_port"));
    if (!pair) return answer(request, 461, "Unsupported Transport");
    if (!audio) {
      media_ = with_port(peer_, pair->first);
      control_ = with_port(peer_, pair->second);
    }
    reply = "RTP/AVP;unicast;client_port=" + std::to_string(pair->first) + "-" + std::to_string(pair->second) +
            ";server_port=" + std::to_string(server_.udp_->port()) + "-" + std::to_string(server_.udp_->port() + 1);
  }
  if (!audio) udp_ = !tcp;
  const int timeout_s = text_.announced_timeout_s(static_cast<int>(server_.options_.session_timeout / 1s));
  answer(request, 200, "OK",
         {{"Transport", reply + ";ssrc=" + ssrc}, {"Session", session_ + ";timeout=" + std::to_string(timeout_s)}});
}

void SimConnection::play(const RtspText& request, SimServer::CameraSlot& camera) {
  if (session_.empty()) return answer(request, 454, "Session Not Found");
  if (camera.refuse_status != 0) {
    ++server_.counts_.refused;
    return answer(request, camera.refuse_status, "Refused");
  }
  slot = &camera;
  const std::string own_request = text_.request_of_its_own(request.second);
  waits_for_client_ = !own_request.empty() && !playing;
  if (!waits_for_client_) server_.start_playing(camera, this);
  std::string url = request.second;
  if (!url.ends_with('/')) url += '/';
  PatchValues next;
  next.first_sequence = camera.camera->next_sequence();
  next.rtp_timestamp = camera.camera->next_timestamp();
  if (camera.media) camera.media->bend(next);
  answer(request, 200, "OK",
         {{"Session", session_},
          {"Range", "npt=now-"},
          {"RTP-Info", "url=" + url + "trackID=0;seq=" + std::to_string(next.first_sequence) +
                           ";rtptime=" + std::to_string(next.rtp_timestamp)}});
  if (waits_for_client_) send_bytes(reinterpret_cast<const uint8_t*>(own_request.data()), own_request.size());
}

}  // namespace vigie::loadgen
