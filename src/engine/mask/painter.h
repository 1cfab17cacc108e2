#pragma once
// The only maker of FilledFrame: a decoded picture whose private places are painted over.
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/ref.h"
#include "base/result.h"
#include "mask/spans.h"
#include "media/frame.h"
#include "media/published_unit.h"

namespace vigie::mask {

struct FillColour {
  uint8_t y = 0, u = 0, v = 0;
  friend bool operator==(const FillColour&, const FillColour&) = default;
};

// The colour 0xRRGGBB as samples of a picture of this format. A matrix that is not said, or not one of BT.601, BT.709,
// BT.2020 and their likes, counts as BT.709 from 720 lines on, else as BT.601.
// Source: H.264 E.2.1 (matrix_coefficients); quantisation as in ITU-R BT.709 and JFIF.
FillColour fill_colour(uint32_t rgb, const FrameFormat& format);

// What is painted in one colour. Later layers paint over earlier ones.
struct Layer {
  const RowSpans* spans = nullptr;
  FillColour colour;
};

// A picture that may be encoded for a viewer or handed to a tap: privacy as a type. Made by Painter and nobody else.
// A cheap value. Thread: shared read-only.
class FilledFrame {
 public:
  const Ref<const Frame>& frame() const { return frame_; }
  uint64_t mask_revision() const { return mask_revision_; }
  PrivacyState state() const { return state_; }  // masked or covered

 private:
  friend class Painter;
  FilledFrame(Ref<const Frame> frame, uint64_t mask_revision, PrivacyState state)
      : frame_(std::move(frame)), mask_revision_(mask_revision), state_(state) {}
  Ref<const Frame> frame_;
  uint64_t mask_revision_;
  PrivacyState state_;
};

// Ownership: takes the frame over; on an error it is dropped, so that a half-painted one goes nowhere.
// Thread: any; the frame and its memory must be the caller's alone.
class Painter {
 public:
  // Paints the layers opaquely in Y, U and V; nothing outside them changes.
  // Errors: invalid_argument when there is no layer (that nothing is private now, an empty RowSpans of the picture's
  // size says), no mask revision, or spans of another size than the picture; internal when the frame is shared, its
  // sizes are odd or its planes reach beyond its memory.
  static Result<FilledFrame> fill(Ref<Frame> frame, std::span<const Layer> layers, uint64_t mask_revision);

  // Draws the card over the whole picture. `lines` as in draw_card; mask_revision 0: there is no mask set.
  // Errors: internal, as in fill.
  static Result<FilledFrame> cover(Ref<Frame> frame, std::span<const std::string_view> lines, uint64_t mask_revision);
};

}  // namespace vigie::mask
