#pragma once
// Where RTP comes in by UDP without a dialogue about ports: a multicast group, or a port that somebody sends to.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "net/udp.h"
#include "policy/snapshot.h"
#include "rtp/packet.h"
#include "rtsp/sdp_address.h"
#include "source/source.h"
#include "source/source_shard.h"

namespace vigie::source {

// Where to listen, and to whom.
struct RtpEndpoint {
  net::SocketAddress rtp;   // a group, which is joined, or an address of this machine, any included
  net::SocketAddress rtcp;  // equal to `rtp` where both come to one port
  // Whose packets alone are taken. Empty: of who speaks first, until that one is silent and another speaks.
  std::vector<net::SocketAddress> sources;
  bool source_specific = false;  // the group is joined for `sources` alone, and they get our reports
  uint8_t ttl = 0;               // of reports to the group; 0: 1
  std::string interface;         // by name; empty: by `interface_index`
  uint32_t interface_index = 0;  // for groups; 0: where the routes lead
};

// Addresses of the text. `sources`: of the filters for this destination; then it is source-specific.
// Errors: sdp_malformed for a host or sender that is no address, a port that is missing, senders of another family.
Result<RtpEndpoint> make_endpoint(const rtsp::MediaAddress& address);

// Told by a port. The port may be closed, but not destroyed, in a call.
class RtpPortEvents {
 public:
  virtual void on_port_packet(bool rtcp, ByteSpan packet, const rtp::Arrival& arrival) = 0;
  // A wake-up's packets have been told.
  virtual void on_port_drained() = 0;
  virtual void on_port_fault(const Error& fault) = 0;

 protected:
  ~RtpPortEvents() = default;
};

// The two sockets, or one for both. A group's are bound to its address and port and may be shared by any number of
// streams and programs, of which each gets every packet; a unicast port is ours alone.
// Foreign RTP is counted, told once and dropped; foreign RTCP is dropped in silence: in a group every receiver reports.
// Thread: home shard. Takes no memory per packet.
class RtpPort {
 public:
  // `where` begins every fault's `where`; `counters` and `events` must outlive the port.
  RtpPort(SourceShard& shard, std::string where, SourceCounters& counters, RtpPortEvents& events);
  ~RtpPort() { close(); }
  RtpPort(const RtpPort&) = delete;
  RtpPort& operator=(const RtpPort&) = delete;

  // Errors: bind_failed, socket_failed, not_found (interface).
  Status open(RtpEndpoint endpoint);
  // Leaves the group.
  void close();
  bool is_open() const { return rtp_.has_value(); }
  // To the group, to its only sender, or to where RTCP came from; to nobody while that is not known.
  void send_report(ByteSpan report);
  // "group 239.1.2.3:5004", "port 0.0.0.0:5004".
  std::string text() const;

 private:
  struct Ear final : net::FdHandler {
    Ear(RtpPort& p, bool r) : port(p), rtcp(r) {}
    void on_ready(uint32_t) override { port.on_ready(rtcp); }
    RtpPort& port;
    bool rtcp;
  };
  bool one_socket() const { return endpoint_.rtp == endpoint_.rtcp; }
  Result<net::UdpSocket> listen(const net::SocketAddress& at);
  void on_ready(bool rtcp);
  void take(bool rtcp, ByteSpan packet, const net::SocketAddress& from, const rtp::Arrival& arrival);
  bool believes(const net::SocketAddress& from) const;
  bool believes_rtp(ByteSpan packet, const net::SocketAddress& from, MonoTime now);
  void tell(const net::SocketAddress& from, std::string what);

  SourceShard& shard_;
  net::EventLoop& loop_;
  const std::string where_;
  SourceCounters& counters_;
  RtpPortEvents& events_;
  RtpEndpoint endpoint_;
  std::optional<net::UdpSocket> rtp_, rtcp_;
  Ear rtp_ear_{*this, false};
  Ear rtcp_ear_{*this, true};
  uint64_t generation_ = 0;  // of what is open
  net::SocketAddress sender_;
  MonoTime sender_heard_{};
  net::SocketAddress reports_to_;
  bool foreign_told_ = false;
};

}  // namespace vigie::source
