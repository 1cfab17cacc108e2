#include <algorithm>

#include "policy/snapshot.h"

namespace vigie::policy {

bool AgentPolicy::may_see(std::string_view camera, std::string_view version) const {
  if (all_cameras) return true;
  std::string wanted(camera);
  if (!version.empty()) wanted.append("@").append(version);
  return std::binary_search(cameras.begin(), cameras.end(), wanted);
}

}  // namespace vigie::policy
