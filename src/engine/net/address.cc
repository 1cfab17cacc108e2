#include "net/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace vigie::net {
namespace {

constexpr size_t kMaxTextBytes = 256;  // a host name has at most 253 characters

Error bad_address(std::string_view text, const char* why) {
  return make_error(Code::invalid_argument, "address \"" + std::string(text.substr(0, kMaxTextBytes)) + "\"", why);
}

bool parse_port(std::string_view text, uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool parse_scope(std::string_view text, uint32_t& scope) {
  if (text.empty()) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scope);
  if (error == std::errc() && end == text.data() + text.size()) return true;
  scope = if_nametoindex(std::string(text).c_str());
  return scope != 0;
}

}  // namespace

SocketAddress SocketAddress::from(const sockaddr* address, socklen_t length) {
  SocketAddress out;
  if (!address || length < static_cast<socklen_t>(sizeof(sa_family_t))) return out;
  if (address->sa_family == AF_INET && length >= static_cast<socklen_t>(sizeof(sockaddr_in))) {
    std::memcpy(&out.storage_.v4, address, sizeof(sockaddr_in));
  } else if (address->sa_family == AF_INET6 && length >= static_cast<socklen_t>(sizeof(sockaddr_in6))) {
    std::memcpy(&out.storage_.v6, address, sizeof(sockaddr_in6));
  }
  return out;
}

Result<SocketAddress> SocketAddress::parse_ip(std::string_view text, uint16_t port) {
  std::string_view ip = text;
  if (ip.size() >= 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
  if (ip.size() > INET6_ADDRSTRLEN + IF_NAMESIZE) return bad_address(text, "too long for an address");
  sockaddr_in v4{};
  if (ip.size() == text.size() && inet_pton(AF_INET, std::string(ip).c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return SocketAddress(v4);
  }
  sockaddr_in6 v6{};
  if (const size_t percent = ip.find('%'); percent != std::string_view::npos) {
    if (!parse_scope(ip.substr(percent + 1), v6.sin6_scope_id)) {
      return bad_address(text, "the part after '%' names no network interface");
    }
    ip = ip.substr(0, percent);
  }
  if (inet_pton(AF_INET6, std::string(ip).c_str(), &v6.sin6_addr) != 1) {
    return bad_address(text, "neither an IPv4 nor an IPv6 address");
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  return SocketAddress(v6);
}

Result<SocketAddress> SocketAddress::parse(std::string_view text, uint16_t default_port) {
  if (auto literal = parse_ip(text, default_port)) return literal;
  auto parts = parse_host_port(text, default_port);
  if (!parts) return std::move(parts).error();
  return parse_ip(text.front() == '[' ? "[" + parts->host + "]" : parts->host, parts->port);
}

SocketAddress SocketAddress::any_v4(uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  return SocketAddress(v4);
}

SocketAddress SocketAddress::any_v6(uint16_t port) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  return SocketAddress(v6);
}

SocketAddress SocketAddress::loopback_v4(uint16_t port) {
  SocketAddress out = any_v4(port);
  out.storage_.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

SocketAddress SocketAddress::loopback_v6(uint16_t port) {
  SocketAddress out = any_v6(port);
  out.storage_.v6.sin6_addr = in6addr_loopback;
  return out;
}

uint16_t SocketAddress::port() const {
  if (is_v4()) return ntohs(storage_.v4.sin_port);
  return is_v6() ? ntohs(storage_.v6.sin6_port) : uint16_t{0};
}

void SocketAddress::set_port(uint16_t port) {
  if (is_v4()) storage_.v4.sin_port = htons(port);
  if (is_v6()) storage_.v6.sin6_port = htons(port);
}

bool SocketAddress::is_any() const {
  if (is_v4()) return storage_.v4.sin_addr.s_addr == INADDR_ANY;
  return is_v6() && IN6_IS_ADDR_UNSPECIFIED(&storage_.v6.sin6_addr);
}

bool SocketAddress::is_loopback() const {
  const SocketAddress plain = unmapped();
  if (plain.is_v4()) return ntohl(plain.storage_.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  return plain.is_v6() && IN6_IS_ADDR_LOOPBACK(&plain.storage_.v6.sin6_addr);
}

bool SocketAddress::is_multicast() const {
  if (is_v4()) return IN_MULTICAST(ntohl(storage_.v4.sin_addr.s_addr));
  return is_v6() && IN6_IS_ADDR_MULTICAST(&storage_.v6.sin6_addr);
}

bool SocketAddress::is_link_local() const {
  if (is_v4()) return (ntohl(storage_.v4.sin_addr.s_addr) & 0xFFFF0000U) == 0xA9FE0000U;
  return is_v6() && IN6_IS_ADDR_LINKLOCAL(&storage_.v6.sin6_addr);
}

SocketAddress SocketAddress::unmapped() const {
  if (!is_v6() || !IN6_IS_ADDR_V4MAPPED(&storage_.v6.sin6_addr)) return *this;
  SocketAddress out = any_v4(port());
  std::memcpy(&out.storage_.v4.sin_addr, &storage_.v6.sin6_addr.s6_addr[12], 4);
  return out;
}

bool SocketAddress::same_host(const SocketAddress& other) const {
  if (family() != other.family()) return false;
  if (is_v4()) return storage_.v4.sin_addr.s_addr == other.storage_.v4.sin_addr.s_addr;
  if (!is_v6()) return true;
  return scope_id() == other.scope_id() &&
         std::memcmp(&storage_.v6.sin6_addr, &other.storage_.v6.sin6_addr, sizeof(in6_addr)) == 0;
}

std::string SocketAddress::host_text() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4()) {
    inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof(text));
    return text;
  }
  if (!is_v6()) return "unspecified";
  inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof(text));
  std::string out = text;
  if (scope_id() != 0) {
    char name[IF_NAMESIZE] = "";
    out += '%';
    out += if_indextoname(scope_id(), name) ? std::string(name) : std::to_string(scope_id());
  }
  return out;
}

