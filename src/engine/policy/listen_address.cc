#include "policy/listen_address.h"

#include <arpa/inet.h>

#include <charconv>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

// Linux's IFNAMSIZ without its terminating zero.
constexpr size_t kMaxInterfaceName = 15;

}  // namespace

bool is_interface_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxInterfaceName) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") ==
         std::string_view::npos;
}

bool ListenAddress::loopback() const {
  switch (kind) {
    case Kind::ipv4: return host.starts_with("127.");
    case Kind::ipv6: return host == "::1";
    case Kind::localhost: return true;
    case Kind::interface: return host == "lo";
  }
  return false;
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view port_text = text.substr(colon + 1);
  uint16_t port = 0;
  const char* const port_end = port_text.data() + port_text.size();
  const auto [end, failure] = std::from_chars(port_text.data(), port_end, port);
  if (failure != std::errc{} || end != port_end || port_text.size() > 5) return std::nullopt;

  std::string host(text.substr(0, colon));
  unsigned char address[sizeof(in6_addr)];
  if (host == "localhost") return ListenAddress{ListenAddress::Kind::localhost, std::move(host), port};
  if (host.starts_with('%')) {
    host.erase(0, 1);
    if (!is_interface_name(host)) return std::nullopt;
    return ListenAddress{ListenAddress::Kind::interface, std::move(host), port};
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find('\0') != std::string::npos || inet_pton(AF_INET6, host.c_str(), address) != 1) return std::nullopt;
    return ListenAddress{ListenAddress::Kind::ipv6, std::move(host), port};
  }
  if (host.find('\0') != std::string::npos || inet_pton(AF_INET, host.c_str(), address) != 1) return std::nullopt;
  return ListenAddress{ListenAddress::Kind::ipv4, std::move(host), port};
}

bool listens_on_loopback(std::string_view listen) {
  const auto address = parse_listen_address(listen);
  return address && address->loopback();
}

}  // namespace vigie::policy
