#pragma once
// Membership of multicast groups, IPv4 and IPv6 alike.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace vigie::net {

struct Membership {
  SocketAddress group;                 // multicast
  std::vector<SocketAddress> sources;  // source-specific (IGMPv3, MLDv2): only their packets come. Empty: everybody's
  uint32_t interface = 0;              // index; 0: where the routes lead
  int ttl = 0;                         // of what is sent to the group; 0: the kernel's 1
};

// Joins on a UDP socket, which sends to the group by the same interface, and gets of groups only those that it joined
// itself. Left when the socket is closed. Bind the socket to the group's address, so that nothing else on its port
// comes in, and with reuse_address, so that others here may do the same.
// Errors: socket_failed.
Status join_group(int fd, const Membership& membership);

// The index of a network interface. Errors: not_found with the names that exist.
Result<uint32_t> interface_index(const std::string& name);
// The index of the interface that has this address; 0 when none has it.
uint32_t interface_of(const SocketAddress& local);

}  // namespace vigie::net
