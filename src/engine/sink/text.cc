#include "sink/text.h"

#include <array>
#include <cstdio>
#include <ctime>

#include "rtsp/text.h"

namespace vigie::sink {

std::string utc_text(WallTime time) {
  const int64_t ns = time.time_since_epoch().count();
  if (ns <= 0) return "-";
  const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 48> text;
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + length, text.size() - length, ".%03dZ", static_cast<int>(ns / 1'000'000 % 1000));
  return text.data();
}

bool percent_decode(std::string_view text, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || rtsp::hex_digit(text[i + 1]) < 0 || rtsp::hex_digit(text[i + 2]) < 0) return false;
      c = static_cast<char>(rtsp::hex_digit(text[i + 1]) * 16 + rtsp::hex_digit(text[i + 2]));
      i += 2;
    }
    if (rtsp::is_control(c)) return false;
    out += c;
  }
  return true;
}

}  // namespace vigie::sink
