#include "net/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "support.h"

namespace vigie::net {
namespace {

// A name server that answers when told to.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  std::atomic<int> asked{0};

  ResolveResult lookup(const std::string& host, uint16_t port) {
    ++asked;
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return open; });
    if (host == "bad.example") return make_error(Code::resolve_failed, host, "no such name");
    return std::vector<SocketAddress>{SocketAddress::loopback_v4(port)};
  }
  void release() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  ResolverOptions options(size_t queue_limit = 16) {
    return {.threads = 1, .queue_limit = queue_limit, .lookup = [this](const std::string& host, uint16_t port) {
              return lookup(host, port);
            }};
  }
};

TEST(Resolver, LiteralsNeedNoThreadButNeverAnswerInsideTheCall) {
  auto loop = make_loop();
  Resolver resolver({.threads = 0});
  std::optional<ResolveResult> answer;
  const auto request =
      resolver.resolve(*loop, "::1", 99, 1s, [&](ResolveResult result) { answer = std::move(result); });
  EXPECT_FALSE(answer);
  EXPECT_TRUE(request.pending());
  loop->run_once(0ms);
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ((*answer)->at(0).text(), "[::1]:99");
  EXPECT_FALSE(request.pending());
  const auto name =
      resolver.resolve(*loop, "a.example", 1, 1s, [&](ResolveResult result) { answer = std::move(result); });
  loop->run_once(0ms);
  EXPECT_EQ(answer->error().code, Code::limit_exceeded) << "no thread, no names";
}

TEST(Resolver, LocalhostThroughTheSystem) {
  auto loop = make_loop();
  Resolver resolver;
  std::optional<ResolveResult> answer;
  const auto request =
      resolver.resolve(*loop, "localhost", 554, 10s, [&](ResolveResult result) { answer = std::move(result); });
  ASSERT_TRUE(run_until(*loop, [&] { return answer.has_value(); }));
  ASSERT_TRUE(answer->ok()) << answer->error().text();
  EXPECT_TRUE((*answer)->at(0).is_loopback());
  EXPECT_EQ((*answer)->at(0).port(), 554);
  EXPECT_EQ(loop->timers(), 0U) << "the time limit is gone with the answer";
}

TEST(Resolver, AnswersAndErrorsComeOnTheLoop) {
  auto loop = make_loop();
  Gate gate;
  gate.release();
  Resolver resolver(gate.options());
  std::optional<ResolveResult> good;
  std::optional<ResolveResult> bad;
  std::optional<ResolveResult> empty;
  const auto first = resolver.resolve(*loop, "good.example", 7, 10s, [&](ResolveResult result) {
    EXPECT_TRUE(loop->in_loop_thread());
    good = std::move(result);
  });
  const auto second =
      resolver.resolve(*loop, "bad.example", 7, 10s, [&](ResolveResult result) { bad = std::move(result); });
  const auto third = resolver.resolve(*loop, "", 7, 10s, [&](ResolveResult result) { empty = std::move(result); });
  ASSERT_TRUE(run_until(*loop, [&] { return good && bad && empty; }));
  EXPECT_EQ((*good)->at(0), SocketAddress::loopback_v4(7));
  EXPECT_EQ(bad->error().code, Code::resolve_failed);
  EXPECT_EQ(bad->error().where, "bad.example");
  EXPECT_EQ(empty->error().code, Code::resolve_failed);
}

TEST(Resolver, TimesOutByTheLoopsClockAndIgnoresTheLateAnswer) {
  ManualClock clock;
  auto loop = make_loop(&clock);
  Gate gate;
  int answers = 0;
  std::optional<ResolveResult> answer;
  {
    Resolver resolver(gate.options());
    const auto request = resolver.resolve(*loop, "slow.example", 7, 2s, [&](ResolveResult result) {
      ++answers;
      answer = std::move(result);
    });
    ASSERT_TRUE(run_until(*loop, [&] { return gate.asked == 1; }));
    clock.advance(2s);
    loop->run_once(0ms);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->error().code, Code::timed_out);
    gate.release();
  }
  loop->run_once(0ms);
  EXPECT_EQ(answers, 1);
}

TEST(Resolver, CancelledRequestsAreNotAnsweredNorAsked) {
  auto loop = make_loop();
  Gate gate;
  int answers = 0;
  {
    Resolver resolver(gate.options());
    auto running = resolver.resolve(*loop, "a.example", 7, 10s, [&](ResolveResult) { ++answers; });
    ASSERT_TRUE(run_until(*loop, [&] { return gate.asked == 1; }));
    auto queued = resolver.resolve(*loop, "b.example", 7, 10s, [&](ResolveResult) { ++answers; });
    auto literal = resolver.resolve(*loop, "127.0.0.1", 7, 10s, [&](ResolveResult) { ++answers; });
    running.cancel();
    queued = ResolveRequest();
    literal = std::move(running);
    EXPECT_FALSE(literal.pending());
    EXPECT_EQ(loop->timers(), 0U);
    gate.release();
    bool last = false;
    const auto request = resolver.resolve(*loop, "c.example", 7, 10s, [&](ResolveResult) { last = true; });
    ASSERT_TRUE(run_until(*loop, [&] { return last; }));
  }
  EXPECT_EQ(answers, 0);
  EXPECT_EQ(gate.asked, 2) << "the one that waited in the queue was never looked up";
}

TEST(Resolver, AFullQueueRefuses) {
  auto loop = make_loop();
  Gate gate;
  Resolver resolver(gate.options(1));
  std::vector<ResolveRequest> requests;
  int refused = 0;
  const auto ask = [&](const char* host) {
    requests.push_back(resolver.resolve(*loop, host, 7, 10s, [&](ResolveResult result) {
      if (!result && result.error().code == Code::limit_exceeded) ++refused;
    }));
  };
  ask("a.example");
  ASSERT_TRUE(run_until(*loop, [&] { return gate.asked == 1; }));
  ask("b.example");
  ask("c.example");
  loop->run_once(0ms);
  EXPECT_EQ(refused, 1);
  gate.release();
}

TEST(Resolver, AnAnswerMayDestroyItsRequest) {
  auto loop = make_loop();
  Gate gate;
  gate.release();
  Resolver resolver(gate.options());
  std::optional<ResolveRequest> request;
  bool done = false;
  request = resolver.resolve(*loop, "a.example", 7, 10s, [&](ResolveResult) {
    request.reset();
    done = true;
  });
  EXPECT_TRUE(run_until(*loop, [&] { return done; }));
}

}  // namespace
}  // namespace vigie::net
