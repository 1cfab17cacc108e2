#include "runtime/engine.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

namespace vigie::runtime {
namespace {

using Json = nlohmann::json;

// A picture that decodes nowhere, but has what the engine looks at: SPS (128x96 baseline), PPS, a slice.
std::vector<uint8_t> picture(bool keyframe, uint8_t fill) {
  std::vector<uint8_t> out;
  const auto nal = [&](std::initializer_list<uint8_t> bytes) {
    out.insert(out.end(), {0, 0, 0, 1});
    out.insert(out.end(), bytes);
  };
  if (keyframe) {
    nal({0x67, 0x42, 0xc0, 0x0a, 0xda, 0x08, 0x36, 0x40});
    nal({0x68, 0xcb, 0x83, 0xcb, 0x20});
    nal({0x65, 0x88, 0x84, fill, fill, fill, 0x80});
  } else {
    nal({0x41, 0x9a, 0x24, fill, fill, fill, 0x80});
  }
  return out;
}

Json camera(const std::string& name, const std::string& privacy, const std::string& reason) {
  const Json stream{{"name", "main"}, {"kind", "push"}, {"url", "push:"}};
  Json out{{"name", name}, {"privacy", privacy}, {"streams", Json::array({stream})}};
  if (!reason.empty()) out["privacy_reason"] = reason;
  return out;
}

Json snapshot(uint64_t revision, std::vector<Json> cameras) {
  return {{"revision", revision}, {"cameras", std::move(cameras)}};
}

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override { engine_ = make(); }
  static std::shared_ptr<Engine> make(size_t shards = 2) {
    auto engine = Engine::make({.shards = shards});
    EXPECT_TRUE(engine.ok());
    return std::move(engine).value();
  }
  Result<uint64_t> apply(const Json& json) { return engine_->apply(json.dump()); }
  Status push(const std::string& name, bool keyframe, uint8_t fill = 0x11) {
    const auto bytes = picture(keyframe, fill);
    PushedUnit unit;
    unit.camera = name;
    unit.data = bytes;
    return engine_->push_access_unit(unit);
  }
  Result<std::shared_ptr<UnitQueue>> subscribe(const std::string& name) {
    return engine_->subscribe({.camera = name, .stream = ""});
  }
  // Everything the shards were given before has happened once the figures are there.
  Json stats() { return Json::parse(*engine_->stats()); }
  std::shared_ptr<Engine> engine_;
};

TEST_F(EngineTest, APushedPictureReachesASubscriberUntouched) {
  ASSERT_TRUE(apply(snapshot(1, {camera("a", "clear", "test picture")})).ok());
  const auto queue = subscribe("a");
  ASSERT_TRUE(queue.ok()) << queue.error().text();
  ASSERT_TRUE(push("a", true, 0x22).ok());
  ASSERT_TRUE(push("a", false, 0x33).ok());
  const auto first = (*queue)->next_blocking(WaitLimit(5000));
  ASSERT_TRUE(first.ok()) << first.error().text();
  const AccessUnit& unit = first->unit.unit();
  EXPECT_EQ(as_text(unit.payload.bytes()), as_text(picture(true, 0x22)));
  EXPECT_TRUE(unit.keyframe);
  EXPECT_EQ(unit.nals.size(), 3U);
  EXPECT_EQ(first->unit.provenance().state, PrivacyState::clear_by_decision);
  EXPECT_EQ(first->unit.provenance().reason, "test picture");
  EXPECT_EQ(first->unit.provenance().policy_revision, 1U);
  const auto second = (*queue)->next_blocking(WaitLimit(5000));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->number, first->number + 1);
  EXPECT_GT(second->unit.unit().pts, unit.pts);
  (*queue)->close();
}

TEST_F(EngineTest, ACameraWithoutAClearDecisionIsWithheld) {
  ASSERT_TRUE(apply(snapshot(1, {camera("none", "withheld", "")})).ok());
  const auto queue = subscribe("none");
  ASSERT_FALSE(queue.ok());
  EXPECT_EQ(queue.error().code, Code::withheld);
  ASSERT_TRUE(push("none", true).ok()) << "the picture may come in; it only may not go out";
  EXPECT_EQ(stats()["cameras"]["none"]["streams"]["main"]["published_units"], 0);
}

