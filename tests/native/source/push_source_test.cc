// Pictures pushed by a host: what is taken, what is refused, and that the engine's end is never overrun.
#include "source/push_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "packets.h"
#include "shard_fixture.h"

namespace vigie::source {
namespace {

using ::testing::HasSubstr;
using testing::kPps;
using testing::kSps;
using testing::slice;

std::string annexb(std::initializer_list<std::string> nals) {
  std::string out;
  for (const std::string& nal : nals) out += std::string("\0\0\0\1", 4) + nal;
  return out;
}
std::string prefixed(std::initializer_list<std::string> nals, size_t length_size) {
  std::string out;
  for (const std::string& nal : nals) {
    for (size_t i = length_size; i-- > 0;) out += static_cast<char>(nal.size() >> (8 * i));
    out += nal;
  }
  return out;
}
// A JPEG of 16 x 8 pixels, as far as its size can be read.
std::string jpeg() {
  return std::string(
      "\xff\xd8\xff\xc0\x00\x11\x08\x00\x08\x00\x10\x03\x01\x21\x00\x02\x11\x01\x03\x11\x01"
      "\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00\x55\xff\xd9",
      38);
}

class PushTest : public testing::ShardTest {
 protected:
  void make(PushLimits limits = {}) {
    policy::StreamPolicy policy;
    policy.kind = policy::SourceKind::push;
    policy.silence_limit = 2s;
    SupervisorOptions options;
    options.push = limits;
    supervisor = std::make_unique<StreamSupervisor>(*shard, StreamKey{"sdk", "main"}, policy, observer, options);
    supervisor->start();
    port = supervisor->push_port();
    ASSERT_TRUE(port);
  }
  Status push(const std::string& bytes, std::optional<Ticks90k> pts = {}, size_t length_size = 0,
              Codec codec = Codec::h264) {
    PushedPicture picture;
    picture.codec = codec;
    picture.bytes = as_bytes(bytes);
    picture.pts = pts;
    picture.length_size = length_size;
    return port->push(picture);
  }
  void settle() {
    while (loop->run_once(0ms) > 0) {
    }
  }

