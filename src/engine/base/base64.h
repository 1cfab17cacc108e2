#pragma once
// Base64 (RFC 4648 section 4): strict for what we make, tolerant for what cameras send.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace vigie {

std::string base64_encode(ByteSpan bytes);

// Exactly what base64_encode() would have made, else nothing.
std::optional<std::vector<uint8_t>> base64_decode_strict(std::string_view text);

// Accepts also: missing or surplus padding, blanks and line ends anywhere, the URL alphabet ('-', '_'), left-over bits.
// Any other character, or a single character left over, yields nothing.
std::optional<std::vector<uint8_t>> base64_decode_tolerant(std::string_view text);

}  // namespace vigie
