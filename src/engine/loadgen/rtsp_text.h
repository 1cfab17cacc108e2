#pragma once
// Just enough RTSP text for the simulated peers, written apart from rtsp/ on purpose (see digest.h).
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vigie::loadgen {

// One request or response: the first line in three words, header lines as they are.
struct RtspText {
  std::string first, second, third;  // method, uri, version | version, status, reason
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // The first header of that name, whatever its case; empty when absent.
  std::string_view header(std::string_view name) const;
};

// Returns how many bytes at the start of `bytes` are one whole message; 0 when more are needed. What is larger than
// 64 KiB or cannot be RTSP sets `bad`.
size_t read_message(std::string_view bytes, RtspText& message, bool& bad);

// "name=value" of a list such as a Transport header, separated by semicolons; empty when absent.
std::string_view list_parameter(std::string_view list, std::string_view name);
// Two numbers "a-b"; b = a + 1 when absent.
std::optional<std::pair<int, int>> read_pair(std::string_view text);

}  // namespace vigie::loadgen
