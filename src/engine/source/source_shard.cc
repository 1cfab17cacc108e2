#include "source/source_shard.h"

namespace vigie::source {
namespace {

// F11: datagrams up to 10 000 bytes are seen; with GRO one slot holds a whole run of packets.
constexpr size_t kUdpSlots = 16;
constexpr size_t kUdpSlotBytes = 65536;
constexpr Nanos kSweepInterval = 100ms;

}  // namespace

SourceShard::SourceShard(net::EventLoop& loop, net::Resolver& resolver, net::HelperPool* tls_helpers,
                         StartGateOptions gate)
    : loop_(loop),
      resolver_(resolver),
      tls_helpers_(tls_helpers),
      gate_(loop, gate),
      udp_batch_(kUdpSlots, kUdpSlotBytes) {}

SourceShard::~SourceShard() {
  loop_.cancel_timer(sweep_timer_);
  for (const auto& reader : retired_) reader->interrupt();  // all at once, then each is waited for
}

void SourceShard::retire(std::unique_ptr<LibavReader> reader) {
  if (!reader) return;
  reader->interrupt();
  retired_.push_back(std::move(reader));
  if (!sweep_timer_) sweep();
}

void SourceShard::sweep() {
  sweep_timer_ = {};
  std::erase_if(retired_, [](const auto& reader) { return reader->gone(); });
  if (!retired_.empty()) sweep_timer_ = loop_.add_timer_after(kSweepInterval, [this] { sweep(); });
}

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
