#include "fanout/subscription.h"

#include <utility>

#include "fanout/feed.h"

namespace vigie::fanout {

Draining draining_until(Executor& home, Task done) {
  return Draining(static_cast<void*>(&home), [&home, task = std::make_shared<Task>(std::move(done))](void*) {
    if (*task) home.post(std::move(*task));
  });
}

Subscription::~Subscription() {
  Feed& feed = *feed_;
  feed.remove(this);
  hub_->subscribers_.fetch_sub(1, std::memory_order_relaxed);
  if (subscriber_->wants_derived()) hub_->deriving_subscribers_.fetch_sub(1, std::memory_order_relaxed);
  if (shard_ != hub_->home_shard_ && feed.idle() && feed.asked) {
    Executor* home = hub_->shards_[hub_->home_shard_].executor;
    home->post([hub = std::move(hub_), shard = shard_] { hub->deactivate(shard); });
  }
}

// Brings the cursor to a unit that is in the log, or to the live edge.
void Subscription::settle() {
  const TrackLog& log = feed_->log;
  if (cursor_ == 0) {
    if (!feed_->filled) return;
    uint64_t key = 0;
    if (start_ == Start::last_keyframe) key = log.newest_keyframe();
    if (start_ == Start::probe) key = log.probe_keyframe();
    cursor_ = key != 0 ? key : log.next_number();
    waiting_ = key == 0;
  }
  if (cursor_ < log.first_number()) {
    const uint64_t key = log.newest_keyframe();
    const uint64_t to = key != 0 ? key : log.next_number();
    evicted_ += to - cursor_;
    waiting_ = key == 0;
    cursor_ = to;
  }
  while (waiting_) {
    const LogEntry* entry = log.find(cursor_);
    if (!entry) return;
    if (entry->unit.unit().keyframe) {
      waiting_ = false;
      return;
    }
    ++cursor_;
    ++skipped_;
  }
}

const LogEntry* Subscription::peek() {
  settle();
  return cursor_ == 0 || waiting_ ? nullptr : feed_->log.find(cursor_);
}

void Subscription::advance() {
  if (feed_->log.find(cursor_)) ++cursor_;
}

Ref<const Derived> Subscription::derived(const LogEntry& entry) {
  if (entry.derived) return entry.derived;
  if (!hub_->deriver_) return nullptr;
  Ref<const Derived> built = hub_->deriver_->build(entry, *hub_->shards_[shard_].pool);
  // Keep it only where the log will drop it again: near the live edge, where others of this shard may want it.
  const TrackLog& log = feed_->log;
  if (entry.number + 1 == log.next_number()) entry.derived = built;
  return built;
}

uint64_t Subscription::jump_to_newest_keyframe(bool or_wait) {
  settle();
  if (cursor_ == 0 || waiting_) return 0;
  const uint64_t key = feed_->log.newest_keyframe();
  if (key > cursor_) return key - std::exchange(cursor_, key);
  return or_wait ? wait_for_keyframe() : 0;
}

uint64_t Subscription::wait_for_keyframe() {
  settle();
  if (cursor_ == 0) {
    start_ = Start::next_keyframe;
    return 0;
  }
  const uint64_t edge = feed_->log.next_number();
  const uint64_t passed = edge - cursor_;
  cursor_ = edge;
  waiting_ = true;
  return passed;
}

Nanos Subscription::lag() {
  const LogEntry* entry = peek();
  if (!entry) return Nanos{0};
  return feed_->log.newest()->unit.unit().last_arrival - entry->unit.unit().last_arrival;
}

uint64_t Subscription::behind() {
  settle();
  return cursor_ == 0 ? 0 : feed_->log.next_number() - cursor_;
}

const LogEntry* Subscription::newest() const { return feed_->log.newest(); }

uint64_t Subscription::newest_number() const {
  const LogEntry* entry = newest();
  return entry ? entry->number : 0;
}

}  // namespace vigie::fanout
