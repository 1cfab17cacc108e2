#include "loadgen/viewer.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "loadgen/viewer_udp.h"

namespace vigie::loadgen {
namespace {

int64_t nanos(MonoTime time) { return time.time_since_epoch().count(); }

}  // namespace

Viewer::Viewer(ViewerShared& shared, ViewerOptions options) : shared_(shared), options_(std::move(options)) {
  // rtsp://HOST[:PORT]/path, HOST numeric: one look-up for ever.
  const size_t begin = options_.url.find("://");
  const size_t host_at = begin == std::string::npos ? 0 : begin + 3;
  const size_t slash = options_.url.find('/', host_at);
  std::string host = options_.url.substr(host_at, slash == std::string::npos ? slash : slash - host_at);
  std::string port = "554";
  const size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) {
    port = host.substr(colon + 1);
    host.resize(colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) == 0) {
    std::memcpy(&address_, found->ai_addr, found->ai_addrlen);
    address_size_ = found->ai_addrlen;
    ::freeaddrinfo(found);
  }
}

Viewer::~Viewer() {
  if (fd_) shared_.loop.unwatch(fd_.get());
}

void Viewer::start() {
  close();
  ++attempt_;
  ++shared_.connects;
  if (address_size_ == 0) return fail("the URL must have a numeric address: " + options_.url);
  connect_ns_ = nanos(shared_.loop.now());
  fd_.reset(::socket(address_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address_), address_size_) != 0 && errno != EINPROGRESS) {
    return fail(std::string("connect: ") + std::strerror(errno));
  }
  state_ = State::connecting;
  shared_.loop.watch(fd_.get(), EPOLLOUT, this);
  shared_.loop.after(options_.answer_timeout, [this, attempt = attempt_] {
    if (attempt == attempt_ && state_ != State::playing && state_ != State::idle) fail("no answer in time");
  });
}

void Viewer::reconnect() {
  if (state_ == State::playing) start();
}

void Viewer::stop() {
  close();
  ++attempt_;
}

void Viewer::close() {
  end_check();
  udp_.reset();
  if (fd_) {
    shared_.loop.unwatch(fd_.get());
    fd_.reset();
  }
  state_ = State::idle;
  rest_.clear();
  cseq_ = 0;
  session_.clear();
  challenge_.clear();
  tried_auth_ = picture_noted_ = lag_noted_ = false;
}

void Viewer::end_check() {
  if (checker_ && shared_.measuring) shared_.finished.add(checker_->counts());
  checker_.reset();
}

void Viewer::clear_counts() {
  if (checker_) checker_->clear_counts();
}

void Viewer::fail(const std::string& why) {
  if (state_ == State::playing) {
    ++shared_.disconnects;
  } else {
    ++shared_.failures;
  }
  shared_.last_failure = options_.url + ": " + why;
  close();
  shared_.loop.after(options_.retry_delay, [this, attempt = attempt_] {
    if (attempt == attempt_) start();
  });
}

void Viewer::on_ready(uint32_t events) {
  if (state_ == State::idle) return;
  if (state_ == State::connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(std::string("connect: ") + std::strerror(error));
    shared_.loop.watch(fd_.get(), EPOLLIN, this);
    state_ = State::describing;
    return request("DESCRIBE", options_.url, "Accept: application/sdp\r\n");
  }
  if (options_.stalled && state_ == State::playing) return fail("closed by the server");
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read();
}

