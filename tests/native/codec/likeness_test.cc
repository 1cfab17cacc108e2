// Measuring what coding leaves of a picture, and choosing a quantiser by it.
#include "codec/likeness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "codec/quality_guard.h"

namespace vigie::codec {
namespace {

constexpr uint32_t kWidth = 64, kHeight = 48;
using Plane = std::vector<uint8_t>;

PlaneView view(const Plane& plane, uint32_t width = kWidth, uint32_t height = kHeight) {
  return {.samples = plane.data(), .stride = width, .width = width, .height = height};
}

Plane noise(uint32_t seed) {
  std::mt19937 random(seed);
  Plane plane(kWidth * kHeight);
  for (uint8_t& sample : plane) sample = static_cast<uint8_t>(60 + random() % 120);
  return plane;
}

// The definition, window by window, in floating point.
double slow_ssim(const Plane& a, const Plane& b) {
  double sum = 0;
  int windows = 0;
  for (uint32_t top = 0; top + 8 <= kHeight; top += 4) {
    for (uint32_t left = 0; left + 8 <= kWidth; left += 4) {
      double ma = 0, mb = 0, va = 0, vb = 0, cov = 0;
      for (uint32_t i = 0; i < 64; ++i) {
        const size_t at = (top + i / 8) * kWidth + left + i % 8;
        ma += a[at] / 64.0;
        mb += b[at] / 64.0;
      }
      for (uint32_t i = 0; i < 64; ++i) {
        const size_t at = (top + i / 8) * kWidth + left + i % 8;
        va += (a[at] - ma) * (a[at] - ma) / 63;
        vb += (b[at] - mb) * (b[at] - mb) / 63;
        cov += (a[at] - ma) * (b[at] - mb) / 63;
      }
      if (va == 0) continue;
      const double c1 = 0.01 * 0.01 * 255 * 255, c2 = 0.03 * 0.03 * 255 * 255;
      sum += (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
      ++windows;
    }
  }
  return sum / windows;
}

TEST(Likeness, IsTheDefinition) {
  const Plane a = noise(1);
  std::mt19937 random(2);
  for (const int strength : {0, 1, 4, 20, 60}) {
    Plane b = a;
    for (uint8_t& sample : b) {
      sample =
          static_cast<uint8_t>(std::clamp(sample + static_cast<int>(random() % (strength + 1)) - strength / 2, 0, 255));
    }
    const auto found = plane_ssim(view(a), view(b), FlatWindows::left_out);
    ASSERT_TRUE(found);
    EXPECT_NEAR(*found, slow_ssim(a, b), 0.002) << strength;
    if (strength == 0) {
      EXPECT_DOUBLE_EQ(*found, 1);
    }
  }
  EXPECT_LT(plane_ssim(view(a), view(noise(9)), FlatWindows::left_out).value(), 0.2);
}

TEST(Likeness, FlatPlacesDoNotCount) {
  Plane a = noise(1), b = noise(1);
  const double whole = plane_ssim(view(a), view(b), FlatWindows::left_out).value();
  EXPECT_DOUBLE_EQ(whole, 1);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<uint8_t>(b[i] + (i % 2 ? 6 : -6));
  const double noisy = plane_ssim(view(a), view(b), FlatWindows::left_out).value();
  // The left half is filled, in both alike.
  for (uint32_t y = 0; y < kHeight; ++y) {
    std::fill_n(a.begin() + y * kWidth, kWidth / 2, uint8_t{30});
    std::fill_n(b.begin() + y * kWidth, kWidth / 2, uint8_t{30});
  }
  EXPECT_NEAR(plane_ssim(view(a), view(b), FlatWindows::left_out).value(), noisy, 0.02);
  const Plane flat(kWidth * kHeight, 90);
  EXPECT_EQ(plane_ssim(view(flat), view(noise(1)), FlatWindows::left_out), std::nullopt);
  EXPECT_DOUBLE_EQ(plane_ssim(view(flat), view(flat), FlatWindows::counted).value(), 1);
}

TEST(Likeness, OddSizesAndOtherSizes) {
  const Plane a = noise(1), b = noise(1);
  EXPECT_TRUE(plane_ssim(view(a, 61, 47), view(b, 61, 47), FlatWindows::left_out));
  EXPECT_EQ(plane_ssim(view(a, 6, 6), view(b, 6, 6), FlatWindows::left_out), std::nullopt);
  EXPECT_EQ(plane_ssim(view(a), view(b, 32, 48), FlatWindows::left_out), std::nullopt);
}

// The likeness of a scene falls by so much a step.
int settle(QualityGuard& guard, double at_20, double per_step, int measurements) {
  for (int i = 0; i < measurements; ++i) guard.on_measured(at_20 - (guard.quantiser() - 20) * per_step);
  return guard.quantiser();
}

TEST(QualityGuard, FindsTheCoarsestThatKeepsThePicture) {
  struct Case {
    double at_20, per_step;
    int quantiser;
  };
  const Case cases[] = {
      {0.99, 0.0001, 26},    // whatever it costs
      {0.9878, 0.0015, 23},  // 26 would leave too little: not tried
      {0.9815, 0.001, 19},   // a little is missing
      {0.97, 0.001, 18},     // never finer than that
  };
  for (const Case& c : cases) {
    QualityGuard guard(20, 18, 26, 0.982);
    EXPECT_EQ(settle(guard, c.at_20, c.per_step, 12), c.quantiser) << c.at_20 << ' ' << c.per_step;
    EXPECT_FALSE(guard.moving());
  }
}

TEST(QualityGuard, WhatFailedIsTriedAgainMuchLater) {
  QualityGuard guard(20, 18, 26, 0.982);
  EXPECT_EQ(settle(guard, 0.9845, 0.0019, 3), 21);  // 23 was tried, and is not enough
  EXPECT_EQ(settle(guard, 0.9845, 0.0019, 10), 21);
  EXPECT_EQ(settle(guard, 0.999, 0.0001, 3), 21) << "not yet";
  EXPECT_EQ(settle(guard, 0.999, 0.0001, 20), 26);
}

TEST(QualityGuard, AHarderSceneIsCodedFiner) {
  QualityGuard guard(20, 18, 26, 0.982);
  EXPECT_EQ(settle(guard, 0.999, 0.0001, 5), 26);
  EXPECT_EQ(settle(guard, 0.975, 0.0005, 4), 18);
}

}  // namespace
}  // namespace vigie::codec
