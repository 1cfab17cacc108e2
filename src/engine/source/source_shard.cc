#include "source/source_shard.h"

namespace vigie::source {
namespace {

// F11: datagrams up to 10 000 bytes are seen; with GRO one slot holds a whole run of packets.
constexpr size_t kUdpSlots = 16;
constexpr size_t kUdpSlotBytes = 65536;

}  // namespace

SourceShard::SourceShard(net::EventLoop& loop, net::Resolver& resolver, net::HelperPool* tls_helpers,
                         StartGateOptions gate)
    : loop_(loop),
      resolver_(resolver),
      tls_helpers_(tls_helpers),
      gate_(loop, gate),
      udp_batch_(kUdpSlots, kUdpSlotBytes) {}

Result<Ref<net::TlsClientContext>> SourceShard::tls_context(const std::string& ca_file, bool verify) {
  const auto key = std::make_pair(ca_file, verify);
  if (const auto found = tls_contexts_.find(key); found != tls_contexts_.end()) return found->second;
  net::TlsClientOptions options;
  options.ca_file = ca_file;
  options.verify_peer = verify;
  options.verify_host = verify;
  options.helpers = tls_helpers_;
  Result<Ref<net::TlsClientContext>> made = net::TlsClientContext::make(options);
  if (made) tls_contexts_.emplace(key, *made);
  return made;
}

}  // namespace vigie::source
