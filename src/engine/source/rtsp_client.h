#pragma once
// An RTSP 1.0 client as one state machine without socket, thread or clock: bytes and times in, orders out.
//
//   connecting -> OPTIONS -> DESCRIBE -> SETUP -> PLAY -> playing -> TEARDOWN -> ended
//        ^            |          |         |                 |
//        +--- 401 and closed ----+-- 30x --+-- 461, no UDP --+      (each bounded)
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/quirk.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "policy/snapshot.h"
#include "rtp/packet.h"
#include "rtsp/digest.h"
#include "rtsp/key_management.h"
#include "rtsp/message.h"
#include "rtsp/sdp_address.h"
#include "rtsp/stream_splitter.h"
#include "rtsp/transport.h"
#include "rtsp/url.h"
#include "source/dialogue.h"
#include "source/rtp_receiver.h"
#include "source/source_memory.h"

namespace vigie::source {

struct RtspClientConfig {
  std::string where;  // "camera/stream", begins every fault's `where`
  std::string url;
  std::string username;
  std::string password;
  policy::Transport transport = policy::Transport::automatic;
  std::string user_agent = "vigie";  // always sent (A13)
  Nanos response_deadline = 5s;      // for each request; connecting too
  Nanos dialogue_deadline = 15s;     // from start to PLAY accepted, redirects and retries included
  // UDP without a packet for so long after PLAY: TCP is tried; with multicast the attempt ends.
  Nanos udp_deadline = 3s;
  Nanos teardown_deadline = 1s;
  Nanos report_interval = 5s;  // of receiver reports; also the sign of life of D5 and D8
  uint32_t max_redirects = 4;
  Quirks* quirks = nullptr;      // what the device shows is put there; null: nobody keeps a record
  Dialogue* dialogue = nullptr;  // what is said is put there; null: nobody keeps it
};

// What the machine orders. Calls must not come back into the machine before they return.
class RtspClientOutput {
 public:
  // Opens a connection; on_connected or on_closed follows. What was open before is closed first.
  virtual void connect(const std::string& host, uint16_t port, bool tls) = 0;
  // The same through HTTP, by GET and POST of the URL's path; `auth` answers what HTTP itself asks. on_redirected may
  // follow too.
  virtual void connect_tunnel(const rtsp::Url& url, uint16_t port, const rtsp::ClientAuth& auth) = 0;
  virtual void send(ByteSpan bytes) = 0;
  virtual void close() = 0;
  // on_timer is wanted at `when`; replaces the one asked for before. Empty: none.
  virtual void set_timer(std::optional<MonoTime> when) = 0;
  // Opens a pair of UDP ports here and answers with them.
  virtual Result<rtsp::PortPair> open_udp() = 0;
  // Where the device sends from: `source` is an address or empty (then the connection's peer); a port may be 0 for
  // unknown. Sends the packets that open a way through NAT (J3), from both ports.
  virtual void aim_udp(std::string_view source, rtsp::PortPair ports, ByteSpan rtp_punch, ByteSpan rtcp_punch) = 0;
  // Joins a multicast group instead. `group`: what the answer to SETUP and the description say. `source`: the sender
  // that the answer names, or empty; none in `group` either: the connection's peer.
  virtual Status join_group(const rtsp::MediaAddress& group, std::string_view source) = 0;
  virtual void send_udp_rtcp(ByteSpan bytes) = 0;
  // Ports or group.
  virtual void close_udp() = 0;
  // Fresh, unpredictable, hexadecimal.
  virtual std::string make_cnonce() = 0;

 protected:
  ~RtspClientOutput() = default;
};

// What came between the packets of the track and belongs to none of them.
struct StrayBytes {
  size_t line_ends = 0;            // before an interleaved frame (E6)
  size_t garbage = 0;              // before a frame or a message (E1, E2)
  std::optional<uint8_t> channel;  // that was not set up (E4, D12)
  size_t payload_bytes = 0;        // of the frame on it
};

// What the machine tells. The machine may be stopped, but not destroyed, in a call.
class RtspClientEvents {
 public:
  // The track that will be SETUP, and how its packets will come. May be called again after a restart. An error ends
  // the attempt.
  virtual Status on_client_track(const RtpTrack& track, RtpPath path, std::string_view peer) = 0;
  // How its packets are protected; null: not at all. Before each on_client_track. An error ends the attempt.
  virtual Status on_client_keys(const SrtpKeys* keys) = 0;
  virtual void on_client_playing(bool over_tcp) = 0;
  virtual void on_client_restarting(std::string_view reason) = 0;
  virtual void on_client_rtp(ByteSpan packet, const rtp::Arrival& arrival) = 0;
  virtual void on_client_rtcp(ByteSpan packet, const rtp::Arrival& arrival) = 0;
  virtual void on_client_stray(const StrayBytes& stray, const rtp::Arrival& arrival) = 0;
  // The next receiver report, in the machine's memory `out`.
  virtual ByteSpan on_client_wants_report(std::span<uint8_t> out, MonoTime now) = 0;
  virtual void on_client_fault(const Error& fault) = 0;
  virtual void on_client_ended(const Error& reason) = 0;

