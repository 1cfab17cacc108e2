// Files as cameras: containers' records, real clips made by FFmpeg, pacing and looping.
#include "source/container_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "shard_fixture.h"
#include "source/container_config.h"

namespace vigie::source {
namespace {

using ::testing::HasSubstr;

std::vector<uint8_t> bytes(std::initializer_list<int> values) {
  std::vector<uint8_t> out;
  for (const int value : values) out.push_back(static_cast<uint8_t>(value));
  return out;
}

TEST(ContainerConfig, ReadsAvcc) {
  const auto record = bytes({1, 0x42, 0, 0x1e, 0xff, 0xe1, 0, 4, 0x67, 1, 2, 3, 1, 0, 2, 0x68, 9});
  const auto config = parse_container_config(Codec::h264, record);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->length_size, 4u);
  ASSERT_EQ(config->parameter_sets.size(), 2u);
  EXPECT_EQ(config->parameter_sets[1], bytes({0x68, 9}));
  // Cut short anywhere behind the version it must be refused and read no further.
  for (size_t size = 1; size < record.size(); ++size) {
    const auto cut = parse_container_config(Codec::h264, ByteSpan(record).first(size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().code, Code::parameter_sets);
  }
}

TEST(ContainerConfig, ReadsHvccAndAnnexB) {
  auto record = bytes({1});
  record.resize(21);
  for (const int value : {0xfd, 2, 0xa0, 0, 1, 0, 2, 0x40, 1, 39, 0, 1, 0, 1, 0x4e}) {
    record.push_back(static_cast<uint8_t>(value));
  }
  const auto config = parse_container_config(Codec::h265, record);
  ASSERT_TRUE(config.ok()) << config.error().text();
  EXPECT_EQ(config->length_size, 2u);
  EXPECT_EQ(config->parameter_sets.size(), 1u) << "SEI is left out";
  const auto annexb = parse_container_config(Codec::h264, bytes({0, 0, 0, 1, 0x67, 5, 0, 0, 1, 0x68, 6}));
  ASSERT_TRUE(annexb.ok());
  EXPECT_EQ(annexb->length_size, 0u);
  EXPECT_EQ(annexb->parameter_sets.size(), 2u);
  EXPECT_FALSE(parse_container_config(Codec::h264, bytes({7, 0, 0, 0, 0, 0})).ok());
}

TEST(ContainerConfig, SplitsLengthPrefixed) {
  std::vector<ByteSpan> nals;
  const auto two = bytes({0, 2, 7, 8, 0, 0, 0, 1, 9});
  EXPECT_TRUE(split_length_prefixed(two, 2, nals));
  ASSERT_EQ(nals.size(), 2u);
  EXPECT_EQ(nals[1][0], 9);
  EXPECT_FALSE(split_length_prefixed(bytes({0, 3, 7, 8}), 2, nals));
  EXPECT_FALSE(split_length_prefixed(bytes({0xff, 0xff, 0xff, 0xff, 1}), 4, nals));
  EXPECT_FALSE(split_length_prefixed(bytes({0}), 2, nals));
  EXPECT_FALSE(split_length_prefixed(bytes({1, 7, 1, 8, 1, 9}), 1, nals, 2));
}

// --- real clips

class FileTest : public testing::ShardTest {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::filesystem::temp_directory_path() / ("vigie_file_test_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    have_ffmpeg_ = std::system("ffmpeg -version >/dev/null 2>&1") == 0;
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  // Ten pictures of 160 x 96 at `fps`, keyframes every five.
  static std::string clip(const std::string& name, const std::string& encoder, int fps = 20) {
    const std::filesystem::path path = folder_ / name;
    if (!std::filesystem::exists(path)) {
      const std::string command = "ffmpeg -v error -y -f lavfi -i testsrc=size=160x96:rate=" + std::to_string(fps) +
                                  " -frames:v 10 -pix_fmt yuv420p -g 5 " + encoder + " " + path.string() +
                                  " >/dev/null 2>&1";
      EXPECT_EQ(std::system(command.c_str()), 0) << command;
    }
    return path.string();
  }

  void SetUp() override {
    if (!have_ffmpeg_) GTEST_SKIP() << "the ffmpeg program is not installed; make test installs it";
  }
  void play(const std::string& path, bool looped = true) {
    policy::StreamPolicy policy;
    policy.kind = policy::SourceKind::file;
    policy.url = path;
    policy.file_loop = looped;
    supervisor = std::make_unique<StreamSupervisor>(*shard, StreamKey{"file", "main"}, policy, observer);
    supervisor->start();
  }
  // Turns the clock on by `step` whenever the loop has nothing to do, until there are `count` units. The reader's
  // thread works in real time, so the loop is given real time to hear from it.
  bool run_until_units(size_t count, Nanos step = 5ms) {
    return run_until([&] { return observer.units.size() >= count; }, step);
  }
  template <class Done>
  bool run_until(Done done, Nanos step = 5ms) {
    for (int i = 0; i < 4000 && !done(); ++i) {
      if (loop->run_once(observer.units.empty() ? 2ms : 1ms) == 0) clock.advance(step);
    }
    return done();
  }
  static std::filesystem::path folder_;
  static bool have_ffmpeg_;
  testing::Observer observer;
  std::unique_ptr<StreamSupervisor> supervisor;
};
std::filesystem::path FileTest::folder_;
bool FileTest::have_ffmpeg_ = false;

struct FormatCase {
  const char* name;
  const char* file;
  const char* encoder;
  Codec codec;
  size_t keyframes_in_20;
};
class FileFormats : public FileTest, public ::testing::WithParamInterface<FormatCase> {};
TEST_P(FileFormats, PlayInRealTimeAndLoop) {
  play(clip(GetParam().file, GetParam().encoder));
  ASSERT_TRUE(run_until_units(25)) << (observer.reasons.empty() ? "" : observer.reasons.back());
  ASSERT_FALSE(observer.tracks.empty());
  EXPECT_EQ(observer.tracks[0].codec, GetParam().codec);
  EXPECT_NEAR(observer.tracks[0].declared_fps, 20, 0.1);
  expect_strictly_increasing(observer.units);
  // Twenty a second, over the loop's seam too, by media time and by the clock.
  const AccessUnit& first = *observer.units[0];
  const AccessUnit& last = *observer.units[20];
  EXPECT_NEAR(static_cast<double>((last.pts - first.pts).count()), 90000, 900);
  EXPECT_NEAR(static_cast<double>((last.last_arrival - first.last_arrival).count()), 1e9, 3e7);
  size_t keyframes = 0;
  for (size_t i = 0; i < 20; ++i) {
    const AccessUnit& unit = *observer.units[i];
    if (!unit.keyframe) continue;
    ++keyframes;
    EXPECT_TRUE(unit.parameter_sets->complete());
    EXPECT_EQ(unit.parameter_sets->width, 160u);
    EXPECT_EQ(unit.parameter_sets->height, 96u);
    if (unit.codec == Codec::mjpeg) continue;
    bool sps = false;
    for (size_t n = 0; n < unit.nals.size(); ++n) {
      const uint8_t head = unit.nal(n)[0];
      sps = sps || (unit.codec == Codec::h264 ? h264_nal_type(head) == h264::kSps : h265_nal_type(head) == h265::kSps);
    }
    EXPECT_TRUE(sps) << "every keyframe carries its parameter sets";
  }
  EXPECT_EQ(keyframes, GetParam().keyframes_in_20);
  EXPECT_TRUE(observer.faults.empty());
}
INSTANTIATE_TEST_SUITE_P(
    Formats, FileFormats,
    ::testing::Values(FormatCase{"mp4_h264", "a.mp4", "-c:v libx264 -bf 0", Codec::h264, 4},
                      FormatCase{"mkv_h264", "a.mkv", "-c:v libx264 -bf 0", Codec::h264, 4},
                      FormatCase{"mp4_h265", "b.mp4", "-c:v libx265 -x265-params bframes=0:log-level=none:keyint=5",
                                 Codec::h265, 4},
                      FormatCase{"annexb_h264", "a.h264", "-c:v libx264 -bf 0", Codec::h264, 4},
                      FormatCase{"annexb_264", "a.264", "-c:v libx264 -bf 0 -f h264", Codec::h264, 4},
                      FormatCase{"annexb_h265", "b.h265",
                                 "-c:v libx265 -x265-params bframes=0:log-level=none:keyint=5 -f hevc", Codec::h265, 4},
                      FormatCase{"mkv_mjpeg", "c.mkv", "-c:v mjpeg -pix_fmt yuvj420p", Codec::mjpeg, 20}),
    [](const auto& param) { return param.param.name; });

TEST_F(FileTest, CarriesBPicturesInDecodingOrderWithTheirOffset) {
  play(clip("d.mp4", "-c:v libx264 -bf 2 -x264-params b-adapt=0"));
  ASSERT_TRUE(run_until_units(20));
  expect_strictly_increasing(observer.units);
  EXPECT_TRUE(std::any_of(observer.reasons.begin(), observer.reasons.end(),
                          [](const std::string& r) { return r.find("B pictures") != std::string::npos; }));
  std::set<Ticks90k> shown;
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_GE(observer.units[i]->presentation_offset, Ticks90k{0});
    shown.insert(observer.units[i]->pts + observer.units[i]->presentation_offset);
  }
  ASSERT_EQ(shown.size(), 10u);
  for (auto at = std::next(shown.begin()); at != shown.end(); ++at) {
    EXPECT_EQ(*at - *std::prev(at), Ticks90k{4500}) << "shown evenly";
  }
}

TEST_F(FileTest, EndsWhereItIsNotToLoop) {
  play(clip("a.mp4", "-c:v libx264 -bf 0"), false);
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::stopped; }));
  EXPECT_EQ(observer.units.size(), 10u);
  EXPECT_TRUE(observer.codes.empty()) << "no fault";
}

