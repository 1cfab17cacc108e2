#pragma once
// Of one stream: learns the view that a mask revision belongs to, or takes the approved one, and looks whether it is
// still there.
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "mask/picture_situation.h"
#include "mask/scene_match.h"
#include "mask/scene_watch.h"
#include "mask/spans.h"
#include "media/access_unit.h"
#include "media/frame.h"
#include "policy/snapshot.h"

namespace vigie::mask {

// What is to be watched.
struct SceneOrder {
  uint64_t mask_revision = 0;
  std::vector<policy::MaskRegion> hidden;  // picture regions, whatever their dates: nothing of them is kept
  std::vector<uint8_t> approved;           // SceneReference::to_bytes; empty: the view is learned
  friend bool operator==(const SceneOrder&, const SceneOrder&) = default;
};

// After a look, or when nothing is watched any more.
struct SceneReport {
  enum class Origin : uint8_t { off, learning, learned, approved } origin = Origin::off;
  uint64_t mask_revision = 0;
  Verdict verdict;                                        // of the newest look
  std::shared_ptr<const std::vector<uint8_t>> reference;  // SceneReference::to_bytes; null while there is none
};
// What viewers read while it covers.
inline constexpr std::string_view kCameraMoved = "the camera has moved: masks no longer fit";
std::string_view scene_origin_name(SceneReport::Origin origin);

// Learned is the first still that the next look recognises: a bus in the first picture is not.
// Thread: the stream's lane.
class SceneKeeper {
 public:
  // Pictures are looked at once in so long at most, by media time.
  static constexpr Ticks90k kInterval{90000};

  // Null: nothing is watched. The same revision with the same regions goes on where it was, another begins anew.
  void set(std::shared_ptr<const SceneOrder> order);
  // Whether the picture of this unit is to be looked at.
  bool due(const AccessUnit& unit) const;
  // `frame` as decoded, not yet filled.
  void look(const Frame& frame, const PictureSituation& picture, Ticks90k at);
  // Nobody looked for a while. Where the view was in its place before, the next look alone decides: a camera may be
  // knocked while nobody looks.
  void interrupted();
  bool covers() const { return report_.verdict.cover; }
  const SceneReport& report() const { return report_; }

 private:
  void learn(const SmallPicture& small, const PictureSituation& picture);
  void adopt(SceneReference reference, SceneReport::Origin origin);
  void restart();

  std::shared_ptr<const SceneOrder> order_;
  std::optional<SceneReference> candidate_, reference_;
  std::optional<SceneWatch> watch_;
  std::optional<Ticks90k> looked_last_;
  SceneReport report_;
};

}  // namespace vigie::mask
