// Two snapshots -> the actions that lead from one to the other.
#include <algorithm>

#include "policy/by_name.h"
#include "policy/mask_area.h"
#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

using Kind = Action::Kind;

// The fields that can change while the connection to the camera stays.
StreamPolicy with_limits_of(StreamPolicy stream, const StreamPolicy& other) {
  stream.pull = other.pull;
  stream.first_picture_deadline = other.first_picture_deadline;
  stream.silence_limit = other.silence_limit;
  stream.linger = other.linger;
  stream.log_bytes = other.log_bytes;
  return stream;
}

bool same_order(const CameraPolicy& a, const CameraPolicy& b) {
  return std::equal(a.streams.begin(), a.streams.end(), b.streams.begin(), b.streams.end(),
                    [](const StreamPolicy& x, const StreamPolicy& y) { return x.name == y.name; });
}

// Actions in the order in which they may be carried out: rows of one kind stay in the order of the snapshots.
class ActionList {
 public:
  void add(Kind kind, const std::string& name, const std::string& stream = {}) {
    actions_.push_back({place(kind), actions_.size(), Action{kind, name, stream}});
  }
  // A decision that shows more than the one before: after its streams are the new ones, before anybody new can come in.
  void add_showing(Kind kind, const std::string& camera) {
    actions_.push_back({place(Kind::add_stream) + 1, actions_.size(), Action{kind, camera, {}}});
  }
  std::vector<Action> take() {
    std::sort(actions_.begin(), actions_.end(), [](const Placed& a, const Placed& b) {
      return std::pair(a.place, a.index) < std::pair(b.place, b.index);
    });
    std::vector<Action> result;
    result.reserve(actions_.size());
    for (auto& placed : actions_) result.push_back(std::move(placed.action));
    return result;
  }

 private:
  struct Placed {
    int place;
    size_t index;
    Action action;
  };
  static int place(Kind kind) { return 2 * static_cast<int>(kind); }
  std::vector<Placed> actions_;
};

void compare_decision(const CameraPolicy& before, const CameraPolicy& after, ActionList& actions) {
  const bool same_privacy = before.privacy == after.privacy && before.privacy_reason == after.privacy_reason;
  const bool same_masks = before.masks == after.masks && before.versions == after.versions && before.dome == after.dome;
  if (same_privacy && same_masks) return;
  const bool less = hides_less(before, after);
  const Kind kind = less ? Kind::shrink_masks : same_privacy ? Kind::change_masks : Kind::change_privacy;
  const int opened = openness(after) - openness(before);
  if (opened > 0 || (opened == 0 && less)) {
    actions.add_showing(kind, after.name);
  } else {
    actions.add(kind, after.name);
  }
}

void compare_camera(const CameraPolicy& before, const CameraPolicy& after, ActionList& actions) {
  compare_decision(before, after, actions);
  const auto old_streams = by_name(before.streams);
  const auto new_streams = by_name(after.streams);
  bool same_set = true;
  for (const auto& stream : before.streams) {
    if (find(new_streams, stream.name)) continue;
    same_set = false;
    actions.add(Kind::remove_stream, after.name, stream.name);
  }
  for (const auto& stream : after.streams) {
    const StreamPolicy* old = find(old_streams, stream.name);
    if (!old) {
      same_set = false;
      actions.add(Kind::add_stream, after.name, stream.name);
    } else if (*old != stream) {
      const bool only_limits = with_limits_of(*old, stream) == stream;
      actions.add(only_limits ? Kind::update_stream : Kind::restart_stream, after.name, stream.name);
    }
  }
  if (before.title != after.title || before.number != after.number || (same_set && !same_order(before, after))) {
    actions.add(Kind::update_camera, after.name);
  }
}

void compare_cameras(const PolicySnapshot& before, const PolicySnapshot& after, ActionList& actions) {
  const auto old_cameras = by_name(before.cameras);
  const auto new_cameras = by_name(after.cameras);
  for (const auto& camera : before.cameras) {
    if (find(new_cameras, camera.name)) continue;
    for (const auto& stream : camera.streams) actions.add(Kind::remove_stream, camera.name, stream.name);
  }
  for (const auto& camera : after.cameras) {
    if (const CameraPolicy* old = find(old_cameras, camera.name)) {
      compare_camera(*old, camera, actions);
    } else {
      for (const auto& stream : camera.streams) actions.add(Kind::add_stream, camera.name, stream.name);
    }
  }
}

}  // namespace

std::vector<Action> diff(const PolicySnapshot* old_snapshot, const PolicySnapshot& new_snapshot) {
  static const PolicySnapshot kNothing;
  const PolicySnapshot& before = old_snapshot ? *old_snapshot : kNothing;
  ActionList actions;

  const auto agents = by_name(new_snapshot.agents);
  for (const auto& agent : before.agents) {
    const AgentPolicy* after = find(agents, agent.name);
    if (!after || *after != agent) actions.add(Kind::end_rights, agent.name);
  }
  for (const auto& route : before.tickets.routes) {
    const RoutePolicy* after = new_snapshot.tickets.route(route.id);
    if (!after || *after != route) actions.add(Kind::end_rights, "route " + route.id);
  }

  const auto old_listeners = by_name(before.listeners);
  const auto new_listeners = by_name(new_snapshot.listeners);
  for (const auto& listener : before.listeners) {
    const ListenerPolicy* after = find(new_listeners, listener.name);
    if (!after || *after != listener) actions.add(Kind::close_listener, listener.name);
  }
  for (const auto& listener : new_snapshot.listeners) {
    const ListenerPolicy* old = find(old_listeners, listener.name);
    if (!old || *old != listener) actions.add(Kind::open_listener, listener.name);
  }

  if (!before.cameras.shares(new_snapshot.cameras)) compare_cameras(before, new_snapshot, actions);

  if (before.limits != new_snapshot.limits) actions.add(Kind::change_limits, {});
  return actions.take();
}

}  // namespace vigie::policy
