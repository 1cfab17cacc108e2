#pragma once
// One shard's side of a hub: its track log and its subscriptions. Private to fanout/.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "fanout/hub.h"

namespace vigie::fanout {

// Thread: its shard.
class Feed {
 public:
  Feed(TrackLogLimits limits, bool is_home) : log(limits), filled(is_home) {}

  void append(LogEntry entry) {
    uint64_t wanted = TrackLog::kNobodyWaits;
    for (const Subscription* s : subscriptions) {
      if (s) wanted = std::min(wanted, s->wanted());
    }
    log.append(std::move(entry), wanted);
    for_each([](Subscriber& s) { s.on_unit(); });
    // Whoever has not sent all of it holds it; for the rest it goes back at once, still warm for the next unit.
    if (const LogEntry* newest = log.newest()) newest->derived = nullptr;
  }
  void add(Subscription* subscription) { subscriptions.push_back(subscription); }
  // A subscriber may leave while the list is being walked: its place is emptied and swept after the walk.
  void remove(const Subscription* subscription) {
    for (Subscription*& s : subscriptions) {
      if (s != subscription) continue;
      if (walking) {
        s = nullptr;
        holes = true;
      } else {
        s = subscriptions.back();
        subscriptions.pop_back();
      }
      return;
    }
  }
  template <class Fn>
  void for_each(Fn fn) {
    const bool outermost = !walking;
    walking = true;
    // By index: a subscriber may be added from inside; it is not called for this round.
    const size_t count = subscriptions.size();
    for (size_t i = 0; i < count; ++i) {
      if (subscriptions[i]) fn(*subscriptions[i]->subscriber_);
    }
    if (!outermost) return;
    walking = false;
    if (std::exchange(holes, false)) std::erase(subscriptions, nullptr);
  }
  bool idle() const {
    for (const Subscription* s : subscriptions) {
      if (s) return false;
    }
    return true;
  }

  TrackLog log;
  std::vector<Subscription*> subscriptions;
  std::optional<Error> closed;
  bool filled;         // false on another shard than home until home has sent its log
  bool asked = false;  // home was asked to feed this shard
  bool walking = false;
  bool holes = false;
};

}  // namespace vigie::fanout
