#include "sink/udp_delivery.h"

#include <algorithm>
#include <utility>

namespace vigie::sink {

using net::IoState;

Result<std::unique_ptr<UdpDelivery>> UdpDelivery::open(net::EventLoop& loop, SendScratch& scratch,
                                                       net::UdpReceiveBatch& batch, net::SocketAddress local,
                                                       net::SocketAddress peer, rtsp::PortPair ports, int dscp,
                                                       const std::string& interface, DeliveryOwner& owner,
                                                       RtcpHandler& rtcp) {
  net::UdpOptions options;
  options.bind = local.unmapped();
  options.bind.set_port(0);
  options.interface = interface;
  if (dscp != 0) options.dscp = dscp;
  // Only reports and hole-punching packets come in.
  options.receive_buffer_bytes = 16 << 10;
  Result<net::UdpPair> pair = net::open_udp_pair(options);
  if (!pair.ok()) return std::move(pair).error();
  peer = peer.unmapped();
  peer.set_port(ports.rtp);
  if (Status status = pair->rtp.connect(peer); !status.ok()) return std::move(status).error();
  peer.set_port(ports.rtcp);
  if (Status status = pair->rtcp.connect(peer); !status.ok()) return std::move(status).error();
  std::unique_ptr<UdpDelivery> delivery(new UdpDelivery(loop, scratch, batch, std::move(pair).value(), owner, rtcp));
  if (Status status = loop.add_fd(delivery->sockets_.rtcp.fd(), net::kReadable, *delivery); !status.ok()) {
    return std::move(status).error();
  }
  return delivery;
}

UdpDelivery::UdpDelivery(net::EventLoop& loop, SendScratch& scratch, net::UdpReceiveBatch& batch, net::UdpPair sockets,
                         DeliveryOwner& owner, RtcpHandler& rtcp)
    : loop_(loop), scratch_(scratch), batch_(batch), sockets_(std::move(sockets)), owner_(owner), rtcp_(rtcp) {
  refilled_ = loop_.now();
}

UdpDelivery::~UdpDelivery() {
  loop_.cancel_timer(pace_timer_);
  loop_.remove_fd(sockets_.rtcp.fd());
}

rtsp::PortPair UdpDelivery::server_ports() const {
  return {sockets_.rtp.local_address().port(), sockets_.rtcp.local_address().port()};
}

void UdpDelivery::on_ready(uint32_t) {
  // One batch a wake-up: a flood of datagrams costs the others one receive call.
  const net::IoResult result = sockets_.rtcp.receive(batch_);
  if (!result.ok()) return;  // an ICMP error of an earlier send is cleared by having been read
  net::for_each_packet(batch_, [this](ByteSpan packet, const net::SocketAddress&) { rtcp_.on_rtcp(packet); });
}

void UdpDelivery::refill() {
  const MonoTime now = loop_.now();
  const int64_t rate = bytes_per_ms();
  const int64_t gained = (now - refilled_).count() * rate / 1'000'000;
  if (gained > 0) {
    refilled_ = now;
    budget_bytes_ += gained;
  }
  budget_bytes_ = std::min(budget_bytes_, rate == kHistoryBytesPerMs ? kHistoryBurstBytes : kBurstBytes);
}

int64_t UdpDelivery::bytes_per_ms() const {
  switch (numbers_.pace) {
    case Pace::live: return kBytesPerMs;
    case Pace::history:
      if (history_since_ && loop_.now() - *history_since_ < kGentleFor) return kHistoryBytesPerMs;
      break;
    case Pace::backlog: break;
  }
  return kFullBytesPerMs;
}

// Puts packets from `first` on into the scratch, as many as the budget allows, at least one; returns how many.
uint32_t UdpDelivery::pack(const rtp::Train& train, uint32_t first) {
  uint32_t count = 0;
  int64_t bytes = 0;
  for (uint32_t index = first; index < train.packet_count() && count < SendScratch::kPackets; ++index, ++count) {
    const ByteSpan packet = train.packet(index);
    if (count > 0 && bytes + static_cast<int64_t>(packet.size()) > budget_bytes_) break;
    bytes += static_cast<int64_t>(packet.size());
    net::UdpPacket& out = scratch_.packets[count];
    if (numbers_.shared) {
      out = {packet, {}};
      continue;
    }
    uint8_t* header = &scratch_.headers[count * rtp::kPrivateHeaderBytes];
    rtp::write_private_header(train, index, {0, train.ssrc(), numbers_.first_sequence, numbers_.timestamp}, header);
    out = {ByteSpan(header + rtp::kFrameHeaderBytes, rtp::kHeaderBytes), packet.subspan(rtp::kHeaderBytes)};
  }
  budget_bytes_ -= bytes;
  return count;
}

SendOutcome UdpDelivery::send_rest(const rtp::Train& train) {
  bool tried_again = false;
  while (next_packet_ < train.packet_count()) {
    refill();
    if (budget_bytes_ <= 0) return SendOutcome::kept;
    const uint32_t count = pack(train, next_packet_);
    const net::UdpSendResult result = sockets_.rtp.send_train(std::span(scratch_.packets.data(), count), {});
    next_packet_ += static_cast<uint32_t>(result.packets);
    if (result.state == IoState::ok) continue;
    // A connected socket tells here of an ICMP error that an earlier datagram met; this send was not even tried.
    if (result.state == IoState::failed && !std::exchange(tried_again, true)) continue;
    packets_refused_ += train.packet_count() - next_packet_;
    return SendOutcome::dropped;
  }
  return SendOutcome::done;
}

SendOutcome UdpDelivery::send(const Ref<const RtpTrain>& train, const SendNumbers& numbers, MonoTime) {
  numbers_ = numbers;
  next_packet_ = 0;
  if (numbers.pace != Pace::history) history_since_.reset();
  if (numbers.pace == Pace::history && !history_since_) history_since_ = loop_.now();
  const SendOutcome outcome = send_rest(train->train());
  if (outcome == SendOutcome::kept) {
    train_ = train;
    pace_timer_ = loop_.add_timer_after(kPaceStep, [this] { on_pace_timer(); });
  }
  return outcome;
}

void UdpDelivery::on_pace_timer() {
  pace_timer_ = {};
  if (!train_) return;
  const SendOutcome outcome = send_rest(train_->train());
  if (outcome == SendOutcome::kept) {
    pace_timer_ = loop_.add_timer_after(kPaceStep, [this] { on_pace_timer(); });
    return;
  }
  train_ = nullptr;
  owner_.on_delivery_ready(outcome);  // may destroy this
}

void UdpDelivery::send_rtcp(ByteSpan compound) { (void)sockets_.rtcp.send(compound, {}); }

size_t UdpDelivery::kept_bytes() const {
  if (!train_) return 0;
  const rtp::Train& train = train_->train();
  return train.framed().size() - train.frame_offset(next_packet_);
}

uint32_t UdpDelivery::truncate() {
  if (!train_) return 0;
  const uint32_t lost = train_->train().packet_count() - next_packet_;
  train_ = nullptr;
  loop_.cancel_timer(std::exchange(pace_timer_, {}));
  return lost;
}

}  // namespace vigie::sink