std::string SocketAddress::text() const {
  if (is_v4()) return host_text() + ":" + std::to_string(port());
  if (is_v6()) return "[" + host_text() + "]:" + std::to_string(port());
  return "unspecified";
}

size_t SocketAddress::hash() const {
  const auto* bytes = is_v4() ? reinterpret_cast<const char*>(&storage_.v4.sin_addr)
                              : reinterpret_cast<const char*>(&storage_.v6.sin6_addr);
  const size_t count = is_v4() ? sizeof(in_addr) : is_v6() ? sizeof(in6_addr) : 0;
  return std::hash<std::string_view>()({bytes, count}) * 31 + port();
}

Result<HostPort> parse_host_port(std::string_view text, uint16_t default_port) {
  if (text.empty()) return bad_address(text, "empty; \"host:port\" would be right");
  if (text.size() > kMaxTextBytes) return bad_address(text, "longer than a host name can be");
  std::string_view host = text;
  std::string_view rest;
  if (text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return bad_address(text, "'[' without ']'");
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return bad_address(text, "after ']' only ':' and a port may follow");
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (text.find(':', colon + 1) != std::string_view::npos) {
      return bad_address(text, "an IPv6 address with a port needs brackets: [address]:port");
    }
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (host.empty()) return bad_address(text, "no host before the port");
  const auto is_bad = [](char c) { return c <= ' ' || c == '/' || c == '@' || c == '\x7F'; };
  if (std::any_of(host.begin(), host.end(), is_bad)) return bad_address(text, "a host name has no blanks, '/' or '@'");
  HostPort out{std::string(host), default_port};
  if (!rest.empty() && !parse_port(rest.substr(1), out.port)) {
    return bad_address(text, "the port is not a number from 0 to 65535");
  }
  return out;
}

Result<std::vector<SocketAddress>> interface_addresses(const std::string& name) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return make_error(Code::socket_failed, "interface " + name, std::string("getifaddrs: ") + std::strerror(errno));
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  std::vector<SocketAddress> out;
  std::vector<std::string> names;
  for (const ifaddrs* at = list; at; at = at->ifa_next) {
    if (std::find(names.begin(), names.end(), at->ifa_name) == names.end()) names.emplace_back(at->ifa_name);
    if (name != at->ifa_name) continue;
    const SocketAddress address = SocketAddress::from(at->ifa_addr, sizeof(sockaddr_in6));
    if (address.valid()) out.push_back(address);
  }
  if (std::find(names.begin(), names.end(), name) != names.end()) return out;
  std::string known;
  for (const std::string& each : names) known += (known.empty() ? "" : ", ") + each;
  return make_error(Code::not_found, "interface " + name, "no such network interface; there are: " + known);
}

Status bind_to_interface(int fd, const std::string& name) {
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(), static_cast<socklen_t>(name.size())) == 0) return {};
  const int error = errno;
  if (error == ENODEV) {
    auto addresses = interface_addresses(name);
    if (!addresses) return std::move(addresses).error();
  }
  return make_error(Code::bind_failed, "interface " + name, std::string("SO_BINDTODEVICE: ") + std::strerror(error));
}

}  // namespace vigie::net
