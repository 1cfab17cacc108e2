#pragma once
// An embedding host's end of a subscription: published units, bounded, newest first when the host is slow.
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "fanout/hub.h"
#include "fanout/subscription.h"
#include "media/event.h"
#include "runtime/waitable.h"

namespace vigie::runtime {

struct UnitQueueLimits {
  size_t units = 256;
  size_t bytes = size_t{32} << 20;
};

struct QueuedUnit {
  uint64_t number = 0;
  PublishedUnit unit;
};

struct UnitQueueStats {
  uint64_t taken = 0;
  uint64_t offered = 0;
  std::array<uint64_t, static_cast<size_t>(DropReason::kCount)> dropped{};
};

// A host that does not keep up loses units, whole GOPs at a time, with a count (consumer_slow), and delays nobody: when
// the queue is full nothing is added until the next keyframe, which then replaces everything still queued.
// Ownership: shared by the host's handle and, while attached, by the shard that feeds it.
class UnitQueue final : public fanout::Subscriber, public std::enable_shared_from_this<UnitQueue> {
 public:
  explicit UnitQueue(UnitQueueLimits limits) : limits_(limits) {}

  // --- the feeding shard's side
  // Thread: shard `shard_index`; detach on the same one.
  void attach(const std::shared_ptr<fanout::Hub>& hub, size_t shard_index, fanout::Start start);
  void detach();
  void on_unit() override;
  void on_log_emptied(const fanout::Draining& draining) override;
  void on_hub_closed(const Error& reason) override;
  bool wants_derived() const override { return false; }

  // --- the host's side. Thread: any.
  // Errors: timed_out; closed or the hub's reason once nothing more will come.
  Result<QueuedUnit> next_blocking(WaitLimit limit);
  int fd() const { return waitable_.fd(); }
  // Ends it from the host's side; runs `on_close` once.
  void close();
  // Ends it from the engine's side; units already queued are dropped (a right has ended).
  void end(const Error& reason);
  UnitQueueStats stats() const;
  // Run once when the host closes: detaches on the feeding shard. Set before the queue is shared.
  std::function<void()> on_close;

 private:
  void put(const fanout::LogEntry& entry);
  void drop_queued(DropReason reason);
  uint64_t& dropped(DropReason reason) { return stats_.dropped[static_cast<size_t>(reason)]; }

  const UnitQueueLimits limits_;
  std::unique_ptr<fanout::Subscription> subscription_;  // feeding shard only

  mutable Waitable waitable_;
  std::deque<QueuedUnit> units_;  // from here on under waitable_'s lock
  size_t bytes_ = 0;
  bool waiting_keyframe_ = false;
  std::optional<Error> ended_;
  bool closed_by_host_ = false;
  UnitQueueStats stats_;
};

}  // namespace vigie::runtime