void Viewer::read() {
  const ssize_t got = ::recv(fd_.get(), shared_.buffer.data(), shared_.buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return fail(got == 0 ? "closed by the server" : std::strerror(errno));
  consume(shared_.buffer.data(), static_cast<size_t>(got), nanos(shared_.loop.now()));
}

void Viewer::consume(const uint8_t* data, size_t size, int64_t now_ns) {
  // A frame that the last read cut is completed with just the bytes it needs; only those are copied.
  while (!rest_.empty() && size > 0) {
    if (rest_[0] != '$') {
      std::vector<uint8_t> whole;
      whole.swap(rest_);
      whole.insert(whole.end(), data, data + size);
      return consume_messages(whole.data(), whole.size(), now_ns);
    }
    const size_t wanted = rest_.size() < 4 ? 4 : size_t{4} + load_be16(&rest_[2]);
    const size_t take = std::min(size, wanted - rest_.size());
    rest_.insert(rest_.end(), data, data + take);
    data += take;
    size -= take;
    if (rest_.size() >= 4 && rest_.size() == size_t{4} + load_be16(&rest_[2])) {
      if (rest_[1] == 0) on_media(ByteSpan(rest_).subspan(4), now_ns);
      rest_.clear();
    }
  }
  if (size > 0) consume_messages(data, size, now_ns);
}

void Viewer::consume_messages(const uint8_t* data, size_t size, int64_t now_ns) {
  const uint64_t attempt = attempt_;
  while (size > 0) {
    size_t used = 0;
    if (data[0] == '$') {
      const size_t whole = size >= 4 ? size_t{4} + load_be16(data + 2) : 0;
      if (whole == 0 || size < whole) break;
      used = whole;
      if (data[1] == 0) on_media({data + 4, whole - 4}, now_ns);
    } else {
      RtspText response;
      bool bad = false;
      used = read_message({reinterpret_cast<const char*>(data), size}, response, bad);
      if (bad) return fail("what came is no RTSP");
      if (used == 0) break;
      on_response(response);
      if (attempt != attempt_ || state_ == State::idle) return;
      if (options_.stalled && state_ == State::playing) return;
    }
    data += used;
    size -= used;
  }
  rest_.assign(data, data + size);
}

void Viewer::on_media(ByteSpan rtp, int64_t now_ns) {
  if (!checker_) return;
  checker_->on_packet(rtp, now_ns);
  if (!picture_noted_ || !lag_noted_) note_progress();
}

void Viewer::note_progress() {
  if (!picture_noted_ && checker_->first_unit_ns() != 0) {
    picture_noted_ = true;
    if (!checker_->began_with_keyframe()) ++shared_.began_without_keyframe;
    shared_.first_picture.record(checker_->first_unit_ns() - play_ns_);
    shared_.connect_to_picture.record(checker_->first_unit_ns() - connect_ns_);
  }
  if (!lag_noted_ && checker_->live_edge_lag_ns() >= 0) {
    lag_noted_ = true;
    shared_.live_edge.record(checker_->live_edge_lag_ns());
  }
}

void Viewer::request(std::string_view method, const std::string& url, const std::string& headers) {
  method_ = method;
  request_url_ = url;
  request_headers_ = headers;
  std::string text(method);
  text += " " + url + " RTSP/1.0\r\nCSeq: " + std::to_string(++cseq_) + "\r\nUser-Agent: vigie-load\r\n" + headers;
  if (!session_.empty()) text += "Session: " + session_ + "\r\n";
  if (!challenge_.empty()) {
    text += "Authorization: " + answer_challenge(challenge_, method, url, options_.credentials, "0a4f113b") + "\r\n";
  }
  text += "\r\n";
  if (::send(fd_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    fail("a request could not be sent");
  }
}

bool Viewer::read_description(const RtspText& response) {
  base_url_ = response.header("Content-Base");
  if (base_url_.empty()) base_url_ = options_.url;
  track_url_.clear();
  bool in_video = false, found = false;
  std::string_view body = response.body;
  while (!body.empty()) {
    const size_t end = body.find('\n');
    std::string_view line = body.substr(0, end);
    body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("m=")) {
      if (found) break;
      in_video = line.starts_with("m=video");
      found = in_video;
      if (in_video && line.ends_with(" 26")) codec_ = Codec::mjpeg;
    } else if (in_video && line.starts_with("a=rtpmap:")) {
      if (line.find("H265") != std::string_view::npos)
        codec_ = Codec::h265;
      else if (line.find("H264") != std::string_view::npos)
        codec_ = Codec::h264;
      else if (line.find("JPEG") != std::string_view::npos)
        codec_ = Codec::mjpeg;
    } else if (in_video && line.starts_with("a=control:")) {
      track_url_ = line.substr(10);
    }
  }
  if (track_url_.find("://") == std::string::npos) {
    track_url_ = base_url_ + (base_url_.ends_with('/') ? "" : "/") + track_url_;
  }
  return found;
}

void Viewer::send_setup() {
  if (!options_.udp) return request("SETUP", track_url_, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
  udp_ = std::make_unique<UdpPair>(shared_.loop, shared_.buffer,
                                   [this](ByteSpan rtp, int64_t now_ns) { on_media(rtp, now_ns); });
  if (!udp_->open(address_, address_size_)) return fail("no pair of UDP ports");
  request("SETUP", track_url_,
          "Transport: RTP/AVP;unicast;client_port=" + std::to_string(udp_->port()) + "-" +
              std::to_string(udp_->port() + 1) + "\r\n");
}

void Viewer::on_response(const RtspText& response) {
  if (!response.first.starts_with("RTSP/")) return;  // a request of the server's: nobody waits for an answer here
  int status = 0;
  std::from_chars(response.second.data(), response.second.data() + response.second.size(), status);
  if (status == 401 && !options_.credentials.empty() && !tried_auth_) {
    for (const auto& [name, value] : response.headers) {
      if (name.size() == 16 && strncasecmp(name.c_str(), "WWW-Authenticate", 16) == 0 &&
          !answer_challenge(value, method_, request_url_, options_.credentials, "").empty()) {
        challenge_ = value;
        tried_auth_ = true;
        return request(std::string(method_), std::string(request_url_), std::string(request_headers_));
      }
    }
  }
  tried_auth_ = false;
  if (state_ == State::playing) return;  // keep-alive
  if (status != 200) return fail(method_ + " was answered with " + response.second + " " + response.third);
  switch (state_) {
    case State::describing:
      if (!read_description(response)) return fail("the description has no video");
      state_ = State::setting_up;
      return send_setup();
    case State::setting_up: {
      const std::string_view session = response.header("Session");
      session_ = session.substr(0, session.find(';'));
      state_ = State::starting;
      play_ns_ = nanos(shared_.loop.now());
      // Media may come before the answer.
      checker_.emplace(codec_, options_.camera, play_ns_, &shared_.latency);
      if (udp_) udp_->connect(read_pair(list_parameter(response.header("Transport"), "server_port")), address_);
      request("PLAY", base_url_, "Range: npt=0.000-\r\n");
      if (options_.stalled && state_ == State::starting) {
        state_ = State::playing;
        shared_.loop.watch(fd_.get(), 0, this);
      }
      return;
    }
    case State::starting: state_ = State::playing; return keep_alive(attempt_);
    default: return;
  }
}

void Viewer::keep_alive(uint64_t attempt) {
  shared_.loop.after(options_.keep_alive, [this, attempt] {
    if (attempt != attempt_ || state_ != State::playing) return;
    request("GET_PARAMETER", base_url_);
    if (attempt == attempt_ && state_ == State::playing) keep_alive(attempt);
  });
}

}  // namespace vigie::loadgen
