// False alarms and misses of the knocked-camera watch on real pictures, with shakes, night, rain and shifts put on.
// Usage: scene_watch_bench WIDTH HEIGHT FILE…, each file raw 8-bit grey frames of a camera that stands still, made by
//   ffmpeg -i CLIP -vf fps=2 -pix_fmt gray -f rawvideo FILE
// A window of 5/6 of the frame stands for the camera's picture; it moves over the frame, so that what comes into view
// is real. Prints one line a file, condition and shift: shares of single looks, and of views covered within ten looks.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "mask/scene_watch.h"

using namespace vigie;
using namespace vigie::mask;

namespace {

enum class Condition { day, shaky, night, shaky_night, rain };
constexpr Condition kConditions[] = {Condition::day, Condition::shaky, Condition::night, Condition::shaky_night,
                                     Condition::rain};
const char* const kConditionNames[] = {"day", "shaky", "night", "shaky night", "rain"};
constexpr double kShifts[] = {0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2};
constexpr double kShake = 0.005;
constexpr size_t kReferences = 6, kLooks = 10;

struct Clip {
  std::string name;
  uint32_t width = 0, height = 0;
  std::vector<uint8_t> bytes;
  size_t frames() const { return bytes.size() / (size_t{width} * height); }
  const uint8_t* frame(size_t n) const { return &bytes[n * width * height]; }
};

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Weather {
  std::mt19937 random{7};
  std::vector<float> noise;  // standard normal
  Weather() : noise(1 << 20) {
    std::normal_distribution<float> normal;
    for (float& value : noise) value = normal(random);
  }
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }
};

// The window at (left, top), between pixels too, as a frame.
Ref<Frame> cut(const Clip& clip, size_t n, uint32_t width, uint32_t height, double left, double top) {
  auto frame = make_ref<Frame>();
  frame->format.width = width;
  frame->format.height = height;
  frame->stride = {width, 0, 0};
  frame->memory = Buffer::make_heap(size_t{width} * height);
  frame->memory.set_size(size_t{width} * height);
  const uint8_t* from = clip.frame(n);
  for (uint32_t y = 0; y < height; ++y) {
    const double v = std::clamp(top + y, 0.0, clip.height - 1.001);
    const auto row = static_cast<uint32_t>(v);
    const double below = v - row;
    uint8_t* out = frame->mutable_row(0, y);
    for (uint32_t x = 0; x < width; ++x) {
      const double u = std::clamp(left + x, 0.0, clip.width - 1.001);
      const auto column = static_cast<uint32_t>(u);
      const double beside = u - column;
      const uint8_t* at = from + size_t{row} * clip.width + column;
      out[x] = static_cast<uint8_t>((at[0] * (1 - beside) + at[1] * beside) * (1 - below) +
                                    (at[clip.width] * (1 - beside) + at[clip.width + 1] * beside) * below + 0.5);
    }
  }
  return frame;
}

void put_on(Frame& frame, Condition condition, Weather& weather) {
  const bool night = condition == Condition::night || condition == Condition::shaky_night;
  if (!night && condition != Condition::rain) return;
  const float gain = night ? 0.15F : 0.7F, lift = night ? 14.0F : 40.0F, noise = night ? 4.0F : 2.0F;
  const uint32_t width = frame.format.width, height = frame.format.height;
  if (condition == Condition::rain) {
    for (int streak = 0; streak < 600; ++streak) {
      const double x0 = weather.uniform(0, width), y0 = weather.uniform(0, height), length = weather.uniform(15, 45);
      for (double along = 0; along < length; ++along) {
        const double x = x0 + along * 0.15, y = y0 + along;
        if (x >= width || y >= height) break;
        uint8_t& sample = frame.mutable_row(0, static_cast<uint32_t>(y))[static_cast<uint32_t>(x)];
        sample = static_cast<uint8_t>(std::min(255, sample + 70));
      }
    }
  }
  size_t at = weather.random();
  for (uint32_t y = 0; y < height; ++y) {
    uint8_t* row = frame.mutable_row(0, y);
    for (uint32_t x = 0; x < width; ++x) {
      const float value = gain * row[x] + lift + noise * weather.noise[at++ % weather.noise.size()];
      row[x] = static_cast<uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F));
    }
  }
}

struct Tally {
  int looks = 0, kind[4] = {}, views = 0, covered = 0;
  double ms = 0;
  std::vector<double> errors;  // of recognised looks, shares of the picture
};

RowSpans hidden_part(uint32_t width, uint32_t height) {
  SpanBuilder builder;
  builder.add_polygon(std::vector<policy::MaskPoint>{{0.4, 0.1}, {0.75, 0.1}, {0.75, 0.6}, {0.4, 0.6}});
  return builder.build(width, height);
}

// A picture that is looked at, and where the scene truly is in it (shares of the picture).
struct Sight {
  SmallPicture picture;
  double dx = 0, dy = 0;
};

