#pragma once
// The fields of a camera that say what is hidden: JSON -> values. Types and ranges; the cross checks are validate.cc's.
#include "policy/json_fields.h"
#include "policy/snapshot.h"

namespace vigie::policy {

MaskSetPolicy read_mask_set(const Json& json, const std::string& at, FirstError& error);
MaskVersionPolicy read_mask_version(const Json& json, const std::string& at, FirstError& error);
DomePolicy read_dome(const Json& json, const std::string& at, FirstError& error);

}  // namespace vigie::policy
