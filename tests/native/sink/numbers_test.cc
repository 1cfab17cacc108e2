// The small parts without sockets: numbers of a session, age of the kernel's queue, admission, targets, the feed.
#include <map>
#include <vector>

#include "rtp/packetizer.h"
#include "sink/admission.h"
#include "sink/kernel_lag.h"
#include "sink/rtsp_connection.h"
#include "sink/session_numbers.h"
#include "sink/text.h"
#include "sink_support.h"

namespace vigie::sink {
namespace {

// Entries as a hub would number them: three packets each, 40 ms apart.
fanout::LogEntry entry(uint64_t number, int64_t presentation_offset = 0) {
  fanout::LogEntry out;
  out.number = number;
  UnitSpec spec;
  spec.pts = static_cast<int64_t>(number) * 3600;
  spec.presentation_offset = presentation_offset;
  out.unit = make_unit(spec);
  out.rtp = {static_cast<uint16_t>(65530 + number * 3), 3,
             static_cast<uint32_t>(0xffff0000u + static_cast<uint32_t>(spec.pts + presentation_offset))};
  return out;
}

TEST(SessionNumbers, SharesTheHubsAtTheLiveEdge) {
  SessionNumbers numbers;
  numbers.begin_catch_up(entry(7), entry(7));
  for (uint64_t n = 7; n < 40; ++n) {
    const auto mapped = numbers.take(entry(n));
    EXPECT_TRUE(mapped.shared) << n;
  }
}

TEST(SessionNumbers, CatchUpEndsAtTheLiveEdge) {
  for (const uint64_t units : {1u, 2u, 25u, 250u, 8000u, 20000u}) {
    SessionNumbers numbers;
    const uint64_t edge = 10 + units;
    numbers.begin_catch_up(entry(10), entry(edge));
    const uint32_t live = entry(edge).rtp.timestamp;
    uint32_t last = 0;
    for (uint64_t n = 10; n <= edge; ++n) {
      const auto mapped = numbers.take(entry(n));
      EXPECT_EQ(mapped.first_sequence, entry(n).rtp.first_sequence);
      if (n > 10) {
        EXPECT_GT(static_cast<int32_t>(mapped.timestamp - last), 0);
      }
      last = mapped.timestamp;
      if (n == 10) {
        const uint32_t span = live - mapped.timestamp;
        EXPECT_LE(span, std::max<uint64_t>(9000, units));
        if (units <= 100) {
          EXPECT_EQ(span, units * 90);
        }
      }
    }
    EXPECT_EQ(last, live);
    EXPECT_TRUE(numbers.take(entry(edge + 1)).shared) << "afterwards the shared bytes are right again";
  }
}

TEST(SessionNumbers, JumpLeavesNoHoleAndGoesForward) {
  SessionNumbers numbers;
  numbers.begin_catch_up(entry(1), entry(1));
  for (uint64_t n = 1; n <= 5; ++n) numbers.take(entry(n));
  numbers.begin_catch_up(entry(50), entry(52));
  const auto after = numbers.take(entry(50));
  EXPECT_EQ(after.first_sequence, entry(6).rtp.first_sequence);
  EXPECT_EQ(after.timestamp, entry(52).rtp.timestamp - 180);
  EXPECT_FALSE(after.shared);
  numbers.take(entry(51));
  numbers.take(entry(52));
  const auto live = numbers.take(entry(53));
  EXPECT_EQ(live.timestamp, entry(53).rtp.timestamp);
  EXPECT_FALSE(live.shared);
}

// After a pause with a camera that stands still, the same units are sent again: their time must still grow.
TEST(SessionNumbers, RepeatedUnitsGoForward) {
  SessionNumbers numbers;
  numbers.begin_catch_up(entry(1), entry(4));
  uint32_t last = 0;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t n = 1; n <= 4; ++n) {
      const uint32_t timestamp = numbers.take(entry(n)).timestamp;
      if (round + n > 1) {
        EXPECT_GT(static_cast<int32_t>(timestamp - last), 0) << round << " " << n;
      }
      last = timestamp;
    }
    numbers.begin_catch_up(entry(1), entry(4));
  }
}

// A player that pauses and plays on at once gets a GOP again of which it has seen a part: what follows live must still
// be later.
TEST(SessionNumbers, RepeatedUnitsLeaveRoomForTheLiveOnes) {
  for (const uint64_t missed : {0u, 1u, 2u, 5u}) {
    SessionNumbers numbers;
    numbers.begin_catch_up(entry(1), entry(1));
    for (uint64_t n = 1; n <= 250; ++n) numbers.take(entry(n));
    uint32_t last = entry(250).rtp.timestamp;
    numbers.begin_catch_up(entry(1), entry(250 + missed));
    for (uint64_t n = 1; n <= 260 + missed; ++n) {
      const uint32_t timestamp = numbers.take(entry(n)).timestamp;
      EXPECT_GT(static_cast<int32_t>(timestamp - last), 0) << missed << " missed, unit " << n;
      last = timestamp;
    }
    EXPECT_EQ(last, entry(260 + missed).rtp.timestamp) << "and on the hub's time again";
  }
}

