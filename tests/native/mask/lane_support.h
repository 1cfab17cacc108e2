#pragma once
// A small camera whose private place has a colour that is found nowhere else, and an eye that looks for it in what
// leaves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/frame_pool.h"
#include "mask/lane_version.h"
#include "mask/privacy_decision.h"
#include "media/access_unit.h"
#include "rtp/h264_sps.h"

namespace vigie::mask {

constexpr uint32_t kWidth = 320, kHeight = 180;
constexpr Ticks90k kInterval{3600};
// Where the private place is, in shares of the picture.
constexpr double kLeft = 0.3, kTop = 0.4, kRight = 0.5, kBottom = 0.7;
// Magenta. The scene is grey.
constexpr uint8_t kPrivateY = 78, kPrivateU = 214, kPrivateV = 230;

// A scene with edges to be recognised by: a street of boxes, seen by a camera turned `left` samples to the right. Boxes of
// one row are as wide as no other row's, so that no turn brings all edges together again.
inline std::function<uint8_t(uint32_t, uint32_t)> street(uint32_t left) {
  return [left](uint32_t x, uint32_t y) {
    const uint32_t row = y / 17, width = 17 + row * 7 % 13;
    uint32_t hash = ((x + left) / width) * 0x9E3779B1U ^ row * 0x85EBCA77U;
    hash = (hash ^ hash >> 15) * 0x2C1B3C6DU;
    return static_cast<uint8_t>(40 + (hash >> 8) % 170);
  };
}

class TestCamera {
 public:
  explicit TestCamera(uint32_t gop = 25, uint32_t width = kWidth, uint32_t height = kHeight)
      : gop_(gop), frames_(size_t{8} << 20) {
    format_.width = width;
    format_.height = height;
    auto encoder = codec::Encoder::make({.format = format_, .fps = 25, .gop_units = gop, .quality = 18});
    EXPECT_TRUE(encoder.ok()) << encoder.error().text();
    encoder_ = std::move(encoder).value();
    sets_ = make_sets(*encoder_, format_);
  }

  bool private_place = true;  // else the scene goes on there
  // Luma at a place of the picture, in samples; without one the scene is a pattern that moves.
  std::function<uint8_t(uint32_t x, uint32_t y)> scene;

