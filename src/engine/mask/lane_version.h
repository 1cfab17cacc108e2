#pragma once
// One published form of a stream inside its lane: its shape, its encoder, its card.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "codec/decoder.h"
#include "codec/frame_pool.h"
#include "mask/lane.h"
#include "mask/mask_shape.h"
#include "mask/masked_encoder.h"
#include "mask/masked_unit.h"
#include "mask/pose_history.h"
#include "mask/privacy_decision.h"
#include "media/access_unit.h"

namespace vigie::mask {

// Where a lane's results go. Called on the worker, in order.
class LaneResults {
 public:
  virtual ~LaneResults() = default;
  virtual void on_lane_unit(uint32_t version, MaskedUnit unit) = 0;
  virtual void on_lane_frame(uint32_t version, LaneFrame frame) = 0;
  // Of a version whose decision is clear, for those who take frames; its units leave without a lane.
  virtual void on_clear_frame(uint32_t version, uint64_t epoch, Ref<const Frame> frame) = 0;
  // What is shown changed between masked and covered; `reason` says why it is covered.
  virtual void on_lane_state(uint32_t version, uint64_t epoch, PrivacyState state, std::string_view reason) = 0;
  virtual void on_scene(const SceneReport& /*report*/) {}
};

// How fast the source is, by its own media time: the encoder follows it.
class SourceRate {
 public:
  void add(const AccessUnit& unit);
  // Access units a second; 25 until two have come. Bits a second; 0 until whole GOPs of two seconds have been seen.
  double units_per_second() const { return units_per_second_; }
  uint32_t bits_per_second() const { return bits_per_second_; }

 private:
  static constexpr double kWindow = 2, kLongestWindow = 12;  // seconds
  static constexpr double kSlowest = 1, kFastest = 120;      // units a second

  std::optional<Ticks90k> began_;
  uint64_t units_ = 0, bytes_ = 0;  // since
  bool measured_ = false;           // a whole window
  double units_per_second_ = 25;
  uint32_t bits_per_second_ = 0;
};

// What one turn of the lane gives its versions, and what it takes from them.
struct Turn {
  const Clock& clock;
  codec::FramePool& frames;
  const SourceRate& rate;
  LaneResults& results;
  std::string_view encoder{};  // codec::EncoderOptions::encoder
  std::string_view doubt{};    // why every masked form must be covered; empty where it need not
  Nanos mask_time{}, encode_time{};
  uint64_t coded = 0;  // units
  uint64_t coded_pixels = 0;
};

// Thread: the lane's worker.
class LaneVersion {
 public:
  explicit LaneVersion(uint32_t id) : id_(id) {}

  void set(LaneOrder order);
  bool wanted() const { return order_.units || order_.frames; }

  // A decoded picture of `unit`.
  void show(const codec::DecodedPicture& picture, const AccessUnit& unit, const PoseHistory& poses, Turn& turn);
  // No picture that may be shown at this unit's time, because of `reason`: the card. Nothing while no picture's size is
  // known.
  void cover(std::string_view reason, const AccessUnit& unit, Turn& turn);
  // Its card needs no decoded picture.
  bool covered_by_decision() const { return order_.decision && order_.decision->state == PrivacyState::covered; }
  // Lets go of the encoder; the next unit is an IDR picture.
  void sleep();
  std::string_view encoder() const { return encoder_ ? encoder_->name() : std::string_view{}; }
  codec::EncoderQuality quality() const { return encoder_ ? encoder_->quality() : codec::EncoderQuality{}; }

 private:
  Result<Ref<Frame>> copy(const codec::DecodedPicture& picture, const AccessUnit& unit, Turn& turn) const;
  Result<FilledFrame> filled(const codec::DecodedPicture& picture, const AccessUnit& unit,
                             std::span<const Layer> layers, Turn& turn) const;
  Result<FilledFrame> make_card(std::string_view reason, const FrameFormat& format, const AccessUnit& unit,
                                Turn& turn) const;
  uint64_t any_revision() const;
  void give_frame(const FilledFrame& picture, Turn& turn);
  void give_unit(const FilledFrame& picture, const AccessUnit& unit, Turn& turn);
  Status code(const FilledFrame& picture, const AccessUnit& unit, Turn& turn);
  Status fit_encoder(const FilledFrame& picture, const AccessUnit& unit, Turn& turn);
  bool idr_due(const AccessUnit& unit) const;
  void enter(PrivacyState state, std::string_view reason, Turn& turn);

  const uint32_t id_;
  LaneOrder order_;
  std::optional<MaskShape> shape_;
  std::unique_ptr<MaskedEncoder> encoder_;
  double encoder_fps_ = 0;
  bool force_idr_ = true;
  std::optional<Ticks90k> last_idr_;
  bool last_was_idr_ = false;
  uint32_t idr_pictures_ = 0;  // of this encoder

  PrivacyState state_ = PrivacyState::withheld;  // of what was let out last
  std::string reason_;
  LaneStamp stamp_;
  std::optional<FilledFrame> card_;
  std::optional<Ticks90k> card_frame_at_;  // when takers of frames got it last
  std::optional<FrameFormat> format_;      // of the newest picture
};

}  // namespace vigie::mask
