#include "source/http_tunnel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <variant>

#include "base/base64.h"
#include "base/random.h"
#include "rtsp/text.h"

namespace vigie::source {
namespace {

constexpr size_t kMaxHeadBytes = 16 << 10;
constexpr size_t kMaxHeldBytes = 64 << 10;
constexpr size_t kMaxUnconfirmedBytes = 16 << 10;
constexpr size_t kPostBytes = 32767;  // as QuickTime announces; servers that look at it at all know this number
constexpr uint32_t kMaxUnauthorized = 4;
constexpr Nanos kDrainDeadline = 500ms;
constexpr Nanos kRepeatAfter = 1s;
constexpr std::string_view kType = "application/x-rtsp-tunnelled";

// Length of the head that `text` begins with, its blank line included; 0 when it is not complete.
size_t head_bytes(std::string_view text) {
  const size_t crlf = text.find("\r\n\r\n");
  const size_t lf = text.find("\n\n");
  if (crlf == std::string_view::npos && lf == std::string_view::npos) return 0;
  return crlf < lf ? crlf + 4 : lf + 2;
}

Result<rtsp::Response> parse_answer(std::string_view head) {
  const Error none = make_error(Code::rtsp_unsupported, {}, "the answer is not HTTP");
  if (!rtsp::istarts_with(head, "HTTP/")) return none;
  // Both protocols write a head alike.
  auto message = rtsp::parse_message(std::string("RTSP").append(head.substr(4)), {});
  if (!message) return std::move(message).error();
  auto* response = std::get_if<rtsp::Response>(&*message);
  if (!response) return none;
  return std::move(*response);
}

// What a web server says for pages and pictures; servers that mean the tunnel give its type, another one, or none.
bool is_no_tunnel(std::string_view type) {
  const auto begins = [type](std::string_view kind) { return rtsp::istarts_with(type, kind); };
  return begins("text/") || begins("image/") || begins("multipart/") || begins("video/");
}

}  // namespace

HttpTunnel::HttpTunnel(net::EventLoop& loop, HttpTunnelConfig config, Dial dial, net::StreamHandler& handler)
    : loop_(loop), config_(std::move(config)), dial_(std::move(dial)), handler_(handler), cookie_(random_hex(11)) {
  if (!config_.target.starts_with('/')) config_.target.insert(0, "/");
}

HttpTunnel::~HttpTunnel() { close(); }

Result<std::unique_ptr<HttpTunnel>> HttpTunnel::open(net::EventLoop& loop, HttpTunnelConfig config, Dial dial,
                                                     net::StreamHandler& handler) {
  std::unique_ptr<HttpTunnel> tunnel(new HttpTunnel(loop, std::move(config), std::move(dial), handler));
  if (Status dialled = tunnel->dial_get(); !dialled) return std::move(dialled).error();
  return tunnel;
}

// --- GET

Status HttpTunnel::dial_get() {
  get_head_.clear();
  auto stream = dial_(get_ear_);
  if (!stream) return std::move(stream).error();
  get_ = std::move(*stream);
  return {};
}

std::string HttpTunnel::request_head(std::string_view method, std::string_view more) {
  std::string head = std::string(method) + " " + config_.target + " HTTP/1.0\r\n";
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(rtsp::single_line(value)).append("\r\n");
  };
  add("Host", config_.authority);
  add("User-Agent", config_.user_agent);
  add("x-sessioncookie", cookie_);
  head.append(more);
  add("Pragma", "no-cache");
  add("Cache-Control", "no-cache");
  if (config_.auth.ready()) add("Authorization", config_.auth.authorization(method, config_.target, random_hex(12)));
  return head.append("\r\n");
}

void HttpTunnel::on_get_open() {
  const std::string head = request_head("GET", std::string("Accept: ").append(kType).append("\r\n"));
  const net::IoResult result = get_->write(as_bytes(head));
  if (!result.ok() || result.bytes != head.size()) {
    return fail(make_error(Code::connection_lost, {}, "the server takes nothing of the tunnel's GET"));
  }
  arm("the tunnel's GET was not answered");
}

