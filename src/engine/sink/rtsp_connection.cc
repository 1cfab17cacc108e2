#include "sink/rtsp_connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/tcp.h"
#include "net/tls.h"

namespace vigie::sink {

namespace {

rtsp::SplitterLimits splitter_limits(const policy::LimitsPolicy& limits) {
  rtsp::SplitterLimits out;
  out.header_bytes = limits.header_bytes;
  out.body_bytes = 4096;      // viewers have nothing longer to say
  out.garbage_run_bytes = 0;  // and no quirk excuses rubbish from them
  return out;
}

}  // namespace

RtspConnection::RtspConnection(ServerShard& shard, std::shared_ptr<ShardListener> listener, uint64_t number,
                               const net::SocketAddress& peer)
    : shard_(shard),
      listener_(std::move(listener)),
      number_(number),
      peer_(peer),
      out_(shard.scratch()),
      splitter_(splitter_limits(shard.limits())) {
  opened_at_ = last_request_ = shard_.loop().now();
  shard_.shared().admission.add_half_open();
  shard_.shared().connections_open.fetch_add(1, std::memory_order_relaxed);
}

RtspConnection::~RtspConnection() {
  close(true, "closed", 0);
  if (half_open_) shard_.shared().admission.remove_half_open();
  shard_.shared().connections_open.fetch_sub(1, std::memory_order_relaxed);
}

Status RtspConnection::start(Fd fd) {
  const policy::LimitsPolicy& limits = shard_.limits();
  net::StreamOptions options;
  options.no_delay = true;
  options.send_buffer_bytes = static_cast<int>(limits.send_buffer_bytes);
  options.notsent_lowat_bytes = static_cast<int>(std::max<uint32_t>(limits.send_buffer_bytes / 4, 64 << 10));
  if (listener_->policy().dscp != 0) options.dscp = listener_->policy().dscp;
  options.keep_alive = std::chrono::seconds(30);
  Result<std::unique_ptr<net::Stream>> stream =
      listener_->tls() ? net::accept_tls(shard_.loop(), std::move(fd), peer_, options, listener_->tls(), *this,
                                         limits.half_open_timeout)
                       : net::adopt_tcp(shard_.loop(), std::move(fd), peer_, options, *this);
  if (!stream.ok()) return std::move(stream).error();
  stream_ = std::move(stream).value();
  out_.attach(*stream_);
  out_.set_lag_limit(limits.lag_limit);
  return {};
}

// A grant, not mere bytes, makes a connection one that counts.
void RtspConnection::granted() {
  if (!std::exchange(half_open_, false)) return;
  shard_.shared().admission.remove_half_open();
}

void RtspConnection::close(bool reset, const std::string& why, uint16_t code) {
  if (std::exchange(closed_, true)) return;
  if (reset && stream_) stream_->reset_close();  // before anything else: what is queued must not leave
  waiting_.reset();
  described_.reset();
  if (session_is_tcp_) {
    if (RtpSession* session = shard_.find_session(session_id_)) shard_.end_session(*session, why, code, !reset);
  }
  if (!reset && stream_) stream_->close();
  shard_.retire(*this);
}

// --- bytes --------------------------------------------------------------------------------------------------------

void RtspConnection::on_stream_open() {}

void RtspConnection::on_stream_failed(const Error& error) {
  close(true, error.text(), static_cast<uint16_t>(error.code));
}

void RtspConnection::on_stream_readable() {
  const std::span<uint8_t> scratch = shard_.loop().read_scratch();
  const size_t kept = unread_.size();
  if (kept + kReadBytes > scratch.size()) return close(true, "a message longer than the limit", 0);
  if (kept > 0) std::memcpy(scratch.data(), unread_.data(), kept);
  const net::IoResult result = stream_->read(scratch.subspan(kept, kReadBytes));
  if (result.would_block()) return;
  if (!result.ok()) {
    const bool eof = result.state == net::IoState::eof;
    return close(!eof, eof ? "the viewer closed the connection" : stream_->error().text(),
                 eof ? uint16_t{0} : static_cast<uint16_t>(Code::connection_lost));
  }
  bytes_this_tick_ += result.bytes;
  if (bytes_this_tick_ > kMaxBytesPerTick) return close(true, "the viewer floods the server with bytes", 0);
  const ByteSpan bytes = ByteSpan(scratch).first(kept + result.bytes);
  const size_t used = consume(bytes);
  if (closed_) return;
  if (used == bytes.size()) {
    std::vector<uint8_t>().swap(unread_);
  } else {
    unread_.assign(bytes.begin() + static_cast<ptrdiff_t>(used), bytes.end());
  }
  if (waiting_ && unread_.size() > kMaxUnreadWaiting) {
    reading_paused_ = true;
    stream_->set_read_interest(false);
  }
}

// After an answer that was waited for: the requests that came meanwhile.
void RtspConnection::take_unread() {
  if (closed_ || waiting_ || consuming_) return;  // consuming: the answer came at once, the caller's loop goes on
  if (!unread_.empty()) {
    std::vector<uint8_t> bytes = std::move(unread_);
    unread_.clear();
    const size_t used = consume(bytes);
    if (closed_) return;
    if (used < bytes.size()) unread_.assign(bytes.begin() + static_cast<ptrdiff_t>(used), bytes.end());
  }
  if (!waiting_ && std::exchange(reading_paused_, false)) stream_->set_read_interest(true);
}

size_t RtspConnection::consume(ByteSpan bytes) {
  consuming_ = true;
  const size_t used = consume_all(bytes);
  consuming_ = false;
  return used;
}

size_t RtspConnection::consume_all(ByteSpan bytes) {
  size_t at = 0;
  while (!waiting_ && !closed_) {
    const rtsp::StreamSplitter::Item item = splitter_.next(bytes.subspan(at));
    at += item.consumed;
    switch (item.kind) {
      case rtsp::StreamSplitter::Kind::need_more: return at;
      case rtsp::StreamSplitter::Kind::interleaved:
        if (session_is_tcp_ && item.channel == channels_.rtcp) {
          if (RtpSession* session = tcp_session()) session->on_rtcp(item.payload);
        }
        break;
      case rtsp::StreamSplitter::Kind::request: handle(splitter_.take_request()); break;
      case rtsp::StreamSplitter::Kind::response: (void)splitter_.take_response(); break;  // we ask nothing
      case rtsp::StreamSplitter::Kind::error: {
        rtsp::Response response;
        response.status = splitter_.error().code == Code::rtsp_too_large ? 413 : 400;
        close_after_answer_ = true;
        answer(response);
        return at;
      }
    }
  }
  return at;
}

void RtspConnection::on_stream_writable() {
  RtpSession* session = session_is_tcp_ ? tcp_session() : nullptr;
  if (session) session->relieve();
  if (closed_) return;
  switch (out_.resume()) {
    case TcpDelivery::Resumed::blocked: return;
    case TcpDelivery::Resumed::failed:
      return close(true, "the viewer's connection broke", static_cast<uint16_t>(Code::connection_lost));
    case TcpDelivery::Resumed::ready: break;
  }
  if (close_after_answer_) return close(false, "closed after an error", 0);
  if (session) session->on_delivery_ready(SendOutcome::done);
}

void RtspConnection::answer(const rtsp::Response& response) {
  if (closed_) return;
  const std::string text = rtsp::serialise(response);
  if (!out_.send_control(as_bytes(text))) {
    return close(true, "the viewer does not read its answers", static_cast<uint16_t>(Code::limit_exceeded));
  }
  if (close_after_answer_ && out_.control_bytes() == 0 && out_.kept_bytes() == 0) {
    close(false, "closed after an error", 0);
  }
}

void RtspConnection::tick() {
  if (closed_) return;
  requests_this_tick_ = 0;
  bytes_this_tick_ = 0;
  const MonoTime now = shard_.loop().now();
  if (half_open_ && now - opened_at_ > shard_.limits().half_open_timeout) {
    return close(true, "nothing was granted in time", static_cast<uint16_t>(Code::timed_out));
  }
  // A UDP session may be kept alive by its reports alone (RFC 2326 A.2): its connection stays as long as it does.
  const bool carries = !session_id_.empty() && shard_.find_session(session_id_) != nullptr;
  if (!carries && !waiting_ && now - last_request_ > shard_.limits().session_timeout) {
    close(false, "no request within the session timeout", static_cast<uint16_t>(Code::timed_out));
  }
}

void RtspConnection::forget_grants() {
  authenticated_ = false;
  described_.reset();
}

RtpSession* RtspConnection::tcp_session() { return shard_.find_session(session_id_); }

void RtspConnection::on_session_cut(const RtpSession&) {
  session_is_tcp_ = false;
  session_id_.clear();
  close(true, "cut", 0);
}

}  // namespace vigie::sink
