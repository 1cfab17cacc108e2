// RTP/JPEG that contradicts itself: G18, and what markers and empty packets mean there (F2, F3, F10).
#include <gtest/gtest.h>

#include <algorithm>

#include "quirks_support.h"
#include "rtp/jpeg.h"

namespace vigie::rtp {
namespace {

// Three fragments of three bytes; the later ones with a time of their own.
void play_moving_timestamp(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 5; ++n, camera.rx.now_ms += 40) {
    camera.rx.send(n * 3600, false, jpeg_payload(0, 1, 80, {1, 2, 3}));
    camera.rx.send(n * 3600 + 9, false, jpeg_payload(3, 1, 80, {4, 5, 6}));
    camera.rx.send(n * 3600 + 9, true, jpeg_payload(6, 1, 80, {7, 8, 9}));
  }
  camera.rx.flush();
}

TEST(QuirkG18, Tolerated) {
  QuirkReceiver camera(Codec::mjpeg);
  play_moving_timestamp(camera);
  ASSERT_EQ(camera.rx.units.size(), 5u);
  for (size_t n = 0; n < 5; ++n) {
    const auto image = parse_jpeg_for_rtp(camera.rx.units[n]->nal(0));
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(Bytes(image->scan.begin(), image->scan.end()), (Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(camera.rx.units[n]->rtp_timestamp, n * 3600);
  }
  EXPECT_EQ(seen(camera.quirks), Ids{"G18"});
}

TEST(QuirkG18, ToleratedWhereNothingCanBeRead) {
  struct Row {
    const char* what;
    Bytes payload;
  };
  for (const Row& row : {Row{"type 2", jpeg_payload(0, 2, 80, {1})}, Row{"type 63", jpeg_payload(0, 63, 80, {1})},
                         Row{"no restart header", jpeg_payload(0, 65, 80, {})}, Row{"Q 0", jpeg_payload(0, 1, 0, {1})},
                         Row{"Q 120", jpeg_payload(0, 1, 120, {1})}, Row{"cut short", {0, 0, 0}},
                         Row{"Q 255 without tables", jpeg_payload(0, 1, 255, {0, 0, 0, 0, 1})},
                         Row{"half a table", jpeg_payload(0, 1, 200, {0, 0, 0, 3, 1, 2, 3, 4})}}) {
    QuirkReceiver camera(Codec::mjpeg);
    camera.rx.send(0, true, row.payload);
    camera.rx.send(3600, true, jpeg_payload(0, 1, 80, {1, 0xff, 0xd9}));
    EXPECT_EQ(camera.rx.units.size(), 1u) << row.what;
    EXPECT_EQ(camera.stats().malformed_packets, 1u) << row.what;
    EXPECT_EQ(seen(camera.quirks), Ids{"G18"}) << row.what;
  }
  QuirkReceiver camera(Codec::mjpeg);  // a fragment that cannot follow, though nothing is missing
  camera.rx.send(0, false, jpeg_payload(0, 1, 80, {1, 2, 3}));
  camera.rx.send(0, true, jpeg_payload(77, 1, 80, {4}));
  camera.rx.flush();
  EXPECT_EQ(camera.rx.units.size(), 0u);
  EXPECT_EQ(seen(camera.quirks), Ids{"G18"});
}

TEST(QuirkG18, Strict) {
  QuirkReceiver camera(Codec::mjpeg, {Quirk::G18});
  play_moving_timestamp(camera);
  EXPECT_EQ(camera.rx.units.size(), 0u);
  EXPECT_EQ(camera.stats().malformed_packets, 5u);
  EXPECT_EQ(seen(camera.quirks), Ids{"G18"});
}

// 96 x 64 pixels, type 1: four rows of six blocks. `each`: blocks between restart markers.
Bytes scan_with_restarts(uint32_t each) {
  Bytes scan;
  for (uint32_t block = 0; block < 24; ++block) {
    if (block > 0 && block % each == 0) scan.insert(scan.end(), {0xff, static_cast<uint8_t>(0xd0 + block / each % 8)});
    scan.insert(scan.end(), {0x12, 0xff, 0x00, 0x34});
  }
  scan.insert(scan.end(), {0xff, 0xd9});
  return scan;
}
// In two fragments, cut at `cut`.
void play_scan(QuirkReceiver& camera, const Bytes& scan, size_t cut, uint8_t type = 1, const Bytes& more_head = {}) {
  camera.rx.now_ms += 40;
  camera.timestamp += 3600;
  const auto at = scan.begin() + static_cast<ptrdiff_t>(cut);
  camera.rx.send(camera.timestamp, false, jpeg_payload(0, type, 80, joined({more_head, Bytes(scan.begin(), at)})));
  camera.rx.send(camera.timestamp, true,
                 jpeg_payload(static_cast<uint32_t>(cut), type, 80, joined({more_head, Bytes(at, scan.end())})));
}

TEST(QuirkG18, AnIntervalThatWasLeftOutIsTakenFromTheMarkers) {
  for (const uint16_t each : {uint16_t{6}, uint16_t{1}}) {
    const Bytes scan = scan_with_restarts(each);
    const auto marker = std::find(scan.begin() + 1, scan.end(), 0xff) + 1;
    for (size_t cut : {size_t{10}, static_cast<size_t>(std::find(marker, scan.end(), 0xd1) - scan.begin())}) {
      QuirkReceiver camera(Codec::mjpeg);
      for (int n = 0; n < 20; ++n) play_scan(camera, scan, cut);
      ASSERT_EQ(camera.rx.units.size(), 19u) << "the first shows it and cannot be mended any more";
      EXPECT_TRUE(camera.rx.units[0]->gap);
      for (const auto& unit : camera.rx.units) {
        const auto image = parse_jpeg_for_rtp(unit->nal(0));
        ASSERT_TRUE(image.ok());
        EXPECT_EQ(image->restart_interval, each);
      }
      EXPECT_FALSE(camera.rx.units[18]->gap);
      EXPECT_EQ(camera.stats().malformed_packets, 1u);
      EXPECT_EQ(seen(camera.quirks), Ids{"G18"});
    }
  }
}

TEST(QuirkG18, MarkersThatTellNoIntervalGiveNoPicture) {
  QuirkReceiver camera(Codec::mjpeg);
  for (int n = 0; n < 20; ++n) play_scan(camera, scan_with_restarts(5), 10);
  EXPECT_EQ(camera.rx.units.size(), 0u);
  EXPECT_EQ(camera.stats().malformed_packets, 20u);
  for (int n = 0; n < 3; ++n) play_scan(camera, scan_with_restarts(100), 10);  // none at all
  EXPECT_EQ(camera.rx.units.size(), 3u) << "then it is a picture like any other";
}

TEST(QuirkG18, StrictHasNoPictureWithMarkersThatNobodyAnnounced) {
  QuirkReceiver camera(Codec::mjpeg, {Quirk::G18});
  for (int n = 0; n < 20; ++n) play_scan(camera, scan_with_restarts(6), 10);
  EXPECT_EQ(camera.rx.units.size(), 0u);
  EXPECT_EQ(camera.stats().malformed_packets, 20u);
  EXPECT_EQ(seen(camera.quirks), Ids{"G18"});
}

// RFC 2435 3.1.7: a restart header says an interval. One that says 0 has left it out as well.
TEST(QuirkG18, ARestartHeaderWithoutAnInterval) {
  QuirkReceiver camera(Codec::mjpeg), strict(Codec::mjpeg, {Quirk::G18});
  for (int n = 0; n < 4; ++n) {
    play_scan(camera, scan_with_restarts(6), 10, 65, {0, 0, 0xff, 0xff});
    play_scan(strict, scan_with_restarts(6), 10, 65, {0, 0, 0xff, 0xff});
  }
  ASSERT_EQ(camera.rx.units.size(), 3u);
  EXPECT_EQ(parse_jpeg_for_rtp(camera.rx.units[2]->nal(0))->restart_interval, 6);
  EXPECT_EQ(strict.rx.units.size(), 0u);
}

TEST(QuirkG18, AnIntervalThatIsSaidIsNone) {
  QuirkReceiver camera(Codec::mjpeg);
  for (int n = 0; n < 12; ++n) play_scan(camera, scan_with_restarts(7), 10, 65, {0, 7, 0xff, 0xff});
  ASSERT_EQ(camera.rx.units.size(), 12u);
  for (const auto& unit : camera.rx.units) EXPECT_EQ(parse_jpeg_for_rtp(unit->nal(0))->restart_interval, 7);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

// A picture that never ends takes no more memory than a picture may.
TEST(QuirkG18, ReassemblyIsBounded) {
  DepacketizerConfig config;
  config.max_unit_bytes = 20'000;
  QuirkReceiver camera(Codec::mjpeg, {}, true, config);
  for (uint32_t i = 0; i < 1000; ++i) {
    camera.rx.send(0, false, jpeg_payload(i * 1000, 1, 80, Bytes(1000, 5)));
    ASSERT_LE(camera.rx.pool.bytes_in_use(), 100'000u);
  }
  EXPECT_EQ(camera.stats().units_too_large, 1u);
}

// Joined late, the tables of a Q are not known yet: nothing is wrong with the camera.
TEST(QuirkG18, TablesNotHeardOfAreNone) {
  QuirkReceiver camera(Codec::mjpeg);
  camera.rx.send(0, true, jpeg_payload(0, 1, 200, {0, 0, 0, 0, 1}));
  EXPECT_EQ(camera.stats().malformed_packets, 1u);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

TEST(QuirkF10Jpeg, Tolerated) {
  QuirkReceiver camera(Codec::mjpeg);
  for (uint32_t n = 0; n < 4; ++n) {  // the marker comes on a packet of its own
    camera.rx.send(n * 3600, false, jpeg_payload(0, 1, 80, {1, 2, 0xff, 0xd9}));
    camera.rx.send(n * 3600, true, {});
  }
  EXPECT_EQ(camera.rx.units.size(), 4u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F10"});
}

TEST(QuirkF10Jpeg, Strict) {
  QuirkReceiver camera(Codec::mjpeg, {Quirk::F10});
  camera.rx.send(0, false, jpeg_payload(0, 1, 80, {1, 2, 0xff, 0xd9}));
  camera.rx.send(0, true, {});
  EXPECT_EQ(camera.rx.units.size(), 0u) << "its marker does not count";
  EXPECT_EQ(camera.stats().malformed_packets, 1u);
}

void play_without_markers(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 6; ++n) camera.rx.send(n * 3600, false, jpeg_payload(0, 1, 80, {1, 2, 3}));
}

TEST(QuirkF2Jpeg, Tolerated) {
  QuirkReceiver camera(Codec::mjpeg);
  play_without_markers(camera);
  EXPECT_EQ(camera.rx.units.size(), 5u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F2"});
}

TEST(QuirkF2Jpeg, Strict) {
  QuirkReceiver camera(Codec::mjpeg, {Quirk::F2});
  play_without_markers(camera);
  EXPECT_EQ(camera.rx.units.size(), 0u) << "a picture whose end nobody saw cannot be told whole";
  EXPECT_EQ(camera.stats().units_dropped, 5u);
}

void play_markers_everywhere(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 6; ++n) {
    camera.rx.send(n * 3600, true, jpeg_payload(0, 1, 80, {1, 2, 3}));
    camera.rx.send(n * 3600, true, jpeg_payload(3, 1, 80, {4, 5}));
  }
  camera.rx.flush();
}

TEST(QuirkF3Jpeg, Tolerated) {
  QuirkReceiver camera(Codec::mjpeg);
  play_markers_everywhere(camera);
  ASSERT_EQ(camera.rx.units.size(), 6u);
  for (const auto& unit : camera.rx.units) EXPECT_EQ(parse_jpeg_for_rtp(unit->nal(0))->scan.size(), 5u);
  EXPECT_EQ(seen(camera.quirks), Ids{"F3"});
}

TEST(QuirkF3Jpeg, Strict) {
  QuirkReceiver camera(Codec::mjpeg, {Quirk::F3});
  play_markers_everywhere(camera);
  ASSERT_EQ(camera.rx.units.size(), 6u);
  for (const auto& unit : camera.rx.units) EXPECT_EQ(parse_jpeg_for_rtp(unit->nal(0))->scan.size(), 3u);
  EXPECT_TRUE(camera.rx.units[1]->gap);
  EXPECT_EQ(seen(camera.quirks), Ids{"F3"});
}

}  // namespace
}  // namespace vigie::rtp