void HttpTunnel::on_get_readable() {
  if (open_) return handler_.on_stream_readable();  // may destroy this
  std::array<uint8_t, 4096> memory;
  const net::IoResult result = get_->read(memory);
  if (result.would_block()) return;
  if (!result.ok()) {
    if (result.state == net::IoState::failed) return fail(get_->error());
    return fail(make_error(Code::connection_lost, {}, "the server closed the tunnel's GET without an answer"));
  }
  if (answered_ && post_phase_ != PostPhase::none) {  // the POST is on its way
    early_.append(as_text(ByteSpan(memory).first(result.bytes)));
    if (early_.size() > kMaxHeadBytes) {
      fail(make_error(Code::rtsp_too_large, {}, "the server sends before it was asked for anything"));
    }
    return;
  }
  get_head_.append(as_text(ByteSpan(memory).first(result.bytes)));
  const size_t size = head_bytes(get_head_);
  if (size > kMaxHeadBytes || (size == 0 && get_head_.size() > kMaxHeadBytes)) {
    return fail(make_error(Code::rtsp_too_large, {}, "the head of the answer to the tunnel's GET is too long"));
  }
  const std::string_view begins = std::string_view(get_head_).substr(0, 5);
  if (size == 0 && rtsp::istarts_with("HTTP/", begins)) return;
  auto response = parse_answer(std::string_view(get_head_).substr(0, size));
  if (!response) {
    Error& error = response.error();
    return fail(make_error(error.code, {}, "the tunnel's GET: " + error.what));
  }
  early_ = get_head_.substr(size);
  get_head_.clear();
  on_get_answer(*response);
}

std::optional<Error> HttpTunnel::refusal(std::string_view method, const rtsp::Response& response) {
  const std::string whose = "the tunnel's " + std::string(method);
  const auto refuse = [&](Code code, std::string_view what) {
    return make_error(code, {}, whose + " " + std::string(what));
  };
  const int status = response.status;
  if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
    redirect_ = response.headers.get("Location");
    return refuse(Code::redirect_refused, "was answered " + std::to_string(status) + " without a Location");
  }
  if (status != 401) {
    std::string phrase = rtsp::single_line(response.reason.substr(0, 64));
    return refuse(Code::rtsp_status, "was answered " + std::to_string(status) + (phrase.empty() ? "" : " ") + phrase);
  }
  switch (config_.auth.on_unauthorized(response.headers)) {
    case rtsp::ClientAuth::Next::refused:
      return refuse(Code::rtsp_auth, "was refused with the configured user and password");
    case rtsp::ClientAuth::Next::unsupported:
      return refuse(Code::rtsp_auth, "is asked for a kind of authentication that is not known here");
    case rtsp::ClientAuth::Next::no_credentials:
      return refuse(Code::rtsp_auth, "is asked for a user and password, and none are configured for it");
    case rtsp::ClientAuth::Next::retry: break;
  }
  if (++unauthorized_ > kMaxUnauthorized) return refuse(Code::rtsp_auth, "is asked for credentials again and again");
  return std::nullopt;
}

void HttpTunnel::on_get_answer(const rtsp::Response& response) {
  answered_ = true;
  if (!response.success()) {
    if (auto error = refusal("GET", response)) return fail(std::move(*error));
    early_.clear();
    // C8: a new connection, whether the server closes this one or not.
    get_.reset();
    if (Status dialled = dial_get(); !dialled) fail(std::move(dialled).error());
    return;
  }
  if (config_.auth.ready()) config_.auth.on_accepted();
  unauthorized_ = 0;
  const std::string type(response.headers.get("Content-Type"));
  if (is_no_tunnel(type)) {
    return fail(make_error(Code::rtsp_unsupported, {},
                           "the tunnel's GET was answered with " + rtsp::single_line(type.substr(0, 64)) +
                               "; right would be " + std::string(kType) + ": there is no RTSP tunnel at this URL"));
  }
  if (Status dialled = dial_post(); !dialled) fail(std::move(dialled).error());
}

// --- POST

Status HttpTunnel::dial_post() {
  post_head_.clear();
  post_answered_ = false;
  out_.clear();
  unconfirmed_.clear();
  auto stream = dial_(post_ear_);
  if (!stream) return std::move(stream).error();
  post_ = std::move(*stream);
  post_phase_ = PostPhase::connecting;
  arm("the tunnel's POST could not be opened");
  return {};
}

