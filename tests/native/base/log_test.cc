#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace vigie {
namespace {

TEST(LogRing, FirstAtOnceThenOneASecondWithACount) {
  ManualClock clock;
  LogRing log(clock);
  for (int i = 0; i < 5; ++i) log.log(LogLevel::warning, "rtp", 503, "cam/main", "bad packet " + std::to_string(i));
  auto records = log.try_pull();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].text, "bad packet 0");
  EXPECT_EQ(records[0].count, 1U);
  EXPECT_TRUE(log.try_pull().empty()) << "the second is not over";
  clock.advance(1s);
  records = log.try_pull();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].text, "bad packet 4") << "the newest text";
  EXPECT_EQ(records[0].count, 4U);
  clock.advance(1s);
  EXPECT_TRUE(log.try_pull().empty()) << "nothing new, nothing said";
}

TEST(LogRing, ARepetitionAfterTheSecondCarriesTheCount) {
  ManualClock clock;
  LogRing log(clock);
  log.log(LogLevel::info, "net", "a", "1");
  log.log(LogLevel::info, "net", "a", "2");
  clock.advance(1500ms);
  log.log(LogLevel::info, "net", "a", "3");
  const auto records = log.try_pull();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[1].text, "3");
  EXPECT_EQ(records[1].count, 2U);
}

TEST(LogRing, OtherComponentCodeOrObjectIsAnotherLine) {
  ManualClock clock;
  LogRing log(clock);
  log.log(LogLevel::error, "net", 303, "a", "x");
  log.log(LogLevel::error, "rtp", 303, "a", "x");
  log.log(LogLevel::error, "net", 304, "a", "x");
  log.log(LogLevel::error, "net", make_error(Code::connection_lost, "b", "reset"));
  const auto records = log.try_pull();
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records[3].code, 303);
  EXPECT_EQ(records[3].object, "b");
  EXPECT_EQ(records[3].text, "The connection was closed or reset by the other side: reset");
}

TEST(LogRing, FullRingLosesTheOldestAndSaysHowMany) {
  ManualClock clock;
  LogRing log(clock, 3);
  for (int i = 0; i < 5; ++i) log.log(LogLevel::info, "net", "object " + std::to_string(i), "x");
  EXPECT_EQ(log.overflowed(), 2U);
  EXPECT_EQ(log.try_pull(1).front().object, "object 2");
  EXPECT_EQ(log.try_pull().size(), 2U);
}

TEST(LogRing, QuietLevelsAndLongTextsAreCut) {
  ManualClock clock;
  LogRing log(clock, 10, LogLevel::warning);
  log.log(LogLevel::info, "net", "a", "x");
  log.log(LogLevel::warning, "net", "a", std::string(5000, 'y'));
  const auto records = log.pull_all();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].text.size(), LogRing::kMaxTextBytes);
}

TEST(LogRing, ManyKeysStayBoundedAndTheEndTellsAll) {
  ManualClock clock;
  LogRing log(clock, 10);
  for (size_t i = 0; i < LogRing::kMaxKeys + 10; ++i) log.log(LogLevel::info, "net", std::to_string(i), "x");
  (void)log.pull_all();
  log.log(LogLevel::info, "net", "again", "1");
  log.log(LogLevel::info, "net", "again", "2");
  log.log(LogLevel::info, "net", "again", "3");
  const auto records = log.pull_all();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[1].count, 2U);
}

TEST(LogRing, CountsAddUpAcrossThreads) {
  ManualClock clock;
  LogRing log(clock, 100000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) log.log(LogLevel::info, "net", "o" + std::to_string(i % 10), "x");
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t total = 0;
  for (const LogRecord& record : log.pull_all()) total += record.count;
  EXPECT_EQ(total, 4000U);
}

}  // namespace
}  // namespace vigie
