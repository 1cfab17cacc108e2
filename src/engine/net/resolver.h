#pragma once
// Host names to addresses, on helper threads, answered on the loop that asked.
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"
#include "net/helper_pool.h"

namespace vigie::net {

using ResolveResult = Result<std::vector<SocketAddress>>;

// A question under way. Destroying it cancels: its answer will not be called. Thread: the loop that asked.
class ResolveRequest {
 public:
  ResolveRequest() = default;
  ResolveRequest(ResolveRequest&&) noexcept = default;
  ResolveRequest& operator=(ResolveRequest&& other) noexcept;
  ~ResolveRequest() { cancel(); }
  void cancel();
  bool pending() const;

 private:
  friend class Resolver;
  struct State;
  explicit ResolveRequest(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

struct ResolverOptions {
  size_t threads = 2;
  size_t queue_limit = 1024;
  // Replaces getaddrinfo in tests; called on a helper thread.
  std::function<ResolveResult(const std::string& host, uint16_t port)> lookup;
};

// Thread: resolve from any loop's thread. Outlives no loop it was asked from: end the resolver first.
class Resolver {
 public:
  using Answer = std::function<void(ResolveResult)>;

  explicit Resolver(ResolverOptions options = {});
  ~Resolver();

  // Calls `answer` once from `loop`, never from inside this call. Literal addresses need no thread.
  // Errors (in the answer): resolve_failed, timed_out, limit_exceeded (queue full).
  ResolveRequest resolve(EventLoop& loop, const std::string& host, uint16_t port, Nanos timeout, Answer answer);

 private:
  ResolverOptions options_;
  HelperPool helpers_;
};

}  // namespace vigie::net