  testing::Observer observer;
  std::unique_ptr<StreamSupervisor> supervisor;
  std::shared_ptr<PushPort> port;
};

TEST_F(PushTest, TakesAnnexB) {
  make();
  EXPECT_THAT(observer.states, ::testing::ElementsAre(StreamState::connecting, StreamState::waiting));
  ASSERT_TRUE(push(annexb({kSps, kPps, slice(true)})).ok());
  EXPECT_TRUE(observer.units.empty()) << "on the home shard, not on the caller's thread";
  settle();
  ASSERT_EQ(observer.units.size(), 1u);
  EXPECT_TRUE(observer.units[0]->keyframe);
  EXPECT_EQ(observer.units[0]->nals.size(), 3u);
  EXPECT_EQ(as_text(observer.units[0]->nal(2)), slice(true));
  ASSERT_EQ(observer.tracks.size(), 1u);
  EXPECT_TRUE(observer.tracks[0].parameter_sets->complete());
  EXPECT_EQ(observer.states.back(), StreamState::playing);
  EXPECT_EQ(supervisor->counters().units, 1u);
  EXPECT_EQ(supervisor->counters().keyframes, 1u);
}

TEST_F(PushTest, TakesLengthPrefixedAndJpeg) {
  make();
  for (const size_t size : {size_t{1}, size_t{2}, size_t{4}}) {
    ASSERT_TRUE(push(prefixed({kSps, kPps, slice(true)}, size), {}, size).ok()) << size;
  }
  ASSERT_TRUE(push(jpeg(), {}, 0, Codec::mjpeg).ok());
  settle();
  ASSERT_EQ(observer.units.size(), 4u);
  EXPECT_EQ(as_text(observer.units[2]->payload.bytes()), annexb({kSps, kPps, slice(true)}));
  EXPECT_EQ(observer.units[3]->codec, Codec::mjpeg);
  EXPECT_EQ(observer.tracks.back().parameter_sets->width, 16u);
}

struct BadPush {
  const char* name;
  std::string bytes;
  size_t length_size;
  Codec codec;
  Code code;
};
class PushRefuses : public PushTest, public ::testing::WithParamInterface<BadPush> {};
TEST_P(PushRefuses, WithAReason) {
  make();
  const Status status = push(GetParam().bytes, {}, GetParam().length_size, GetParam().codec);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, GetParam().code) << status.error().text();
  EXPECT_THAT(status.error().where, HasSubstr("sdk/main"));
  settle();
  EXPECT_TRUE(observer.units.empty());
  EXPECT_TRUE(push(annexb({slice(true)})).ok()) << "the next good picture is taken";
}
INSTANTIATE_TEST_SUITE_P(
    Cases, PushRefuses,
    ::testing::Values(
        BadPush{"empty", "", 0, Codec::h264, Code::payload_malformed},
        BadPush{"no_start_code", "hello, world", 0, Codec::h264, Code::payload_malformed},
        BadPush{"length_beyond_the_end", std::string("\0\0\0\x40", 4) + "short", 4, Codec::h264,
                Code::payload_malformed},
        BadPush{"length_4gib", std::string("\xff\xff\xff\xff", 4) + "short", 4, Codec::h265, Code::payload_malformed},
        BadPush{"length_size", prefixed({slice(true)}, 4), 3, Codec::h264, Code::invalid_argument},
        BadPush{"no_jpeg", "not a JPEG", 0, Codec::mjpeg, Code::payload_malformed},
        BadPush{"codec", annexb({slice(true)}), 0, static_cast<Codec>(9), Code::invalid_argument},
        BadPush{"too_large", std::string((size_t{8} << 20) + 1, 'x'), 0, Codec::h264, Code::unit_too_large}),
    [](const auto& param) { return param.param.name; });

TEST_F(PushTest, MediaTimeFollowsTheHostsAndNeverGoesBack) {
  make();
  const int64_t given[] = {900'000, 903'600, 907'200, 100, 3'700, 3'700, 7'300};  // the host began anew in the middle
  for (const int64_t pts : given) {
    clock.advance(40ms);
    ASSERT_TRUE(push(annexb({slice(true)}), Ticks90k{pts}).ok());
  }
  settle();
  ASSERT_EQ(observer.units.size(), 7u);
  for (size_t i = 1; i < 7; ++i) EXPECT_GT(observer.units[i]->pts, observer.units[i - 1]->pts) << i;
  EXPECT_EQ(observer.units[2]->pts - observer.units[0]->pts, Ticks90k{7200});
}

TEST_F(PushTest, MediaTimeIsByArrivalWhereNoneIsGiven) {
  make();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(push(annexb({slice(true)})).ok());
    clock.advance(100ms);
  }
  settle();
  EXPECT_EQ(observer.units[2]->pts - observer.units[0]->pts, Ticks90k{18000});
  EXPECT_EQ(observer.units[0]->clock_quality, ClockQuality::none);
}

TEST_F(PushTest, BoundsWhatIsInFlight) {
  make({3, size_t{1} << 20});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(push(annexb({slice(true)})).ok());
  const Status refused = push(annexb({slice(true)}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::limit_exceeded);
  EXPECT_EQ(port->overflows(), 1u);
  settle();
  ASSERT_TRUE(push(annexb({slice(true)})).ok());
  settle();
  ASSERT_EQ(observer.units.size(), 4u);
  EXPECT_FALSE(observer.units[2]->gap);
  EXPECT_TRUE(observer.units[3]->gap) << "what was dropped shows";
  make({100, 1000});
  while (push(annexb({slice(true, 300)})).ok()) {
  }
  EXPECT_EQ(push(annexb({slice(true, 300)})).error().code, Code::limit_exceeded);
}

TEST_F(PushTest, SilenceIsToldAndPicturesEndIt) {
  make();
  ASSERT_TRUE(push(annexb({slice(true)})).ok());
  settle();
  clock.advance(3s);
  settle();
  EXPECT_EQ(supervisor->state(), StreamState::silent);
  ASSERT_TRUE(push(annexb({slice(true)})).ok());
  settle();
  EXPECT_EQ(supervisor->state(), StreamState::playing);
}

TEST_F(PushTest, SaysClosedWhenTheStreamHasGone) {
  make();
  ASSERT_TRUE(push(annexb({slice(true)})).ok());
  supervisor.reset();
  EXPECT_EQ(push(annexb({slice(true)})).error().code, Code::closed);
  settle();  // the picture on its way finds nobody
  EXPECT_TRUE(observer.units.empty());
}

TEST_F(PushTest, TakesPicturesOfManyThreads) {
  make({10'000, size_t{64} << 20});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 250; ++i) EXPECT_TRUE(push(annexb({slice(true)})).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  settle();
  ASSERT_EQ(observer.units.size(), 1000u);
  for (size_t i = 1; i < 1000; ++i) ASSERT_GT(observer.units[i]->pts, observer.units[i - 1]->pts);
}

}  // namespace
}  // namespace vigie::source
