#include "net/multicast.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace vigie::net {
namespace {

Status failed(const SocketAddress& group, const char* call) {
  const int number = errno;
  std::string what = std::string(call) + ": " + std::strerror(number);
  if (number == ENODEV) what += "; no route leads to the group: right would be to name the network interface";
  return make_error(Code::socket_failed, "group " + group.host_text(), std::move(what));
}

sockaddr_storage storage(const SocketAddress& address) {
  sockaddr_storage out{};
  std::memcpy(&out, address.data(), address.length());
  return out;
}

}  // namespace

Status join_group(int fd, const Membership& membership) {
  const SocketAddress& group = membership.group;
  const int level = group.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP;
  const int none = 0;
  if (setsockopt(fd, level, group.is_v6() ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL, &none, sizeof(none)) != 0) {
    return failed(group, "MULTICAST_ALL");
  }
  if (membership.interface != 0) {
    ip_mreqn by_index{};
    by_index.imr_ifindex = static_cast<int>(membership.interface);
    const int done = group.is_v6() ? setsockopt(fd, level, IPV6_MULTICAST_IF, &by_index.imr_ifindex, sizeof(int))
                                   : setsockopt(fd, level, IP_MULTICAST_IF, &by_index, sizeof(by_index));
    if (done != 0) return failed(group, "MULTICAST_IF");
  }
  if (membership.ttl > 0) {
    const int name = group.is_v6() ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL;
    if (setsockopt(fd, level, name, &membership.ttl, sizeof(int)) != 0) return failed(group, "MULTICAST_TTL");
  }
  if (membership.sources.empty()) {
    group_req request{};
    request.gr_interface = membership.interface;
    request.gr_group = storage(group);
    if (setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof(request)) != 0) return failed(group, "JOIN_GROUP");
  }
  for (const SocketAddress& source : membership.sources) {
    group_source_req request{};
    request.gsr_interface = membership.interface;
    request.gsr_group = storage(group);
    request.gsr_source = storage(source);
    if (setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof(request)) != 0) {
      return failed(group, "JOIN_SOURCE_GROUP");
    }
  }
  return {};
}

Result<uint32_t> interface_index(const std::string& name) {
  if (const uint32_t index = if_nametoindex(name.c_str()); index != 0) return index;
  if (auto addresses = interface_addresses(name); !addresses) return std::move(addresses).error();
  return make_error(Code::not_found, "interface " + name, "it has no index");
}

uint32_t interface_of(const SocketAddress& local) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return 0;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  const SocketAddress plain = local.unmapped();
  for (const ifaddrs* at = list; at; at = at->ifa_next) {
    if (SocketAddress::from(at->ifa_addr, sizeof(sockaddr_in6)).same_host(plain)) return if_nametoindex(at->ifa_name);
  }
  // All of 127.0.0.0/8 is on the loopback interface, which only has the first address.
  return plain.is_loopback() ? if_nametoindex("lo") : 0;
}

}  // namespace vigie::net
