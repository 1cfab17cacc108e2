#include "loadgen/udp_sender.h"

#include <netinet/udp.h>

#include <array>
#include <cstring>

namespace vigie::loadgen {

size_t segment_run(const UnitTrain& train, std::span<const uint32_t> order, size_t at) {
  const uint32_t size = train.packets[order[at]].size;
  size_t bytes = size, count = 1;
  while (at + count < order.size() && count < 64) {
    const uint32_t next = train.packets[order[at + count]].size;
    if (next > size || bytes + next > 65507) break;
    bytes += next;
    ++count;
    if (next < size) break;
  }
  return count;
}

size_t send_train(int fd, const UnitTrain& train, std::span<const uint32_t> order, const sockaddr_storage& to,
                  socklen_t to_size) {
  size_t refused = 0;
  std::array<iovec, 64> parts;
  for (size_t at = 0; at < order.size();) {
    const size_t count = segment_run(train, order, at);
    for (size_t i = 0; i < count; ++i) {
      const PacketSpan packet = train.packets[order[at + i]];
      parts[i] = {const_cast<uint8_t*>(train.bytes.data()) + packet.offset, packet.size};
    }
    msghdr message{};
    message.msg_name = const_cast<sockaddr_storage*>(&to);
    message.msg_namelen = to_size;
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
    if (count > 1) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_UDP;
      header->cmsg_type = UDP_SEGMENT;
      header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      const auto segment = static_cast<uint16_t>(parts[0].iov_len);
      std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
    }
    if (::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      // Not every path can segment: then one by one.
      for (size_t i = 0; i < count; ++i) {
        if (::sendto(fd, parts[i].iov_base, parts[i].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL,
                     reinterpret_cast<const sockaddr*>(&to), to_size) < 0) {
          ++refused;
        }
      }
    }
    at += count;
  }
  return refused;
}

}  // namespace vigie::loadgen
