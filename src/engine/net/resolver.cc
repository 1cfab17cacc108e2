#include "net/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace vigie::net {

// `cancelled` is read by the helper thread; everything else belongs to the loop.
struct ResolveRequest::State {
  EventLoop& loop;
  Resolver::Answer answer;
  TimerId timer;
  std::atomic<bool> cancelled{false};

  State(EventLoop& asked_from, Resolver::Answer on_answer) : loop(asked_from), answer(std::move(on_answer)) {}

  void deliver(ResolveResult result) {
    if (!answer) return;
    loop.cancel_timer(timer);
    cancelled = true;
    const Resolver::Answer call = std::exchange(answer, nullptr);  // it may destroy its request
    call(std::move(result));
  }
  void cancel() {
    cancelled = true;
    loop.cancel_timer(timer);
    const Resolver::Answer dying = std::exchange(answer, nullptr);
  }
};

namespace {

constexpr size_t kMaxHostBytes = 255;
constexpr size_t kMaxAddresses = 16;

ResolveResult lookup_blocking(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error == EAI_NONAME || error == EAI_ADDRFAMILY) {
    hints.ai_flags = 0;  // a machine with nothing but loopback has no "configured" family at all
    error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  }
  if (error != 0) {
    const char* why = error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error);
    return make_error(Code::resolve_failed, host, why);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  std::vector<SocketAddress> out;
  for (const addrinfo* at = list; at && out.size() < kMaxAddresses; at = at->ai_next) {
    SocketAddress address = SocketAddress::from(at->ai_addr, at->ai_addrlen);
    address.set_port(port);
    if (address.valid() && std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  }
  if (out.empty()) return make_error(Code::resolve_failed, host, "the name has no address");
  return out;
}

}  // namespace

ResolveRequest& ResolveRequest::operator=(ResolveRequest&& other) noexcept {
  if (this != &other) {
    cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

void ResolveRequest::cancel() {
  if (const auto state = std::exchange(state_, nullptr)) state->cancel();
}

bool ResolveRequest::pending() const { return state_ && state_->answer; }

Resolver::Resolver(ResolverOptions options)
    : options_(std::move(options)), helpers_({"vigie-dns", options_.threads, options_.queue_limit}) {
  if (!options_.lookup) options_.lookup = lookup_blocking;
}

Resolver::~Resolver() = default;

ResolveRequest Resolver::resolve(EventLoop& loop, const std::string& host, uint16_t port, Nanos timeout,
                                 Answer answer) {
  auto state = std::make_shared<ResolveRequest::State>(loop, std::move(answer));
  std::optional<ResolveResult> at_once;
  if (auto literal = SocketAddress::parse_ip(host, port)) {
    at_once = std::vector<SocketAddress>{*literal};
  } else if (host.empty() || host.size() > kMaxHostBytes || host.find('\0') != std::string::npos) {
    at_once = make_error(Code::resolve_failed, host.substr(0, kMaxHostBytes), "not a host name");
  }
  if (!at_once) {
    const bool queued = helpers_.try_submit([this, state, host, port] {
      if (state->cancelled) return;
      state->loop.post([state, result = options_.lookup(host, port)]() mutable { state->deliver(std::move(result)); });
    });
    if (!queued) at_once = make_error(Code::limit_exceeded, host, "too many names are being resolved");
  }
  if (at_once) {
    loop.post([state, result = std::move(*at_once)]() mutable { state->deliver(std::move(result)); });
  } else {
    // The helper cannot overtake this line: its answer comes through this loop's mailbox.
    state->timer = loop.add_timer(loop.clock().now_mono() + timeout, [state, host, timeout] {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
      state->deliver(make_error(Code::timed_out, host, "no answer in " + std::to_string(ms) + " ms"));
    });
  }
  return ResolveRequest(std::move(state));
}

}  // namespace vigie::net
