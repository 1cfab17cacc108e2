#pragma once
// What all sources of one I/O shard share.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/ref.h"
#include "base/result.h"
#include "net/event_loop.h"
#include "net/helper_pool.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "net/udp.h"
#include "source/libav_source.h"
#include "source/start_gate.h"

namespace vigie::source {

// Thread: the loop's. Ownership: one a shard, held by the runtime; outlives every source on the shard and is gone
// before the loop, the resolver and the helpers.
class SourceShard {
 public:
  // `tls_helpers`: where TLS handshakes run; null: on the loop.
  SourceShard(net::EventLoop& loop, net::Resolver& resolver, net::HelperPool* tls_helpers = nullptr,
              StartGateOptions gate = {});
  // Waits for every retired reader.
  ~SourceShard();
  SourceShard(const SourceShard&) = delete;
  SourceShard& operator=(const SourceShard&) = delete;

  net::EventLoop& loop() { return loop_; }
  net::Resolver& resolver() { return resolver_; }
  StartGate& gate() { return gate_; }
  FastRandom& random() { return random_; }
  // Memory to receive datagrams into, for one callback at a time.
  net::UdpReceiveBatch& udp_batch() { return udp_batch_; }
  // Takes what is to end by itself on its own thread, so that nobody waits for it on the loop. Null is allowed.
  void retire(std::unique_ptr<LibavReader> reader);
  // Made once for each pair of CA file and verification, then shared. Errors: tls_failed.
  Result<Ref<net::TlsClientContext>> tls_context(const std::string& ca_file, bool verify);

 private:
  void sweep();

  net::EventLoop& loop_;
  net::Resolver& resolver_;
  net::HelperPool* tls_helpers_;
  StartGate gate_;
  FastRandom random_;
  net::UdpReceiveBatch udp_batch_;
  std::map<std::pair<std::string, bool>, Ref<net::TlsClientContext>> tls_contexts_;
  std::vector<std::unique_ptr<LibavReader>> retired_;
  net::TimerId sweep_timer_;
};

}  // namespace vigie::source