 protected:
  ~RtspClientEvents() = default;
};

struct RtspClientStats {
  uint64_t unknown_channel_frames = 0;  // E4
  uint64_t unmatched_responses = 0;
  uint64_t device_requests = 0;  // A15
  uint64_t keepalives = 0, keepalives_refused = 0, keepalives_unanswered = 0;
};

// Thread: one. Takes memory for messages, never for interleaved frames.
class RtspClient {
 public:
  enum class Phase : uint8_t { idle, connecting, options, describe, setup, play, playing, teardown, ended };

  // `memory` must outlive the client: what was learnt before is used, what is learnt is put there.
  RtspClient(RtspClientConfig config, RtspMemory& memory, RtspClientOutput& output, RtspClientEvents& events);

  void start(MonoTime now);
  // TEARDOWN where there is a session; `done` is called once it was answered, or its deadline passed, or at once.
  void stop(MonoTime now, Task done);

  // The connection ordered by connect() is there. `peer` for texts.
  void on_connected(MonoTime now, std::string_view peer);
  // It could not be opened, or it ended. `why.where` is replaced.
  void on_closed(MonoTime now, const Error& why);
  // The tunnel's HTTP was answered with a redirect. `location`: http, https, rtsp, rtsps, or a path of the same server.
  void on_redirected(MonoTime now, std::string_view location);
  // Takes what can be taken and returns how many bytes; the caller gives the rest again with what comes behind it.
  size_t on_bytes(ByteSpan unread, const rtp::Arrival& arrival);
  // A datagram of the device came in on the UDP ports.
  void on_udp_packet(bool rtcp, ByteSpan packet, const rtp::Arrival& arrival);
  void on_timer(MonoTime now);

  Phase phase() const { return phase_; }
  const RtspClientStats& stats() const { return stats_; }
  // Longest piece that on_bytes may ask to see whole.
  size_t max_unread_bytes() const { return splitter_.max_unit_bytes(); }
  // The URL now in use, without credentials.
  std::string shown_url() const { return url_.without_credentials(); }

 private:
  enum class Purpose : uint8_t { options, describe, setup, play, keepalive, teardown };
  struct Pending {
    Purpose purpose = Purpose::options;
    rtsp::Request request;
    uint32_t cseq = 0;
    MonoTime deadline{};
    uint32_t unauthorized = 0;  // how often this request was answered 401
  };

  // dialogue (rtsp_client.cc)
  void connect(MonoTime now);
  void reconnect(MonoTime now, std::string_view reason, bool tell);
  void request(Purpose purpose, rtsp::Method method, std::string uri, MonoTime now);
  void transmit(Pending pending, MonoTime now);
  void send_describe(MonoTime now);
  void send_setup(MonoTime now);
  void send_play(MonoTime now);
  void on_response(const rtsp::Response& response, MonoTime now);
  void on_unauthorized(Pending pending, const rtsp::Response& response, MonoTime now);
  void on_redirect(const Pending& pending, const rtsp::Response& response, MonoTime now);
  void follow(const std::string& from, std::string_view location, MonoTime now);
  void on_options(const rtsp::Response& response, MonoTime now);
  void on_describe(const rtsp::Response& response, MonoTime now);
  void on_setup(const rtsp::Response& response, MonoTime now);
  void on_play(const rtsp::Response& response, MonoTime now);
  // The keys of a media that comes as SRTP. False when the attempt has ended.
  bool take_keys(const rtsp::SessionDescription& session, const rtsp::MediaDescription& media,
                 const rtsp::Response& response);
  bool right_control();
  // `answered`: because of the device's answer (J4). False when there is no other, or the attempt has ended.
  bool try_other_transport(std::string_view reason, MonoTime now, bool answered);

