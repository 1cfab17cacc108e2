// The supervisor with a clock turned by hand and attempts that do what the test says.
#include "source/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shard_fixture.h"

namespace vigie::source {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using enum StreamState;

struct FakeAttempt : Attempt {
  FakeAttempt(std::string u, AttemptEvents& e) : url(std::move(u)), events(e) {}
  ~FakeAttempt() override { *alive = false; }
  void start() override {
    started = true;
    if (fail_at_start) events.on_attempt_ended(*fail_at_start);
  }
  void stop(Task done) override {
    stop_done = std::move(done);
    if (answers_stop) stop_done();
  }
  std::string url;
  AttemptEvents& events;
  bool started = false;
  bool answers_stop = true;
  Task stop_done;
  std::optional<Error> fail_at_start;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

struct Change {
  StreamState from, to;
  std::optional<Code> code;
  std::string reason;
};

struct Observer : SourceObserver {
  void on_track(const TrackInfo&) override { ++tracks; }
  void on_unit(Ref<const AccessUnit>) override {
    ++units;
    if (on_unit_call) on_unit_call();
  }
  void on_state(StreamState from, StreamState to, const Error* fault, std::string_view reason) override {
    if (!changes.empty()) {
      EXPECT_EQ(changes.back().to, from);
    }
    changes.push_back({from, to, fault ? std::optional(fault->code) : std::nullopt, std::string(reason)});
  }
  void on_fault(const Error& fault) override { faults.push_back(fault); }
  std::vector<StreamState> states() const {
    std::vector<StreamState> out;
    for (const Change& change : changes) out.push_back(change.to);
    return out;
  }
  int tracks = 0, units = 0;
  std::function<void()> on_unit_call;
  std::vector<Change> changes;
  std::vector<Error> faults;
};

class SupervisorTest : public testing::ShardTest {
 protected:
  SupervisorTest() {
    policy.name = "main";
    policy.url = "rtsp://first";
  }
  void make(SupervisorOptions options = {}) {
    options.seed = 1;
    options.make_attempt = [this](const policy::StreamPolicy&, const std::string& url, AttemptEvents& events) {
      auto made = std::make_unique<FakeAttempt>(url, events);
      made->answers_stop = answers_stop;
      made->fail_at_start = fail_at_start;
      attempt = made.get();
      alive = made->alive;
      urls.push_back(url);
      attempt_times.push_back(clock.now_mono());
      return made;
    };
    supervisor = std::make_unique<StreamSupervisor>(*shard, StreamKey{"town", "main"}, policy, observer, options);
    supervisor->start();
    settle();
  }
  void settle() {
    while (loop->run_once(0ms) > 0) {
    }
  }
  // In small steps, so that timers fire in order and near their time.
  void advance(Nanos by) {
    for (Nanos step = 10ms; by > 0ms; by -= step) {
      step = std::min(step, by);
      clock.advance(step);
      settle();
    }
  }
  void picture(bool damaged = false) {
    auto unit = make_ref<AccessUnit>();
    unit->last_arrival = clock.now_mono();
    unit->damaged = damaged;
    attempt->events.on_attempt_unit(Ref<const AccessUnit>(std::move(unit)));
  }
  void play_for(Nanos time) {
    for (Nanos t = 0ms; t < time; t += 100ms) {
      picture();
      advance(100ms);
    }
  }
  void to_playing() {
    attempt->events.on_attempt_ready("test");
    picture();
    ASSERT_EQ(supervisor->state(), playing);
  }
  void fail(Code code) { attempt->events.on_attempt_ended(make_error(code, "there", "why")); }
  Nanos wait_for_next_attempt() {
    const size_t before = urls.size();
    const MonoTime from = clock.now_mono();
    for (int i = 0; i < 200'000 && urls.size() == before; ++i) advance(10ms);
    return clock.now_mono() - from;
  }

  policy::StreamPolicy policy;
  Observer observer;
  FakeAttempt* attempt = nullptr;
  std::shared_ptr<bool> alive;
  bool answers_stop = true;
  std::optional<Error> fail_at_start;
  std::vector<std::string> urls;
  std::vector<MonoTime> attempt_times;
  std::unique_ptr<StreamSupervisor> supervisor;
};

TEST(Backoff, CeilingDoublesUpToItsMost) {
  const Nanos expected[] = {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
  for (uint32_t i = 0; i < 8; ++i) EXPECT_EQ(backoff_ceiling(i + 1, 1s, 60s), expected[i]) << i;
  EXPECT_EQ(backoff_ceiling(1'000'000, 1s, 60s), 60s);
}

TEST_F(SupervisorTest, GoesFromConnectingToPlaying) {
  make();
  ASSERT_TRUE(attempt && attempt->started);
  EXPECT_EQ(supervisor->state(), connecting);
  attempt->events.on_attempt_ready("RTSP over TCP");
  EXPECT_EQ(supervisor->state(), waiting);
  picture(true);
  EXPECT_EQ(supervisor->state(), waiting) << "a damaged picture is none";
  picture();
  EXPECT_THAT(observer.states(), ElementsAre(connecting, waiting, playing));
  EXPECT_THAT(observer.changes.back().reason, HasSubstr("RTSP over TCP"));
  EXPECT_EQ(observer.units, 2);
  EXPECT_EQ(supervisor->counters().connects, 1u);
}

TEST_F(SupervisorTest, BacksOffWithFullJitterUnderARisingCeiling) {
  make();
  Nanos longest{};
  for (uint32_t failure = 1; failure <= 10; ++failure) {
    fail(Code::connection_lost);
    EXPECT_EQ(supervisor->state(), backing_off);
    EXPECT_EQ(observer.changes.back().code, Code::connection_lost);
    const Nanos waited = wait_for_next_attempt();
    EXPECT_LE(waited, backoff_ceiling(failure, 1s, 60s) + 20ms) << failure;
    longest = std::max(longest, waited);
  }
  EXPECT_GT(longest, 10s);
  EXPECT_EQ(supervisor->counters().failures, 10u);
}

TEST_F(SupervisorTest, AsksSoonAgainWhereNobodyAnswers) {
  make();
  Nanos longest{};
  for (uint32_t failure = 1; failure <= 60; ++failure) {
    fail(failure % 2 ? Code::connect_failed : Code::timed_out);
    const Nanos waited = wait_for_next_attempt();
    EXPECT_LE(waited, backoff_ceiling(failure, 1s, 8s) + 20ms) << failure;
    longest = std::max(longest, waited);
  }
  EXPECT_GT(longest, 4s) << "spread over the whole time";
}

TEST_F(SupervisorTest, BeginsAnewAfterHavingPlayedForAWhile) {
  make();
  for (int i = 0; i < 6; ++i) {
    fail(Code::connection_lost);
    wait_for_next_attempt();
  }
  to_playing();
  play_for(9s);
  fail(Code::connection_lost);
  EXPECT_THAT(observer.changes.back().reason, HasSubstr("next attempt"));
  const uint32_t seven_failures_ceiling = 60;
  EXPECT_LE(wait_for_next_attempt(), std::chrono::seconds(seven_failures_ceiling) + 20ms);
  to_playing();
  play_for(11s);
  fail(Code::connection_lost);
  EXPECT_LE(wait_for_next_attempt(), 1s + 20ms);
}

TEST_F(SupervisorTest, BacksOffLongAfterRefusedCredentials) {
  make();
  Nanos total{};
  for (int i = 0; i < 4; ++i) {
    fail(Code::rtsp_auth);
    const Nanos waited = wait_for_next_attempt();
    EXPECT_GE(waited, backoff_ceiling(static_cast<uint32_t>(i) + 1, 60s, 600s) / 2 - 20ms);
    total += waited;
  }
  EXPECT_GT(total, 400s);
}

TEST_F(SupervisorTest, ImpatienceDoesNotShortenTheBackoff) {
  policy.pull = policy::Pull::on_demand;
  policy.linger = 100ms;
  make();
  supervisor->acquire();
  settle();
  fail(Code::rtsp_auth);
  supervisor->release();
  advance(200ms);
  EXPECT_EQ(supervisor->state(), idle);
  supervisor->acquire();
  settle();
  EXPECT_EQ(supervisor->state(), backing_off);
  EXPECT_EQ(urls.size(), 1u);
  EXPECT_GE(wait_for_next_attempt(), 29s);
}

TEST_F(SupervisorTest, AlternatesWithTheBackupUrl) {
  policy.backup_url = "rtsp://second";
  make();
  for (int i = 0; i < 3; ++i) {
    fail(Code::connect_failed);
    wait_for_next_attempt();
  }
  EXPECT_THAT(urls, ElementsAre("rtsp://first", "rtsp://second", "rtsp://first", "rtsp://second"));
}

TEST_F(SupervisorTest, AFirstPictureMustComeInTime) {
  policy.first_picture_deadline = 3s;
  make();
  attempt->events.on_attempt_ready("test");
  advance(2990ms);
  EXPECT_EQ(supervisor->state(), waiting);
  advance(20ms);
  EXPECT_EQ(supervisor->state(), backing_off);
  EXPECT_EQ(observer.changes.back().code, Code::no_first_picture);
}

TEST_F(SupervisorTest, SilenceIsAFaultAndReconnects) {
  policy.silence_limit = 2s;
  make();
  to_playing();
  play_for(3s);
  EXPECT_EQ(supervisor->state(), playing);
  // D14: it goes on answering, and even sends something, but no whole picture.
  for (int i = 0; i < 18; ++i) {
    picture(true);
    advance(100ms);
  }
  EXPECT_EQ(supervisor->state(), playing);
  advance(200ms);
  EXPECT_THAT(observer.states(), ElementsAre(connecting, waiting, playing, silent, backing_off));
  EXPECT_EQ(observer.changes[3].code, Code::silent);
  EXPECT_FALSE(observer.changes[4].code) << "the fault is told once";
  wait_for_next_attempt();
  EXPECT_EQ(urls.size(), 2u);
}

TEST_F(SupervisorTest, ARestartOfTheDialogueIsAChangeWithItsReason) {
  make();
  attempt->events.on_attempt_ready("RTSP over UDP");
  attempt->events.on_attempt_restarting("no packet came over UDP; trying TCP");
  EXPECT_EQ(supervisor->state(), connecting);
  EXPECT_EQ(observer.changes.back().reason, "no packet came over UDP; trying TCP");
  advance(60s);
  EXPECT_EQ(supervisor->state(), connecting) << "the old first-picture deadline must not fire";
}

TEST_F(SupervisorTest, PulledOnDemandItConnectsForTheFirstAndLingersForTheLast) {
  policy.pull = policy::Pull::on_demand;
  policy.linger = 10s;
  make();
  EXPECT_EQ(supervisor->state(), idle);
  advance(60s);
  EXPECT_TRUE(urls.empty());
  supervisor->acquire();
  supervisor->acquire();
  settle();
  ASSERT_EQ(urls.size(), 1u);
  to_playing();
  supervisor->release();
  play_for(20s);
  EXPECT_EQ(supervisor->state(), playing) << "one still wants it";
  supervisor->release();
  play_for(9s);
  supervisor->acquire();
  play_for(5s);
  EXPECT_EQ(supervisor->state(), playing) << "wanted again in time";
  supervisor->release();
  play_for(10s);
  advance(20ms);
  EXPECT_EQ(supervisor->state(), idle);
  EXPECT_FALSE(*alive);
  supervisor->acquire();
  settle();
  EXPECT_EQ(urls.size(), 2u);
}

TEST_F(SupervisorTest, AnUpdateChangesLimitsAtOnce) {
  make();
  to_playing();
  policy.silence_limit = 200ms;
  supervisor->update(policy);
  advance(250ms);
  EXPECT_EQ(observer.changes[3].to, silent);
  policy.pull = policy::Pull::on_demand;
  policy.linger = 1s;
  supervisor->update(policy);
  advance(1100ms);
  EXPECT_EQ(supervisor->state(), idle);
}

TEST_F(SupervisorTest, StopWaitsForTheGoodbyeAndTellsNothingMore) {
  answers_stop = false;
  make();
  to_playing();
  const int units = observer.units;
  bool done = false;
  supervisor->stop([&] { done = true; });
  EXPECT_EQ(supervisor->state(), stopped);
  settle();
  EXPECT_FALSE(done);
  picture();
  EXPECT_EQ(observer.units, units);
  attempt->stop_done();
  EXPECT_FALSE(done) << "never from inside";
  settle();
  EXPECT_TRUE(done);
  EXPECT_FALSE(*alive);
  advance(120s);
  EXPECT_EQ(urls.size(), 1u);
}

TEST_F(SupervisorTest, StopMayDestroyTheSupervisor) {
  make();
  to_playing();
  supervisor->stop([&] { supervisor.reset(); });
  settle();
  EXPECT_FALSE(supervisor);
  EXPECT_FALSE(*alive);
}

TEST_F(SupervisorTest, StopFromInsideAUnitIsSafe) {
  make();
  to_playing();
  observer.on_unit_call = [&] { supervisor->stop({}); };
  picture();
  settle();
  EXPECT_EQ(supervisor->state(), stopped);
}

TEST_F(SupervisorTest, AFailureInsideStartIsAFailureLikeAnother) {
  fail_at_start = make_error(Code::invalid_argument, "url", "no");
  make();
  EXPECT_EQ(supervisor->state(), backing_off);
  fail_at_start.reset();
  wait_for_next_attempt();
  to_playing();
}

TEST_F(SupervisorTest, AFileThatHasEndedStaysEnded) {
  make();
  to_playing();
  fail(Code::end_of_source);
  EXPECT_EQ(supervisor->state(), stopped);
  advance(120s);
  EXPECT_EQ(urls.size(), 1u);
  EXPECT_EQ(supervisor->counters().failures, 0u);
}

TEST_F(SupervisorTest, AnAttemptThatNeverSaysGoodbyeDoesNotPileUp) {
  answers_stop = false;
  policy.first_picture_deadline = 100ms;
  make();
  std::vector<std::weak_ptr<bool>> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(alive);
    attempt->events.on_attempt_ready("test");
    wait_for_next_attempt();
  }
  for (size_t i = 0; i + 1 < all.size(); ++i) EXPECT_TRUE(all[i].expired()) << i;
}

// --- start gate

TEST(StartGate, LimitsHowManyBeginAtOnceAndForgetsDeadOnes) {
  ManualClock clock;
  net::EventLoopOptions loop_options;
  loop_options.clock = &clock;
  auto loop = net::EventLoop::make(loop_options).value();
  StartGateOptions options;
  options.limit = 4;
  options.hold = 500ms;
  options.spread = 0ms;
  StartGate gate(*loop, options);
  int begun = 0;
  std::vector<StartGate::Pass> passes;
  for (int i = 0; i < 20; ++i) passes.push_back(gate.request([&] { ++begun; }));
  EXPECT_EQ(begun, 0) << "never from inside";
  const auto settle = [&] {
    while (loop->run_once(0ms) > 0) {
    }
  };
  settle();
  EXPECT_EQ(begun, 4);
  passes[0].give_back();
  settle();
  EXPECT_EQ(begun, 5);
  passes[19].give_back();  // gives up while waiting
  clock.advance(500ms);
  settle();
  EXPECT_EQ(begun, 9) << "four places were taken back from cameras that do not answer";
  for (int i = 0; i < 10; ++i) {
    clock.advance(500ms);
    settle();
  }
  EXPECT_EQ(begun, 19);
  EXPECT_EQ(gate.waiting(), 0u);
}

TEST(StartGate, FiveHundredDeadCamerasHoldNobodyUpForLong) {
  ManualClock clock;
  net::EventLoopOptions loop_options;
  loop_options.clock = &clock;
  auto loop = net::EventLoop::make(loop_options).value();
  StartGate gate(*loop);
  int begun = 0;
  size_t most = 0;
  std::vector<StartGate::Pass> passes;
  for (int i = 0; i < 500; ++i) passes.push_back(gate.request([&] { ++begun; }));
  const MonoTime start = clock.now_mono();
  while (begun < 500 && clock.now_mono() - start < 10s) {
    clock.advance(5ms);
    while (loop->run_once(0ms) > 0) {
    }
    most = std::max(most, gate.inside());
  }
  EXPECT_EQ(begun, 500);
  EXPECT_LT(clock.now_mono() - start, 5s);
  EXPECT_LE(most, 64u);
}

}  // namespace
}  // namespace vigie::source
