// Taps, snapshots and poses as a C host uses them: a flat grey MJPEG camera whose left half is masked.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "codec/frame_pool.h"
#include "codec/jpeg.h"
#include "vigie/vigie.h"

namespace {

constexpr uint32_t kWidth = 64, kHeight = 48;
constexpr uint8_t kGrey = 150;

const std::string kPolicy = R"({"revision": 3, "cameras": [
  {"name": "cam", "privacy": "masked", "streams": [{"name": "main", "kind": "push"}],
   "masks": {"revision": 7, "regions": [{"name": "left", "points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}]}},
  {"name": "hidden", "streams": [{"name": "main", "kind": "push"}]}]})";

std::vector<uint8_t> grey_jpeg() {
  vigie::codec::FramePool pool(1 << 20);
  vigie::FrameFormat format;
  format.width = kWidth;
  format.height = kHeight;
  format.colour.full_range = true;
  const auto frame = pool.make(format);
  for (size_t plane = 0; plane < 3; ++plane) {
    for (uint32_t y = 0; y < frame->plane_height(plane); ++y) {
      std::memset(frame->mutable_row(plane, y), plane == 0 ? kGrey : 128, frame->plane_width(plane));
    }
  }
  auto image = vigie::codec::encode_jpeg(*frame, 95);
  EXPECT_TRUE(image.ok()) << image.error().text();
  return std::move(image).value();
}

class TapCTest : public ::testing::Test {
 protected:
  void SetUp() override {
    error_.struct_size = sizeof error_;
    vigie_engine_options options;
    vigie_engine_options_init(&options);
    options.codec_workers = 1;
    ASSERT_EQ(vigie_engine_create(VIGIE_ABI_VERSION, &options, &engine_, &error_), VIGIE_OK) << error_.text;
    ASSERT_EQ(vigie_engine_apply(engine_, kPolicy.data(), kPolicy.size(), VIGIE_ANY_REVISION, nullptr, &error_),
              VIGIE_OK)
        << error_.text << error_.where;
  }
  void TearDown() override { vigie_engine_free(engine_); }

  void push() {
    const std::vector<uint8_t> image = grey_jpeg();
    vigie_push push;
    vigie_push_init(&push);
    push.codec = VIGIE_CODEC_MJPEG;
    push.camera = "cam";
    push.data = image.data();
    push.size = image.size();
    push.flags = VIGIE_PUSH_HAS_PTS | VIGIE_PUSH_HAS_CAPTURE_TIME;
    push.pts_90k = 3600 * ++pushed_;
    push.capture_time_ns = 1'700'000'000'000'000'000 + pushed_;
    ASSERT_EQ(vigie_engine_push(engine_, &push, &error_), VIGIE_OK) << error_.text;
  }
  vigie_tap* tap(uint32_t width = 0, uint32_t queue = 2) {
    vigie_tap_options options;
    vigie_tap_options_init(&options);
    options.camera = "cam";
    options.width = width;
    options.queue_frames = queue;
    vigie_tap* out = nullptr;
    EXPECT_EQ(vigie_engine_tap(engine_, &options, &out, &error_), VIGIE_OK) << error_.text;
    return out;
  }

  vigie_engine* engine_ = nullptr;
  vigie_error error_{};
  int64_t pushed_ = 0;
};

TEST_F(TapCTest, TakeAFrame) {
  vigie_tap* frames = tap();
  push();
  vigie_frame* frame = nullptr;
  ASSERT_EQ(vigie_tap_next(frames, 5000, &frame, &error_), VIGIE_OK) << error_.text;
  vigie_frame_info info;
  vigie_frame_info_init(&info);
  ASSERT_EQ(vigie_frame_get_info(frame, &info, &error_), VIGIE_OK);
  EXPECT_EQ(info.width, kWidth);
  EXPECT_EQ(info.height, kHeight);
  EXPECT_EQ(info.full_range, 1);
  EXPECT_EQ(info.privacy, static_cast<uint32_t>(VIGIE_PRIVACY_MASKED));
  EXPECT_EQ(info.policy_revision, 3U);
  EXPECT_EQ(info.mask_revision, 7U);
  EXPECT_EQ(info.version_revision, 0U);
  EXPECT_EQ(info.clock_quality, static_cast<uint32_t>(VIGIE_CLOCK_REPORTED));
  EXPECT_EQ(info.capture_time_ns, 1'700'000'000'000'000'001);
  EXPECT_STREQ(info.privacy_reason, "");
  for (uint32_t y = 0; y < kHeight; ++y) {
    const uint8_t* row = info.planes[0] + static_cast<size_t>(y) * info.strides[0];
    EXPECT_NEAR(row[kWidth - 1], kGrey, 3);
    EXPECT_GT(std::abs(row[0] - kGrey), 20) << "the left half is filled";
  }

  vigie_tap_stats stats;
  vigie_tap_stats_init(&stats);
  ASSERT_EQ(vigie_tap_get_stats(frames, &stats, &error_), VIGIE_OK);
  EXPECT_EQ(stats.frames_leased, 1U);
  EXPECT_EQ(stats.frames_offered, 1U);
  EXPECT_EQ(stats.frames_taken, 1U);
  // The lease outlives tap and engine.
  vigie_tap_free(frames);
  EXPECT_EQ(vigie_engine_close(engine_, &error_), VIGIE_OK);
  EXPECT_NEAR(info.planes[0][kWidth - 1], kGrey, 3);
  vigie_frame_release(frame);
}

TEST_F(TapCTest, AnOlderCallersFrameInfoIsServed) {
  vigie_tap* frames = tap(32);
  push();
  vigie_frame* frame = nullptr;
  ASSERT_EQ(vigie_tap_next(frames, 5000, &frame, &error_), VIGIE_OK) << error_.text;
  vigie_frame_info info;
  std::memset(&info, 0x5a, sizeof info);
  info.struct_size = offsetof(vigie_frame_info, pts_90k);
  ASSERT_EQ(vigie_frame_get_info(frame, &info, &error_), VIGIE_OK);
  EXPECT_EQ(info.width, 32U);
  EXPECT_EQ(info.height, 24U);
  EXPECT_EQ(info.pts_90k, 0x5a5a5a5a5a5a5a5a);
  vigie_frame_release(frame);
  vigie_tap_free(frames);
}

TEST_F(TapCTest, LeasesAreBounded) {
  vigie_tap* frames = tap(0, 64);
  for (uint32_t i = 0; i <= VIGIE_TAP_LEASES; ++i) push();
  std::vector<vigie_frame*> held(VIGIE_TAP_LEASES);
  for (vigie_frame*& frame : held) ASSERT_EQ(vigie_tap_next(frames, 5000, &frame, &error_), VIGIE_OK) << error_.text;
  vigie_frame* more = nullptr;
  EXPECT_EQ(vigie_tap_next(frames, -1, &more, &error_), VIGIE_ERROR_LIMIT_EXCEEDED);
  EXPECT_EQ(more, nullptr);
  for (vigie_frame* frame : held) vigie_frame_release(frame);
  EXPECT_EQ(vigie_tap_next(frames, 5000, &more, &error_), VIGIE_OK) << error_.text;
  vigie_frame_release(more);
  vigie_tap_free(frames);
}

TEST_F(TapCTest, CloseWakesWhoeverWaits) {
  vigie_tap* frames = tap();
  uint32_t code = 0;
  std::thread waiter([&] {
    vigie_frame* frame = nullptr;
    code = vigie_tap_next(frames, -1, &frame, nullptr);
  });
  vigie_tap_close(frames);
  waiter.join();
  EXPECT_EQ(code, static_cast<uint32_t>(VIGIE_ERROR_CLOSED));
  vigie_tap_free(frames);
}

TEST_F(TapCTest, ASnapshotCarriesItsFacts) {
  push();
  vigie_snapshot* still = nullptr;
  ASSERT_EQ(vigie_engine_snapshot(engine_, "cam", nullptr, 5000, &still, &error_), VIGIE_OK) << error_.text;
  vigie_snapshot_info info;
  vigie_snapshot_info_init(&info);
  ASSERT_EQ(vigie_snapshot_get_info(still, &info, &error_), VIGIE_OK);
  ASSERT_GT(info.size, 4U);
  EXPECT_EQ(info.data[0], 0xff);
  EXPECT_EQ(info.data[1], 0xd8);
  EXPECT_EQ(info.width, kWidth);
  EXPECT_EQ(info.height, kHeight);
  EXPECT_EQ(info.privacy, static_cast<uint32_t>(VIGIE_PRIVACY_MASKED));
  EXPECT_EQ(info.mask_revision, 7U);
  EXPECT_EQ(info.capture_time_ns, 1'700'000'000'000'000'001);
  EXPECT_EQ(info.error_bound_ns, VIGIE_NO_BOUND);
  vigie_snapshot_release(still);
}

TEST_F(TapCTest, MisuseHasACodeAndWords) {
  vigie_tap_options options;
  vigie_tap_options_init(&options);
  vigie_tap* frames = nullptr;
  EXPECT_EQ(vigie_engine_tap(engine_, &options, &frames, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  options.camera = "nobody";
  EXPECT_EQ(vigie_engine_tap(engine_, &options, &frames, &error_), VIGIE_ERROR_NOT_FOUND);
  options.camera = "hidden";
  EXPECT_EQ(vigie_engine_tap(engine_, &options, &frames, &error_), VIGIE_ERROR_WITHHELD);
  options.camera = "cam";
  options.queue_frames = 0;
  EXPECT_EQ(vigie_engine_tap(engine_, &options, &frames, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.where, "queue");
  EXPECT_EQ(frames, nullptr) << "nothing is written on failure";
  EXPECT_EQ(vigie_tap_fd(nullptr), -1);
  EXPECT_EQ(vigie_tap_next(nullptr, 0, nullptr, &error_), VIGIE_ERROR_INVALID_ARGUMENT);

  vigie_snapshot* still = nullptr;
  EXPECT_EQ(vigie_engine_snapshot(engine_, "cam", nullptr, 0, &still, &error_), VIGIE_ERROR_TIMED_OUT);
  EXPECT_EQ(vigie_engine_snapshot(engine_, "cam", nullptr, -1, &still, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(vigie_engine_snapshot(engine_, "hidden", nullptr, 5000, &still, &error_), VIGIE_ERROR_WITHHELD);
  EXPECT_EQ(still, nullptr);

  vigie_engine_options engine_options;
  vigie_engine_options_init(&engine_options);
  engine_options.codec_workers = 257;
  vigie_engine* other = nullptr;
  EXPECT_EQ(vigie_engine_create(VIGIE_ABI_VERSION, &engine_options, &other, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.where, "codec_workers");
  engine_options.codec_workers = 1;
  engine_options.mask_encoder = "pencil";
  EXPECT_EQ(vigie_engine_create(VIGIE_ABI_VERSION, &engine_options, &other, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.where, "mask_encoder");
  engine_options.mask_encoder = "vigie";
  EXPECT_EQ(vigie_engine_create(VIGIE_ABI_VERSION, &engine_options, &other, &error_), VIGIE_OK);
  vigie_engine_free(other);

  vigie_tap_free(nullptr);
  vigie_frame_release(nullptr);
  vigie_snapshot_release(nullptr);
}

TEST_F(TapCTest, PosesAreChecked) {
  vigie_pose pose;
  vigie_pose_init(&pose);
  EXPECT_EQ(vigie_engine_push_pose(engine_, &pose, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.where, "pose.camera");
  pose.camera = "cam";
  EXPECT_EQ(vigie_engine_push_pose(engine_, &pose, &error_), VIGIE_ERROR_INVALID_ARGUMENT) << "no field of view";
  pose.hfov_deg = 60;
  pose.at_ns = 2'000'000'000;
  EXPECT_EQ(vigie_engine_push_pose(engine_, &pose, &error_), VIGIE_OK) << error_.text;
  pose.at_ns = 1'000'000'000;
  EXPECT_EQ(vigie_engine_push_pose(engine_, &pose, &error_), VIGIE_ERROR_INVALID_ARGUMENT) << "time goes back";
  EXPECT_EQ(vigie_engine_distrust_pose(engine_, "cam", VIGIE_DOUBT_REBOOT, &error_), VIGIE_OK) << error_.text;
  EXPECT_EQ(vigie_engine_distrust_pose(engine_, "cam", 0, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(vigie_engine_distrust_pose(engine_, "cam", 7, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(vigie_engine_distrust_pose(engine_, "nobody", VIGIE_DOUBT_REBOOT, &error_), VIGIE_ERROR_NOT_FOUND);
  EXPECT_EQ(vigie_engine_trust_pose(engine_, "cam", &error_), VIGIE_OK) << error_.text;
  EXPECT_EQ(vigie_engine_trust_pose(engine_, nullptr, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
}

}  // namespace