// Coded I P B B, or with B pictures that others are predicted from: wherever a viewer joins, pictures are shown in the
// order in which the camera shows them, each at a time of its own, and live ones at the hub's time. RTP sources know a
// presentation time alone; their decoding time is the latest of them (a tick later where that went back). Files know both.
TEST(SessionNumbers, CatchUpKeepsThePresentationOrder) {
  const std::vector<int> orders[] = {{0, 3, 1, 2}, {0, 4, 2, 1, 3}, {0, 1, 2, 3}};
  for (const std::vector<int>& order : orders) {
    const auto period = static_cast<uint64_t>(order.size() - 1);
    for (const bool has_decoding_times : {false, true}) {
      RtpFeed feed(1400);
      std::vector<fanout::LogEntry> log;
      int64_t last_pts = -1;
      for (uint64_t n = 0; n < 100; ++n) {
        const uint64_t place =
            n == 0 ? 0 : (n - 1) / period * period + static_cast<uint64_t>(order[(n - 1) % period + 1]);
        const int64_t shown = static_cast<int64_t>(place) * 3600;
        UnitSpec spec;
        spec.keyframe = n % (period * 5) == 1;
        spec.pts = has_decoding_times ? static_cast<int64_t>(n) * 3600 - 9000 : std::max(shown, last_pts + 1);
        spec.presentation_offset = shown - spec.pts;
        last_pts = spec.pts;
        fanout::LogEntry out;
        out.number = n + 1;
        out.unit = make_unit(spec);
        out.rtp = feed.assign(out.unit);
        log.push_back(std::move(out));
      }
      for (size_t first = 30; first < 40; ++first) {
        for (size_t edge = first; edge < 60; ++edge) {
          SessionNumbers numbers;
          numbers.begin_catch_up(log[first], log[edge]);
          std::map<int32_t, int32_t> sent_by_shown;
          for (size_t i = first; i < log.size(); ++i) {
            const uint32_t sent = numbers.take(log[i]).timestamp;
            if (i >= edge) {
              EXPECT_EQ(sent, log[i].rtp.timestamp);
            }
            const auto place = static_cast<int32_t>(log[i].rtp.timestamp - log[0].rtp.timestamp);
            sent_by_shown[place] = static_cast<int32_t>(sent - log[0].rtp.timestamp);
          }
          const int32_t* before = nullptr;
          for (const auto& [shown, sent] : sent_by_shown) {
            if (before != nullptr) {
              ASSERT_GT(sent, *before) << period << " from " << first << " to " << edge << ", shown at " << shown;
            }
            before = &sent;
          }
          // What was history is packed: nobody stays behind by more than the pictures that wait for others.
          const auto end = static_cast<int32_t>(log[edge].rtp.timestamp - log[0].rtp.timestamp);
          EXPECT_LE(end - sent_by_shown.begin()->second, 9000 + 3600 * static_cast<int32_t>(2 * period));
        }
      }
    }
  }
}

