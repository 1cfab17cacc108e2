#include "rtp/nal_kind.h"

namespace vigie::rtp {

NalKind h264_nal_kind(ByteSpan nal) {
  NalKind kind;
  const uint8_t type = h264_nal_type(nal[0]);
  switch (type) {
    case 1:
    case 2:
    case 5:
      kind.vcl = true;
      kind.begins_picture = nal.size() > 1 && (nal[1] & 0x80) != 0;  // first_mb_in_slice = 0
      kind.continues = !kind.begins_picture;
      kind.keyframe = type == h264::kIdr;
      break;
    case 3:
    case 4: kind.vcl = kind.continues = true; break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
      kind.leads = true;  // 7.4.1.2.3
      break;
    default: break;
  }
  return kind;
}

NalKind h265_nal_kind(ByteSpan nal) {
  NalKind kind;
  const uint8_t type = h265_nal_type(nal[0]);
  // Enhancement layers (nuh_layer_id > 0) ride with the base layer's picture.
  const bool base_layer = (nal[0] & 1) == 0 && (nal.size() < 2 || nal[1] >> 3 == 0);
  if (h265::is_vcl(type)) {
    kind.vcl = true;
    if (base_layer) {
      kind.begins_picture = nal.size() > 2 && (nal[2] & 0x80) != 0;  // first_slice_segment_in_pic_flag
      kind.continues = !kind.begins_picture;
      kind.keyframe = h265::is_irap(type);
    }
  } else {
    kind.leads = base_layer && ((type >= 32 && type <= 35) || type == 39 || (type >= 41 && type <= 44));  // 7.4.2.4.4
  }
  return kind;
}

}  // namespace vigie::rtp
