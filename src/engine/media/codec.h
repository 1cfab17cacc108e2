#pragma once
// Codec names and the few facts about NAL unit types that the whole engine needs.
#include <cstdint>
#include <string_view>

namespace vigie {

enum class Codec : uint8_t { h264 = 1, h265 = 2, mjpeg = 3 };

// "H264", "H265", "JPEG": the encoding names of RFC 6184, RFC 7798, RFC 2435.
std::string_view codec_name(Codec codec);

// H.264 nal_unit_type (7.4.1) / H.265 nal_unit_type (7.4.2.2) of a NAL unit's first byte.
constexpr uint8_t h264_nal_type(uint8_t first) { return first & 0x1f; }
constexpr uint8_t h265_nal_type(uint8_t first) { return first >> 1 & 0x3f; }

namespace h264 {
constexpr uint8_t kSlice = 1, kIdr = 5, kSei = 6, kSps = 7, kPps = 8, kAud = 9, kFiller = 12;
}
namespace h265 {
constexpr uint8_t kBlaWLp = 16, kCraNut = 21, kLastIrap = 23, kVps = 32, kSps = 33, kPps = 34, kAud = 35;
// IRAP: decoding can start here (7.4.2.2: types 16 to 23).
constexpr bool is_irap(uint8_t type) { return type >= kBlaWLp && type <= kLastIrap; }
constexpr bool is_vcl(uint8_t type) { return type < 32; }
}  // namespace h265

}  // namespace vigie