TEST_F(EngineTest, AMaskThatHidesLessNeedsAReasonAndAGreaterNumber) {
  const auto with_mask = [](uint64_t revision, uint64_t mask_revision, double size, const char* removal_reason) {
    Json masked = camera("a", "masked", "");
    masked["masks"] = {{"revision", mask_revision},
                       {"removal_reason", removal_reason},
                       {"regions", {{{"name", "flat"}, {"points", {{0, 0}, {size, 0}, {size, size}}}}}}};
    return snapshot(revision, {masked});
  };
  ASSERT_TRUE(apply(with_mask(1, 1, 0.5, "")).ok());
  const auto same_number = apply(with_mask(2, 1, 0.6, ""));
  ASSERT_FALSE(same_number.ok());
  EXPECT_EQ(same_number.error().code, Code::policy_field);
  EXPECT_EQ(same_number.error().where, "/cameras/0/masks/revision");
  const auto no_reason = apply(with_mask(2, 2, 0.4, ""));
  ASSERT_FALSE(no_reason.ok());
  EXPECT_EQ(no_reason.error().where, "/cameras/0/masks/removal_reason");
  EXPECT_EQ(stats()["revision"], 1) << "what is refused changes nothing";
  EXPECT_TRUE(apply(with_mask(2, 2, 0.6, "")).ok());
  EXPECT_TRUE(apply(with_mask(3, 3, 0.4, "the owner agreed")).ok());
}

TEST_F(EngineTest, WithdrawingTheDecisionEndsWhoWatchesAndEmptiesTheLog) {
  ASSERT_TRUE(apply(snapshot(1, {camera("a", "clear", "test picture")})).ok());
  const auto queue = subscribe("a");
  ASSERT_TRUE(push("a", true).ok());
  ASSERT_TRUE((*queue)->next_blocking(WaitLimit(5000)).ok());
  ASSERT_TRUE(apply(snapshot(2, {camera("a", "withheld", "")})).ok());
  ASSERT_TRUE(push("a", true).ok());
  const Json figures = stats();
  EXPECT_EQ(figures["cameras"]["a"]["streams"]["main"]["log_units"], 0);
  EXPECT_EQ(figures["cameras"]["a"]["streams"]["main"]["published_units"], 1);
  EXPECT_EQ((*queue)->next_blocking(WaitLimit(0)).error().code, Code::withheld);
  // And back again: nothing of the time between is ever seen.
  ASSERT_TRUE(apply(snapshot(3, {camera("a", "clear", "approved")})).ok());
  const auto again = subscribe("a");
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(push("a", false, 0x44).ok());
  ASSERT_TRUE(push("a", true, 0x55).ok());
  const auto unit = (*again)->next_blocking(WaitLimit(5000));
  ASSERT_TRUE(unit.ok());
  EXPECT_EQ(as_text(unit->unit.unit().payload.bytes()), as_text(picture(true, 0x55)));
  (*again)->close();
}

TEST_F(EngineTest, AnInvalidSnapshotChangesNothing) {
  ASSERT_TRUE(apply(snapshot(5, {camera("a", "clear", "test picture")})).ok());
  struct Case {
    const char* name;
    Json json;
    Code code;
  };
  Json no_reason = snapshot(6, {camera("a", "clear", "")});
  Json busy = snapshot(6, {});
  const Json listener{{"name", "x"}, {"listen", "203.0.113.7:1"}, {"access", "open"}, {"trusted", true}};
  busy["listeners"] = Json::array({listener});
  const Case cases[] = {
      {"clear without a reason", no_reason, Code::policy_field},
      {"an old revision", snapshot(5, {}), Code::policy_revision},
      {"an address that is not ours", busy, Code::bind_failed},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto applied = apply(c.json);
    ASSERT_FALSE(applied.ok());
    EXPECT_EQ(applied.error().code, c.code) << applied.error().text();
    const Json figures = stats();
    EXPECT_EQ(figures["revision"], 5);
    EXPECT_TRUE(figures["cameras"].contains("a"));
    EXPECT_TRUE(subscribe("a").ok());
  }
  EXPECT_EQ(engine_->apply("{").error().code, Code::policy_syntax);
  EXPECT_EQ(engine_->apply(snapshot(9, {}).dump(), 4).error().code, Code::policy_revision);
  EXPECT_TRUE(engine_->apply(snapshot(9, {}).dump(), 5).ok());
}

