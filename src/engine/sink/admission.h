#pragma once
// How many sessions and half-open connections there are, on all shards together.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "media/track.h"
#include "policy/snapshot.h"

namespace vigie::sink {

// Thread: any. The lock is taken when a session opens or closes, never for a unit.
class Admission {
 public:
  // One more session, or admission_refused with the limit that stands in the way.
  Status try_enter(const std::string& peer_host, const StreamKey& key, const policy::LimitsPolicy& limits);
  // Gives back what try_enter took.
  void leave(const std::string& peer_host, const StreamKey& key);
  uint32_t sessions() const;

  // Counts a half-open connection; returns how many there are now.
  uint32_t add_half_open() { return half_open_.fetch_add(1, std::memory_order_relaxed) + 1; }
  void remove_half_open() { half_open_.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t half_open() const { return half_open_.load(std::memory_order_relaxed); }

 private:
  mutable std::mutex mutex_;
  uint32_t total_ = 0;
  std::unordered_map<std::string, uint32_t> per_peer_;
  std::unordered_map<std::string, uint32_t> per_stream_;
  std::atomic<uint32_t> half_open_{0};
};

}  // namespace vigie::sink
