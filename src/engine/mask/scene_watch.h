#pragma once
// Knocked cameras: tells when a camera no longer shows the view that its masks were drawn on.
// How it decides, and how well: design/scene_watch.md.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "mask/scene_match.h"
#include "mask/spans.h"

namespace vigie::mask {

// A small still of the surroundings of the private places, kept with the mask revision that it belongs to. What is
// hidden is not in it.
// Thread: immutable.
class SceneReference {
 public:
  // `picture` as decoded, not yet filled; `hidden`: the spans that this mask revision fills, of any size.
  // Errors: invalid_argument when what is left shows too little to be recognised by (dark, blank, hidden nearly all).
  static Result<SceneReference> make(const SmallPicture& picture, const RowSpans& hidden);

  // Shape: kBytes bytes: "VGSR", version (1), three zero bytes, width and height (16 bits), one bit a pixel (hidden,
  // first pixel in the highest bit), 16 bits of luma a pixel (0 where hidden); rows from the top, big-endian.
  std::vector<uint8_t> to_bytes() const;
  // Errors: invalid_argument (byte position) for anything that to_bytes cannot have written.
  static Result<SceneReference> from_bytes(ByteSpan bytes);
  static constexpr size_t kBytes = 12 + SmallPicture::kPixels / 8 + size_t{SmallPicture::kPixels} * 2;

  const EdgePattern& pattern() const { return pattern_; }

 private:
  SceneReference(const SmallPicture& picture, const SmallMask& hidden);
  SmallPicture picture_;
  SmallMask hidden_;
  EdgePattern pattern_;
};

// When a view counts as moved. The defaults are those of the measurement in design/scene_watch.md. A look is one
// keyframe, or one every two seconds where there are more.
struct SceneTolerance {
  double shift = 0.01;                         // share of the picture's width or height
  double least_evidence = 4.2;                 // Displacement::evidence() from which a view counts as recognised
  uint32_t alarm_after = 3, alarm_window = 5;  // so many shifted looks of the last so many
  uint32_t astray_after = 5;                   // looks in a row, shifted or strange
  uint32_t back_after = 3;                     // looks in a row with the view in its place
  uint32_t unsure_limit = 150;                 // looks in a row that cannot tell
};

struct Verdict {
  enum class Kind : uint8_t {
    same,
    shifted,  // by dx, dy
    strange,  // the picture shows much and nothing of the reference: turned far away, or something large before it
    unsure,   // the picture shows too little
  } kind = Kind::unsure;
  enum class Reason : uint8_t { none, too_dark, no_texture } reason = Reason::none;  // of unsure
  double dx = 0, dy = 0;  // of the scene, shares of the picture's width and height; to the right, down
  double confidence = 0;  // 0 to 1
  bool cover = false;     // the view has moved: nothing but the card may go out
  bool alarm = false;     // cover, or unsure for longer than the limit

  friend bool operator==(const Verdict&, const Verdict&) = default;
};
std::string_view verdict_kind_name(Verdict::Kind kind);

// Watches one stream of a camera against the reference of the mask revision in force.
//
//   shifted 3 of 5, shifted or strange 5 in a row, or either before the first `same`  ->  cover
//   same 3 in a row (the first `same` of all is enough)                               ->  no cover
//   unsure: nothing changes; beyond its limit alarm alone. A lens that is covered, or a black night, shows no private
//   place, and the mask is filled all the while.
//
// Keep it as long as the mask revision, while the lane sleeps too: a new one begins anew.
// Thread: the stream's lane.
class SceneWatch {
 public:
  explicit SceneWatch(SceneReference reference, SceneTolerance tolerance = {});

  // `picture` as decoded, before it is filled: edges of the fill would stand still whatever the camera does.
  Verdict look(const SmallPicture& picture);

 private:
  Verdict judge(const SmallPicture& picture) const;
  void remember(Verdict::Kind kind);

  SceneReference reference_;
  SceneTolerance tolerance_;
  std::vector<bool> shifted_;  // of the last alarm_window looks, a ring
  size_t next_ = 0;
  uint32_t astray_in_a_row_ = 0, same_in_a_row_ = 0, unsure_in_a_row_ = 0;
  bool seen_ = false;  // the view was in its place once
  bool cover_ = false;
};

}  // namespace vigie::mask
