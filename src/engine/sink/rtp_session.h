#pragma once
// One viewer of one stream: its cursor in the track log, what it was given, and when its right ends.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "fanout/hub.h"
#include "fanout/subscription.h"
#include "net/event_loop.h"
#include "policy/snapshot.h"
#include "rtsp/transport.h"
#include "sink/delivery.h"
#include "sink/session_numbers.h"
#include "sink/stream_provider.h"
#include "sink/udp_delivery.h"
#include "sink/viewer_stats.h"

namespace vigie::sink {

class RtpSession;

// What a session needs of its shard.
class SessionHost {
 public:
  // The session has ended itself (right over, hub closed, lost transport, silence). It is silent from now on; the host
  // resets its connection at once and destroys it later, never from inside this call.
  virtual void on_session_cut(RtpSession& session) = 0;

 protected:
  ~SessionHost() = default;
};

// Fixed at SETUP.
struct SessionSetup {
  std::string id;
  uint64_t viewer = 0;
  uint64_t connection = 0;  // number of the connection that carries it; 0 for UDP
  ViewRequest request;
  net::SocketAddress peer;
  OpenedStream stream;
  ViewerTransport transport = ViewerTransport::tcp;
  bool next_key = false;  // ?start=next-key
  std::string track_url;  // as the client wrote it in SETUP, for RTP-Info
};

// Life of a unit here:  on_unit -> pump: peek -> keep up? (lag: jump) -> shared train -> numbers -> one send ->
// advance. Thread: its shard.
class RtpSession final : public fanout::Subscriber, public DeliveryOwner, public RtcpHandler {
 public:
  // Kept units smaller than this are finished when their viewer lags; of larger ones only the packet begun.
  static constexpr size_t kFinishBytes = size_t{64} << 10;
  // How long a viewer may take to receive what was older than an emptied log, before its connection is reset.
  static constexpr Nanos kDrainLimit = std::chrono::milliseconds(60);
  static constexpr Nanos kDrainCheck = std::chrono::milliseconds(2);
  static constexpr Nanos kReportInterval = std::chrono::seconds(4);

  // `limits` is read whenever it matters, so it may change between calls.
  RtpSession(SessionHost& host, net::EventLoop& loop, StreamProvider& provider, const policy::LimitsPolicy& limits,
             SessionSetup setup);
  ~RtpSession() override;

  // Gives it its transport and subscribes; once, before anything else. A stream that ends meanwhile cuts the session.
  void open(Delivery& delivery);
  void open(std::unique_ptr<UdpDelivery> delivery);

  // RTSP. play() says where it starts; nothing flows before start_flow().
  rtsp::RtpInfo play();
  void start_flow();
  void pause();
  bool playing() const { return playing_; }
  // A request of the viewer came.
  void touch() { last_life_ = loop_.now(); }

  // The transport can take more (TCP: the connection calls it after resume()). Before resuming a kept unit the
  // connection calls relieve(), which gives up what lies too far back.
  void on_delivery_ready(SendOutcome kept_unit) override;
  void relieve();
  void on_rtcp(ByteSpan compound) override;

  // Twice a second.
  void tick();
  // Asks the provider again; cuts or arms the timer anew.
  void recheck();
  // Ends without a BYE, telling the host.
  void cut(const Error& reason);
  // Ends for its owner: emits the closing event, with a BYE when asked for. Idempotent.
  void finish(const std::string& why, uint16_t code, bool bye);
  bool over() const { return over_; }

  const SessionSetup& setup() const { return setup_; }
  uint32_t ssrc() const { return ssrc_; }
  UdpDelivery* udp() { return udp_.get(); }
  ViewerStats stats();

  // fanout::Subscriber
  void on_unit() override;
  void on_log_emptied(const fanout::Draining& draining) override;
  void on_hub_closed(const Error& reason) override;
  bool wants_derived() const override { return true; }

 private:
  void subscribe(fanout::Start start);
  void pump();
  bool keeps_up(const fanout::LogEntry& entry);
  bool send_unit(const fanout::LogEntry& entry);
  void begin_flow(const fanout::LogEntry& entry);
  void begin_catch_up(const fanout::LogEntry& entry);
  void jump(DropReason reason, uint64_t passed);
  void drain(const fanout::Draining& draining);
  void check_drained();
  void drop_kept_unit(DropReason reason, uint32_t packets);
  void drop_refused_unit();
  void note_drops(DropReason reason, uint64_t units);
  void emit_drops();
  void count_log_drops();
  void send_report();
  void arm_right_end();
  void emit(EventKind kind, std::string state, uint16_t code, std::string text);
  std::string facts() const;
  MonoTime effective_arrival(const fanout::LogEntry& entry) const;

  // What every unit needs, then the rest.
  const policy::LimitsPolicy& limits_;
  Delivery* delivery_ = nullptr;
  std::unique_ptr<fanout::Subscription> subscription_;
  bool playing_ = false;
  bool flowing_ = false;
  bool over_ = false;
  bool resumed_after_pause_ = false;
  bool fresh_ = false;      // PLAY came, its first unit is not known yet
  bool took_data_ = false;  // the transport took bytes since the last tick
  uint64_t evicted_seen_ = 0;
  MonoTime catch_up_arrival_{};  // units older than this count as having arrived then: they were history at PLAY
  MonoTime next_kernel_check_{};
  SessionNumbers numbers_;
  uint64_t units_sent_ = 0;
  uint64_t packets_sent_ = 0;
  uint64_t octets_sent_ = 0;  // RTP payload, for sender reports
  uint64_t bytes_sent_ = 0;
  MonoTime newest_sent_arrival_{};
  WallTime last_unit_{};
  Nanos first_picture_delay_{-1};
  MonoTime last_report_{};

  SessionHost& host_;
  net::EventLoop& loop_;
  StreamProvider& provider_;
  const SessionSetup setup_;
  std::unique_ptr<UdpDelivery> udp_;
  uint32_t ssrc_ = 0;

  uint64_t paused_at_ = 0;  // number of the unit that would have been next at PAUSE; 0 = none
  MonoTime kept_arrival_{};
  MonoTime last_life_{};
  MonoTime played_at_{};
  net::TimerId right_end_timer_;
  // While older pictures are on their way after the log was emptied: up to which of the transport's bytes, and until when.
  fanout::Draining draining_;
  uint64_t drains_to_ = 0;
  MonoTime drains_until_{};
  net::TimerId drain_timer_;
  std::optional<WallTime> right_ends_;

  uint64_t jumps_ = 0;
  uint64_t refused_seen_ = 0;
  std::array<uint64_t, kDropReasons> dropped_{};
  uint64_t skipped_seen_ = 0;
  uint64_t drops_to_tell_ = 0;
  DropReason drop_to_tell_ = DropReason::lag_limit;
  MonoTime last_drop_event_{};
  WallTime since_{};
  WallTime first_unit_{};
  bool reported_ = false;
  uint8_t fraction_lost_ = 0;
  int32_t cumulative_lost_ = 0;
  uint32_t jitter_ = 0;
};

}  // namespace vigie::sink
