// Whether one snapshot may follow another: what only the two of them together can show.
#include "policy/by_name.h"
#include "policy/mask_area.h"
#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

Status check_set(const MaskSetPolicy& before, const MaskSetPolicy& after, bool trusts_more, const std::string& where) {
  const std::string in_force = std::to_string(before.revision);
  if (after.revision < before.revision || (after.revision == before.revision && after.regions != before.regions)) {
    return make_error(Code::policy_field, where + "/revision",
                      std::to_string(after.revision) + " was given, and " + in_force + " is in force" +
                          (after.regions != before.regions ? " with other regions" : "") +
                          "; right would be a greater number");
  }
  if (after.removal_reason.find_first_not_of(' ') != std::string::npos) return {};
  std::string what;
  if (const auto region = region_left_open(before, after)) {
    what = "part of the region \"" + *region + "\" of revision " + in_force + " would be shown";
  } else if (trusts_more && has_world_region(before)) {
    what = "regions in world space would hide less than before, as the dome is trusted more or mounted otherwise";
  } else {
    return {};
  }
  return make_error(Code::policy_field, where + "/removal_reason",
                    "missing; " + what + "; right would be who agreed to that, and why");
}

}  // namespace

Status check_succession(const PolicySnapshot* old_snapshot, const PolicySnapshot& next) {
  if (!old_snapshot || old_snapshot->cameras.shares(next.cameras)) return {};
  const auto old_cameras = by_name(old_snapshot->cameras);
  for (size_t i = 0; i < next.cameras.size(); ++i) {
    const CameraPolicy& after = next.cameras[i];
    const CameraPolicy* const old = find(old_cameras, after.name);
    if (!old) continue;
    const CameraPolicy& before = *old;
    const std::string where = "/cameras/" + std::to_string(i);
    const bool trusted = trusts_more(before.dome, after.dome);
    if (before.masks && after.masks) {
      if (auto status = check_set(*before.masks, *after.masks, trusted, where + "/masks"); !status) return status;
    }
    for (size_t k = 0; k < after.versions.size(); ++k) {
      for (const MaskVersionPolicy& version : before.versions) {
        if (version.name != after.versions[k].name) continue;
        auto status = check_set(version.masks, after.versions[k].masks, trusted,
                                where + "/versions/" + std::to_string(k) + "/masks");
        if (!status) return status;
      }
    }
  }
  return {};
}

}  // namespace vigie::policy
