#pragma once
// The hub: takes published units on its home shard and hands references to every shard that has subscribers.
//
//   publish() on home shard --append--> home feed: TrackLog + subscribers   (a plain loop, no lock)
//                            \--post--> feed of shard k: its own TrackLog + subscribers, only while it has any
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "fanout/log_entry.h"
#include "fanout/subscription.h"
#include "fanout/track_log.h"

namespace vigie::fanout {

struct ShardRef {
  Executor* executor = nullptr;
  BufferPool* pool = nullptr;  // that shard's own
};

struct HubCounters {
  uint64_t units = 0;
  uint64_t bytes = 0;
  uint64_t keyframes = 0;
  uint32_t subscribers = 0;
  size_t log_units = 0;
  size_t log_bytes = 0;
};

// Ownership: held by std::shared_ptr by the stream's pipeline and by every open session; close() ends it for all.
class Hub : public std::enable_shared_from_this<Hub> {
 public:
  // `shards`: every I/O shard of the engine, in index order. `deriver` may be null where nobody speaks RTP.
  static std::shared_ptr<Hub> make(std::vector<ShardRef> shards, size_t home_shard, TrackLogLimits limits,
                                   std::unique_ptr<UnitDeriver> deriver);
  ~Hub();

  // Numbers and appends the unit, then wakes the subscribers of this shard and posts it to the other active ones.
  // Thread: home shard.
  void publish(PublishedUnit unit);
  // Empties the log on every shard; subscribers go on from the next keyframe. `draining` is let go of once every shard has
  // dropped its older units, its subscribers were told (on_log_emptied), and none of them has any older unit on its way.
  // Thread: home shard.
  void empty_log(const Draining& draining);
  // Ends the hub: every subscriber gets on_hub_closed(reason) on its own shard; later subscriptions get it at once.
  // Thread: home shard.
  void close(Error reason);

  // Adds a subscriber on the caller's shard. `subscriber` must outlive the returned subscription.
  // Thread: shard `shard_index`.
  std::unique_ptr<Subscription> subscribe(size_t shard_index, Subscriber& subscriber, Start start);

  const UnitDeriver* deriver() const { return deriver_.get(); }
  size_t home_shard() const { return home_shard_; }
  // Subscribers on all shards; may be read from any thread.
  uint32_t subscriber_count() const { return subscribers_.load(std::memory_order_relaxed); }
  // Thread: home shard.
  HubCounters counters() const;

 private:
  friend class Subscription;
  Hub(std::vector<ShardRef> shards, size_t home_shard, TrackLogLimits limits, std::unique_ptr<UnitDeriver> deriver);
  void activate(size_t shard_index);
  void deactivate(size_t shard_index);
  bool on_home() const;

  // What every unit needs lies together: with hundreds of hubs each line of memory has to be fetched anew.
  std::unique_ptr<UnitDeriver> deriver_;
  Feed* home_ = nullptr;  // of feeds_
  BufferPool* home_pool_ = nullptr;
  std::atomic<uint32_t> subscribers_{0};
  std::atomic<uint32_t> deriving_subscribers_{0};
  bool closed_ = false;  // home shard only
  HubCounters counters_;
  std::vector<ShardRef> shards_;
  size_t home_shard_;

  std::vector<std::unique_ptr<Feed>> feeds_;  // one a shard, each touched on its own shard only
  std::vector<bool> active_;                  // home shard only: which remote feeds receive units
};

}  // namespace vigie::fanout