TEST_F(EngineTest, AnApplyLeavesUnchangedCamerasAlone) {
  ASSERT_TRUE(apply(snapshot(1, {camera("a", "clear", "x"), camera("b", "clear", "x")})).ok());
  const auto queue = subscribe("a");
  const auto gone = subscribe("b");
  ASSERT_TRUE(push("a", true).ok());
  ASSERT_TRUE(apply(snapshot(2, {camera("c", "clear", "x"), camera("a", "clear", "x")})).ok());
  ASSERT_TRUE(push("a", false).ok());
  const auto first = (*queue)->next_blocking(WaitLimit(5000));
  const auto second = (*queue)->next_blocking(WaitLimit(5000));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(second->number, first->number + 1);
  EXPECT_EQ((*gone)->next_blocking(WaitLimit(5000)).error().code, Code::not_found);
  EXPECT_FALSE(push("b", true).ok());
}

TEST_F(EngineTest, AStreamThatWasReplacedIsTheOneThatIsFoundAlsoAfterChangesOfOtherThings) {
  Json replaced = camera("a", "clear", "x");
  ASSERT_TRUE(apply(snapshot(1, {replaced})).ok());
  const auto before = subscribe("a");
  replaced["streams"][0]["transport"] = "tcp";  // another way to get it
  ASSERT_TRUE(apply(snapshot(2, {replaced})).ok());
  EXPECT_FALSE((*before)->next_blocking(WaitLimit(5000)).ok());
  Json with_agent = snapshot(3, {replaced});
  with_agent["agents"] = {{{"name", "lea"}, {"password", "x"}, {"cameras", {"a"}}}};
  ASSERT_TRUE(apply(with_agent).ok());
  const auto queue = subscribe("a");
  ASSERT_TRUE(queue.ok()) << queue.error().text();
  ASSERT_TRUE(push("a", true).ok());
  EXPECT_TRUE((*queue)->next_blocking(WaitLimit(5000)).ok());
}

TEST_F(EngineTest, UnitsOutliveTheEngine) {
  ASSERT_TRUE(apply(snapshot(1, {camera("a", "clear", "x")})).ok());
  const auto queue = subscribe("a");
  ASSERT_TRUE(push("a", true, 0x66).ok());
  auto unit = (*queue)->next_blocking(WaitLimit(5000));
  ASSERT_TRUE(unit.ok());
  ASSERT_TRUE(engine_->close().ok());
  EXPECT_TRUE(engine_->close().ok());
  EXPECT_EQ((*queue)->next_blocking(WaitLimit(-1)).error().code, Code::closed);
  EXPECT_EQ(push("a", true).error().code, Code::closed);
  EXPECT_EQ(engine_->stats().error().code, Code::closed);
  engine_.reset();
  EXPECT_EQ(as_text(unit->unit.unit().payload.bytes()), as_text(picture(true, 0x66)));
}

TEST_F(EngineTest, SeveralEnginesDoNotKnowEachOther) {
  const auto other = make(1);
  ASSERT_TRUE(apply(snapshot(7, {camera("a", "clear", "x")})).ok());
  EXPECT_EQ(other->subscribe({.camera = "a", .stream = ""}).error().code, Code::not_found);
  EXPECT_EQ(Json::parse(*other->stats())["revision"], 0);
}

