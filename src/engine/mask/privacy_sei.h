#pragma once
// The mark inside a masked picture: which masks it was filled with, readable from the coded stream alone.
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "media/published_unit.h"

namespace vigie::mask {

// Content of the SEI message user_data_unregistered (H.264 D.1.6) behind its UUID; integers are big-endian.
//   byte 0: layout (1), byte 1: state (2 masked, 3 covered), then three times 8 bytes: policy revision, revision of the
//   camera's mask set, revision of the version's extra set (0: none)
inline constexpr std::array<uint8_t, 16> kPrivacyUuid{0x8e, 0x5b, 0x1f, 0x6a, 0x27, 0xc4, 0x4d, 0x0e,
                                                      0xa1, 0x90, 0x3c, 0x6f, 0xd2, 0x77, 0x51, 0xb9};
inline constexpr size_t kPrivacyMarkBytes = 2 + 3 * 8;

// Appends a whole H.264 SEI NAL unit, without start code, emulation prevention included.
void append_privacy_sei(const Provenance& provenance, std::vector<uint8_t>& out);

}  // namespace vigie::mask
