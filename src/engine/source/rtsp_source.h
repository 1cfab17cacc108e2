#pragma once
// Binds the RTSP client machine to sockets, and its packets to the receiver.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "net/udp.h"
#include "policy/snapshot.h"
#include "source/attempt.h"
#include "source/http_tunnel.h"
#include "source/reorder_alarm.h"
#include "source/rtp_port.h"
#include "source/rtp_receiver.h"
#include "source/rtsp_client.h"
#include "source/source_memory.h"
#include "source/source_shard.h"
#include "source/srtp_opener.h"

namespace vigie::source {

// One attempt at an RTSP camera: one machine, one connection at a time, at most one pair of UDP ports or one group.
//
// TCP: one read a wake-up, into the loop's shared memory behind the connection's unfinished tail; packets are views
// into it; only a new unfinished tail is copied and kept. Takes no memory per packet.
// Thread: home shard. Ownership: the supervisor's; `memory` and `events` outlive it.
class RtspSource final : public Attempt,
                         private RtspClientOutput,
                         private RtspClientEvents,
                         private RtpReceiverEvents,
                         private RtpPortEvents,
                         private net::StreamHandler {
 public:
  RtspSource(SourceShard& shard, std::string where, const policy::StreamPolicy& policy, const std::string& url,
             SourceMemory& memory, AttemptEvents& events);
  ~RtspSource() override;
  void start() override;
  void stop(Task done) override;

  const RtspClientStats& client_stats() const { return client_.stats(); }

 private:
  // A UDP port's ear.
  struct UdpEar final : net::FdHandler {
    UdpEar(RtspSource& o, bool r) : owner(o), rtcp(r) {}
    void on_ready(uint32_t) override { owner.on_udp_ready(rtcp); }
    RtspSource& owner;
    bool rtcp;
  };

  // RtspClientOutput
  void connect(const std::string& host, uint16_t port, bool tls) override;
  void connect_tunnel(const rtsp::Url& url, uint16_t port, const rtsp::ClientAuth& auth) override;
  void send(ByteSpan bytes) override;
  void close() override;
  void set_timer(std::optional<MonoTime> when) override;
  Result<rtsp::PortPair> open_udp() override;
  void aim_udp(std::string_view source, rtsp::PortPair ports, ByteSpan rtp_punch, ByteSpan rtcp_punch) override;
  Status join_group(const rtsp::MediaAddress& group, std::string_view source) override;
  void send_udp_rtcp(ByteSpan bytes) override;
  void close_udp() override;
  std::string make_cnonce() override;
  // RtspClientEvents
  Status on_client_track(const RtpTrack& track, RtpPath path, std::string_view peer) override;
  Status on_client_keys(const SrtpKeys* keys) override;
  void on_client_playing(bool over_tcp) override;
  void on_client_restarting(std::string_view reason) override;
  void on_client_rtp(ByteSpan packet, const rtp::Arrival& arrival) override;
  void on_client_rtcp(ByteSpan packet, const rtp::Arrival& arrival) override;
  void on_client_stray(const StrayBytes& stray, const rtp::Arrival& arrival) override;
  ByteSpan on_client_wants_report(std::span<uint8_t> out, MonoTime now) override;
  void on_client_fault(const Error& fault) override;
  void on_client_ended(const Error& reason) override;
  // RtpReceiverEvents
  void on_receiver_track(const TrackInfo& track) override;
  void on_receiver_unit(Ref<const AccessUnit> unit) override;
  void on_receiver_fault(const Error& fault) override;
  // RtpPortEvents
  void on_port_packet(bool rtcp, ByteSpan packet, const rtp::Arrival& arrival) override;
  void on_port_drained() override;
  void on_port_fault(const Error& fault) override;
  // net::StreamHandler
  void on_stream_open() override;
  void on_stream_readable() override;
  void on_stream_writable() override;
  void on_stream_failed(const Error& error) override;

  void on_resolved(net::ResolveResult addresses);
  void try_next_address();
  // One connection to an address, plain or TLS.
  Result<std::unique_ptr<net::Stream>> dial(const net::SocketAddress& to, net::StreamHandler& handler);
  void on_udp_ready(bool rtcp);
  bool accept_udp_from(const net::SocketAddress& from, bool rtcp, MonoTime now);
  void drop_stream();
  // Takes a packet's protection off; false when it is not to be taken.
  bool decrypt(bool rtcp, ByteSpan& packet, MonoTime now);
  void closed_soon(Error why);
  // Before PLAY is answered (E3, J1).
  bool early() const { return client_.phase() < RtspClient::Phase::playing; }
  MonoTime now() const { return loop_.clock().now_mono(); }
  rtp::Arrival arrival() const { return {loop_.clock().now_mono(), loop_.clock().now_wall()}; }

  // What every packet needs, then the rest.
  net::EventLoop& loop_;
  SourceMemory& memory_;
  AttemptEvents& events_;
  std::unique_ptr<net::Stream> stream_;
  uint64_t generation_ = 0;    // of the connection
  std::vector<uint8_t> tail_;  // unfinished bytes between two reads
  bool connected_ = false;
  bool stopped_ = false;
  SrtpOpener srtp_;

  SourceShard& shard_;
  const std::string where_;
  const std::string tls_ca_file_;
  const bool tls_verify_;
  const std::string interface_;
  RtspClient client_;
  net::TimerId client_timer_;
  net::TimerId closed_timer_;

  std::string host_;
  uint16_t port_ = 0;
  bool tls_ = false;
  net::ResolveRequest resolving_;
  std::vector<net::SocketAddress> addresses_;
  size_t next_address_ = 0;
  std::optional<HttpTunnelConfig> tunnel_config_;  // of connections through HTTP
  HttpTunnel* tunnel_ = nullptr;                   // stream_, where it is one
  std::string unsent_;

  std::optional<net::UdpPair> udp_;
  UdpEar rtp_ear_{*this, false};
  UdpEar rtcp_ear_{*this, true};
  net::SocketAddress udp_rtp_to_;
  net::SocketAddress udp_rtcp_to_;
  net::SocketAddress udp_from_;   // whose packets are taken
  bool udp_from_proven_ = false;  // a packet of udp_from_ has come
  std::optional<MonoTime> foreign_since_;
  RtpPort group_;
  ReorderAlarm alarm_;
};

}  // namespace vigie::source
