// Packets that are not of the sequence we follow: D12, F7, F8.
#include <gtest/gtest.h>

#include "quirks_support.h"

namespace vigie::rtp {
namespace {

// A picture in one packet.
void send(QuirkReceiver& camera, uint16_t sequence, uint32_t timestamp, uint32_t ssrc = 1) {
  camera.rx.now_ms += 40;
  const Bytes bytes = packet_bytes(sequence, timestamp, true, h264_nal(1, 30), ssrc);
  camera.rx.push(bytes);
}
void send_run(QuirkReceiver& camera, uint16_t sequence, uint32_t timestamp, int count, uint32_t ssrc = 1) {
  for (int i = 0; i < count; ++i) send(camera, sequence++, timestamp + static_cast<uint32_t>(i) * 3600, ssrc);
}

void play_d12(QuirkReceiver& camera) {
  send_run(camera, 100, 0, 5);
  send(camera, 40'000, 7'000'000, 77);  // of an earlier session
  send_run(camera, 105, 5 * 3600, 5);
  send(camera, 40'001, 7'003'600, 77);
  send_run(camera, 110, 10 * 3600, 5);
  camera.rx.flush();
}

TEST(QuirkD12, Tolerated) {
  for (const bool tcp : {true, false}) {
    QuirkReceiver camera(Codec::h264, {}, tcp);
    play_d12(camera);
    EXPECT_EQ(camera.rx.units.size(), 15u);
    for (const auto& unit : camera.rx.units) EXPECT_FALSE(unit->gap);
    EXPECT_EQ(camera.rx.reorder->stats().strays, 2u);
    EXPECT_EQ(camera.rx.reorder->stats().refused, 0u);
    EXPECT_EQ(seen(camera.quirks), Ids{"D12"});
  }
}

TEST(QuirkD12, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::D12});
  play_d12(camera);
  EXPECT_EQ(camera.rx.units.size(), 15u) << "no stray is ever taken for a picture";
  EXPECT_EQ(camera.rx.reorder->stats().refused, 2u) << "but each is told as a fault";
  EXPECT_EQ(seen(camera.quirks), Ids{"D12"});
}

// One that the network made of our own SSRC is nobody's quirk; over TCP there is no network to make it.
TEST(QuirkD12, GhostsOfTheNetworkAreNone) {
  for (const bool tcp : {true, false}) {
    QuirkReceiver camera(Codec::h264, {}, tcp);
    send_run(camera, 100, 0, 5);
    send(camera, 40'000, 0);
    send_run(camera, 105, 5 * 3600, 5);
    EXPECT_EQ(seen(camera.quirks), tcp ? Ids{"D12"} : Ids{});
  }
}

TEST(QuirkF7, Tolerated) {
  for (const bool tcp : {true, false}) {
    QuirkReceiver camera(Codec::h264, {}, tcp);
    send_run(camera, 100, 1'000'000, 5, 1);
    send_run(camera, 9, 77, 10, 2);  // its time begins anew with it, which is no quirk of its own
    camera.rx.flush();
    EXPECT_EQ(camera.rx.units.size(), 15u);
    EXPECT_EQ(camera.rx.reorder->reception().ssrc(), 2u);
    EXPECT_EQ(seen(camera.quirks), Ids{"F7"});
  }
}

TEST(QuirkF7, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::F7});
  send_run(camera, 100, 0, 5, 1);
  send_run(camera, 9, 77, 10, 2);
  send_run(camera, 105, 15 * 3600, 5, 1);
  camera.rx.flush();
  EXPECT_EQ(camera.rx.units.size(), 10u);
  EXPECT_EQ(camera.rx.reorder->stats().refused, 10u);
  EXPECT_EQ(camera.rx.reorder->reception().ssrc(), 1u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F7"});
}

TEST(QuirkF8, Tolerated) {
  for (const bool tcp : {true, false}) {
    for (const uint16_t begins : {uint16_t{0}, uint16_t{20'000}, uint16_t{39'960}}) {
      QuirkReceiver camera(Codec::h264, {}, tcp);
      send_run(camera, 40'000 - 50, 0, 100);
      send_run(camera, begins, 100 * 3600, 40);
      camera.rx.flush();
      EXPECT_GE(camera.rx.units.size(), begins == 39'960 ? 132u : 140u) << begins;
      EXPECT_EQ(camera.rx.reorder->stats().restarts, 1u) << begins;
      EXPECT_EQ(seen(camera.quirks), Ids{"F8"}) << begins << tcp;
    }
  }
}

TEST(QuirkF8, Strict) {
  for (const uint16_t begins : {uint16_t{0}, uint16_t{39'960}}) {
    QuirkReceiver camera(Codec::h264, {Quirk::F8});
    send_run(camera, 40'000 - 50, 0, 100);
    send_run(camera, begins, 100 * 3600, 40);
    camera.rx.flush();
    EXPECT_EQ(camera.rx.units.size(), 100u) << begins;
    EXPECT_EQ(camera.rx.reorder->stats().restarts, 0u);
    EXPECT_GE(camera.rx.reorder->stats().refused, 33u);
    EXPECT_EQ(seen(camera.quirks), Ids{"F8"});
  }
}

// An outage that swallowed thousands of packets: the timestamp went on with the time.
TEST(QuirkF8, AnOutageIsNone) {
  for (const int lost : {100, 3500, 20'000, 40'000, 64'000}) {
    QuirkReceiver camera(Codec::h264, {Quirk::F8}, false);
    send_run(camera, 500, 0, 50);
    camera.rx.now_ms += 20'000;
    send_run(camera, static_cast<uint16_t>(550 + lost), 50 * 3600 + 20 * 90'000, 50);
    camera.rx.flush();
    EXPECT_EQ(camera.rx.units.size(), 100u) << lost;
    EXPECT_TRUE(camera.rx.units[50]->gap);
    EXPECT_EQ(seen(camera.quirks), Ids{}) << lost;
  }
}

// A path that delays or repeats a burst after its hole was given up is no sender that began anew.
TEST(QuirkF8, LateAndRepeatedBurstsAreNone) {
  for (const bool repeats : {true, false}) {
    QuirkReceiver camera(Codec::h264, {}, false);
    send_run(camera, 100, 0, 50);
    if (repeats) send_run(camera, 150, 50 * 3600, 20);
    send_run(camera, 170, 70 * 3600, 5);  // 40 ms apart: the hole was given up
    send_run(camera, 150, 50 * 3600, 20);
    send_run(camera, 175, 75 * 3600, 20);
    camera.rx.flush();
    EXPECT_EQ(camera.rx.reorder->stats().restarts, 0u);
    EXPECT_EQ(camera.rx.units.size(), repeats ? 95u : 75u);
    EXPECT_EQ(seen(camera.quirks), Ids{});
  }
}

}  // namespace
}  // namespace vigie::rtp
