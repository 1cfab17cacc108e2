#pragma once
// The packets of one UDP session: a socket pair connected to the viewer's ports, trains as GSO sends, paced.
#include <memory>
#include <optional>
#include <string>

#include "net/event_loop.h"
#include "net/udp.h"
#include "rtsp/transport.h"
#include "sink/delivery.h"

namespace vigie::sink {

class RtcpHandler {
 public:
  // One RTCP datagram of the viewer. Called from the loop.
  virtual void on_rtcp(ByteSpan compound) = 0;

 protected:
  ~RtcpHandler() = default;
};

// Pacing: a viewer's socket holds 208 KiB by default, bookkeeping included, its link may be 100 Mbit/s, and a player does
// not read while it decodes. So a burst of kBurstBytes goes at once and anything beyond at kBytesPerMs, by a timer; units
// queue in the log meanwhile, and those that have queued go at kFullBytesPerMs.
// History goes at a gentler pace: players decode while they find out what they get. A GOP that takes longer than
// kGentleFor goes on at the full pace, or the viewer would never catch up.
// What the kernel does not take is not sent later: its sequence numbers stay used, so the viewer sees a true loss.
class UdpDelivery final : public Delivery, private net::FdHandler {
 public:
  static constexpr int64_t kBurstBytes = 64 << 10;
  static constexpr int64_t kBytesPerMs = 5 << 10;
  static constexpr int64_t kFullBytesPerMs = 10 << 10;
  static constexpr int64_t kHistoryBurstBytes = 32 << 10;
  static constexpr int64_t kHistoryBytesPerMs = 2 << 10;
  static constexpr Nanos kGentleFor = std::chrono::milliseconds(500);
  static constexpr Nanos kPaceStep = std::chrono::milliseconds(2);

  // Opens a pair of ports on `local`'s address (port ignored) towards the viewer's `peer` address and `ports`, tied to
  // `interface` when it is named.
  // Errors: bind_failed, socket_failed.
  static Result<std::unique_ptr<UdpDelivery>> open(net::EventLoop& loop, SendScratch& scratch,
                                                   net::UdpReceiveBatch& batch, net::SocketAddress local,
                                                   net::SocketAddress peer, rtsp::PortPair ports, int dscp,
                                                   const std::string& interface, DeliveryOwner& owner,
                                                   RtcpHandler& rtcp);
  ~UdpDelivery() override;

  rtsp::PortPair server_ports() const;

  SendOutcome send(const Ref<const RtpTrain>& train, const SendNumbers& numbers, MonoTime arrival) override;
  bool busy() const override { return static_cast<bool>(train_); }
  void send_rtcp(ByteSpan compound) override;
  size_t kept_bytes() const override;
  uint32_t truncate() override;
  // The kernel hands datagrams on at once; what a full device queue holds is a matter of milliseconds.
  uint64_t taken_bytes() const override { return 0; }
  size_t kernel_bytes() const override { return 0; }
  Nanos kernel_age(MonoTime) const override { return Nanos{0}; }
  // Packets that were left out because the kernel refused them.
  uint64_t packets_refused() const { return packets_refused_; }

 private:
  UdpDelivery(net::EventLoop& loop, SendScratch& scratch, net::UdpReceiveBatch& batch, net::UdpPair sockets,
              DeliveryOwner& owner, RtcpHandler& rtcp);
  void on_ready(uint32_t events) override;
  void on_pace_timer();
  void refill();
  int64_t bytes_per_ms() const;
  SendOutcome send_rest(const rtp::Train& train);
  uint32_t pack(const rtp::Train& train, uint32_t first);

  net::EventLoop& loop_;
  SendScratch& scratch_;
  net::UdpReceiveBatch& batch_;
  net::UdpPair sockets_;
  DeliveryOwner& owner_;
  RtcpHandler& rtcp_;
  Ref<const RtpTrain> train_;  // a unit that is being paced
  uint32_t next_packet_ = 0;
  SendNumbers numbers_;
  int64_t budget_bytes_ = kBurstBytes;
  MonoTime refilled_{};
  std::optional<MonoTime> history_since_;
  net::TimerId pace_timer_;
  uint64_t packets_refused_ = 0;
};

}  // namespace vigie::sink
