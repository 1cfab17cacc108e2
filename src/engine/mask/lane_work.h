#pragma once
// The worker's side of a masked lane: access units in; filled pictures, coded or not, out. No thread of its own.
//
//   access unit --> intact? --> decoder --> for each version: one copy --> fill --> encoder
//                     |            \                           \------> taps
//                     |             \-- keyframes: still the view of the masks? else the card
//                     +-- damaged: nothing until the next intact keyframe; the card after a while
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "codec/decoder.h"
#include "codec/frame_pool.h"
#include "codec/h264_continuity.h"
#include "mask/lane_version.h"
#include "mask/pose_history.h"
#include "mask/scene_keeper.h"
#include "media/access_unit.h"

namespace vigie::mask {

struct LaneLimits {
  std::string_view encoder{};      // codec::EncoderOptions::encoder; outlives the lane
  Ticks90k card_after{2 * 90000};  // of damage, by media time: then viewers are told by a card
};

// Thread: one at a time (the lane's worker).
class LaneWork final : private codec::PictureSink {
 public:
  LaneWork(const Clock& clock, codec::FramePool& frames, LaneLimits limits = {});
  ~LaneWork() override;

  // A version's wishes; a new epoch makes its next unit an IDR picture. Ids are never used twice.
  void order(uint32_t version, LaneOrder order);
  void forget(uint32_t version) { versions_.erase(version); }
  // Of a camera that turns. Errors: PoseHistory::push.
  Status push_pose(const Pose& pose) { return poses_.push(pose); }
  // The pose is not to be trusted until further notice (M-3), or is again.
  void distrust_pose(PoseDoubt doubt) { poses_.invalidate(doubt); }
  void trust_pose() { poses_.confirm(); }
  // As Lane::watch_scene.
  void watch_scene(std::shared_ptr<const SceneOrder> order) { scene_.set(std::move(order)); }

  // Takes the next access unit in decoding order. `show` false: it is decoded for those that follow, and nothing comes
  // out.
  void take(const Ref<const AccessUnit>& unit, bool show, LaneResults& results);
  // The next unit has no reference to what came before.
  void discontinuity();
  // Somebody threw units away before they came here: until the next keyframe nothing can be decoded.
  void missed(std::string_view why);
  // Lets go of decoder and encoders; what was ordered stays.
  void sleep();

  const LaneCounters& counters() const { return counters_; }
  // Name of the encoder in use, empty before the first.
  std::string_view encoder() const;
  codec::EncoderQuality quality() const;

 private:
  void on_picture(const codec::DecodedPicture& picture) override;
  bool decodable(const AccessUnit& unit);
  void lose(std::string_view reason, const AccessUnit& unit);
  void forget_pictures();
  void decode(const Ref<const AccessUnit>& unit);
  void look_at_scene(const codec::DecodedPicture& picture, const AccessUnit& unit);

  const Clock& clock_;
  codec::FramePool& frames_;
  const LaneLimits limits_;
  std::map<uint32_t, LaneVersion> versions_;
  PoseHistory poses_;
  SceneKeeper scene_;

  std::unique_ptr<codec::Decoder> decoder_;
  Ref<const ParameterSets> decoder_sets_;
  Codec decoder_codec_ = Codec::h264;
  codec::H264Continuity continuity_;
  bool broken_ = true;  // until a keyframe
  std::string broken_reason_;
  std::optional<Ticks90k> broken_since_;

  // Units whose pictures the decoder still holds, by tag.
  static constexpr size_t kInDecoder = 32;
  std::array<Ref<const AccessUnit>, kInDecoder> in_decoder_;
  uint64_t next_tag_ = 0;

  bool show_ = false;
  Turn* turn_ = nullptr;  // while a unit is taken
  bool corrupt_ = false;
  Nanos shown_time_{};
  SourceRate source_rate_;
  LaneCounters counters_;
};

}  // namespace vigie::mask