  Ref<AccessUnit> next() {
    auto frame = frames_.make(format_);
    draw(*frame);
    frame->pts = kInterval * count_;
    auto coded = encoder_->encode(*frame, count_ % gop_ == 0);
    EXPECT_TRUE(coded.ok());
    auto unit = make_ref<AccessUnit>();
    unit->keyframe = coded->keyframe;
    unit->payload = coded->payload;
    unit->nals = coded->nals;
    unit->parameter_sets = sets_;
    unit->pts = frame->pts;
    unit->capture_time = WallTime{std::chrono::seconds(1'700'000'000)} + std::chrono::milliseconds(40 * count_);
    unit->arrival_wall = unit->capture_time + std::chrono::milliseconds(5);
    unit->last_arrival = MonoTime{std::chrono::milliseconds(40 * count_)};
    ++count_;
    return unit;
  }

 private:
  static Ref<const ParameterSets> make_sets(const codec::Encoder& encoder, const FrameFormat& format) {
    auto sets = make_ref<ParameterSets>();
    sets->revision = 1;
    sets->sps = {encoder.sps()};
    sets->pps = {encoder.pps()};
    sets->width = format.width;
    sets->height = format.height;
    sets->picture = rtp::parse_h264_sps(encoder.sps()).value().picture;
    sets->picture.reordered_pictures = 0;
    return sets;
  }
  // A grey scene that moves, and the private place.
  void draw(Frame& frame) const {
    for (uint32_t y = 0; y < format_.height; ++y) {
      uint8_t* row = frame.mutable_row(0, y);
      for (uint32_t x = 0; x < format_.width; ++x) {
        row[x] =
            scene ? scene(x, y) : static_cast<uint8_t>(60 + (x * 3 + y * 5 + static_cast<uint32_t>(count_) * 2) % 120);
      }
    }
    for (size_t plane : {1, 2}) {
      for (uint32_t y = 0; y < format_.height / 2; ++y) {
        std::fill_n(frame.mutable_row(plane, y), format_.width / 2, uint8_t{128});
      }
    }
    if (!private_place) return;
    const auto x0 = static_cast<uint32_t>(kLeft * format_.width), x1 = static_cast<uint32_t>(kRight * format_.width);
    const auto y0 = static_cast<uint32_t>(kTop * format_.height), y1 = static_cast<uint32_t>(kBottom * format_.height);
    for (uint32_t y = y0; y < y1; ++y) std::fill_n(frame.mutable_row(0, y) + x0, x1 - x0, kPrivateY);
    for (uint32_t y = y0 / 2; y < y1 / 2; ++y) {
      std::fill_n(frame.mutable_row(1, y) + x0 / 2, (x1 - x0) / 2, kPrivateU);
      std::fill_n(frame.mutable_row(2, y) + x0 / 2, (x1 - x0) / 2, kPrivateV);
    }
  }

  uint32_t gop_;
  codec::FramePool frames_;
  FrameFormat format_;
  std::unique_ptr<codec::Encoder> encoder_;
  Ref<const ParameterSets> sets_;
  int64_t count_ = 0;
};

// Chroma samples of the private colour in a picture.
inline size_t private_samples(const Frame& frame) {
  size_t count = 0;
  for (uint32_t y = 0; y < frame.format.height / 2; ++y) {
    for (uint32_t x = 0; x < frame.format.width / 2; ++x) {
      count += frame.row(1, y)[x] > 165 && frame.row(2, y)[x] > 165 ? 1 : 0;
    }
  }
  return count;
}

// Decodes what leaves, as a viewer would, with a decoder that knows nothing of it beforehand.
class Eye final : private codec::PictureSink {
 public:
  void look(const AccessUnit& unit) {
    if (!decoder_) {
      auto made = codec::Decoder::make(unit.codec, unit.parameter_sets);
      ASSERT_TRUE(made.ok()) << made.error().text();
      decoder_ = std::move(made).value();
    }
    const Status status = decoder_->decode(unit, 0, *this);
    EXPECT_TRUE(status.ok()) << status.error().text();
  }
  size_t pictures = 0;
  size_t leaking_pictures = 0;
  size_t corrupt_pictures = 0;
  Ref<Frame> newest;

 private:
  void on_picture(const codec::DecodedPicture& picture) override {
    ++pictures;
    corrupt_pictures += picture.corrupt ? 1 : 0;
    newest = frames_->make(picture.format);
    ASSERT_TRUE(picture.copy_to(*newest).ok());
    leaking_pictures += private_samples(*newest) > 0 ? 1 : 0;
  }
  std::unique_ptr<codec::FramePool> frames_ = std::make_unique<codec::FramePool>(size_t{8} << 20);
  std::unique_ptr<codec::Decoder> decoder_;
};

inline policy::MaskRegion region(double left, double top, double right, double bottom) {
  policy::MaskRegion region;
  region.name = "flat";
  region.points = {{left, top}, {right, top}, {right, bottom}, {left, bottom}};
  return region;
}
inline policy::MaskRegion private_region() { return region(kLeft, kTop, kRight, kBottom); }

inline PrivacyDecision masked(std::vector<policy::MaskRegion> regions, uint64_t mask_revision = 1) {
  return {.state = PrivacyState::masked,
          .policy_revision = 7,
          .reason = "",
          .mask_revision = mask_revision,
          .version_revision = 0,
          .regions = std::move(regions),
          .dome = {},
          .title = "Place d'Armes"};
}

}  // namespace vigie::mask