void HttpTunnel::on_post_open() {
  disarm();
  post_phase_ = PostPhase::open;
  const size_t length = std::max(kPostBytes, held_.size());
  std::string more = std::string("Content-Type: ").append(kType).append("\r\nContent-Length: ");
  // A date of the past: no cache may keep any of it.
  more.append(std::to_string(length)).append("\r\nExpires: Sun, 9 Jan 1972 00:00:00 GMT\r\n");
  // By itself: GStreamer's server does not look for a body that comes in the head's TLS record.
  const std::string head = request_head("POST", more);
  const net::IoResult sent = post_->write(as_bytes(head));
  if (!sent.ok() || sent.bytes != head.size()) {
    return fail(make_error(Code::connection_lost, {}, "the server takes nothing of the tunnel's POST"));
  }
  out_ = held_;
  unconfirmed_ = std::exchange(held_, {});
  post_left_ = length - unconfirmed_.size();
  if (std::exchange(open_, true)) return flush();
  handler_.on_stream_open();  // may destroy this
}

void HttpTunnel::on_post_writable() { flush(); }

void HttpTunnel::flush() {
  if (!open_ && post_phase_ != PostPhase::open) return;
  if (post_phase_ == PostPhase::none && !held_.empty()) {
    if (Status dialled = dial_post(); !dialled) fail(std::move(dialled).error());
    return;
  }
  if (post_phase_ != PostPhase::open) return;
  while (!out_.empty()) {
    const net::IoResult result = post_->write(as_bytes(out_));
    if (result.state == net::IoState::failed) return on_post_failed(Error(post_->error()));
    if (!result.ok()) break;
    out_.erase(0, result.bytes);
  }
  post_->set_write_interest(!out_.empty());
  if (out_.empty() && !held_.empty()) drain_post();
}

void HttpTunnel::drain_post() {
  if (post_phase_ != PostPhase::open) return;
  post_phase_ = PostPhase::draining;
  post_->shutdown_write();
  // A server that takes its time must not see the next POST before the end of this one.
  timer_ = loop_.add_timer(loop_.clock().now_mono() + kDrainDeadline, [this] {
    timer_ = {};
    replace_post();
  });
}

void HttpTunnel::replace_post() {
  post_.reset();
  post_phase_ = PostPhase::none;
  disarm();
  if (Status dialled = dial_post(); !dialled) fail(std::move(dialled).error());
}

void HttpTunnel::on_post_readable() {
  std::array<uint8_t, 4096> memory;
  const net::IoResult result = post_->read(memory);
  if (result.would_block()) return;
  if (result.state == net::IoState::failed) return on_post_failed(Error(post_->error()));
  if (result.state == net::IoState::eof) return on_post_ended();
  if (post_answered_) return;  // a body that says nothing to us
  post_head_.append(as_text(ByteSpan(memory).first(result.bytes)));
  const size_t size = head_bytes(post_head_);
  if (size == 0 && post_head_.size() <= kMaxHeadBytes) return;
  auto response = parse_answer(std::string_view(post_head_).substr(0, size));
  post_head_.clear();
  if (!response) return fail(make_error(response.error().code, {}, "the tunnel's POST: " + response.error().what));
  post_answered_ = true;
  on_post_answer(*response);
}

void HttpTunnel::on_post_answer(const rtsp::Response& response) {
  if (response.success()) {  // most never answer; some do so at once
    unauthorized_ = 0;
    if (config_.auth.ready()) config_.auth.on_accepted();
    return;
  }
  if (auto error = refusal("POST", response)) return fail(std::move(*error));
  held_.insert(0, unconfirmed_);
  replace_post();
}

void HttpTunnel::on_post_ended() {
  held_.insert(0, std::exchange(out_, {}));  // what the kernel had not taken was not read either
  post_.reset();
  post_phase_ = PostPhase::none;
  disarm();
  if (!held_.empty()) {
    flush();
  } else if (!unconfirmed_.empty() && !repeated_) {
    // Read before the end, or lost with it: an answer tells.
    timer_ = loop_.add_timer(loop_.clock().now_mono() + kRepeatAfter, [this] {
      timer_ = {};
      if (unconfirmed_.empty() || post_phase_ != PostPhase::none) return;
      repeated_ = true;
      held_.insert(0, unconfirmed_);
      flush();
    });
  }
}