TEST(KernelLag, TellsTheAgeOfTheOldestByte) {
  KernelLag lag;
  lag.set_interval(125ms);
  const auto at = [](int64_t ms) { return MonoTime{std::chrono::milliseconds(ms)}; };
  EXPECT_EQ(lag.age(0, 0, at(0)), Nanos{0});
  for (int n = 1; n <= 100; ++n) lag.on_sent(static_cast<uint64_t>(n) * 1000, at(n * 40));
  EXPECT_EQ(lag.age(100'000, 0, at(4000)), Nanos{0});
  // 25 units are held: the oldest came a second ago.
  EXPECT_GE(lag.age(100'000, 25'000, at(4000)), 800ms);
  EXPECT_LE(lag.age(100'000, 25'000, at(4000)), 1000ms);
  EXPECT_LE(lag.age(100'000, 2'000, at(4000)), 125ms);
  // Older than all marks: their whole span, twice the limit of one second.
  EXPECT_GE(lag.age(100'000, 99'000, at(4000)), 1800ms);
}

TEST(Admission, CountsByPeerStreamAndInAll) {
  policy::LimitsPolicy limits;
  limits.sessions = 5;
  limits.sessions_per_peer = 3;
  limits.sessions_per_stream = 2;
  Admission admission;
  const StreamKey a{"a", "main"}, b{"b", "main"}, c{"c", "main"};
  EXPECT_TRUE(admission.try_enter("p1", a, limits).ok());
  EXPECT_TRUE(admission.try_enter("p1", a, limits).ok());
  EXPECT_FALSE(admission.try_enter("p1", a, limits).ok()) << "per stream";
  EXPECT_TRUE(admission.try_enter("p1", b, limits).ok());
  EXPECT_FALSE(admission.try_enter("p1", b, limits).ok()) << "per peer";
  EXPECT_TRUE(admission.try_enter("p2", b, limits).ok());
  EXPECT_TRUE(admission.try_enter("p2", c, limits).ok());
  const Status full = admission.try_enter("p3", c, limits);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::admission_refused);
  admission.leave("p1", a);
  EXPECT_TRUE(admission.try_enter("p3", a, limits).ok());
  EXPECT_EQ(admission.sessions(), 5u);
}

struct TargetRow {
  const char* uri;
  const char* path;
  const char* base;
  bool track;
  bool next_key;
};

TEST(Target, WhatPlayersWrite) {
  const TargetRow rows[] = {
      {"rtsp://h:8554/cam", "/cam", "rtsp://h:8554/cam", false, false},
      {"rtsp://h/cam/sub/", "/cam/sub", "rtsp://h/cam/sub", false, false},
      {"rtsp://h/cam/trackID=0", "/cam", "rtsp://h/cam", true, false},
      {"rtsp://h/cam//trackID=0", "/cam", "rtsp://h/cam", true, false},
      {"rtsp://h/cam?start=next-key", "/cam", "rtsp://h/cam", false, true},
      {"rtsp://h/cam/?start=next-key/trackID=0", "/cam", "rtsp://h/cam", true, true},
      {"rtsp://h/cam/trackID=0?start=next-key&x=y", "/cam", "rtsp://h/cam", true, true},
      {"rtsp://[::1]:8554/%63am", "/cam", "rtsp://[::1]:8554/%63am", false, false},
      {"rtsp://h", "", "rtsp://h", false, false},
      {"/cam/trackid=0", "/cam", "/cam", true, false},
  };
  for (const TargetRow& row : rows) {
    const Result<Target> target = parse_target(row.uri);
    ASSERT_TRUE(target.ok()) << row.uri;
    EXPECT_EQ(target->path, row.path) << row.uri;
    EXPECT_EQ(target->base, row.base) << row.uri;
    EXPECT_EQ(target->track, row.track) << row.uri;
    EXPECT_EQ(target->next_key, row.next_key) << row.uri;
  }
  for (const char* wrong : {"rtsp://h/cam/trackID=1", "rtsp://h/%0acam", "rtsp://h/c%", "rtsp://h/c?start=x",
                            "rtsp://h/c?start=next-key/trackID=7"}) {
    EXPECT_FALSE(parse_target(wrong).ok()) << wrong;
  }
}

TEST(RtpFeed, NumbersGoOnAndTrainsAgreeWithThem) {
  RtpFeed feed(1400);
  BufferPool pool;
  fanout::RtpNumbers last;
  for (uint64_t n = 1; n < 200; ++n) {
    UnitSpec spec;
    spec.number = n;
    spec.keyframe = n % 10 == 1;
    spec.bytes = 20 + n * 97;
    spec.pts = static_cast<int64_t>(n) * 3000 + (n > 100 ? 1'000'000 : 0);  // a camera that came back
    spec.presentation_offset = n % 3 == 0 ? 6000 : 0;
    fanout::LogEntry entry;
    entry.unit = make_unit(spec);
    entry.rtp = feed.assign(entry.unit);
    const auto derived = feed.build(entry, pool);
    ASSERT_TRUE(derived);
    const rtp::Train& train = static_cast<const RtpTrain&>(*derived).train();
    EXPECT_EQ(train.packet_count(), entry.rtp.packet_count);
    EXPECT_EQ(train.first_sequence(), entry.rtp.first_sequence);
    EXPECT_EQ(train.ssrc(), feed.ssrc());
    EXPECT_EQ(train.payload_type(), 96);
    if (n > 1) {
      EXPECT_EQ(entry.rtp.first_sequence, static_cast<uint16_t>(last.first_sequence + last.packet_count));
    }
    if (n == 150) {
      EXPECT_EQ(entry.rtp.timestamp - last.timestamp, 3000u + 6000u) << "RTP carries presentation time";
    }
    last = entry.rtp;
  }
  EXPECT_EQ(RtpFeed::payload_type(Codec::mjpeg), 26);
}

TEST(Text, Times) {
  EXPECT_EQ(utc_text(WallTime{}), "-");
  EXPECT_EQ(utc_text(WallTime{1'800'000'000'250ms}), "2027-01-15T08:00:00.250Z");
}

}  // namespace
}  // namespace vigie::sink
