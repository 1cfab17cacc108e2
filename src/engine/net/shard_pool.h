#pragma once
// The I/O shards: threads with one EventLoop each.
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/io_rank.h"
#include "net/event_loop.h"

namespace vigie::net {

struct ShardPoolOptions {
  size_t shards = 1;
  std::vector<int> cpus;          // shard i runs on cpus[i % size] only; empty: wherever the kernel puts it
  std::string name = "vigie-io";  // threads are called "<name>-<i>" (the kernel keeps 15 characters)
  const Clock* clock = nullptr;   // nullptr: the system clock
  size_t read_scratch_bytes = size_t{512} << 10;
  size_t pool_cached_bytes = size_t{32} << 20;  // per shard
};

// Thread: shard, size, post, pick, unpick from any; stop and destruction from one thread that is no shard.
class ShardPool {
 public:
  // Starts the threads, with every signal blocked in them: signals are the host's.
  // Errors: socket_failed (descriptors), internal (thread or CPU not to be had), invalid_argument.
  static Result<std::unique_ptr<ShardPool>> make(ShardPoolOptions options = {});
  ~ShardPool();  // stop()
  ShardPool(const ShardPool&) = delete;
  ShardPool& operator=(const ShardPool&) = delete;

  size_t size() const { return shards_.size(); }
  EventLoop& shard(size_t index) { return *shards_[index]->loop; }
  bool post(size_t index, Task task) { return shard(index).post(std::move(task)); }

  // Chooses the shard with the fewest assignments and counts one more on it; give it back with unpick.
  size_t pick();
  void unpick(size_t index);
  // Thread: as `IoRank` says, the shard's own.
  IoRank& rank(size_t index) { return shards_[index]->rank; }
  size_t assigned(size_t index) const { return shards_[index]->assigned.load(std::memory_order_relaxed); }

  // Closes the mailboxes, runs what is in them, ends the threads in order. Objects on the shards must be gone or must
  // not need their loop any more. Idempotent.
  void stop();

 private:
  struct Shard {
    std::unique_ptr<EventLoop> loop;
    IoRank rank;
    std::thread thread;
    std::atomic<size_t> assigned{0};
  };
  ShardPool() = default;
  std::vector<std::unique_ptr<Shard>> shards_;
  bool stopped_ = false;
};

}  // namespace vigie::net
