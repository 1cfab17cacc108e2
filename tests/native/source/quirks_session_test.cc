// Deviations in authentication and in signs of life, one suite an id.
#include "quirk_script.h"

namespace vigie::source {
namespace {

using namespace testing;
using ::testing::HasSubstr;

void close_behind_401(QuirkScript& device) {
  device.start();
  device.take();
  device.status(401, kChallenge);
  device.take();
  device.closed();
  if (device.ended) return;
  device.sent.clear();
  device.open();
  EXPECT_THAT(device.take(), HasSubstr("Authorization: Digest "));
  device.ok();
  device.take();
  device.ok(kSdpType, kSdp);
  device.take();
  device.ok(kTcpAnswer);
  device.take();
  device.ok();
}
TEST(QuirkC8, Tolerated) {
  QuirkScript device(with_password());
  close_behind_401(device);
  expect_plays(device, Quirk::C8);
}
TEST(QuirkC8, Strict) {
  QuirkScript device(Quirk::C8, with_password());
  close_behind_401(device);
  EXPECT_EQ(device.connects.size(), 1u);
  expect_refused(device, Quirk::C8, Code::connection_lost);
}
TEST(QuirkC8, ClosingAsAnnouncedIsNone) {
  QuirkScript device(with_password());
  device.start();
  device.take();
  device.status(401, kChallenge + std::string("Connection: close\r\n"));
  ASSERT_EQ(device.connects.size(), 2u);
  device.sent.clear();
  device.open();
  EXPECT_THAT(device.take(), HasSubstr("Authorization: Digest "));
  EXPECT_TRUE(device.quirks.seen.empty());
}

// The device dies of GET_PARAMETER; what is learnt of it serves the next attempt.
void die_of_get_parameter(QuirkScript& device) {
  device.play();
  device.advance(30s);
  device.expect("GET_PARAMETER ");
  device.closed();
}
TEST(QuirkD1, Tolerated) {
  QuirkScript device;
  die_of_get_parameter(device);
  EXPECT_THAT(device.quirks.seen.list(), ::testing::ElementsAre(Quirk::D1));
  QuirkScript next;
  next.memory = device.memory;
  next.quirks = device.quirks;
  next.play();
  next.advance(30s);
  next.expect("OPTIONS ");
  next.ok();
  expect_plays(next, Quirk::D1);
}
TEST(QuirkD1, Strict) {
  QuirkScript device(Quirk::D1);
  die_of_get_parameter(device);
  expect_refused(device, Quirk::D1, Code::connection_lost);
  QuirkScript next;
  next.memory = device.memory;
  next.play();
  next.advance(30s);
  next.expect("GET_PARAMETER ");
}

void refuse_sign_of_life(QuirkScript& device) {
  device.play();
  device.advance(30s);
  device.expect("GET_PARAMETER ");
  device.status(454);
}
TEST(QuirkD2, Tolerated) {
  QuirkScript device;
  refuse_sign_of_life(device);
  device.advance(30s);
  device.expect("OPTIONS ");
  device.ok();
  expect_plays(device, Quirk::D2);
}
TEST(QuirkD2, Strict) {
  QuirkScript device(Quirk::D2);
  refuse_sign_of_life(device);
  expect_refused(device, Quirk::D2, Code::rtsp_status);
  EXPECT_THAT(device.ended->what, HasSubstr("answered 454"));
}

void never_answer(QuirkScript& device) {
  device.play();
  for (int i = 0; i < 4 && !device.ended; ++i) {
    device.advance(30s);
    device.take();
  }
}
TEST(QuirkD7, Tolerated) {
  QuirkScript device;
  never_answer(device);
  EXPECT_EQ(device.client->stats().keepalives_unanswered, 3u);
  expect_plays(device, Quirk::D7);
}
TEST(QuirkD7, Strict) {
  QuirkScript device(Quirk::D7);
  never_answer(device);
  expect_refused(device, Quirk::D7, Code::timed_out);
  EXPECT_THAT(device.ended->what, HasSubstr("GET_PARAMETER was not answered"));
  EXPECT_FALSE(device.timer);
}
TEST(QuirkD7, AnAnswerAfterTheNextOneIsAskedForIsNone) {  // timeouts of a second or two have us ask so often
  QuirkScript device;
  device.play("OPTIONS", "Session: 77;timeout=2\r\n");
  for (int i = 0; i < 10; ++i) {
    device.advance(1s);
    device.take();
    const int newest = device.cseq--;
    if (i > 0) device.ok();
    device.cseq = newest;
  }
  expect_plays(device);
}
TEST(QuirkD7, IsSeenWithShortTimeoutsToo) {
  QuirkScript device;
  device.play("OPTIONS", "Session: 77;timeout=2\r\n");
  device.advance(4s);
  EXPECT_TRUE(device.quirks.seen.empty());
  device.advance(4s);
  expect_plays(device, Quirk::D7);
}

}  // namespace
}  // namespace vigie::source
