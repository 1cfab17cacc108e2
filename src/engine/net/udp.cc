#include "net/udp.h"

#include <netinet/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/random.h"
#include "net/tcp.h"
#include "net/tcp_stream.h"
#include "net/udp_state.h"

namespace vigie::net {
namespace {

constexpr int kRefusalsSkipped = 8;

Status set_option(int fd, const std::string& where, int level, int name, int value, const char* text) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) == 0) return {};
  return make_error(Code::socket_failed, where, std::string(text) + ": " + std::strerror(errno));
}

}  // namespace

// One allocation a kind; every header points at its slot for good.
struct UdpReceiveBatch::Memory {
  static constexpr size_t kControlBytes = CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(int));
  struct alignas(cmsghdr) Control {
    std::array<char, kControlBytes> bytes;
  };

  Memory(size_t count, size_t bytes)
      : slot_bytes(bytes),
        data(new uint8_t[count * bytes]),
        headers(count),
        pieces(count),
        from(count),
        controls(count) {
    for (size_t i = 0; i < count; ++i) {
      pieces[i] = {data.get() + i * bytes, bytes};
      headers[i].msg_hdr.msg_iov = &pieces[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_name = from[i].mutable_data();
      headers[i].msg_hdr.msg_control = controls[i].bytes.data();
    }
  }

  size_t slot_bytes;
  std::unique_ptr<uint8_t[]> data;
  std::vector<mmsghdr> headers;
  std::vector<iovec> pieces;
  std::vector<SocketAddress> from;
  std::vector<Control> controls;
};

UdpReceiveBatch::UdpReceiveBatch(size_t slots, size_t slot_bytes)
    : memory_(std::make_unique<Memory>(std::max<size_t>(1, slots), std::max<size_t>(1, slot_bytes))) {
  datagrams_.reserve(memory_->headers.size());
}
UdpReceiveBatch::~UdpReceiveBatch() = default;
size_t UdpReceiveBatch::slots() const { return memory_->headers.size(); }

UdpSocket::UdpSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&&) noexcept = default;
UdpSocket::~UdpSocket() = default;

const SocketAddress& UdpSocket::local_address() const { return state_->local; }
int UdpSocket::fd() const { return state_->fd.get(); }
uint64_t UdpSocket::kernel_drops() const { return state_->drops.value(); }
uint64_t UdpSocket::oversized() const { return state_->oversized.value(); }
bool UdpSocket::gso_active() const { return state_->gso; }
const Error& UdpSocket::error() const { return state_->error; }

IoState UdpSocket::State::fail(const char* call, int error_number) {
  error = make_error(Code::socket_failed, local.text(), std::string(call) + ": " + std::strerror(error_number));
  return IoState::failed;
}

