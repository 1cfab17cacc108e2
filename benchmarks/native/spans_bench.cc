// CPU time of hiding private places in a 1080p picture: rasterising the polygons (a dome does it for every picture),
// filling, and drawing a card.
// Usage: spans_bench [polygons=8] [corners=100]. Prints one line a step and checks the result.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numbers>
#include <random>
#include <vector>

#include "mask/card.h"
#include "mask/painter.h"
#include "mask/spans.h"

using namespace vigie;
using namespace vigie::mask;

namespace {

constexpr uint32_t kWidth = 1920, kHeight = 1080;
constexpr int kRounds = 1000;

double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

std::vector<policy::MaskPoint> make_polygon(std::mt19937& random, size_t corners) {
  std::uniform_real_distribution<double> centre(0.1, 0.9), wobble(0.95, 1.05), size(0.05, 0.2);
  const double x = centre(random), y = centre(random), radius = size(random);
  std::vector<policy::MaskPoint> polygon;
  for (size_t i = 0; i < corners; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(corners);
    const double r = radius * wobble(random);
    polygon.push_back({x + r * std::cos(angle), y + r * std::sin(angle)});
  }
  return polygon;
}

Ref<Frame> make_frame() {
  auto frame = make_ref<Frame>();
  frame->format.width = kWidth;
  frame->format.height = kHeight;
  frame->stride = {kWidth, kWidth / 2, kWidth / 2};
  frame->offset = {0, kWidth * kHeight, kWidth * kHeight * 5 / 4};
  frame->memory = Buffer::make_heap(size_t{kWidth} * kHeight * 3 / 2);
  frame->memory.set_size(size_t{kWidth} * kHeight * 3 / 2);
  return frame;
}

template <class Step>
void measure(const char* name, Step step) {
  step();
  const double begin = cpu_us();
  for (int n = 0; n < kRounds; ++n) step();
  std::printf("%-28s %8.1f us a picture\n", name, (cpu_us() - begin) / kRounds);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 8;
  const size_t corners = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 100;
  std::mt19937 random(1);
  std::vector<std::vector<policy::MaskPoint>> polygons(count);
  for (auto& polygon : polygons) polygon = make_polygon(random, corners);
  SpanBuilder builder;
  RowSpans spans;
  for (const Codec codec : {Codec::h264, Codec::h265}) {
    const Widening by = widening_for(codec, false);
    measure(codec == Codec::h264 ? "polygons to spans, H.264" : "polygons to spans, H.265", [&] {
      builder.clear();
      for (const auto& polygon : polygons) builder.add_polygon(polygon);
      builder.widen(by.x, by.y);
      builder.build(kWidth, kHeight, spans);
    });
  }
  const auto share = static_cast<double>(spans.area()) / (double{kWidth} * kHeight);
  std::printf("hidden: %.1f %% of the picture\n", 100 * share);
  auto frame = make_frame();
  bool good = share > 0 && share < 1;
  // The frame is put together anew for each round, round the same memory: the painter takes it for good.
  Buffer memory = std::move(frame->memory);
  measure("fill", [&] {
    auto next = make_ref<Frame>();
    next->format = frame->format;
    next->stride = frame->stride;
    next->offset = frame->offset;
    next->memory = std::move(memory);
    const Layer layers[] = {{&spans, {30, 128, 128}}};
    const auto filled = Painter::fill(std::move(next), layers, 1);
    good = good && filled.ok();
    if (filled.ok()) memory = filled->frame()->memory;
  });
  frame->memory = std::move(memory);
  const std::string_view lines[] = {"place-armes-01", "no mask set: the picture is hidden", "2026-11-26T16:20:00Z"};
  measure("card", [&] { draw_card(*frame, lines); });
  std::printf("%s\n", good ? "ok" : "FAILED");
  return good ? 0 : 1;
}
