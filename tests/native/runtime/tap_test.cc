// Taps, snapshots and poses through the engine, with a masked camera whose private place has a colour of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "mask/lane_support.h"
#include "runtime/engine.h"

namespace vigie::runtime {
namespace {

using Json = nlohmann::json;
using mask::private_samples;
using mask::TestCamera;

constexpr WaitLimit kSoon{5000};

Json stream(const std::string& name) { return {{"name", name}, {"kind", "push"}, {"url", "push:"}}; }

// Over the private place, `margin` more on every side.
Json mask_set(uint64_t revision, double margin = 0.01) {
  const double x0 = mask::kLeft - margin, x1 = mask::kRight + margin;
  const double y0 = mask::kTop - margin, y1 = mask::kBottom + margin;
  const Json region{{"name", "flat"}, {"points", {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}}}};
  return {{"revision", revision}, {"regions", Json::array({region})}};
}

Json camera(const std::string& privacy, const Json& masks = {}) {
  Json out{{"name", "cam"}, {"privacy", privacy}, {"streams", Json::array({stream("main")})}};
  if (privacy == "clear") out["privacy_reason"] = "a test picture";
  if (!masks.is_null()) out["masks"] = masks;
  return out;
}

class TapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = Engine::make({.shards = 2, .cpus = {}, .event_capacity = 4096, .codec_workers = 1});
    ASSERT_TRUE(made.ok()) << made.error().text();
    engine_ = std::move(made).value();
  }

  void apply(Json camera) {
    const Json snapshot{{"revision", ++revision_}, {"cameras", Json::array({std::move(camera)})}};
    const auto applied = engine_->apply(snapshot.dump());
    ASSERT_TRUE(applied.ok()) << applied.error().text();
  }
  void masked() { apply(camera("masked", mask_set(1))); }

  void push(size_t count = 1) {
    for (size_t i = 0; i < count; ++i) push(*camera_.next());
  }
  void push(const AccessUnit& unit) {
    std::vector<uint8_t> bytes;
    const auto nal = [&](ByteSpan data) {
      bytes.insert(bytes.end(), {0, 0, 0, 1});
      bytes.insert(bytes.end(), data.begin(), data.end());
    };
    if (unit.keyframe) {
      nal(unit.parameter_sets->sps.front());
      nal(unit.parameter_sets->pps.front());
    }
    for (size_t i = 0; i < unit.nals.size(); ++i) nal(unit.nal(i));
    PushedUnit pushed;
    pushed.camera = "cam";
    pushed.data = bytes;
    pushed.pts = unit.pts;
    pushed.capture_time = unit.capture_time;
    const Status status = engine_->push_access_unit(pushed);
    ASSERT_TRUE(status.ok()) << status.error().text();
  }

  std::shared_ptr<FrameTap> tap(uint32_t width = 0, FrameQueueLimits queue = {}) {
    auto opened = engine_->tap_frames({.camera = "cam", .stream = "", .width = width, .queue = queue});
    EXPECT_TRUE(opened.ok()) << opened.error().text();
    return opened.ok() ? std::move(opened).value() : nullptr;
  }
  std::optional<FrameLease> next(FrameTap& tap, WaitLimit limit = kSoon) {
    auto lease = tap.next_blocking(limit);
    EXPECT_TRUE(lease.ok()) << lease.error().text();
    return lease.ok() ? std::optional(std::move(lease).value()) : std::nullopt;
  }
  static Code code_of(FrameTap& tap, WaitLimit limit = WaitLimit(0)) {
    const auto lease = tap.next_blocking(limit);
    EXPECT_FALSE(lease.ok());
    return lease.ok() ? Code{} : lease.error().code;
  }
  Json stats() { return Json::parse(*engine_->stats()); }
  Json lane() { return stats()["cameras"]["cam"]["streams"]["main"]["lane"]; }
  // Until the lane has decoded so many pictures and the home shard has had them.
  void wait_for_pictures(uint64_t count) {
    while (lane()["pictures"] < count) std::this_thread::yield();
    while (stats()["taps"]["frames_offered"].get<uint64_t>() + stats()["taps"]["frames_thinned"].get<uint64_t>() <
           count) {
      std::this_thread::yield();
    }
  }

  std::shared_ptr<Engine> engine_;
  uint64_t revision_ = 0;
  TestCamera camera_;
};

