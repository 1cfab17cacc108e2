#pragma once
// A viewer's pair of UDP ports. The kernel joins datagrams of one train (UDP_GRO), so that 500 viewers fit on a core.
#include <functional>
#include <optional>

#include "loadgen/viewer.h"

namespace vigie::loadgen {

class Viewer::UdpPair final : public Handler {
 public:
  using OnPacket = std::function<void(ByteSpan, int64_t)>;
  UdpPair(Loop& loop, std::vector<uint8_t>& buffer, OnPacket on_packet)
      : loop_(loop), buffer_(buffer), on_packet_(std::move(on_packet)) {}
  ~UdpPair() override;
  // Binds an even port and the next one, on the address from which `server` is reached.
  bool open(const sockaddr_storage& server, socklen_t size);
  // Knows where the server sends from: receiver reports go there.
  void connect(std::optional<std::pair<int, int>> server_ports, const sockaddr_storage& server);
  uint16_t port() const { return port_; }
  void on_ready(uint32_t events) override;

 private:
  void report();
  Loop& loop_;
  std::vector<uint8_t>& buffer_;
  OnPacket on_packet_;
  Fd rtp_, rtcp_;
  uint16_t port_ = 0;
};

}  // namespace vigie::loadgen