void HttpTunnel::on_post_failed(const Error& error) {
  if (post_phase_ == PostPhase::draining) return on_post_ended();  // it was to end
  if (!open_ || unconfirmed_.empty() || repeated_) return fail(error);
  repeated_ = true;  // closed by the server while we wrote
  held_.insert(0, unconfirmed_);
  replace_post();
}

// --- as a Stream

net::IoResult HttpTunnel::read(std::span<uint8_t> into) {
  if (!open_ || !get_) return {get_ ? net::IoState::would_block : net::IoState::failed, 0};
  if (!early_.empty()) {
    const size_t size = std::min(early_.size(), into.size());
    std::memcpy(into.data(), early_.data(), size);
    early_.erase(0, size);
    return {net::IoState::ok, size};
  }
  const net::IoResult result = get_->read(into);
  if (result.ok()) {
    unconfirmed_.clear();
    repeated_ = false;
  } else if (result.state == net::IoState::failed) {
    error_ = get_->error();
  }
  return result;
}

net::IoResult HttpTunnel::write(ByteSpan bytes) {
  if (!open_) return {get_ ? net::IoState::would_block : net::IoState::failed, 0};
  if (bytes.empty()) return {net::IoState::ok, 0};
  const std::string text = base64_encode(bytes);
  if (out_.size() + held_.size() + text.size() > kMaxHeldBytes) {
    error_ = make_error(Code::connection_lost, {}, "the server reads nothing of the tunnel's POST");
    return {net::IoState::failed, 0};
  }
  if (post_phase_ == PostPhase::open && held_.empty() && text.size() <= post_left_) {
    post_left_ -= text.size();
    out_.append(text);
    if (unconfirmed_.size() + text.size() > kMaxUnconfirmedBytes) unconfirmed_.clear();
    unconfirmed_.append(text);
  } else {
    held_.append(text);
  }
  // Not now: that the server has closed the POST may wait to be read in this very wake-up.
  loop_.at_batch_end(*this);
  return {net::IoState::ok, bytes.size()};
}

net::IoResult HttpTunnel::writev(std::span<const iovec> pieces) {
  std::string all;
  for (const iovec& piece : pieces) all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  return write(as_bytes(all));
}

void HttpTunnel::set_read_interest(bool on) {
  if (get_) get_->set_read_interest(on);
}

size_t HttpTunnel::unsent_bytes() const { return out_.size() + held_.size() + (post_ ? post_->unsent_bytes() : 0); }

void HttpTunnel::shutdown_write() {
  if (post_) post_->shutdown_write();
}

void HttpTunnel::close() {
  if (open_ && post_phase_ == PostPhase::open && !out_.empty()) (void)post_->write(as_bytes(out_));
  open_ = false;
  disarm();
  get_.reset();
  post_.reset();
}

void HttpTunnel::reset_close() {
  if (get_) get_->reset_close();
  if (post_) post_->reset_close();
  close();
}

Status HttpTunnel::set_options(const net::StreamOptions& options) {
  if (!get_) return make_error(Code::closed, {}, "the stream is closed");
  return get_->set_options(options);
}

net::SocketAddress HttpTunnel::local_address() const { return get_ ? get_->local_address() : net::SocketAddress(); }

net::SocketAddress HttpTunnel::peer_address() const { return get_ ? get_->peer_address() : net::SocketAddress(); }

// --- the end

void HttpTunnel::arm(const char* what) {
  disarm();
  timer_ = loop_.add_timer(loop_.clock().now_mono() + config_.answer_deadline, [this, what] {
    timer_ = {};
    const std::string within = " within " + std::to_string(config_.answer_deadline / 1ms) + " ms";
    fail(make_error(Code::timed_out, {}, what + within));
  });
}

void HttpTunnel::disarm() { loop_.cancel_timer(std::exchange(timer_, {})); }

void HttpTunnel::fail(Error error) {
  close();
  error_ = std::move(error);
  const Error told = error_;
  handler_.on_stream_failed(told);  // may destroy this
}

}  // namespace vigie::source
