#pragma once
// Command line options of the two programs: `--name value`, `--name=value`, `--flag`.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace vigie::loadgen {

// Takes options out one by one; what is left over at the end is unknown and ends the program with an error.
class Arguments {
 public:
  Arguments(int count, char** values) : words_(values + 1, values + count) {}

  bool flag(std::string_view name) {
    for (size_t i = 0; i < words_.size(); ++i) {
      if (words_[i] == name) {
        words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i));
        return true;
      }
    }
    return false;
  }
  // Every value given for `name`, in order.
  std::vector<std::string> texts(std::string_view name) {
    std::vector<std::string> values;
    const std::string with_equals = std::string(name) + "=";
    for (size_t i = 0; i < words_.size();) {
      if (words_[i] == name && i + 1 < words_.size()) {
        values.push_back(words_[i + 1]);
        words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i),
                     words_.begin() + static_cast<std::ptrdiff_t>(i) + 2);
      } else if (words_[i].starts_with(with_equals)) {
        values.push_back(words_[i].substr(with_equals.size()));
        words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    return values;
  }
  std::string text(std::string_view name, std::string fallback) {
    auto values = texts(name);
    return values.empty() ? std::move(fallback) : std::move(values.back());
  }
  double number(std::string_view name, double fallback) {
    const std::string value = text(name, "");
    if (value.empty()) return fallback;
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (*end != '\0' || number < 0) fail(std::string(name) + " must be a number of at least 0, not '" + value + "'");
    return number;
  }
  // Ends the program when options are left that nobody asked for.
  void finish() const {
    if (!words_.empty()) fail("unknown option '" + words_.front() + "'; see --help");
  }
  [[noreturn]] static void fail(const std::string& text) {
    std::fprintf(stderr, "error: %s\n", text.c_str());
    std::exit(2);
  }

 private:
  std::vector<std::string> words_;
};

}  // namespace vigie::loadgen
