// Units over TCP: exact, at the live edge, in one sequence, and nothing late.
#include <sys/socket.h>

#include "rtp/rtcp.h"
#include "sink/rtp_session.h"
#include "sink_support.h"

namespace vigie::sink {
namespace {

using testing::HasSubstr;
using Delivery = SinkTest;

void expect_same(const std::vector<Ref<const AccessUnit>>& got, const std::vector<PublishedUnit>& sent) {
  ASSERT_EQ(got.size(), sent.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const ByteSpan a = got[i]->payload.bytes(), b = sent[i].unit().payload.bytes();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << i;
    EXPECT_EQ(got[i]->keyframe, sent[i].unit().keyframe);
    EXPECT_FALSE(got[i]->damaged || got[i]->gap) << i;
  }
}

TEST_F(Delivery, UnitsAreByteExactOnSharedAndPrivateHeaders) {
  open_server();
  std::vector<PublishedUnit> sent;
  const auto publish_one = [&](size_t bytes, bool keyframe) {
    clock_.advance(40ms);
    turn(1);
    UnitSpec spec;
    spec.keyframe = keyframe;
    spec.number = sent.size();
    spec.bytes = bytes;
    spec.pts = pts_ += 3600;
    spec.arrival = clock_.now_mono();
    sent.push_back(make_unit(spec));
    hub_->publish(sent.back());
  };
  publish_one(40'000, true);
  publish_one(5, false);
  Client shared = client(), other = client();
  ASSERT_EQ(shared.play_tcp(url("/cam"), "0-1")->status, 200);
  ASSERT_EQ(other.play_tcp(url("/cam"), "6-7")->status, 200);
  for (const size_t bytes : {10, 1386, 1387, 1388, 1389, 5000, 300'000, 900'000, 17}) {
    publish_one(bytes, false);
    ASSERT_TRUE(until([&] {
      shared.receive();
      other.receive();
      for (const ViewerStats& viewer : server_->viewers_blocking()) {
        if (viewer.kernel_bytes > 0 || viewer.queue_time > Nanos{0}) return false;
      }
      return true;
    }));
  }
  UnitReader a, b;
  ASSERT_TRUE(until([&] {
    shared.receive();
    other.receive();
    a.read(shared, 0);
    b.read(other, 6);
    return a.units.size() == sent.size() && b.units.size() == sent.size();
  }));
  expect_same(a.units, sent);
  expect_same(b.units, sent);
  EXPECT_EQ(a.ssrc, b.ssrc);
  EXPECT_EQ(a.timestamps, b.timestamps);
  const auto viewers = server_->viewers_blocking();
  for (const ViewerStats& viewer : viewers) {
    EXPECT_EQ(viewer.units_sent, sent.size());
    EXPECT_EQ(viewer.units_offered, sent.size());
  }
}

TEST_F(Delivery, CatchUpEndsAtTheLiveEdge) {
  open_server();
  publish(21);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  publish(2);
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer);
  ASSERT_EQ(reader.units.size(), 23u) << "everything since the keyframe, at once";
  EXPECT_TRUE(reader.units[0]->keyframe);
  for (size_t i = 1; i < 21; ++i) EXPECT_EQ(reader.timestamps[i] - reader.timestamps[i - 1], 90u) << i;
  EXPECT_EQ(reader.timestamps[21] - reader.timestamps[20], 3600u);
  EXPECT_EQ(reader.timestamps[22] - reader.timestamps[21], 3600u);
  EXPECT_EQ(reader.lost, 0u);
  EXPECT_GE(only_viewer().first_picture_delay, Nanos{0});
}

TEST_F(Delivery, NextKeyWaits) {
  open_server();
  publish(21);
  Client viewer = client();
  auto play = viewer.play_tcp(url("/cam?start=next-key"));
  ASSERT_EQ(play->status, 200);
  publish(2);
  turn();
  viewer.receive();
  EXPECT_TRUE(viewer.frames.empty());
  publish(5);  // 26 is a keyframe
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer);
  ASSERT_EQ(reader.units.size(), 3u);
  EXPECT_TRUE(reader.units[0]->keyframe);
  EXPECT_EQ(reader.timestamps[1] - reader.timestamps[0], 3600u);
}

// within a second, then at least every five, and with the camera's time.
TEST_F(Delivery, SenderReportsCarryTheCaptureTime) {
  open_server();
  publish(5);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer);
  std::vector<MonoTime> at;
  const auto reports = [&] {
    for (const auto& [channel, packet] : std::exchange(viewer.frames, {})) {
      if (channel != 1) continue;
      rtp::RtcpCompound compound;
      rtp::parse_rtcp(packet, compound);
      ASSERT_TRUE(compound.sender_report);
      EXPECT_EQ(compound.cname, "cam/main");
      EXPECT_EQ(compound.malformed_packets, 0u);
      EXPECT_EQ(compound.sender_report->ssrc, reader.ssrc);
      at.push_back(clock_.now_mono());
      if (at.size() > 1) continue;
      const WallTime told = rtp::wall_from_ntp(compound.sender_report->ntp);
      const WallTime captured = clock_.now_wall() - 70ms;
      EXPECT_LT(std::chrono::abs(told - captured), 1us);
      EXPECT_EQ(compound.sender_report->rtp_timestamp, reader.timestamps.back()) << "of the newest unit";
    }
  };
  reports();
  ASSERT_EQ(at.size(), 1u);
  for (int i = 0; i < 500; ++i) {
    publish(1);
    turn(1);
    viewer.receive();
    reports();
  }
  ASSERT_GE(at.size(), 5u);
  for (size_t i = 1; i < at.size(); ++i) EXPECT_LE(at[i] - at[i - 1], 5s);
}

