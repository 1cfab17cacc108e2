#include "net/shard_pool.h"

#include <cstdlib>
#include <utility>

#include "base/thread.h"

namespace vigie::net {

Result<std::unique_ptr<ShardPool>> ShardPool::make(ShardPoolOptions options) {
  if (options.shards == 0) return make_error(Code::invalid_argument, options.name, "at least one shard is needed");
  std::unique_ptr<ShardPool> pool(new ShardPool);
  for (size_t i = 0; i < options.shards; ++i) {
    auto shard = std::make_unique<Shard>();
    const std::string name = options.name + "-" + std::to_string(i);
    auto loop = EventLoop::make({name, options.clock, options.read_scratch_bytes, options.pool_cached_bytes});
    if (!loop) return std::move(loop).error();
    shard->loop = std::move(*loop);
    pool->shards_.push_back(std::move(shard));
  }
  for (size_t i = 0; i < options.shards; ++i) {
    Shard& shard = *pool->shards_[i];
    auto thread = start_thread(shard.loop->name(), [&shard] {
      shard.rank.begin();
      shard.loop->run();
    });
    if (!thread) return std::move(thread).error();
    shard.thread = std::move(*thread);
    if (options.cpus.empty()) continue;
    Status pinned;
    const int cpu = options.cpus[i % options.cpus.size()];
    shard.loop->run_blocking([&pinned, cpu] { pinned = pin_this_thread(cpu); });
    if (!pinned) return std::move(pinned).error();
  }
  return pool;
}

ShardPool::~ShardPool() { stop(); }

size_t ShardPool::pick() {
  for (;;) {
    size_t best = 0;
    for (size_t i = 1; i < shards_.size(); ++i) {
      if (assigned(i) < assigned(best)) best = i;
    }
    size_t seen = assigned(best);
    if (shards_[best]->assigned.compare_exchange_strong(seen, seen + 1, std::memory_order_relaxed)) return best;
  }
}

void ShardPool::unpick(size_t index) { shards_[index]->assigned.fetch_sub(1, std::memory_order_relaxed); }

void ShardPool::stop() {
  if (std::exchange(stopped_, true)) return;
  for (const auto& shard : shards_) {
    shard->loop->close_mailbox();
    shard->loop->stop();
  }
  for (const auto& shard : shards_) {
    if (shard->thread.joinable()) shard->thread.join();
  }
}

}  // namespace vigie::net
