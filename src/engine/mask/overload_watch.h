#pragma once
// Tells people when a lane cannot keep up: what it gives up is counted where it happens, here it becomes news.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vigie::mask {

// late: pictures are left out. below_floor: of a source of 6 pictures a second or more fewer than 6 are shown (L-14).
enum class Overload : uint8_t { in_time, late, below_floor };
std::string_view overload_name(Overload state);

struct OverloadReport {
  Overload state = Overload::in_time;
  double shown_fps = 0, offered_fps = 0;  // over the last ten seconds, or as long as is known
};

// Thread: one at a time.
class OverloadWatch {
 public:
  static constexpr double kFloorFps = 6;

  // About once a second: how many pictures came and how many of them were left out in the `seconds` since the last call.
  // A report when the state changed: to late at once, to below_floor and back to in_time after ten seconds of it.
  std::optional<OverloadReport> add(double seconds, uint64_t offered, uint64_t left_out);
  // The lane sleeps: nothing of before counts. A report when it was late.
  std::optional<OverloadReport> reset();
  Overload state() const { return state_; }

 private:
  struct Second {
    double seconds = 0;
    uint64_t offered = 0, left_out = 0;
  };
  std::optional<OverloadReport> become(OverloadReport report);

  std::array<Second, 10> window_{};
  size_t filled_ = 0, next_ = 0;
  Overload state_ = Overload::in_time;
};

}  // namespace vigie::mask