// A viewer that stops reading jumps, and what it reads afterwards has no false loss.
TEST_F(Delivery, LaggingViewerJumpsWithoutFalseLoss) {
  policy::LimitsPolicy limits;
  limits.send_buffer_bytes = 32 << 10;
  open_server(limits);
  publish(1);
  Client slow = client(8 << 10), quick = client();
  ASSERT_EQ(slow.play_tcp(url("/cam"))->status, 200);
  ASSERT_EQ(quick.play_tcp(url("/cam"))->status, 200);
  UnitReader slow_reader, quick_reader;
  const auto read_quick = [&] {
    turn(1);
    quick.receive();
    quick_reader.read(quick);
  };
  for (int i = 0; i < 120; ++i) {
    publish(1, 20'000);
    read_quick();
  }
  const auto drops = provider_.told(EventKind::viewer_dropped);
  ASSERT_FALSE(drops.empty());
  EXPECT_THAT(drops[0], HasSubstr("lag_limit"));
  EXPECT_LE(drops.size(), 6u) << "merged";
  const uint64_t before = slow_reader.units.size();
  for (int i = 0; i < 60; ++i) {
    for (int k = 0; k < 20; ++k) {
      turn(1);
      slow.receive();
    }
    slow_reader.read(slow);
    publish(1, 20'000);
    read_quick();
  }
  ASSERT_TRUE(until([&] {
    slow.receive();
    slow_reader.read(slow);
    read_quick();
    return slow_reader.timestamps.size() > before + 20 && quick_reader.timestamps.size() == 181;
  }));
  EXPECT_EQ(slow_reader.lost, 0u) << "units passed over whole leave no hole";
  EXPECT_EQ(quick_reader.lost, 0u);
  EXPECT_EQ(quick_reader.units.size(), 181u) << "the other viewer is not disturbed";
  for (const auto& unit : slow_reader.units) EXPECT_FALSE(unit->damaged);
  for (size_t i = 1; i < slow_reader.timestamps.size(); ++i) {
    EXPECT_GT(static_cast<int32_t>(slow_reader.timestamps[i] - slow_reader.timestamps[i - 1]), 0);
  }
  // After the jump it is at the live edge again.
  EXPECT_EQ(slow_reader.timestamps.back(), quick_reader.timestamps.back());
  for (const ViewerStats& viewer : server_->viewers_blocking()) {
    const uint64_t lagged = viewer.units_dropped[static_cast<size_t>(DropReason::lag_limit)] +
                            viewer.units_dropped[static_cast<size_t>(DropReason::log_evicted)];
    EXPECT_EQ(viewer.jumps > 0, lagged > 0);
    EXPECT_EQ(viewer.units_sent + lagged + viewer.units_dropped[static_cast<size_t>(DropReason::waiting_keyframe)] +
                  viewer.units_waiting,
              viewer.units_offered);
    EXPECT_EQ(viewer.units_offered, 181u);
  }
}

// Of a large unit only the packet begun is finished; its missing rest is a true loss and shows as one.
TEST_F(Delivery, LargeUnitIsGivenUpBetweenPackets) {
  policy::LimitsPolicy limits;
  limits.send_buffer_bytes = 16 << 10;
  open_server(limits);
  publish(1);
  Client slow = client(8 << 10);
  ASSERT_EQ(slow.play_tcp(url("/cam"))->status, 200);
  publish(1, 900'000);
  publish(40, 2000);
  pass(1s);
  UnitReader reader;
  publish(30, 2000);
  ASSERT_TRUE(until([&] {
    slow.receive();
    reader.read(slow);
    return reader.units.size() >= 20;
  }));
  EXPECT_GT(reader.lost, 100u) << "the rest of the large unit";
  size_t damaged = 0;
  for (const auto& unit : reader.units) damaged += unit->damaged;
  EXPECT_LE(damaged, 1u);
}

// Small pictures never fill the buffers, so only the kernel's queue shows that this viewer is seconds behind.
TEST_F(Delivery, TheKernelsQueueCountsAsLag) {
  open_server();
  publish(1);
  Client silent = client(4 << 10);
  ASSERT_EQ(silent.play_tcp(url("/cam"))->status, 200);
  publish(150, 600, 10);
  const ViewerStats viewer = only_viewer();
  EXPECT_GT(viewer.kernel_bytes, 5000u);
  EXPECT_GT(viewer.units_dropped[static_cast<size_t>(DropReason::lag_limit)], 0u);
  EXPECT_LT(viewer.units_sent, 100u) << "nothing more goes into a queue that is over a second old";
}

TEST_F(Delivery, CutViewerReceivesNothingLater) {
  open_server();
  publish(1);
  Client viewer = client(64 << 10);
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  publish(60, 40'000);  // more than both kernels take
  EXPECT_GT(only_viewer().kernel_bytes, 100'000u);
  provider_.no_longer_allowed = make_error(Code::not_authorized, "cam", "the right was revoked");
  server_->recheck_rights_blocking();
  turn();
  EXPECT_EQ(server_->counters().sessions_open, 0u);
  // What the viewer's own kernel had taken before is all it can still read.
  viewer.receive();
  EXPECT_TRUE(viewer.ended());
  EXPECT_TRUE(viewer.was_reset());
  EXPECT_LT(viewer.raw_bytes, 400'000u);
  UnitReader reader;
  reader.read(viewer);
  EXPECT_LT(reader.timestamps.size(), 12u);
  ASSERT_EQ(provider_.told(EventKind::viewer_closed).size(), 1u);
  EXPECT_THAT(provider_.told(EventKind::viewer_closed)[0], HasSubstr("the right was revoked"));
}

TEST_F(Delivery, AnEmptiedLogResetsThoseThatStillHoldOlderPictures) {
  open_server();
  publish(1);
  Client stuck = client(4 << 10), healthy = client();
  ASSERT_EQ(stuck.play_tcp(url("/cam"))->status, 200);
  ASSERT_EQ(healthy.play_tcp(url("/cam"))->status, 200);
  for (int i = 0; i < 10; ++i) {
    publish(1, 30'000);
    turn();
    healthy.receive();
  }
  ASSERT_TRUE(until([&] {
    healthy.receive();
    const auto viewers = server_->viewers_blocking();
    return viewers.size() == 2 && std::min(viewers[0].kernel_bytes, viewers[1].kernel_bytes) == 0;
  }));
  bool done = false;
  hub_->empty_log(fanout::draining_until(*loop_, [&] { done = true; }));
  turn();
  EXPECT_EQ(server_->counters().sessions_open, 2u) << "a moment to receive what is on its way";
  EXPECT_FALSE(done);
  clock_.advance(RtpSession::kDrainLimit);
  ASSERT_TRUE(until([&] { return done; }));
  EXPECT_EQ(server_->counters().sessions_open, 1u);
  stuck.receive();
  EXPECT_TRUE(stuck.ended());
  publish(30, 1000);
  turn();
  healthy.receive();
  UnitReader reader;
  reader.read(healthy);
  EXPECT_EQ(reader.lost, 0u);
  ASSERT_EQ(reader.units.size(), 11u + 16u) << "goes on at the next keyframe, number 26";
  EXPECT_TRUE(reader.units[11]->keyframe);
}

TEST_F(Delivery, AClosedHubCutsItsViewers) {
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  hub_->close(make_error(Code::withheld, "cam", "the camera was withheld"));
  turn();
  viewer.receive();
  EXPECT_TRUE(viewer.was_reset());
  EXPECT_THAT(provider_.told(EventKind::viewer_closed).at(0), HasSubstr("the camera was withheld"));
  EXPECT_EQ(provider_.holds, 0);
}

TEST_F(Delivery, AViewerWhoWasToldOfAnotherCodecIsCut) {
  open_server();
  provider_.streams.at("/cam").opened.track.codec = Codec::h265;  // when it asked
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  publish(1);
  turn();
  viewer.receive();
  EXPECT_TRUE(viewer.was_reset());
  EXPECT_TRUE(viewer.frames.empty());
  EXPECT_THAT(provider_.told(EventKind::viewer_closed).at(0), HasSubstr("the stream is H264 now"));
}

TEST_F(Delivery, ReceiverReportsAreKept) {
  open_server();
  publish(2);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer);
  rtp::ReportBlock block;
  block.ssrc = reader.ssrc;
  block.fraction_lost = 12;
  block.cumulative_lost = 345;
  block.jitter = 678;
  std::array<uint8_t, 256> memory;
  rtp::RtcpWriter writer(memory);
  writer.receiver_report(77, std::span(&block, 1));
  writer.sdes_cname(77, "x");
  std::string frame = {'$', 1, 0, static_cast<char>(writer.bytes().size())};
  viewer.send(frame + std::string(as_text(writer.bytes())));
  ASSERT_TRUE(until([&] { return only_viewer().reported; }));
  const ViewerStats stats = only_viewer();
  EXPECT_EQ(stats.fraction_lost, 12);
  EXPECT_EQ(stats.cumulative_lost, 345);
  EXPECT_EQ(stats.jitter, 678u);
}

}  // namespace
}  // namespace vigie::sink
