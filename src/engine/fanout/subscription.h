#pragma once
// One consumer's cursor in a track log.
#include <cstdint>
#include <memory>

#include "base/executor.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "fanout/track_log.h"

namespace vigie::fanout {

class Hub;
class Feed;

// Where a new subscription begins.
enum class Start : uint8_t {
  last_keyframe,  // at once, from the newest keyframe in the log (catch-up is the sink's business)
  probe,          // at once, from TrackLog::probe_keyframe(), for players that look at a stream before they show it
  next_keyframe,  // nothing older than now: waits for the next keyframe
};

// Held by whoever still has older units on their way; the change is acknowledged when the last copy is gone, which may
// be on any shard.
using Draining = std::shared_ptr<void>;
// Posts `done` to `home` when the last copy is gone.
Draining draining_until(Executor& home, Task done);

// The consumer's side. All calls come on the shard that subscribed; none may destroy its Subscription from inside
// on_unit (post it instead).
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  // At least one new unit stands at or after the cursor. Called once per appended unit; must return soon.
  virtual void on_unit() = 0;
  // Every older unit was taken out of the log (mask or policy change): drop what is queued, go on at a keyframe. Who
  // cannot take back at once what it has passed on keeps a copy of `draining` until nothing older can arrive any more.
  virtual void on_log_emptied(const Draining& draining) = 0;
  // No further unit will ever come.
  virtual void on_hub_closed(const Error& reason) = 0;
  // True when this consumer sends the derived form: the hub then builds it once at publication.
  virtual bool wants_derived() const = 0;
};

// Thread: the shard that subscribed, for every method and the destructor.
class Subscription {
 public:
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // The entry at the cursor, nullptr at the live edge or while waiting for a keyframe. When the log has evicted the
  // cursor's unit, jumps to the newest keyframe first; `evicted_units()` counts.
  const LogEntry* peek();
  // Moves past the entry that peek() gave.
  void advance();
  // The derived form of an entry that peek() gave; built on this shard when nobody has.
  Ref<const Derived> derived(const LogEntry& entry);
  // Moves to the newest keyframe if that lies ahead of the cursor; else waits for the next keyframe when `or_wait`.
  // Returns the number of units passed over so far (those still to be skipped while waiting are counted when passed).
  uint64_t jump_to_newest_keyframe(bool or_wait);
  // Passes over everything up to the next keyframe that arrives after now.
  uint64_t wait_for_keyframe();
  // How long the unit at the cursor has been waiting: newest unit's arrival minus the cursor unit's. 0 at live edge.
  Nanos lag();
  // Units between the cursor and the live edge.
  uint64_t behind();
  // Units that were in the log but passed over: evicted before taken / skipped while waiting for a keyframe.
  uint64_t evicted_units() const { return evicted_; }
  uint64_t skipped_units() const { return skipped_; }
  // True while the cursor waits for the next keyframe.
  bool waiting_for_keyframe() const { return waiting_; }
  // Number of the newest unit in the log, 0 when empty.
  uint64_t newest_number() const;
  // The newest unit in the log, nullptr when empty; valid like peek()'s.
  const LogEntry* newest() const;

 private:
  friend class Hub;
  friend class Feed;
  Subscription() = default;
  // The lowest number it has not got through yet; nothing while it waits for what is to come.
  uint64_t wanted() const { return cursor_ == 0 || waiting_ ? TrackLog::kNobodyWaits : cursor_; }
  void settle();

  std::shared_ptr<Hub> hub_;
  Feed* feed_ = nullptr;  // the hub's for this shard
  size_t shard_ = 0;
  Subscriber* subscriber_ = nullptr;
  uint64_t cursor_ = 0;  // number of the next unit to give; 0 = take the start position when the log has content
  Start start_ = Start::last_keyframe;
  bool waiting_ = false;
  uint64_t evicted_ = 0;
  uint64_t skipped_ = 0;
};

}  // namespace vigie::fanout
