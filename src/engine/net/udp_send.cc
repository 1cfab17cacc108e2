// Sending: trains of packets with few system calls.
#include <netinet/udp.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/udp_state.h"

namespace vigie::net {
namespace {

constexpr size_t kMaxMessages = 32;
constexpr size_t kMaxPieces = 512;

struct alignas(cmsghdr) SegmentControl {
  std::array<char, CMSG_SPACE(sizeof(uint16_t))> bytes;
};

// How many packets from `at` on may leave as one message: one size, the last may be shorter, none empty.
size_t run_length(std::span<const UdpPacket> packets, size_t at) {
  const size_t size = packets[at].size();
  if (size == 0 || size > UINT16_MAX) return 1;
  size_t total = size;
  size_t count = 1;
  while (count < UdpSocket::kMaxSegments && at + count < packets.size()) {
    const size_t next = packets[at + count].size();
    if (next == 0 || next > size || total + next > UdpSocket::kMaxTrainBytes) break;
    total += next;
    ++count;
    if (next < size) break;
  }
  return count;
}

// The messages of one sendmmsg, on the stack: about 13 KiB.
class SendBatch {
 public:
  explicit SendBatch(const SocketAddress& to) : to_(to) {}

  // Takes packets from `at` on until something is full. Returns how many messages there are.
  size_t fill(std::span<const UdpPacket> packets, size_t at, bool gso) {
    messages_ = 0;
    size_t used = 0;
    while (at < packets.size() && messages_ < kMaxMessages) {
      const size_t run = gso ? run_length(packets, at) : 1;
      if (used + 2 * run > kMaxPieces) break;
      msghdr& header = headers_[messages_].msg_hdr;
      header = {};
      header.msg_iov = &pieces_[used];
      for (const UdpPacket& packet : packets.subspan(at, run)) {
        for (const ByteSpan part : {packet.header, packet.payload}) {
          if (!part.empty()) pieces_[used++] = {const_cast<uint8_t*>(part.data()), part.size()};
        }
      }
      header.msg_iovlen = static_cast<size_t>(&pieces_[used] - header.msg_iov);
      if (to_.valid()) {
        header.msg_name = const_cast<sockaddr*>(to_.data());
        header.msg_namelen = to_.length();
      }
      if (run > 1) set_segment(header, controls_[messages_], static_cast<uint16_t>(packets[at].size()));
      runs_[messages_++] = run;
      at += run;
    }
    return messages_;
  }

  mmsghdr* headers() { return headers_.data(); }
  size_t run(size_t message) const { return runs_[message]; }

 private:
  static void set_segment(msghdr& header, SegmentControl& control, uint16_t size) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    cmsghdr* at = CMSG_FIRSTHDR(&header);
    at->cmsg_level = IPPROTO_UDP;
    at->cmsg_type = UDP_SEGMENT;
    at->cmsg_len = CMSG_LEN(sizeof(size));
    std::memcpy(CMSG_DATA(at), &size, sizeof(size));
  }

  const SocketAddress& to_;
  size_t messages_ = 0;
  std::array<mmsghdr, kMaxMessages> headers_;
  std::array<size_t, kMaxMessages> runs_;
  std::array<SegmentControl, kMaxMessages> controls_;
  std::array<iovec, kMaxPieces> pieces_;
};

}  // namespace

UdpSendResult UdpSocket::send_train(std::span<const UdpPacket> packets, const SocketAddress& to) {
  SendBatch batch(to);
  UdpSendResult result;
  bool refused_before = false;
  while (result.packets < packets.size()) {
    const size_t messages = batch.fill(packets, result.packets, state_->gso);
    const int sent = sendmmsg(fd(), batch.headers(), static_cast<unsigned>(messages), MSG_NOSIGNAL);
    if (sent > 0) {
      for (size_t i = 0; i < static_cast<size_t>(sent); ++i) result.packets += batch.run(i);
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) {
      result.state = IoState::would_block;
      return result;
    }
    if (batch.run(0) > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
      state_->gso = false;  // no checksum offload, a segment beyond the MTU, an old kernel: it will not get better
      continue;
    }
    if (error == ECONNREFUSED && !refused_before) {
      refused_before = true;  // answers an earlier datagram; telling it has cleared it
      state_->refused.add();
      continue;
    }
    result.state = state_->fail("sendmmsg", error);
    return result;
  }
  return result;
}

IoResult UdpSocket::send(ByteSpan bytes, const SocketAddress& to) {
  for (bool refused_before = false;;) {
    const ssize_t sent =
        sendto(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL, to.valid() ? to.data() : nullptr, to.length());
    if (sent >= 0) return {IoState::ok, static_cast<size_t>(sent)};
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) return {IoState::would_block, 0};
    if (error != ECONNREFUSED || refused_before) return {state_->fail("sendto", error), 0};
    refused_before = true;
    state_->refused.add();
  }
}

}  // namespace vigie::net
