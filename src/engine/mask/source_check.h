#pragma once
// The worker's side of "masked at the source": decodes what it is given and says whether the camera's masks are there.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "codec/decoder.h"
#include "codec/frame_pool.h"
#include "mask/opaque_check.h"
#include "mask/scene_keeper.h"
#include "mask/source_proof.h"
#include "media/access_unit.h"
#include "policy/snapshot.h"

namespace vigie::mask {

// Of one look. Neither a proof nor a fault: nothing can be said.
struct SourceVerdict {
  std::optional<SourceProof> proof;
  std::string fault;                 // why the picture must be covered
  std::optional<SceneReport> scene;  // where the view was looked at
};

struct SourceCheckCounters {
  uint64_t keyframes = 0;  // looked at
  uint64_t pictures = 0;   // looked at, keyframes included
  uint64_t faults = 0;
  Nanos time{};  // of the worker's thread
};

// Thread: one at a time (the guard's worker).
class SourceCheck final : private codec::PictureSink {
 public:
  // `epoch`: PrivacyDecision::proof_epoch of the decision whose regions these are. `life`: how long a proof counts, from
  // the keyframe's arrival on.
  SourceCheck(const Clock& clock, codec::FramePool& frames, std::vector<policy::MaskRegion> regions, uint64_t epoch,
              Nanos life);
  ~SourceCheck() override;

  // As Lane::watch_scene: a camera that is turned takes its masks with it. Looked at in keyframes alone.
  void watch_scene(std::shared_ptr<const SceneOrder> order) { scene_.set(std::move(order)); }
  // The source was lost or restarted.
  void on_discontinuity() { scene_.interrupted(); }
  // A keyframe of which nothing is missing, decoded alone. One that cannot be decoded is a fault: in doubt, cover.
  SourceVerdict look(const AccessUnit& keyframe);
  // Begins to follow the group of the keyframe looked at last.
  void begin_group(const AccessUnit& keyframe);
  // The next unit of that group. Only faults come of it; a decoder's error ends the following.
  SourceVerdict follow(const AccessUnit& unit);

  const SourceCheckCounters& counters() const { return counters_; }

 private:
  void on_picture(const codec::DecodedPicture& picture) override;
  Status decode(const AccessUnit& unit, bool drain);
  void judge(const codec::DecodedPicture& picture);

  const Clock& clock_;
  codec::FramePool& frames_;
  OpaqueCheck opaque_;
  SceneKeeper scene_;
  const uint64_t epoch_;
  const Nanos life_;
  std::unique_ptr<codec::Decoder> decoder_;
  Codec decoder_codec_ = Codec::h264;
  uint64_t decoder_sets_ = 0;         // revision
  const AccessUnit* unit_ = nullptr;  // being decoded
  bool looking_ = true;               // at what comes out of the decoder
  bool following_ = false;
  bool scene_seen_ = false;  // in this call
  size_t seen_ = 0;          // pictures of this call
  std::string fault_;
  SourceCheckCounters counters_;
};

}  // namespace vigie::mask
