#pragma once
// The pair of UDP ports from which all simulated cameras send.
#include <functional>

#include "loadgen/sim_server.h"

namespace vigie::loadgen {

class SimServer::UdpSockets final : public Handler {
 public:
  // Told of each RTCP packet that came in, with its sender.
  using OnControl = std::function<void(ByteSpan, const sockaddr_storage&)>;
  UdpSockets(Loop& loop, OnControl on_control) : loop_(loop), on_control_(std::move(on_control)) {}
  ~UdpSockets() override;
  // Binds an even port and the next one. Errors: bind_failed.
  Status open(const sockaddr_storage& local, socklen_t local_size);
  int rtp() const { return rtp_.get(); }
  int rtcp() const { return rtcp_.get(); }
  uint16_t port() const { return port_; }
  void on_ready(uint32_t events) override;

 private:
  Loop& loop_;
  OnControl on_control_;
  Fd rtp_, rtcp_;
  uint16_t port_ = 0;
};

}  // namespace vigie::loadgen