TEST_F(EngineTest, StateChangesAreEvents) {
  ASSERT_TRUE(apply(snapshot(1, {camera("a", "clear", "x")})).ok());
  ASSERT_TRUE(push("a", true).ok());
  bool track = false;
  bool playing = false;
  while (!track || !playing) {
    const auto event = engine_->next_event_blocking(WaitLimit(5000));
    ASSERT_TRUE(event.ok()) << event.error().text();
    if (event->object != "a/main") continue;
    if (event->kind == EventKind::stream_track) track = event->text == "H264 128x96";
    if (event->kind == EventKind::stream_state && event->state == "playing") playing = true;
  }
}

TEST_F(EngineTest, ManyThreadsAtOnce) {
  ASSERT_TRUE(apply(snapshot(1, {camera("a", "clear", "x"), camera("b", "clear", "x")})).ok());
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (const char* name : {"a", "b"}) {
    threads.emplace_back([&, name] {
      for (int i = 0; !stop; ++i) static_cast<void>(push(name, i % 10 == 0));
    });
    threads.emplace_back([&, name] {
      while (!stop) {
        const auto queue = subscribe(name);
        if (!queue.ok()) continue;
        for (int i = 0; i < 20; ++i) static_cast<void>((*queue)->next_blocking(WaitLimit(10)));
        (*queue)->close();
      }
    });
  }
  threads.emplace_back([&] {
    for (uint64_t revision = 2; revision < 60; ++revision) {
      const bool clear = revision % 2 == 0;
      EXPECT_TRUE(apply(snapshot(revision, {camera("a", clear ? "clear" : "withheld", clear ? "x" : ""),
                                            camera("b", "clear", "x")}))
                      .ok());
      static_cast<void>(engine_->stats());
    }
    stop = true;
  });
  for (std::thread& thread : threads) thread.join();
}

// Whoever still calls gets an answer, and what they hold may go after the engine has.
TEST_F(EngineTest, ClosingWhileOthersCall) {
  for (int round = 0; round < 20; ++round) {
    auto engine = make();
    ASSERT_TRUE(engine->apply(snapshot(1, {camera("a", "clear", "x")}).dump()).ok());
    std::vector<std::shared_ptr<UnitQueue>> held;
    std::atomic<int> asked{0};
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      for (;;) {
        const auto queue = engine->subscribe({.camera = "a", .stream = ""});
        if (queue.ok()) held.push_back(*queue);
        if (!queue.ok() && queue.error().code == Code::closed) return;
        ++asked;
      }
    });
    threads.emplace_back([&] {
      PushedUnit unit;
      unit.camera = "a";
      const auto bytes = picture(true, 0x11);
      unit.data = bytes;
      while (engine->push_access_unit(unit).ok() || engine->stats().ok()) {
      }
    });
    threads.emplace_back([&] {
      for (uint64_t revision = 2;; ++revision) {
        const bool clear = revision % 2 == 0;
        if (!engine->apply(snapshot(revision, {camera("a", clear ? "clear" : "withheld", clear ? "x" : "")}).dump()))
          break;
      }
    });
    threads.emplace_back([&] {
      while (engine->next_event_blocking(WaitLimit(-1)).ok()) {
      }
    });
    while (asked < round) std::this_thread::yield();
    EXPECT_TRUE(engine->close().ok());
    for (std::thread& thread : threads) thread.join();
    engine.reset();
    for (const auto& queue : held) EXPECT_FALSE(queue->next_blocking(WaitLimit(0)).ok());
  }
}

TEST_F(EngineTest, RefusesAForkedChild) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused =
        engine_->stats().error().code == Code::wrong_process && engine_->close().error().code == Code::wrong_process;
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Engine, SaysWhatItCannotMake) {
  EXPECT_EQ(Engine::make({.shards = 0}).error().code, Code::invalid_argument);
  EXPECT_EQ(Engine::make({.shards = 257}).error().code, Code::invalid_argument);
  EXPECT_FALSE(Engine::make({.shards = 1, .cpus = {100000}}).ok());
}

}  // namespace
}  // namespace vigie::runtime
