#pragma once
// One shard's side of a hub: its track log and its subscribers. Private to fanout/.
#include <optional>
#include <utility>
#include <vector>

#include "fanout/hub.h"

namespace vigie::fanout {

// Thread: its shard.
class Hub::Feed {
 public:
  Feed(TrackLogLimits limits, bool is_home) : log(limits), filled(is_home) {}

  void append(LogEntry entry) {
    log.append(std::move(entry));
    for_each([](Subscriber& s) { s.on_unit(); });
    // Whoever has not sent all of it holds it; for the rest it goes back at once, still warm for the next unit.
    if (const LogEntry* newest = log.newest()) newest->derived = nullptr;
  }
  void add(Subscriber* subscriber) { subscribers.push_back(subscriber); }
  // A subscriber may leave while the list is being walked: its place is emptied and swept after the walk.
  void remove(const Subscriber* subscriber) {
    for (Subscriber*& s : subscribers) {
      if (s != subscriber) continue;
      if (walking) {
        s = nullptr;
        holes = true;
      } else {
        s = subscribers.back();
        subscribers.pop_back();
      }
      return;
    }
  }
  template <class Fn>
  void for_each(Fn fn) {
    const bool outermost = !walking;
    walking = true;
    // By index: a subscriber may be added from inside; it is not called for this round.
    const size_t count = subscribers.size();
    for (size_t i = 0; i < count; ++i) {
      if (subscribers[i]) fn(*subscribers[i]);
    }
    if (!outermost) return;
    walking = false;
    if (std::exchange(holes, false)) std::erase(subscribers, nullptr);
  }
  bool idle() const {
    for (const Subscriber* s : subscribers) {
      if (s) return false;
    }
    return true;
  }

  TrackLog log;
  std::vector<Subscriber*> subscribers;
  std::optional<Error> closed;
  bool filled;         // false on another shard than home until home has sent its log
  bool asked = false;  // home was asked to feed this shard
  bool walking = false;
  bool holes = false;
};

}  // namespace vigie::fanout
