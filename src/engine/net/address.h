#pragma once
// Socket addresses as values, their text forms, and network interfaces by name.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vigie::net {

// An IPv4 or IPv6 address with port (and IPv6 scope); 28 bytes, no allocation.
class SocketAddress {
 public:
  SocketAddress() : storage_{} {}  // family() == AF_UNSPEC
  explicit SocketAddress(const sockaddr_in& v4) : storage_{.v4 = v4} {}
  explicit SocketAddress(const sockaddr_in6& v6) : storage_{.v6 = v6} {}
  // From the kernel's form; unspecified when the family is neither IPv4 nor IPv6 or `length` is too short.
  static SocketAddress from(const sockaddr* address, socklen_t length);
  // An address literal without port: "10.0.0.1", "::1", "[::1]", "fe80::1%eth0". Errors: invalid_argument.
  static Result<SocketAddress> parse_ip(std::string_view text, uint16_t port);
  // "10.0.0.1:554", "[::1]:8554", or a literal alone, which takes `default_port`. Errors: invalid_argument.
  static Result<SocketAddress> parse(std::string_view text, uint16_t default_port = 0);
  static SocketAddress any_v4(uint16_t port);
  static SocketAddress any_v6(uint16_t port);
  static SocketAddress loopback_v4(uint16_t port);
  static SocketAddress loopback_v6(uint16_t port);

  bool valid() const { return family() != AF_UNSPEC; }
  int family() const { return storage_.base.sa_family; }
  bool is_v4() const { return family() == AF_INET; }
  bool is_v6() const { return family() == AF_INET6; }
  uint16_t port() const;
  void set_port(uint16_t port);
  uint32_t scope_id() const { return is_v6() ? storage_.v6.sin6_scope_id : 0; }
  bool is_any() const;
  bool is_loopback() const;
  bool is_multicast() const;
  bool is_link_local() const;
  // ::ffff:a.b.c.d as plain IPv4; anything else unchanged.
  SocketAddress unmapped() const;
  // Equal but for the port.
  bool same_host(const SocketAddress& other) const;

  const sockaddr* data() const { return &storage_.base; }
  sockaddr* mutable_data() { return &storage_.base; }
  socklen_t length() const { return is_v6() ? sizeof(sockaddr_in6) : is_v4() ? sizeof(sockaddr_in) : 0; }
  static constexpr socklen_t kCapacity = sizeof(sockaddr_in6);

  // "10.0.0.1", "::1", "fe80::1%eth0": no port, no brackets.
  std::string host_text() const;
  // "10.0.0.1:554", "[::1]:8554"; "unspecified" without an address.
  std::string text() const;
  size_t hash() const;
  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    return a.same_host(b) && a.port() == b.port();
  }

 private:
  union Storage {
    sockaddr base;
    sockaddr_in v4;
    sockaddr_in6 v6 = {};
  } storage_;
};

// A host name or literal with its port, as configuration and URLs write them; IPv6 literals in brackets.
struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
};
// "camera.example:554", "[fe80::1%eth0]:554", "10.0.0.1". Errors: invalid_argument.
Result<HostPort> parse_host_port(std::string_view text, uint16_t default_port);

// The addresses of a network interface now, ports 0. Errors: not_found with the names that exist.
Result<std::vector<SocketAddress>> interface_addresses(const std::string& name);
// Ties a socket to an interface by SO_BINDTODEVICE, before bind. Chosen over binding to the interface's addresses
// because Linux accepts a packet for any of its addresses on every interface, so an address alone says nothing about
// where the peer is; and because addresses may change. The machine's own connections arrive through "lo" and are then
// refused, except on "lo". Errors: not_found, bind_failed (EPERM on kernels before 5.7 without CAP_NET_RAW).
Status bind_to_interface(int fd, const std::string& name);

}  // namespace vigie::net

template <>
struct std::hash<vigie::net::SocketAddress> {
  size_t operator()(const vigie::net::SocketAddress& address) const { return address.hash(); }
};