TEST_F(FileTest, AFileThatIsNoneIsAFaultThatNamesIt) {
  const std::filesystem::path path = folder_ / "text.mp4";
  std::ofstream(path) << "this is no video\n";
  play(path.string());
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.codes, ::testing::Contains(Code::file_unreadable));
  EXPECT_THAT(observer.reasons.back(), HasSubstr("text.mp4"));
  play("http://127.0.0.1:9/never-opened.mp4");
  ASSERT_TRUE(run_until([&] { return supervisor->state() == StreamState::backing_off; }));
  EXPECT_THAT(observer.reasons.back(), HasSubstr("No such file"));
}

TEST_F(FileTest, MediaTimeGoesOnOverAttempts) {
  FileMemory memory;
  struct Events : AttemptEvents {
    void on_attempt_track(const TrackInfo&) override {}
    void on_attempt_ready(std::string_view) override {}
    void on_attempt_restarting(std::string_view) override {}
    void on_attempt_unit(Ref<const AccessUnit> unit) override { units.push_back(std::move(unit)); }
    void on_attempt_fault(const Error&) override {}
    void on_attempt_ended(const Error&) override {}
    std::vector<Ref<const AccessUnit>> units;
  } events;
  const std::string path = clip("a.mp4", "-c:v libx264 -bf 0");
  for (size_t attempt = 1; attempt <= 3; ++attempt) {
    ContainerSource source(*shard, "file/main", file_input(path, true), memory, events);
    source.start();
    for (int i = 0; i < 2000 && events.units.size() < attempt * 7; ++i) {
      if (loop->run_once(1ms) == 0) clock.advance(5ms);
    }
  }
  ASSERT_GE(events.units.size(), 21u);
  for (size_t i = 1; i < events.units.size(); ++i) EXPECT_GT(events.units[i]->pts, events.units[i - 1]->pts) << i;
}

TEST_F(FileTest, GoingAwayInTheMiddleLeavesNothingBehind) {
  for (int i = 0; i < 20; ++i) {
    play(clip("a.mp4", "-c:v libx264 -bf 0"));
    for (int turn = 0; turn < i; ++turn) {
      if (loop->run_once(1ms) == 0) clock.advance(20ms);
    }
    supervisor.reset();
  }
  loop->run_once(0ms);
}

}  // namespace
}  // namespace vigie::source