Result<UdpSocket> UdpSocket::open(const UdpOptions& options) {
  const std::string where = options.bind.text();
  if (!options.bind.valid()) return make_error(Code::bind_failed, where, "no address to bind to");
  Fd fd(socket(options.bind.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return make_error(Code::socket_failed, where, std::string("socket: ") + std::strerror(errno));
  struct Row {
    bool wanted;
    int level;
    int name;
    int value;
    const char* text;
  };
  const Row rows[] = {
      {true, SOL_SOCKET, SO_RXQ_OVFL, 1, "SO_RXQ_OVFL"},
      {options.bind.is_v6(), IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"},
      {options.reuse_address, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"},
      {options.receive_buffer_bytes > 0, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes, "SO_RCVBUF"},
      {options.send_buffer_bytes > 0, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes, "SO_SNDBUF"},
      {options.gro, IPPROTO_UDP, UDP_GRO, 1, "UDP_GRO"},
  };
  for (const Row& row : rows) {
    if (!row.wanted) continue;
    if (auto done = set_option(fd.get(), where, row.level, row.name, row.value, row.text); !done) {
      return std::move(done).error();
    }
  }
  if (options.receive_buffer_bytes > 0) {
    // Beyond net.core.rmem_max only for the privileged; the plain limit holds for everybody else.
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &options.receive_buffer_bytes, sizeof(int));
  }
  if (options.dscp >= 0) {
    if (auto done = set_dscp(fd.get(), options.bind.family(), options.dscp); !done) return std::move(done).error();
  }
  if (!options.interface.empty()) {
    if (auto done = bind_to_interface(fd.get(), options.interface); !done) return std::move(done).error();
  }
  if (::bind(fd.get(), options.bind.data(), options.bind.length()) != 0) {
    return make_error(Code::bind_failed, where, std::strerror(errno));
  }
  auto state = std::make_unique<State>();
  state->local = local_address_of(fd.get());
  state->fd = std::move(fd);
  state->gso = options.gso;
  return UdpSocket(std::move(state));
}

Status UdpSocket::connect(const SocketAddress& peer) {
  if (::connect(state_->fd.get(), peer.data(), peer.length()) == 0) return {};
  return make_error(Code::connect_failed, peer.text(), std::strerror(errno));
}

IoResult UdpSocket::receive(UdpReceiveBatch& batch) {
  UdpReceiveBatch::Memory& memory = *batch.memory_;
  batch.datagrams_.clear();
  for (mmsghdr& header : memory.headers) {
    header.msg_hdr.msg_namelen = SocketAddress::kCapacity;
    header.msg_hdr.msg_controllen = UdpReceiveBatch::Memory::kControlBytes;
    header.msg_hdr.msg_flags = 0;
  }
  int count = 0;
  for (int refusals = 0;; ++refusals) {
    count = recvmmsg(fd(), memory.headers.data(), static_cast<unsigned>(memory.headers.size()), 0, nullptr);
    if (count >= 0) break;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoState::would_block, 0};
    // A refusal that answers something sent earlier; it says nothing about what may be received.
    if (errno != ECONNREFUSED || refusals >= kRefusalsSkipped) return {state_->fail("recvmmsg", errno), 0};
    state_->refused.add();
  }
  size_t bytes = 0;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    msghdr& header = memory.headers[i].msg_hdr;
    size_t segment = 0;
    for (cmsghdr* at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at)) {
      if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
        uint32_t total = 0;
        std::memcpy(&total, CMSG_DATA(at), sizeof(total));
        state_->drops.add(static_cast<uint32_t>(total - std::exchange(state_->drops_seen, total)));
      } else if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) {
        int size = 0;
        std::memcpy(&size, CMSG_DATA(at), sizeof(size));
        if (size > 0) segment = static_cast<size_t>(size);
      }
    }
    if (header.msg_flags & MSG_TRUNC) {
      state_->oversized.add();
      continue;
    }
    const size_t size = memory.headers[i].msg_len;
    bytes += size;
    batch.datagrams_.push_back(
        {{static_cast<const uint8_t*>(memory.pieces[i].iov_base), size}, memory.from[i], segment < size ? segment : 0});
  }
  return {IoState::ok, bytes};
}

Result<UdpPair> open_udp_pair(const UdpOptions& options, uint16_t low, uint16_t high) {
  const uint32_t first = low + (low & 1U);
  if (first + 1 > high)
    return make_error(Code::invalid_argument, options.bind.text(), "no even port and next in range");
  const uint32_t pairs = (high - first + 1) / 2;
  const auto start = static_cast<uint32_t>(FastRandom().below(pairs));
  Error last{Code::bind_failed, options.bind.text(), "no pair of ports is free"};
  for (uint32_t i = 0; i < pairs; ++i) {
    UdpOptions each = options;
    each.bind.set_port(static_cast<uint16_t>(first + 2 * ((start + i) % pairs)));
    auto rtp = UdpSocket::open(each);
    if (!rtp) {
      // Only a port that is taken is a reason to try the next; anything else would fail 20 000 times alike.
      last = std::move(rtp).error();
      if (last.code != Code::bind_failed || last.what != std::strerror(EADDRINUSE)) return last;
      continue;
    }
    each.bind.set_port(static_cast<uint16_t>(each.bind.port() + 1));
    if (auto rtcp = UdpSocket::open(each)) return UdpPair{std::move(*rtp), std::move(*rtcp)};
  }
  return last;
}

}  // namespace vigie::net
