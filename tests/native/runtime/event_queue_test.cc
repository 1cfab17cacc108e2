#include "runtime/event_queue.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace vigie::runtime {
namespace {

Event fault(std::string object, uint16_t code = 501, std::string text = "bad packet") {
  return {
      .kind = EventKind::stream_fault, .object = std::move(object), .state = "", .code = code, .text = std::move(text)};
}

Event state(std::string text) {
  return {.kind = EventKind::stream_state, .object = "a/main", .state = "playing", .code = 0, .text = std::move(text)};
}

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

TEST(EventQueue, GivesThemInOrderNumberedAndStamped) {
  ManualClock clock;
  EventQueue queue(clock, 10);
  EXPECT_FALSE(readable(queue.fd()));
  queue.push(state("one"));
  queue.push(state("two"));
  EXPECT_TRUE(readable(queue.fd()));
  const auto one = queue.next_blocking(WaitLimit(0));
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->seq, 1U);
  EXPECT_EQ(one->text, "one");
  EXPECT_EQ(one->at, clock.now_wall());
  EXPECT_EQ(queue.next_blocking(WaitLimit(0))->seq, 2U);
  EXPECT_FALSE(readable(queue.fd()));
  EXPECT_EQ(queue.next_blocking(WaitLimit(0)).error().code, Code::timed_out);
}

TEST(EventQueue, MergesWhatRepeatsWithinASecond) {
  ManualClock clock;
  EventQueue queue(clock, 100);
  for (int i = 0; i < 50; ++i) queue.push(fault("a/main", 501, "bad packet " + std::to_string(i)));
  queue.push(fault("b/main"));
  queue.push(fault("a/main", 503));
  queue.flush_merged();
  EXPECT_EQ(queue.next_blocking(WaitLimit(0))->text, "bad packet 0");
  EXPECT_EQ(queue.next_blocking(WaitLimit(0))->object, "b/main");
  EXPECT_EQ(queue.next_blocking(WaitLimit(0))->code, 503);
  EXPECT_FALSE(queue.next_blocking(WaitLimit(0)).ok()) << "the others wait for their second to be over";
  clock.advance(1s);
  queue.flush_merged();
  const auto merged = queue.next_blocking(WaitLimit(0));
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->text, "bad packet 49") << "the newest one's text";
  EXPECT_EQ(merged->merged, 48U) << "49 came after the first: one shown, 48 folded into it";
  EXPECT_FALSE(queue.next_blocking(WaitLimit(0)).ok());
}

TEST(EventQueue, NeverMergesStateChanges) {
  ManualClock clock;
  EventQueue queue(clock, 100);
  for (int i = 0; i < 20; ++i) queue.push(state("same"));
  int got = 0;
  while (queue.next_blocking(WaitLimit(0)).ok()) ++got;
  EXPECT_EQ(got, 20);
}

TEST(EventQueue, ShowsOverflowAsAHoleInTheNumbers) {
  ManualClock clock;
  EventQueue queue(clock, 3);
  for (int i = 0; i < 5; ++i) queue.push(state(std::to_string(i)));
  EXPECT_EQ(queue.overflowed(), 2U);
  EXPECT_EQ(queue.next_blocking(WaitLimit(0))->seq, 3U);
}

TEST(EventQueue, CloseWakesThoseWhoWaitAndKeepsWhatIsQueued) {
  ManualClock clock;
  EventQueue queue(clock, 3);
  Code ended{};
  std::thread waiter([&] { ended = queue.next_blocking(WaitLimit(-1)).error().code; });
  queue.close();
  waiter.join();
  EXPECT_EQ(ended, Code::closed);
  EXPECT_TRUE(readable(queue.fd()));

  EventQueue other(clock, 3);
  other.push(state("last words"));
  other.close();
  EXPECT_EQ(other.next_blocking(WaitLimit(-1))->text, "last words");
  EXPECT_EQ(other.next_blocking(WaitLimit(-1)).error().code, Code::closed);
}

}  // namespace
}  // namespace vigie::runtime
