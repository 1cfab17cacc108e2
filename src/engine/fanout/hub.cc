#include "fanout/hub.h"

#include <cassert>
#include <utility>

#include "fanout/feed.h"

namespace vigie::fanout {

std::shared_ptr<Hub> Hub::make(std::vector<ShardRef> shards, size_t home_shard, TrackLogLimits limits,
                               std::unique_ptr<UnitDeriver> deriver) {
  return std::shared_ptr<Hub>(new Hub(std::move(shards), home_shard, limits, std::move(deriver)));
}

Hub::Hub(std::vector<ShardRef> shards, size_t home_shard, TrackLogLimits limits, std::unique_ptr<UnitDeriver> deriver)
    : deriver_(std::move(deriver)), shards_(std::move(shards)), home_shard_(home_shard), active_(shards_.size()) {
  assert(home_shard_ < shards_.size());
  feeds_.reserve(shards_.size());
  for (size_t i = 0; i < shards_.size(); ++i) feeds_.push_back(std::make_unique<Feed>(limits, i == home_shard_));
  home_ = feeds_[home_shard_].get();
  home_pool_ = shards_[home_shard_].pool;
}

Hub::~Hub() = default;

bool Hub::on_home() const { return shards_[home_shard_].executor->on_home_thread(); }

void Hub::publish(PublishedUnit unit) {
  assert(on_home());
  if (closed_ || !unit) return;
  LogEntry entry;
  entry.number = home_->log.next_number();
  ++counters_.units;
  counters_.bytes += unit.unit().payload.size();
  counters_.keyframes += unit.unit().keyframe ? 1 : 0;
  entry.unit = std::move(unit);
  if (deriver_) {
    entry.rtp = deriver_->assign(entry.unit);
    if (deriving_subscribers_.load(std::memory_order_relaxed) > 0) {
      entry.derived = deriver_->build(entry, *home_pool_);
    }
  }
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (i == home_shard_ || !active_[i]) continue;
    shards_[i].executor->post([self = shared_from_this(), i, entry]() mutable {
      Feed& feed = *self->feeds_[i];
      if (feed.filled) feed.append(std::move(entry));
    });
  }
  home_->append(std::move(entry));
}

void Hub::empty_log(const Draining& draining) {
  assert(on_home());
  auto step = [self = shared_from_this()](size_t i, const Draining& pending) {
    Feed& feed = *self->feeds_[i];
    feed.log.drop_all();
    feed.for_each([&](Subscriber& s) { s.on_log_emptied(pending); });
  };
  // Every shard, for one that has just lost its last subscriber still has its log, and may get another before it
  // clears.
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (i != home_shard_) shards_[i].executor->post([step, i, draining] { step(i, draining); });
  }
  step(home_shard_, draining);
}

void Hub::close(Error reason) {
  assert(on_home());
  if (std::exchange(closed_, true)) return;
  for (size_t i = 0; i < shards_.size(); ++i) {
    auto step = [self = shared_from_this(), i, reason] {
      Feed& feed = *self->feeds_[i];
      feed.closed = reason;
      feed.log.drop_all();
      feed.for_each([&](Subscriber& s) { s.on_hub_closed(reason); });
    };
    if (i == home_shard_) {
      step();
    } else {
      shards_[i].executor->post(std::move(step));
    }
  }
}

std::unique_ptr<Subscription> Hub::subscribe(size_t shard_index, Subscriber& subscriber, Start start) {
  assert(shards_[shard_index].executor->on_home_thread());
  Feed& feed = *feeds_[shard_index];
  std::unique_ptr<Subscription> subscription(new Subscription);
  subscription->hub_ = shared_from_this();
  subscription->feed_ = &feed;
  subscription->shard_ = shard_index;
  subscription->subscriber_ = &subscriber;
  subscription->start_ = start;
  subscribers_.fetch_add(1, std::memory_order_relaxed);
  if (subscriber.wants_derived()) deriving_subscribers_.fetch_add(1, std::memory_order_relaxed);
  feed.add(subscription.get());
  // "Now" for next_keyframe is the moment of subscribing, also where the log still has to come from home.
  if (start == Start::next_keyframe && feed.filled) {
    subscription->cursor_ = feed.log.next_number();
    subscription->waiting_ = true;
  }
  if (feed.closed) {
    subscriber.on_hub_closed(*feed.closed);
  } else if (!feed.filled && !std::exchange(feed.asked, true)) {
    shards_[home_shard_].executor->post([self = shared_from_this(), shard_index] { self->activate(shard_index); });
  }
  return subscription;
}

void Hub::activate(size_t shard_index) {
  if (closed_) return;  // close() has told every shard
  // A shard that emptied and filled several times within one round trip has asked several times.
  if (active_[shard_index]) return;
  active_[shard_index] = true;
  const TrackLog& log = home_->log;
  std::vector<LogEntry> entries;
  entries.reserve(log.size());
  for (uint64_t n = log.first_number(); n < log.next_number(); ++n) entries.push_back(*log.find(n));
  shards_[shard_index].executor->post([self = shared_from_this(), shard_index, entries = std::move(entries)]() mutable {
    Feed& feed = *self->feeds_[shard_index];
    feed.filled = true;
    for (LogEntry& entry : entries) feed.log.append(std::move(entry));
    feed.for_each([](Subscriber& s) { s.on_unit(); });
  });
}

void Hub::deactivate(size_t shard_index) {
  active_[shard_index] = false;
  // Units posted before this still arrive there; the shard clears only after them, and asks again if it has
  // subscribers by then.
  shards_[shard_index].executor->post([self = shared_from_this(), shard_index] {
    Feed& feed = *self->feeds_[shard_index];
    feed.log.drop_all();
    feed.filled = false;
    feed.asked = false;
    if (feed.idle() || feed.closed) return;
    feed.asked = true;
    self->shards_[self->home_shard_].executor->post([self, shard_index] { self->activate(shard_index); });
  });
}

HubCounters Hub::counters() const {
  assert(on_home());
  HubCounters out = counters_;
  const TrackLog& log = home_->log;
  out.subscribers = subscriber_count();
  out.log_units = log.size();
  out.log_bytes = log.payload_bytes();
  return out;
}

}  // namespace vigie::fanout
