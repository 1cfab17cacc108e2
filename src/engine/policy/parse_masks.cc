#include "policy/parse_masks.h"

#include <charconv>

#include "base/base64.h"

namespace vigie::policy {
namespace {

constexpr size_t kMaxRegions = 256;      // of one set
constexpr size_t kMaxPoints = 256;       // of one region
constexpr size_t kMaxReference = 65536;  // characters

void read_fill(FieldReader& reader, uint32_t& target) {
  std::string text;
  reader.text("fill", text, kMaxName);
  if (!reader.has("fill")) return;
  uint32_t rgb = 0;
  const char* end = text.data() + text.size();
  const bool seven = text.size() == 7 && text[0] == '#';
  const auto [stop, failure] = std::from_chars(text.data() + (seven ? 1 : 0), end, rgb, 16);
  if (!seven || failure != std::errc{} || stop != end) {
    return reader.fail("fill", "found " + in_quotes(text) + "; right would be a colour such as \"#202020\"");
  }
  target = rgb;
}

void read_points(FieldReader& reader, std::vector<MaskPoint>& target, FirstError& error) {
  const auto& list = reader.array("points", kMaxPoints);
  target.reserve(list.size());
  for (const auto& point : list) {
    const bool pair = point.is_array() && point.size() == 2 && point[0].is_number() && point[1].is_number();
    if (!pair) {
      return error.set(pointer_to(reader.pointer("points"), target.size()),
                       "found " + describe_type(point) + "; right would be two numbers, [x, y]");
    }
    target.push_back({point[0].get<double>(), point[1].get<double>()});
  }
}

// What is in it is for whoever looks at the pictures; here it is bytes.
void read_scene_reference(FieldReader& reader, std::vector<uint8_t>& target) {
  std::string text;
  reader.text("scene_reference", text, kMaxReference);
  if (auto bytes = base64_decode_strict(text)) {
    target = std::move(*bytes);
  } else {
    reader.fail("scene_reference",
                "not Base64; right would be what the engine gave for this camera, or to leave it out");
  }
}

MaskRegion read_region(const Json& json, const std::string& at, FirstError& error) {
  static constexpr Word<MaskSpace> kSpaces[] = {{"picture", MaskSpace::picture}, {"world", MaskSpace::world}};
  MaskRegion region;
  FieldReader reader(json, at, error, {"name", "reason", "space", "points", "fill", "from", "until"});
  reader.require("name", "a name such as flat-3");
  reader.require("points", "a list of at least 3 points [x, y]");
  reader.text("name", region.name, kMaxName);
  reader.text("reason", region.reason, kMaxReason);
  reader.word("space", region.space, kSpaces);
  read_points(reader, region.points, error);
  read_fill(reader, region.fill_rgb);
  reader.instant("from", region.from);
  reader.instant("until", region.until);
  return region;
}

}  // namespace

MaskSetPolicy read_mask_set(const Json& json, const std::string& at, FirstError& error) {
  MaskSetPolicy masks;
  FieldReader reader(json, at, error,
                     {"revision", "reason", "removal_reason", "regions", "scene_watch", "scene_reference"});
  reader.require("revision", "a number that grows whenever a region changes");
  reader.require("regions", "a list of regions");
  reader.integer_into("revision", masks.revision, 1, kMaxWhole);
  reader.text("reason", masks.reason, kMaxReason);
  reader.text("removal_reason", masks.removal_reason, kMaxReason);
  reader.boolean("scene_watch", masks.scene_watch);
  read_scene_reference(reader, masks.scene_reference);
  const auto& regions = reader.array("regions", kMaxRegions);
  masks.regions.reserve(regions.size());
  for (const auto& region : regions) {
    if (error.failed()) break;
    masks.regions.push_back(read_region(region, pointer_to(reader.pointer("regions"), masks.regions.size()), error));
  }
  return masks;
}

MaskVersionPolicy read_mask_version(const Json& json, const std::string& at, FirstError& error) {
  MaskVersionPolicy version;
  FieldReader reader(json, at, error, {"name", "masks"});
  reader.require("name", "a name such as police");
  reader.require("masks", "the regions that this version hides besides the camera's own");
  reader.text("name", version.name, kMaxName);
  if (const Json* masks = reader.find("masks")) version.masks = read_mask_set(*masks, reader.pointer("masks"), error);
  return version;
}

DomePolicy read_dome(const Json& json, const std::string& at, FirstError& error) {
  DomePolicy dome;
  FieldReader reader(json, at, error,
                     {"calibration_error", "zoom_error", "max_speed", "max_age_moving_s", "max_age_idle_s",
                      "mount_roll", "mount_tilt"});
  reader.number("calibration_error", dome.calibration_error, 0, 45);
  reader.number("zoom_error", dome.zoom_error, 0, 0.5);
  reader.number("max_speed", dome.max_speed, 0, 720);
  reader.seconds("max_age_moving_s", dome.max_age_moving, 0.01, 10);
  reader.seconds("max_age_idle_s", dome.max_age_idle, 0.01, 60);
  reader.number("mount_roll", dome.mount_roll, -180, 180);
  reader.number("mount_tilt", dome.mount_tilt, -90, 90);
  return dome;
}

}  // namespace vigie::policy