TEST_F(TapTest, FramesAreMaskedAndNothingIsCodedForThem) {
  masked();
  const auto frames = tap();
  push(3);
  const auto lease = next(*frames);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->frame().format.width, mask::kWidth);
  EXPECT_EQ(lease->frame().format.height, mask::kHeight);
  EXPECT_EQ(private_samples(lease->frame()), 0U);
  EXPECT_EQ(lease->provenance().state, PrivacyState::masked);
  EXPECT_EQ(lease->provenance().mask_revision, 1U);
  EXPECT_EQ(lease->provenance().policy_revision, 1U);
  EXPECT_EQ(lease->frame().clock_quality, ClockQuality::reported);
  EXPECT_EQ(lane()["coded_units"], 0);
}

TEST_F(TapTest, TheEyeOfThisTestSeesWhatIsNotMasked) {
  apply(camera("clear"));
  const auto frames = tap();
  push(1);
  const auto lease = next(*frames);
  ASSERT_TRUE(lease);
  EXPECT_GT(private_samples(lease->frame()), 500U);
  EXPECT_EQ(lease->provenance().state, PrivacyState::clear_by_decision);
}

TEST_F(TapTest, ATapOnAClearCameraBeginsAtTheNewestPicture) {
  apply(camera("clear"));
  push(10);
  // All ten are in the log once the figures are there; the next keyframe is fifteen pictures away.
  ASSERT_EQ(stats()["cameras"]["cam"]["streams"]["main"]["published_units"], 10);
  const auto frames = tap();
  const auto lease = next(*frames);
  ASSERT_TRUE(lease);
  const WallTime tenth = WallTime{std::chrono::seconds(1'700'000'000)} + std::chrono::milliseconds(360);
  EXPECT_EQ(lease->frame().capture_time, tenth);
}

TEST_F(TapTest, FramesComeAtTheSizeAskedFor) {
  masked();
  struct Case {
    uint32_t asked, width, height;
  };
  for (const Case& c : {Case{0, 320, 180}, Case{160, 160, 90}, Case{101, 100, 56}, Case{2, 2, 2}, Case{320, 320, 180},
                        Case{321, 320, 180}, Case{1920, 320, 180}}) {
    const auto frames = tap(c.asked);
    push();
    const auto lease = next(*frames);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->frame().format.width, c.width) << c.asked;
    EXPECT_EQ(lease->frame().format.height, c.height) << c.asked;
    EXPECT_EQ(private_samples(lease->frame()), 0U) << c.asked;
    EXPECT_NE(lease->frame().capture_time, WallTime{}) << "what is known of the picture stays with it";
  }
}

TEST_F(TapTest, WrongWishesAreNamed) {
  masked();
  struct Case {
    TapOptions options;
    const char* where;
    Code code;
  };
  const auto with = [](uint32_t width, size_t frames, double fps) {
    return TapOptions{.camera = "cam", .stream = "", .width = width, .queue = {.frames = frames, .fps = fps}};
  };
  for (const Case& c :
       {Case{with(1, 2, 0), "width", Code::invalid_argument}, Case{with(20000, 2, 0), "width", Code::invalid_argument},
        Case{with(0, 0, 0), "queue", Code::invalid_argument}, Case{with(0, 65, 0), "queue", Code::invalid_argument},
        Case{with(0, 2, -1), "fps", Code::invalid_argument},
        Case{with(0, 2, std::numeric_limits<double>::quiet_NaN()), "fps", Code::invalid_argument},
        Case{{.camera = "nobody", .stream = "", .queue = {}}, "nobody", Code::not_found},
        Case{{.camera = "cam@nobody", .stream = "", .queue = {}}, "cam@nobody", Code::not_found}}) {
    const auto opened = engine_->tap_frames(c.options);
    ASSERT_FALSE(opened.ok()) << c.where;
    EXPECT_EQ(opened.error().code, c.code) << opened.error().text();
    EXPECT_EQ(opened.error().where, c.where);
  }
  EXPECT_EQ(stats()["taps"]["open"], 0);
}

TEST_F(TapTest, ASlowHostLosesTheOldestFramesAndDelaysNobody) {
  masked();
  const auto frames = tap(0, {.frames = 2, .fps = 0});
  auto units = engine_->subscribe({.camera = "cam", .stream = ""});
  ASSERT_TRUE(units.ok());
  for (int i = 0; i < 20; ++i) {
    push();
    ASSERT_TRUE((*units)->next_blocking(kSoon).ok()) << "each unit comes without a wait for who takes frames";
  }
  wait_for_pictures(20);
  EXPECT_EQ(frames->stats().offered, 20U);
  EXPECT_EQ(frames->stats().dropped, 18U);
  const auto lease = next(*frames);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->frame().capture_time, WallTime{std::chrono::seconds(1'700'000'000)} + 720ms) << "the nineteenth";
}

TEST_F(TapTest, TheRateIsThinnedEvenly) {
  masked();
  const auto frames = tap(0, {.frames = 64, .fps = 5});
  for (uint64_t i = 1; i <= 50; ++i) {
    push();
    wait_for_pictures(i);  // or a lane on a busy machine is late, and leaves some out
  }
  EXPECT_EQ(frames->stats().offered, 10U);
  EXPECT_EQ(frames->stats().thinned, 40U);
  std::optional<WallTime> last;
  for (int i = 0; i < 8; ++i) {
    const auto lease = next(*frames, WaitLimit(0));
    ASSERT_TRUE(lease);
    if (last) {
      EXPECT_EQ(lease->frame().capture_time - *last, 200ms);
    }
    last = lease->frame().capture_time;
  }
}

TEST_F(TapTest, LeasesAreBoundedAndCounted) {
  masked();
  const auto frames = tap(0, {.frames = 20, .fps = 0});
  push(12);
  std::vector<FrameLease> held;
  for (size_t i = 0; i < FrameTap::kMaxLeases; ++i) {
    auto lease = next(*frames);
    ASSERT_TRUE(lease);
    held.push_back(std::move(*lease));
  }
  EXPECT_EQ(code_of(*frames), Code::limit_exceeded);
  EXPECT_EQ(code_of(*frames, WaitLimit(-1)), Code::limit_exceeded) << "it does not wait for what cannot come";
  EXPECT_EQ(stats()["taps"]["frames_leased"], FrameTap::kMaxLeases);
  held.pop_back();
  EXPECT_TRUE(next(*frames));
  const Json taps = stats()["taps"];
  EXPECT_EQ(taps["open"], 1);
  EXPECT_EQ(taps["frames_leased"], FrameTap::kMaxLeases - 1);
  EXPECT_EQ(taps["frames_taken"], FrameTap::kMaxLeases + 1);
}

TEST_F(TapTest, CountsOutliveTheirTap) {
  masked();
  auto frames = tap();
  push();
  ASSERT_TRUE(next(*frames));
  frames.reset();
  const Json taps = stats()["taps"];
  EXPECT_EQ(taps["open"], 0);
  EXPECT_EQ(taps["frames_leased"], 0);
  EXPECT_EQ(taps["frames_taken"], 1);
  EXPECT_EQ(lane()["awake"], false) << "nobody needs the decoder any more";
}

TEST_F(TapTest, AfterAMaskChangeNoFrameOfTheFormerOneComes) {
  masked();
  const auto frames = tap(160, {.frames = 10, .fps = 0});
  push(5);
  wait_for_pictures(5);
  const auto before = next(*frames);
  ASSERT_TRUE(before);
  EXPECT_TRUE(frames->in_force(*before));
  apply(camera("masked", mask_set(2, 0.05)));
  EXPECT_FALSE(frames->in_force(*before));
  EXPECT_EQ(code_of(*frames), Code::timed_out) << "what was queued is gone";
  EXPECT_EQ(frames->stats().dropped, 4U);
  push();
  const auto after = next(*frames);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->provenance().mask_revision, 2U);
}

TEST_F(TapTest, NoOlderRevisionIsGivenOutHoweverTheThreadsRace) {
  masked();
  const auto frames = tap(64, {.frames = 2, .fps = 0});
  std::atomic<uint64_t> in_force{1};
  std::atomic<bool> done{false};
  std::atomic<int> older{0}, taken{0};
  std::thread host([&] {
    while (!done) {
      const uint64_t at_least = in_force;  // before the call
      const auto lease = frames->next_blocking(WaitLimit(20));
      if (!lease.ok()) continue;
      ++taken;
      if (lease->provenance().mask_revision < at_least) ++older;
    }
  });
  for (uint64_t revision = 2; revision < 40; ++revision) {
    push(3);
    apply(camera("masked", mask_set(revision, 0.01 + 0.001 * static_cast<double>(revision))));
    in_force = revision;
  }
  push(3);
  wait_for_pictures(3);
  done = true;
  host.join();
  EXPECT_GT(taken, 0);
  EXPECT_EQ(older, 0);
}

TEST_F(TapTest, TheEndOfARightEndsATap) {
  struct Case {
    const char* name;
    Json next;
    Code code;
  };
  Json other = camera("clear");
  other["name"] = "other";
  for (const Case& c :
       {Case{"withheld", camera("withheld"), Code::withheld}, Case{"removed", other, Code::not_found}}) {
    masked();
    const auto frames = tap();
    push(26);  // a keyframe is among them
    std::optional<FrameLease> held = next(*frames);
    Code code{};
    std::thread waiter([&] {
      auto lease = frames->next_blocking(WaitLimit(-1));
      while (lease.ok()) lease = frames->next_blocking(WaitLimit(-1));
      code = lease.error().code;
    });
    apply(c.next);
    waiter.join();
    EXPECT_EQ(code, c.code) << c.name;
    EXPECT_FALSE(engine_->tap_frames({.camera = "cam", .stream = "", .queue = {}}).ok()) << c.name;
    ASSERT_TRUE(held);
    EXPECT_EQ(private_samples(held->frame()), 0U) << "what the host has it may read";
    apply(camera("withheld"));
  }
}

TEST_F(TapTest, LeasesAndTapsOutliveTheEngine) {
  masked();
  auto frames = tap();
  push();
  auto held = next(*frames);
  ASSERT_TRUE(held);
  ASSERT_TRUE(engine_->close().ok());
  EXPECT_EQ(code_of(*frames, WaitLimit(-1)), Code::closed);
  EXPECT_EQ(engine_->tap_frames({.camera = "cam", .stream = "", .queue = {}}).error().code, Code::closed);
  engine_.reset();
  EXPECT_EQ(private_samples(held->frame()), 0U);
  EXPECT_EQ(frames->frames_leased(), 1U);
  frames->close();
  std::thread elsewhere([lease = std::move(*held)] {});
  elsewhere.join();
  EXPECT_EQ(frames->frames_leased(), 0U);
  frames.reset();
}

TEST_F(TapTest, ManyThreadsShareATapWhileItCloses) {
  masked();
  const auto frames = tap(64, {.frames = 8, .fps = 0});
  std::atomic<int> taken{0};
  std::vector<std::thread> hosts;
  for (int i = 0; i < 4; ++i) {
    hosts.emplace_back([&] {
      for (auto lease = frames->next_blocking(WaitLimit(-1)); lease.ok() || lease.error().code != Code::closed;
           lease = frames->next_blocking(WaitLimit(-1))) {
        if (lease.ok()) ++taken;
      }
    });
  }
  push(40);
  while (taken == 0) std::this_thread::yield();
  ASSERT_TRUE(engine_->close().ok());
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(frames->frames_leased(), 0U);
}

// ---- snapshots ------------------------------------------------------------------------------------------------------

TEST_F(TapTest, ASnapshotCarriesItsFacts) {
  masked();
  push(5);
  const auto still = engine_->snapshot("cam", "main", kSoon);
  ASSERT_TRUE(still.ok()) << still.error().text();
  ASSERT_GT(still->jpeg.size(), 4U);
  EXPECT_EQ(still->jpeg[0], 0xff);
  EXPECT_EQ(still->jpeg[1], 0xd8);
  EXPECT_EQ(still->width, mask::kWidth);
  EXPECT_EQ(still->height, mask::kHeight);
  EXPECT_EQ(still->provenance->state, PrivacyState::masked);
  EXPECT_EQ(still->provenance->mask_revision, 1U);
  EXPECT_EQ(still->capture_time, WallTime{std::chrono::seconds(1'700'000'000)} + 160ms) << "the newest of five";
  EXPECT_EQ(still->clock_quality, ClockQuality::reported);
  EXPECT_FALSE(still->error_bound) << "the host gave the time: only it knows";
  EXPECT_EQ(stats()["taps"]["open"], 0);
  EXPECT_EQ(lane()["awake"], false);
}

TEST_F(TapTest, ASnapshotOfACoveredCameraIsItsCard) {
  apply(camera("masked"));  // and no mask set: covered
  push(2);
  const auto still = engine_->snapshot("cam", "", kSoon);
  ASSERT_TRUE(still.ok()) << still.error().text();
  EXPECT_EQ(still->provenance->state, PrivacyState::covered);
  EXPECT_NE(still->provenance->reason, "");
  EXPECT_EQ(still->width, mask::kWidth);
  EXPECT_TRUE(engine_->snapshot("cam", "", kSoon).ok()) << "and again at once, with no picture in between";
}

TEST_F(TapTest, ASnapshotThatCannotBeTakenSaysWhy) {
  apply(camera("withheld"));
  EXPECT_EQ(engine_->snapshot("cam", "", kSoon).error().code, Code::withheld);
  EXPECT_EQ(engine_->snapshot("nobody", "", kSoon).error().code, Code::not_found);
  EXPECT_EQ(engine_->snapshot("cam", "sub", kSoon).error().code, Code::not_found);
  EXPECT_EQ(engine_->snapshot("cam", "", WaitLimit(-1)).error().code, Code::invalid_argument);
  masked();
  const auto late = engine_->snapshot("cam", "", WaitLimit(0));
  ASSERT_FALSE(late.ok()) << "no picture has ever come";
  EXPECT_EQ(late.error().code, Code::timed_out);
  EXPECT_EQ(late.error().where, "cam");
  ASSERT_TRUE(engine_->close().ok());
  EXPECT_EQ(engine_->snapshot("cam", "", kSoon).error().code, Code::closed);
}

TEST(Snapshot, TheBoundOfACaptureTime) {
  struct Case {
    ClockQuality quality;
    Nanos arrival_after_capture;
    std::optional<Nanos> clock_error;
    std::optional<Nanos> bound;
  };
  for (const Case& c :
       {Case{ClockQuality::none, 0ms, std::nullopt, 2s}, Case{ClockQuality::none, 0ms, 3ms, 2s},
        Case{ClockQuality::reported, 50ms, -20ms, 220ms}, Case{ClockQuality::reported, 50ms, 20ms, 220ms},
        Case{ClockQuality::reported, 50ms, std::nullopt, std::nullopt},
        Case{ClockQuality::suspect, 3600s, -3600s, 3602s}, Case{ClockQuality::suspect, -3600s, std::nullopt, 3602s}}) {
    Frame frame;
    frame.clock_quality = c.quality;
    frame.capture_time = WallTime{1'700'000'000s};
    frame.arrival_wall = frame.capture_time + c.arrival_after_capture;
    EXPECT_EQ(capture_error_bound(frame, c.clock_error), c.bound) << static_cast<int>(c.quality);
  }
}

// ---- poses ----------------------------------------------------------------------------------------------------------

class PoseTest : public TapTest {
 protected:
  Json dome(std::vector<std::string> streams = {"main"}) {
    Json out = camera("masked");
    out["dome"] = {{"max_age_idle_s", 60}};
    const Json region{{"name", "flat"}, {"space", "world"}, {"points", {{-5, 2}, {5, 2}, {5, -5}, {-5, -5}}}};
    out["masks"] = {{"revision", 1}, {"regions", Json::array({region})}};
    out["streams"] = Json::array();
    for (const std::string& name : streams) out["streams"].push_back(stream(name));
    return out;
  }
  // Of the picture that is pushed next.
  Status pose(double pan = 0) {
    return engine_->push_pose("cam", {.pan_deg = pan,
                                      .tilt_deg = 0,
                                      .hfov_deg = 60,
                                      .at = WallTime{std::chrono::seconds(1'700'000'000)} + 40ms * pushed_,
                                      .state = mask::PoseState::idle});
  }
  // What the next picture shows.
  PrivacyState shown() {
    push();
    ++pushed_;
    const auto still = engine_->snapshot("cam", "", kSoon);
    EXPECT_TRUE(still.ok()) << still.error().text();
    if (!still.ok()) return PrivacyState::withheld;
    reason_ = still->provenance->reason;
    return still->provenance->state;
  }
  int pushed_ = 0;
  std::string reason_;
};

TEST_F(PoseTest, WorldMasksNeedAPoseThatIsBelieved) {
  apply(dome());
  EXPECT_EQ(shown(), PrivacyState::covered);
  ASSERT_TRUE(pose().ok());
  EXPECT_EQ(shown(), PrivacyState::masked);
  ASSERT_TRUE(engine_->distrust_pose("cam", mask::PoseDoubt::reboot).ok());
  EXPECT_EQ(shown(), PrivacyState::covered);
  EXPECT_EQ(reason_, mask::doubt_text(mask::PoseDoubt::reboot));
  ASSERT_TRUE(pose().ok());
  EXPECT_EQ(shown(), PrivacyState::covered) << "a pose does not end a doubt";
  ASSERT_TRUE(engine_->trust_pose("cam").ok());
  EXPECT_EQ(shown(), PrivacyState::covered) << "nor does the check: a pose after it is needed";
  ASSERT_TRUE(pose().ok());
  EXPECT_EQ(shown(), PrivacyState::masked);
}

TEST_F(PoseTest, ADoubtOutlastsWhatPolicyMakesOfTheStreams) {
  apply(dome());
  ASSERT_TRUE(engine_->distrust_pose("cam", mask::PoseDoubt::homing).ok());
  Json gone = dome();
  gone["name"] = "other";
  apply(gone);
  apply(dome());  // another pipeline, which has seen nothing of it
  ASSERT_TRUE(pose().ok());
  EXPECT_EQ(shown(), PrivacyState::covered);
  EXPECT_EQ(reason_, mask::doubt_text(mask::PoseDoubt::homing));
}

TEST_F(PoseTest, ADoubtReachesALaneThatComesLater) {
  Json clear = dome();
  clear.erase("masks");
  clear["privacy"] = "clear";
  clear["privacy_reason"] = "looks at the sky";
  apply(clear);
  ASSERT_TRUE(engine_->distrust_pose("cam", mask::PoseDoubt::e_flip).ok());
  apply(dome());
  ASSERT_TRUE(pose().ok());
  EXPECT_EQ(shown(), PrivacyState::covered);
  EXPECT_EQ(reason_, mask::doubt_text(mask::PoseDoubt::e_flip));
}

TEST_F(PoseTest, WrongPosesAreNamed) {
  apply(dome({"main", "sub"}));
  mask::Pose wrong{.pan_deg = 0, .tilt_deg = 0, .hfov_deg = 300, .at = WallTime{1s}, .state = mask::PoseState::idle};
  EXPECT_EQ(engine_->push_pose("cam", wrong).error().code, Code::invalid_argument);
  EXPECT_EQ(engine_->push_pose("nobody", {}).error().code, Code::not_found);
  EXPECT_EQ(engine_->distrust_pose("nobody", mask::PoseDoubt::reboot).error().code, Code::not_found);
  EXPECT_EQ(engine_->distrust_pose("cam", mask::PoseDoubt::none).error().code, Code::invalid_argument);
  EXPECT_EQ(engine_->trust_pose("nobody").error().code, Code::not_found);
  ASSERT_TRUE(engine_->close().ok());
  EXPECT_EQ(engine_->push_pose("cam", wrong).error().code, Code::closed);
}

}  // namespace
}  // namespace vigie::runtime