  // session (rtsp_client_session.cc)
  void on_request(const rtsp::Request& request, MonoTime now);
  void on_interleaved(uint8_t channel, ByteSpan payload, const rtp::Arrival& arrival);
  bool accept_setup(const rtsp::Response& response, MonoTime now);
  Status take_transport(const rtsp::Response& response, bool& wrong_kind);
  Status take_channels(const rtsp::Transport& transport, std::string_view header);
  Status take_group(const rtsp::Transport& transport);
  Status take_ports(const rtsp::Transport& transport, std::string_view header);
  bool take_session(const rtsp::Response& response);
  uint32_t own_ssrc(MonoTime now);
  void punch(MonoTime now);
  void send_keepalive(MonoTime now);
  void on_keepalive(const rtsp::Response& response, MonoTime now);
  void send_report(MonoTime now);
  void send_teardown(MonoTime now);
  Nanos keepalive_interval() const;

  // Notes a deviation. Where it is not tolerated: an error that names it, and let_pass() ends the attempt with it.
  Status tolerated(Quirk quirk, std::string_view found, Code code = Code::rtsp_unsupported);
  bool let_pass(Quirk quirk, std::string_view found, Code code = Code::rtsp_unsupported);
  void record(bool sent, std::string_view message, MonoTime now);
  void tell_stray(const rtsp::StreamSplitter::Item& item, size_t garbage, const rtp::Arrival& arrival);
  void record_garbage(ByteSpan unread, uint64_t garbage_before, uint64_t resyncs_before, MonoTime now);

  bool tunnelled() const { return config_.transport == policy::Transport::http; }
  void arm();
  void fail(Code code, std::string what);
  void finish(const Error& reason);
  std::string place() const;
  Error status_error(Purpose purpose, const rtsp::Response& response) const;
  // Never chosen by itself, and never left for another transport.
  bool multicast() const { return config_.transport == policy::Transport::multicast; }
  bool in_session() const { return phase_ == Phase::setup || phase_ == Phase::play || phase_ == Phase::playing; }

  // What every packet needs, then the rest.
  RtspClientEvents& events_;
  Phase phase_ = Phase::idle;
  bool over_tcp_ = true;
  bool set_up_ = false;            // SETUP was accepted: packets are taken
  bool connection_dirty_ = false;  // the connection was replaced while its bytes are being read
  bool udp_packet_seen_ = false;
  rtsp::ChannelPair channels_;
  uint64_t stream_position_ = 0;  // bytes of this connection taken before the call that runs
  rtsp::StreamSplitter splitter_;

  RtspClientConfig config_;
  RtspMemory& memory_;
  RtspClientOutput& output_;

  rtsp::Url url_;
  rtsp::ClientAuth auth_;
  rtsp::ClientAuth tunnel_auth_;  // the same credentials, before any challenge
  std::string peer_;
  uint32_t cseq_ = 0;
  std::optional<Pending> pending_;
  std::optional<MonoTime> dialogue_deadline_;
  std::optional<MonoTime> connect_deadline_;
  uint32_t redirects_ = 0;
  uint32_t restarts_ = 0;

  bool switched_ = false;  // the transport was changed once in this attempt
  rtsp::MethodSet public_methods_;
  std::string base_;                     // of control attributes
  std::string aggregate_uri_;            // for PLAY, keep-alive, TEARDOWN (D6)
  std::string control_;                  // the video's, as written
  std::vector<std::string> setup_uris_;  // candidates, the likeliest first
  size_t setup_index_ = 0;
  RtpTrack track_;
  std::optional<rtsp::KeyOffer> keys_;  // the media comes as SRTP
  rtsp::RtpProfile profile_ = rtsp::RtpProfile::avp;
  rtsp::MediaAddress announced_;  // by the description
  std::string session_;
  uint32_t session_timeout_s_ = 60;
  bool have_session_ = false;
  std::string udp_source_;
  rtsp::PortPair udp_server_;
  std::string group_;  // joined, for texts
  bool play_without_range_ = false;
  bool play_on_track_ = false;
  uint32_t closed_behind_401_ = 0;

  std::optional<MonoTime> udp_deadline_;
  std::optional<MonoTime> keepalive_at_;
  std::optional<MonoTime> report_at_;
  bool keepalive_by_get_parameter_ = false;
  bool keepalive_answered_ = false;           // the present method has been answered once
  std::optional<MonoTime> unanswered_since_;  // no sign of life was answered since then
  uint32_t given_up_cseq_ = 0;                // of the last request that did not wait for its answer
  uint64_t attempt_ = 0;                      // its number in the record of the dialogue
  uint64_t garbage_runs_recorded_ = 0;        // of this connection
  bool stopping_ = false;
  Task stop_done_;
  RtspClientStats stats_;
};

}  // namespace vigie::source
