#pragma once
// One client connection of the RTSP server: bytes to requests, authentication, answers in the order of the requests.
//
//   idle --DESCRIBE/SETUP--> waiting (for the provider or another shard) --answer--> idle     requests queue meanwhile
//   half-open until something was granted; its TCP session lives and dies with it; a UDP session may outlive it.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "net/stream.h"
#include "rtsp/message.h"
#include "rtsp/stream_splitter.h"
#include "rtsp/transport.h"
#include "sink/server_shard.h"
#include "sink/tcp_delivery.h"

namespace vigie::sink {

// What a request's URI asks for.
struct Target {
  std::string path;       // "/camera/stream", decoded, without query, track or slash at the end
  std::string base;       // the presentation's URI as the client wrote it, without query, track or slash at the end
  bool track = false;     // addressed by its control, "…/trackID=0"
  bool next_key = false;  // ?start=next-key
  std::string after;      // ?after=NAME of a listing, decoded
  std::string ticket;     // ?ticket=…, as it is
};
// Errors: invalid_argument (no such track, broken escapes, unknown start). "*" gives an empty path.
Result<Target> parse_target(std::string_view uri);

// The parameter by which GET_PARAMETER on the server's own URL asks for the cameras (RFC 2326, 10.8).
inline constexpr std::string_view kCamerasParameter = "vigie.cameras";
// Whether the request asks for it and for nothing else.
bool asks_for_cameras(const rtsp::Request& request);

// Thread: its shard.
class RtspConnection final : private net::StreamHandler {
 public:
  static constexpr size_t kReadBytes = size_t{64} << 10;
  static constexpr size_t kMaxUnreadWaiting = size_t{32} << 10;  // read no more while a request is being answered
  static constexpr uint32_t kMaxRequestsPerTick = 200;           // beyond: a flood, cut
  static constexpr uint64_t kMaxBytesPerTick = uint64_t{1} << 20;
  static constexpr uint32_t kMaxRefusals = 10;     // wrong credentials on one connection
  static constexpr size_t kMaxListedCameras = 64;  // in one answer, which ends earlier beyond the next
  static constexpr size_t kMaxListingBytes = size_t{32} << 10;
  static constexpr Nanos kOpenTimeout = std::chrono::seconds(10);

  RtspConnection(ServerShard& shard, std::shared_ptr<ShardListener> listener, uint64_t number,
                 const net::SocketAddress& peer);
  ~RtspConnection();
  Status start(Fd fd);

  uint64_t number() const { return number_; }
  const ShardListener* listener() const { return listener_.get(); }
  bool half_open() const { return half_open_; }
  bool closed() const { return closed_; }

  void tick();
  // Policy has changed: grants made earlier are asked for anew.
  void forget_grants();
  void on_session_answer(const SessionAnswer& answer);
  // The session ended itself; its TCP connection is reset.
  void on_session_cut(const RtpSession& session);
  // Closes in order (what was written is still delivered) or by reset; ends a TCP session. Idempotent.
  void close(bool reset, const std::string& why, uint16_t code);

 private:
  // net::StreamHandler
  void on_stream_open() override;
  void on_stream_readable() override;
  void on_stream_writable() override;
  void on_stream_failed(const Error& error) override;

  size_t consume(ByteSpan bytes);
  size_t consume_all(ByteSpan bytes);
  void take_unread();
  void handle(const rtsp::Request& request);
  void dispatch(const rtsp::Request& request, rtsp::Method method);
  bool authenticated(const rtsp::Request& request, rtsp::Method method);
  bool let_in_by_ticket(const rtsp::Request& request, const Target& target);
  void refused_credentials(std::string what);
  void challenge(const rtsp::Request& request, bool stale);
  void describe(const rtsp::Request& request);
  void setup(const rtsp::Request& request);
  void list_cameras(const rtsp::Request& request);
  void session_request(const rtsp::Request& request, rtsp::Method method);
  void open_stream(const rtsp::Request& request, const Target& target);
  void on_opened(Result<OpenedStream> opened);
  void answer_describe(const rtsp::Request& request, const OpenedStream& stream, const Target& target);
  void answer_setup(const rtsp::Request& request, OpenedStream stream, const Target& target);
  void answer_session(const rtsp::Request& request, rtsp::Method method, const SessionAnswer& answer);
  void refuse(const rtsp::Request& request, const Error& error);
  rtsp::Response make_response(const rtsp::Request& request, int status) const;
  void answer(const rtsp::Response& response);
  void answer_status(const rtsp::Request& request, int status) { answer(make_response(request, status)); }
  ViewRequest view_request(const Target& target) const;
  void granted();
  RtpSession* tcp_session();

  ServerShard& shard_;
  const std::shared_ptr<ShardListener> listener_;
  const uint64_t number_;
  const net::SocketAddress peer_;
  std::unique_ptr<net::Stream> stream_;
  TcpDelivery out_;
  rtsp::StreamSplitter splitter_;
  std::vector<uint8_t> unread_;  // released when empty

  bool half_open_ = true;
  bool closed_ = false;
  bool consuming_ = false;
  bool reading_paused_ = false;
  bool close_after_answer_ = false;
  MonoTime opened_at_{};
  MonoTime last_request_{};
  uint32_t requests_this_tick_ = 0;
  uint64_t bytes_this_tick_ = 0;
  uint32_t refusals_ = 0;

  bool authenticated_ = false;  // agent_ proved itself on this connection
  std::string agent_;
  uint64_t proven_at_ = 0;                      // policy revision of that proof
  std::shared_ptr<const rtsp::Ticket> ticket_;  // the proof, where it was one
  std::string ticket_path_;                     // what it was shown for

  // The request that is being answered elsewhere; no other is looked at meanwhile.
  std::optional<rtsp::Request> waiting_;
  Target waiting_target_;
  // What DESCRIBE opened, for the SETUP that follows.
  std::optional<OpenedStream> described_;
  Target described_target_;

  std::string session_id_;  // of this connection's session; empty = none
  bool session_is_tcp_ = false;
  rtsp::ChannelPair channels_;
};

}  // namespace vigie::sink
