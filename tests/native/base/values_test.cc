// bytes, bits, results, references, tasks, descriptors, clocks.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/ref.h"
#include "base/result.h"
#include "base/task.h"
#include "base/thread.h"

namespace vigie {
namespace {

TEST(ByteReader, ReadsBigEndianAndFailsForGood) {
  const std::array<uint8_t, 15> bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x04050607U);
  EXPECT_EQ(reader.position(), 7U);
  EXPECT_EQ(reader.u64(), 0x08090A0B0C0D0E0FU);
  EXPECT_FALSE(reader.failed());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_TRUE(reader.failed());

  ByteReader second(bytes);
  EXPECT_FALSE(second.skip(16));
  EXPECT_TRUE(second.failed());
  EXPECT_EQ(second.u8(), 0) << "a failed reader stays failed though bytes remain";
  EXPECT_TRUE(ByteReader(bytes).bytes(SIZE_MAX).empty());
}

TEST(Bytes, StoresWhatItLoads) {
  std::array<uint8_t, 8> bytes{};
  store_be16(bytes.data(), 0xABCD);
  EXPECT_EQ(load_be16(bytes.data()), 0xABCD);
  store_be32(bytes.data(), 0xFEDCBA98U);
  EXPECT_EQ(load_be32(bytes.data()), 0xFEDCBA98U);
  store_be64(bytes.data(), 0xFEDCBA9876543210U);
  EXPECT_EQ(load_be64(bytes.data()), 0xFEDCBA9876543210U);
  EXPECT_EQ(bytes[0], 0xFE);
}

TEST(BitReader, CrossesBytes) {
  const std::array<uint8_t, 5> bytes{0b10110011, 0b01010101, 0xFF, 0x00, 0x80};
  BitReader reader(bytes);
  EXPECT_EQ(reader.bits(3), 0b101U);
  EXPECT_EQ(reader.bits(7), 0b1001101U);
  reader.skip(6);
  EXPECT_EQ(reader.bits(16), 0xFF00U);
  EXPECT_TRUE(reader.flag());
  EXPECT_EQ(reader.remaining_bits(), 7U);
  EXPECT_EQ(reader.bits(8), 0U);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(BitReader(bytes).bits(32), 0xB355FF00U);
}

TEST(BitReader, ExpGolomb) {
  struct Row {
    std::vector<uint8_t> bytes;
    uint32_t ue;
    int32_t se;
    bool fails;
  };
  const Row rows[] = {
      {{0b10000000}, 0, 0, false},
      {{0b01000000}, 1, 1, false},
      {{0b01100000}, 2, -1, false},
      {{0b00100000}, 3, 2, false},
      {{0b00111000}, 6, -3, false},
      {{0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00}, UINT32_MAX, 0, false},
      {{0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x80}, 0, 0, true},  // beyond 32 bits
      {{0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}, 0, 0, true},  // no one bit in reach
      {{0x00}, 0, 0, true},
      {{}, 0, 0, true},
  };
  for (const Row& row : rows) {
    BitReader reader(row.bytes);
    EXPECT_EQ(reader.ue(), row.ue);
    EXPECT_EQ(reader.failed(), row.fails);
    BitReader as_signed(row.bytes);
    EXPECT_EQ(as_signed.se(), row.se);
    EXPECT_EQ(as_signed.failed(), row.fails || row.ue == UINT32_MAX) << "2^31 is out of range";
  }
}

TEST(Result, HoldsEither) {
  Result<std::string> good = std::string("yes");
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->size(), 3U);
  const Result<std::string> bad = make_error(Code::not_found, "here", "nothing");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Code::not_found);
  EXPECT_EQ(bad.error().text(), "No such object: nothing (here)");
  EXPECT_TRUE(Status().ok());
  EXPECT_FALSE(Status(make_error(Code::closed, {}, {})).ok());
  EXPECT_EQ(code_name(Code::tls_failed), "tls_failed");
  EXPECT_EQ(code_name(static_cast<Code>(9999)), "unknown");
}

struct Counted : RefCounted<Counted> {
  explicit Counted(int& alive_count) : alive(alive_count) { ++alive; }
  ~Counted() { --alive; }
  int& alive;
};

TEST(Ref, CountsAndConverts) {
  int alive = 0;
  {
    Ref<Counted> first = make_ref<Counted>(alive);
    Ref<const Counted> second = first;
    EXPECT_FALSE(first->unique());
    Ref<Counted> third = std::move(first);
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move)
    second = nullptr;
    EXPECT_TRUE(third->unique());
    Counted* raw = third.detach();
    EXPECT_EQ(alive, 1);
    third = Ref<Counted>::adopt(raw);
    third = Ref<Counted>::share(third.get());
    EXPECT_TRUE(third->unique());
  }
  EXPECT_EQ(alive, 0);
}

TEST(Task, RunsSmallAndLargeAndMoveOnlyCallables) {
  int calls = 0;
  Task small([&calls, owned = std::make_unique<int>(3)] { calls += *owned; });
  const std::array<char, 500> big{};
  Task large([&calls, big] { calls += static_cast<int>(big.size()); });
  Task moved = std::move(small);
  EXPECT_FALSE(small);  // NOLINT(bugprone-use-after-move)
  moved();
  large();
  EXPECT_EQ(calls, 503);
}

TEST(Task, DestroysItsCallableOnce) {
  const auto guard = std::make_shared<int>(0);
  {
    Task first([guard] {});
    Task second = std::move(first);
    EXPECT_EQ(guard.use_count(), 2);
    second = Task();
    EXPECT_EQ(guard.use_count(), 1);
    Task large([guard, room = std::array<char, 400>{}] { (void)room; });
    Task third = std::move(large);
    EXPECT_EQ(guard.use_count(), 2);
  }
  EXPECT_EQ(guard.use_count(), 1);
}

TEST(Fd, ClosesWhatItOwns) {
  int raw = -1;
  {
    Fd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    raw = fd.get();
    ASSERT_GE(raw, 0);
    Fd other = std::move(fd);
    EXPECT_FALSE(fd);  // NOLINT(bugprone-use-after-move)
    EXPECT_NE(fcntl(raw, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock;
  const MonoTime mono = clock.now_mono();
  const WallTime wall = clock.now_wall();
  clock.advance(5s);
  clock.step_wall(-60s);
  EXPECT_EQ(clock.now_mono() - mono, 5s);
  EXPECT_EQ(clock.now_wall() - wall, -55s);
}

TEST(Thread, IsNamedAndTakesNoSignals) {
  std::string name;
  bool blocked = false;
  auto thread = start_thread("vigie-a-very-long-name", [&] {
    char text[32] = "";
    pthread_getname_np(pthread_self(), text, sizeof(text));
    name = text;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, nullptr, &set);
    blocked = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGINT) == 1;
  });
  ASSERT_TRUE(thread);
  thread->join();
  EXPECT_EQ(name, "vigie-a-very-lo");
  EXPECT_TRUE(blocked);
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGTERM), 0) << "the caller's mask is as before";
}

TEST(Thread, PinningToNoProcessorIsRefused) {
  std::thread([] {
    EXPECT_FALSE(pin_this_thread(-1));
    EXPECT_FALSE(pin_this_thread(1 << 20));
  }).join();
}

}  // namespace
}  // namespace vigie
