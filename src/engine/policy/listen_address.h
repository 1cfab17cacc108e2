#pragma once
// The text form of a listener's address.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vigie::policy {

struct ListenAddress {
  enum class Kind : uint8_t { ipv4, ipv6, localhost, interface } kind;
  std::string host;  // without brackets and without '%'
  uint16_t port;     // 0 = any free one

  bool loopback() const;
};

// "192.0.2.1:8554", "[2001:db8::1]:8554", "localhost:8554", "%eth0:8554". Host names are refused: what a listener is
// bound to must not hang on a name server. Empty when the text is none of these.
std::optional<ListenAddress> parse_listen_address(std::string_view text);

// What the kernel takes as the name of a network interface, and nothing that would need quoting.
bool is_interface_name(std::string_view name);

}  // namespace vigie::policy