// Looks kLooks times with a watch that has seen its own reference, and counts.
template <class MakeSight>
void look_at(const SmallPicture& still, const RowSpans& hidden, Tally& tally, MakeSight make_sight) {
  auto reference = SceneReference::make(still, hidden);
  if (!reference) {
    std::fprintf(stderr, "%s\n", reference.error().text().c_str());
    return;
  }
  SceneWatch watch(std::move(reference).value());
  watch.look(still);
  bool covered = false;
  for (size_t n = 1; n <= kLooks; ++n) {
    const Sight sight = make_sight(n);
    const double begin = cpu_ms();
    const Verdict verdict = watch.look(sight.picture);
    tally.ms += cpu_ms() - begin;
    ++tally.looks;
    ++tally.kind[static_cast<size_t>(verdict.kind)];
    covered = covered || verdict.cover;
    if (verdict.kind == Verdict::Kind::same || verdict.kind == Verdict::Kind::shifted) {
      tally.errors.push_back(std::max(std::abs(verdict.dx - sight.dx), std::abs(verdict.dy - sight.dy)));
    }
  }
  ++tally.views;
  tally.covered += covered ? 1 : 0;
}

// One direction: the reference at one edge of the frame, the window moved towards the other.
void try_direction(const Clip& clip, bool along_x, bool forward, Condition condition, double shift, Weather& weather,
                   Tally& tally) {
  const uint32_t width = along_x ? clip.width * 5 / 6 / 2 * 2 : clip.width;
  const uint32_t height = along_x ? clip.height : clip.height * 5 / 6 / 2 * 2;
  const double room = along_x ? clip.width - width : clip.height - height;
  const double moved_x = along_x ? (forward ? shift : -shift) : 0, moved_y = along_x ? 0 : (forward ? shift : -shift);
  const auto window = [&](size_t n, double share_x, double share_y) {
    const double from = forward ? 0 : room;
    return cut(clip, n, width, height, (along_x ? from : 0) + share_x * width, (along_x ? 0 : from) + share_y * height);
  };
  const bool shaky = condition == Condition::shaky || condition == Condition::shaky_night;
  const RowSpans hidden = hidden_part(width, height);
  for (size_t r = 0; r < kReferences; ++r) {
    const size_t first = r * (clip.frames() - 1 - kLooks) / (kReferences - 1);
    look_at(shrink(*window(first, 0, 0)), hidden, tally, [&](size_t n) {
      const double x = moved_x + (shaky ? weather.uniform(-kShake, kShake) : 0);
      const double y = moved_y + (shaky ? weather.uniform(-kShake, kShake) : 0);
      const auto frame = window(first + n, x, y);
      put_on(*frame, condition, weather);
      return Sight{shrink(*frame), -x, -y};  // what is seen moves the other way
    });
  }
}

void print(const std::string& name, const char* condition, double shift, Tally& tally) {
  if (tally.looks == 0) return;
  const auto share = [&](Verdict::Kind kind) { return 100.0 * tally.kind[static_cast<size_t>(kind)] / tally.looks; };
  std::ranges::sort(tally.errors);
  const double error = tally.errors.empty() ? 0 : tally.errors[tally.errors.size() * 95 / 100];
  std::printf("| %s | %s | %.0f %% | %.1f | %.1f | %.1f | %.1f | %.2f %% | %d of %d | %.1f |\n", name.c_str(),
              condition, shift * 100, share(Verdict::Kind::same), share(Verdict::Kind::shifted),
              share(Verdict::Kind::strange), share(Verdict::Kind::unsure), error * 100, tally.covered, tally.views,
              tally.ms / tally.looks);
  std::fflush(stdout);
}

// Each clip's reference, and the other clips' pictures.
void try_other_views(const std::vector<Clip>& clips, Weather& weather) {
  for (const Clip& clip : clips) {
    for (const Condition condition : {Condition::day, Condition::night, Condition::rain}) {
      Tally tally;
      for (const Clip& other : clips) {
        for (size_t r = 0; &other != &clip && r < kReferences; ++r) {
          const size_t first = r * (clip.frames() - 1 - kLooks) / (kReferences - 1);
          const auto still = shrink(*cut(clip, first, clip.width, clip.height, 0, 0));
          look_at(still, hidden_part(clip.width, clip.height), tally, [&](size_t n) {
            const auto frame = cut(other, n * other.frames() / (kLooks + 1), other.width, other.height, 0, 0);
            put_on(*frame, condition, weather);
            return Sight{shrink(*frame)};
          });
        }
      }
      tally.errors.clear();
      print(clip.name + ", then another", kConditionNames[static_cast<size_t>(condition)], 1, tally);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  std::vector<Clip> clips;
  for (int i = 3; i < argc; ++i) {
    Clip clip{argv[i], static_cast<uint32_t>(std::atoi(argv[1])), static_cast<uint32_t>(std::atoi(argv[2])), {}};
    std::ifstream file(argv[i], std::ios::binary);
    clip.bytes.assign(std::istreambuf_iterator<char>(file), {});
    clip.name = clip.name.substr(clip.name.rfind('/') + 1);
    clips.push_back(std::move(clip));
  }
  Weather weather;
  std::puts(
      "| file | condition | shift | same % | shifted % | strange % | unsure % | p95 error | covered | ms a look |");
  std::puts("|---|---|---|---|---|---|---|---|---|---|");
  for (const Clip& clip : clips) {
    for (const Condition condition : kConditions) {
      for (const double shift : kShifts) {
        Tally tally;
        for (int direction = 0; direction < 4; ++direction) {
          try_direction(clip, direction < 2, direction % 2 == 0, condition, shift, weather, tally);
        }
        print(clip.name, kConditionNames[static_cast<size_t>(condition)], shift, tally);
      }
    }
  }
  try_other_views(clips, weather);
}
