#include <algorithm>

#include "policy/snapshot.h"

namespace vigie::policy {

const ViewRight* AgentPolicy::right_to(std::string_view camera, std::string_view version) const {
  std::string wanted(camera);
  if (!version.empty()) wanted.append("@").append(version);
  const auto found = std::ranges::lower_bound(cameras, wanted, {}, &ViewRight::name);
  return found == cameras.end() || found->name != wanted ? nullptr : &*found;
}

bool AgentPolicy::may_see(std::string_view camera, std::string_view version, WallTime now) const {
  if (until && *until <= now) return false;
  if (all_cameras) return true;
  const ViewRight* right = right_to(camera, version);
  return right && (!right->until || now < *right->until);
}

std::optional<WallTime> AgentPolicy::right_ends(std::string_view camera, std::string_view version) const {
  const ViewRight* right = all_cameras ? nullptr : right_to(camera, version);
  if (!right || !right->until) return until;
  return until ? std::min(*until, *right->until) : *right->until;
}

const RoutePolicy* TicketPolicy::route(std::string_view id) const {
  const auto found = std::ranges::lower_bound(routes, id, {}, &RoutePolicy::id);
  return found == routes.end() || found->id != id ? nullptr : &*found;
}

}  // namespace vigie::policy
