#pragma once
// UDP sockets that send trains of packets and receive batches with few system calls.
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/metrics.h"
#include "net/address.h"
#include "net/stream.h"

namespace vigie::net {

struct UdpOptions {
  SocketAddress bind;     // valid; port 0: the kernel chooses
  std::string interface;  // see bind_to_interface
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;
  int dscp = -1;
  bool gso = true;   // UDP_SEGMENT when sending, until the kernel or device refuses it
  bool gro = false;  // UDP_GRO when receiving: slots must then hold 64 KiB
  bool reuse_address = false;
};

// One datagram to send: private header and shared payload, either may be empty, in place and not copied.
struct UdpPacket {
  ByteSpan header;
  ByteSpan payload;
  size_t size() const { return header.size() + payload.size(); }
};

// `packets` were handed to the kernel; with would_block or failed the packet at that index was the first not taken.
struct UdpSendResult {
  IoState state = IoState::ok;
  size_t packets = 0;
};

// One received datagram, or with GRO several of one sender: `segment_bytes` each, the last may be shorter.
struct UdpDatagram {
  ByteSpan bytes;
  SocketAddress from;
  size_t segment_bytes = 0;  // 0: one datagram
};

// Memory to receive into, made once and shared by the sockets of one loop. Its datagrams live until the next receive.
class UdpReceiveBatch {
 public:
  // `slot_bytes`: longer datagrams are dropped and counted.
  explicit UdpReceiveBatch(size_t slots = 32, size_t slot_bytes = 2048);
  ~UdpReceiveBatch();
  UdpReceiveBatch(const UdpReceiveBatch&) = delete;
  UdpReceiveBatch& operator=(const UdpReceiveBatch&) = delete;
  std::span<const UdpDatagram> datagrams() const { return datagrams_; }
  size_t slots() const;

 private:
  friend class UdpSocket;
  struct Memory;
  std::unique_ptr<Memory> memory_;
  std::vector<UdpDatagram> datagrams_;
};

// Calls `f(ByteSpan packet, const SocketAddress& from)` for every datagram of a batch, GRO ones taken apart.
template <class F>
void for_each_packet(const UdpReceiveBatch& batch, F&& f) {
  for (const UdpDatagram& datagram : batch.datagrams()) {
    if (datagram.segment_bytes == 0) {
      f(datagram.bytes, datagram.from);
      continue;
    }
    for (size_t at = 0; at < datagram.bytes.size(); at += datagram.segment_bytes) {
      const size_t left = datagram.bytes.size() - at;
      f(datagram.bytes.subspan(at, left < datagram.segment_bytes ? left : datagram.segment_bytes), datagram.from);
    }
  }
}

// Nonblocking. Register fd() with the loop yourself. Thread: one owner; the counters from any.
class UdpSocket {
 public:
  static constexpr size_t kMaxSegments = 64;
  static constexpr size_t kMaxTrainBytes = 65507;

  // Errors: bind_failed, not_found (interface), socket_failed.
  static Result<UdpSocket> open(const UdpOptions& options);
  UdpSocket(UdpSocket&&) noexcept;
  UdpSocket& operator=(UdpSocket&&) noexcept;
  ~UdpSocket();

  // Fixes the peer: only its datagrams are received, `to` may then be invalid in sends, and the route is looked up
  // once.
  Status connect(const SocketAddress& peer);
  // One datagram. would_block: the socket's buffer is full.
  IoResult send(ByteSpan bytes, const SocketAddress& to);
  // Many datagrams in order, as few system calls as sizes allow: runs of equal size (the last may be shorter) leave as
  // one UDP_SEGMENT message. When the kernel refuses that (EIO, EINVAL, EMSGSIZE) this socket uses plain sendmmsg ever
  // after. Sends all it can at once; pacing is the caller's.
  UdpSendResult send_train(std::span<const UdpPacket> packets, const SocketAddress& to);
  // Fills the batch. ok: at least one datagram was taken (datagrams() may still be empty when all were too long).
  IoResult receive(UdpReceiveBatch& batch);

  const SocketAddress& local_address() const;
  int fd() const;
  // Datagrams the kernel threw away because the receive buffer was full (SO_RXQ_OVFL), as far as it has told.
  uint64_t kernel_drops() const;
  // Datagrams longer than their slot.
  uint64_t oversized() const;
  // UDP_SEGMENT is in use (asked for, and not yet refused).
  bool gso_active() const;
  // Why a call said failed.
  const Error& error() const;

 private:
  struct State;
  explicit UdpSocket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Two sockets on an even port and the next one, for RTP and RTCP (RFC 3550 section 11).
struct UdpPair {
  UdpSocket rtp;
  UdpSocket rtcp;
};
// Tries ports in [low, high], from a random even one on. Errors: bind_failed when no pair is free.
Result<UdpPair> open_udp_pair(const UdpOptions& options, uint16_t low = 16384, uint16_t high = 65535);

}  // namespace vigie::net
