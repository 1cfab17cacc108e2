#include "rtp/vui.h"

namespace vigie::rtp {
namespace {

struct Sar {
  uint8_t width, height;
};
// aspect_ratio_idc 1 to 16 (H.264 table E-1, H.265 table E.1).
constexpr Sar kSars[] = {{1, 1},   {12, 11}, {10, 11}, {16, 11}, {40, 33},  {24, 11}, {20, 11}, {32, 11},
                         {80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3},   {3, 2},   {2, 1}};
constexpr uint32_t kExtendedSar = 255;

}  // namespace

void read_vui_head(BitReader& r, PictureFacts& picture) {
  if (r.flag()) {
    const uint32_t idc = r.bits(8);
    if (idc == kExtendedSar) {
      picture.sar_width = r.bits(16);
      picture.sar_height = r.bits(16);
    } else if (idc >= 1 && idc <= std::size(kSars)) {
      picture.sar_width = kSars[idc - 1].width;
      picture.sar_height = kSars[idc - 1].height;
    }
  }
  if (r.flag()) r.flag();  // overscan
  if (r.flag()) {
    r.bits(3);  // video_format
    picture.full_range = r.flag();
    if (r.flag()) {
      picture.colour_primaries = static_cast<uint8_t>(r.bits(8));
      picture.transfer_characteristics = static_cast<uint8_t>(r.bits(8));
      picture.matrix_coefficients = static_cast<uint8_t>(r.bits(8));
    }
  }
  if (r.flag()) {
    r.ue();
    r.ue();
  }
}

bool read_vui_timing(BitReader& r, PictureFacts& picture, unsigned ticks_per_picture) {
  if (!r.flag()) return false;
  picture.num_units_in_tick = r.bits(32);
  picture.time_scale = r.bits(32);
  if (picture.num_units_in_tick != 0) {
    picture.fps = double(picture.time_scale) / (double(picture.num_units_in_tick) * ticks_per_picture);
  }
  return true;
}

}  // namespace vigie::rtp
