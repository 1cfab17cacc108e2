#include "fanout/hub.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

#include "fanout/units.h"

namespace vigie::fanout {
namespace {

// A shard turned by hand: run() makes the caller its thread for the time of its tasks.
class HandShard : public Executor {
 public:
  bool post(Task task) override {
    tasks_.push_back(std::move(task));
    return true;
  }
  bool on_home_thread() const override { return current == this; }
  void run() {
    const HandShard* before = std::exchange(current, this);
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
    current = before;
  }
  template <class Fn>
  auto as(Fn fn) {
    const HandShard* before = std::exchange(current, this);
    struct Restore {
      const HandShard* before;
      ~Restore() { current = before; }
    } restore{before};
    return fn();
  }
  size_t waiting() const { return tasks_.size(); }
  BufferPool pool;

 private:
  static inline const HandShard* current = nullptr;
  std::deque<Task> tasks_;
};

struct CountingDeriver : UnitDeriver {
  struct Train : Derived {
    explicit Train(uint64_t n) : number(n) {}
    uint64_t number;
  };
  explicit CountingDeriver(int* builds) : builds_(builds) {}
  RtpNumbers assign(const PublishedUnit&) override {
    const RtpNumbers numbers{sequence_, 3, timestamp_};
    sequence_ = static_cast<uint16_t>(sequence_ + 3);
    timestamp_ += 3600;
    return numbers;
  }
  Ref<const Derived> build(const LogEntry& entry, BufferPool&) const override {
    ++*builds_;
    return Ref<const Derived>::adopt(new Train(entry.number));
  }
  int* builds_;
  uint16_t sequence_ = 65530;
  uint32_t timestamp_ = 7;
};

struct Viewer : Subscriber {
  explicit Viewer(bool derived = true) : derived_wanted(derived) {}
  void on_unit() override {
    ++woken;
    if (taking) take();
  }
  void on_log_emptied(const Draining& /*draining*/) override { ++emptied; }
  void on_hub_closed(const Error& reason) override { closed = reason.what; }
  bool wants_derived() const override { return derived_wanted; }
  void take() {
    while (subscription) {
      const LogEntry* entry = subscription->peek();
      if (!entry) return;
      got.push_back(entry->number);
      sequences.push_back(entry->rtp.first_sequence);
      if (derived_wanted) {
        const auto train = subscription->derived(*entry);
        EXPECT_EQ(static_cast<const CountingDeriver::Train&>(*train).number, entry->number);
      }
      subscription->advance();
    }
  }
  std::unique_ptr<Subscription> subscription;
  bool derived_wanted;
  bool taking = true;
  int woken = 0;
  int emptied = 0;
  std::string closed;
  std::vector<uint64_t> got;
  std::vector<uint16_t> sequences;
};

class HubTest : public ::testing::Test {
 protected:
  void SetUp() override { make_hub({}); }
  void make_hub(TrackLogLimits limits) {
    hub_ = Hub::make({{&a_, &a_.pool}, {&b_, &b_.pool}}, 0, limits, std::make_unique<CountingDeriver>(&builds_));
  }
  void publish(bool keyframe, size_t bytes = 100) {
    at_ += 40ms;
    a_.as([&] { hub_->publish(test::publish({keyframe, bytes, at_})); });
  }
  void join(HandShard& shard, size_t index, Viewer& viewer, Start start = Start::last_keyframe) {
    shard.as([&] { viewer.subscription = hub_->subscribe(index, viewer, start); });
  }
  void leave(HandShard& shard, Viewer& viewer) {
    shard.as([&] { viewer.subscription.reset(); });
  }
  void settle() {
    while (a_.waiting() || b_.waiting()) {
      a_.run();
      b_.run();
    }
  }
  HandShard a_, b_;
  int builds_ = 0;
  std::shared_ptr<Hub> hub_;
  MonoTime at_{1000s};
};

std::vector<uint64_t> range(uint64_t from, uint64_t to) {
  std::vector<uint64_t> out;
  for (uint64_t n = from; n <= to; ++n) out.push_back(n);
  return out;
}

TEST_F(HubTest, StartsAtTheLastKeyframeAndFollows) {
  publish(true);
  publish(false);
  publish(true);
  publish(false);
  Viewer viewer;
  join(a_, 0, viewer);
  a_.as([&] { viewer.take(); });
  EXPECT_EQ(viewer.got, range(3, 4));
  publish(false);
  EXPECT_EQ(viewer.got, range(3, 5));
  EXPECT_EQ(hub_->subscriber_count(), 1U);
  leave(a_, viewer);
  EXPECT_EQ(hub_->subscriber_count(), 0U);
}

TEST_F(HubTest, StartAtNextKeyframeWaits) {
  publish(true);
  publish(false);
  Viewer viewer;
  join(a_, 0, viewer, Start::next_keyframe);
  publish(false);
  EXPECT_TRUE(viewer.got.empty());
  publish(true);
  publish(false);
  EXPECT_EQ(viewer.got, range(4, 5));
  EXPECT_EQ(viewer.subscription->skipped_units(), 1U);
}

TEST_F(HubTest, WithoutAKeyframeInTheLogANewcomerWaits) {
  publish(false);
  Viewer viewer;
  join(a_, 0, viewer);
  a_.as([&] { viewer.take(); });
  publish(false);
  EXPECT_TRUE(viewer.got.empty());
  publish(true);
  EXPECT_EQ(viewer.got, range(3, 3));
}

TEST_F(HubTest, NumbersGoOnAndWrap) {
  Viewer viewer;
  join(a_, 0, viewer);
  for (int i = 0; i < 4; ++i) publish(i == 0);
  EXPECT_EQ(viewer.sequences, (std::vector<uint16_t>{65530, 65533, 0, 3}));
}

TEST_F(HubTest, TheTrainIsBuiltOnceForAllAndOnlyIfWanted) {
  Viewer embed(false);
  join(a_, 0, embed);
  publish(true);
  EXPECT_EQ(builds_, 0) << "nobody here speaks RTP";
  Viewer one, two, three;
  join(a_, 0, one);
  join(a_, 0, two);
  join(b_, 1, three);
  settle();
  a_.as([&] {
    one.take();
    two.take();
  });
  EXPECT_LE(builds_, 2) << "at the live edge the late-built train is kept for the others of its shard";
  builds_ = 0;
  publish(false);
  settle();
  EXPECT_EQ(builds_, 1);
  EXPECT_EQ(three.got.back(), 2U);
  leave(b_, three);
  settle();
}

TEST_F(HubTest, AnotherShardGetsTheSameUnits) {
  publish(true);
  publish(false);
  Viewer viewer;
  join(b_, 1, viewer);
  publish(false);
  EXPECT_TRUE(viewer.got.empty());
  settle();
  EXPECT_EQ(viewer.got, range(1, 3));
  publish(false);
  publish(true);
  settle();
  EXPECT_EQ(viewer.got, range(1, 5));
  leave(b_, viewer);
  settle();
  publish(false);
  EXPECT_EQ(b_.waiting(), 0U) << "a shard without subscribers is not fed";
}

TEST_F(HubTest, LeavingAndJoiningAShardLosesNothing) {
  publish(true);
  Viewer first, second;
  join(b_, 1, first);
  settle();
  publish(false);
  leave(b_, first);     // asks home to stop feeding b…
  join(b_, 1, second);  // …while somebody new is already there
  publish(false);
  settle();
  publish(false);
  settle();
  EXPECT_EQ(second.got, range(1, 4));
  leave(b_, second);
  settle();
}

TEST_F(HubTest, ALaggardJumpsToTheNewestKeyframe) {
  publish(true);
  Viewer viewer;
  join(a_, 0, viewer);
  a_.as([&] { viewer.take(); });
  viewer.taking = false;
  for (int i = 0; i < 25; ++i) publish(false);
  a_.as([&] {
    EXPECT_EQ(viewer.subscription->behind(), 25U);
    EXPECT_EQ(viewer.subscription->lag(), 24 * 40ms);
    EXPECT_EQ(viewer.subscription->jump_to_newest_keyframe(false), 0U) << "no newer keyframe: stays";
    EXPECT_EQ(viewer.subscription->behind(), 25U);
  });
  publish(true);
  publish(false);
  a_.as([&] {
    EXPECT_EQ(viewer.subscription->jump_to_newest_keyframe(false), 25U);
    viewer.take();
  });
  EXPECT_EQ(viewer.got, (std::vector<uint64_t>{1, 27, 28}));
  a_.as([&] { EXPECT_EQ(viewer.subscription->lag(), 0ns); });
}

TEST_F(HubTest, ALaggardMayWaitForTheNextKeyframe) {
  publish(true);
  Viewer viewer;
  viewer.taking = false;
  join(a_, 0, viewer);
  publish(false);
  publish(false);
  a_.as([&] {
    EXPECT_EQ(viewer.subscription->wait_for_keyframe(), 3U);
    EXPECT_TRUE(viewer.subscription->waiting_for_keyframe());
  });
  viewer.taking = true;
  publish(false);
  publish(true);
  EXPECT_EQ(viewer.got, range(5, 5));
  EXPECT_EQ(viewer.subscription->skipped_units(), 1U);
}

// Who is still being sent a GOP gets all of it, though a newer one has begun.
TEST_F(HubTest, AGopStaysWhileSomebodyIsInIt) {
  for (const bool here : {true, false}) {
    make_hub({.probe_units = 1});
    publish(true);
    publish(false);
    HandShard& shard = here ? a_ : b_;
    Viewer slow, quick;
    slow.taking = false;
    join(shard, here ? 0 : 1, quick);
    join(shard, here ? 0 : 1, slow);
    settle();
    shard.as([&] { quick.take(); });
    EXPECT_NE(shard.as([&] { return slow.subscription->peek(); }), nullptr);
    publish(true);
    publish(false);
    settle();
    EXPECT_EQ(a_.as([&] { return hub_->counters(); }).log_units, here ? 4U : 2U);
    shard.as([&] { slow.take(); });
    EXPECT_EQ(slow.got, range(1, 4));
    EXPECT_EQ(slow.subscription->evicted_units(), 0U);
    publish(false);
    settle();
    shard.as([&] { slow.take(); });
    EXPECT_EQ(slow.got, range(1, 5));
    leave(shard, slow);
    leave(shard, quick);
    settle();
  }
}

TEST_F(HubTest, EvictionIsCountedAndGoesOnAtAKeyframe) {
  make_hub({.bytes = 1000, .keep_for = 10s});
  publish(true);
  Viewer viewer;
  viewer.taking = false;
  join(a_, 0, viewer);
  a_.as([&] { EXPECT_NE(viewer.subscription->peek(), nullptr); });
  for (int i = 0; i < 20; ++i) publish(i == 15);
  a_.as([&] { viewer.take(); });
  EXPECT_EQ(viewer.got, range(17, 21));
  EXPECT_EQ(viewer.subscription->evicted_units(), 16U);
}

TEST_F(HubTest, EmptyingTheLogReachesEveryShardBeforeItIsDone) {
  publish(true);
  Viewer near, far;
  near.taking = far.taking = false;
  join(a_, 0, near);
  join(b_, 1, far);
  settle();
  publish(false);
  bool done = false;
  a_.as([&] { hub_->empty_log(draining_until(a_, [&] { done = true; })); });
  EXPECT_EQ(near.emptied, 1);
  a_.run();
  EXPECT_FALSE(done) << "shard b still holds older units";
  settle();
  EXPECT_TRUE(done);
  EXPECT_EQ(far.emptied, 1);
  near.taking = far.taking = true;
  publish(false);
  settle();
  EXPECT_TRUE(near.got.empty());
  EXPECT_TRUE(far.got.empty());
  publish(true);
  settle();
  EXPECT_EQ(near.got, range(4, 4));
  EXPECT_EQ(far.got, range(4, 4));
}

// A shard that has just lost its last subscriber is not fed any more, and still has its log for a moment.
TEST_F(HubTest, EmptyingTheLogWaitsForAShardThatIsBeingLeft) {
  publish(true);
  Viewer gone, late;
  late.taking = false;
  join(b_, 1, gone);
  settle();
  leave(b_, gone);
  a_.run();
  join(b_, 1, late);
  bool done = false;
  a_.as([&] { hub_->empty_log(draining_until(a_, [&] { done = true; })); });
  a_.run();
  EXPECT_FALSE(done) << "shard b still holds the older unit";
  settle();
  EXPECT_TRUE(done);
  b_.as([&] { late.take(); });
  EXPECT_TRUE(late.got.empty());
}

TEST_F(HubTest, CloseTellsEverybodyNowAndLater) {
  Viewer near, far, late;
  join(a_, 0, near);
  join(b_, 1, far);
  settle();
  a_.as([&] { hub_->close(make_error(Code::withheld, "cam/main", "withdrawn")); });
  settle();
  EXPECT_EQ(near.closed, "withdrawn");
  EXPECT_EQ(far.closed, "withdrawn");
  join(b_, 1, late);
  EXPECT_EQ(late.closed, "withdrawn");
  publish(true);
  settle();
  EXPECT_TRUE(near.got.empty());
}

TEST_F(HubTest, AViewerMayLeaveWhileTheHubWalksItsList) {
  struct Leaver : Viewer {
    Viewer* other = nullptr;
    void on_unit() override {
      Viewer::on_unit();
      if (other) other->subscription.reset();
    }
  } leaver;
  Viewer victim, third;
  leaver.other = &victim;
  join(a_, 0, leaver);
  join(a_, 0, victim);
  join(a_, 0, third);
  publish(true);
  EXPECT_EQ(victim.woken, 0);
  EXPECT_EQ(third.got, range(1, 1));
  publish(false);
  EXPECT_EQ(third.got, range(1, 2));
  EXPECT_EQ(hub_->subscriber_count(), 2U);
}

TEST_F(HubTest, CountsWhatItCarries) {
  publish(true, 500);
  publish(false, 100);
  const HubCounters counters = a_.as([&] { return hub_->counters(); });
  EXPECT_EQ(counters.units, 2U);
  EXPECT_EQ(counters.bytes, 600U);
  EXPECT_EQ(counters.keyframes, 1U);
  EXPECT_EQ(counters.log_units, 2U);
  EXPECT_EQ(counters.log_bytes, 600U);
}

}  // namespace
}  // namespace vigie::fanout
