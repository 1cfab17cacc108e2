// Deviations in answers, one suite an id: numbering, types, control attributes, requests of the device's own.
#include "quirk_script.h"

namespace vigie::source {
namespace {

using namespace testing;
using ::testing::HasSubstr;

// --- which URI SETUP wants

void answer_setup_where(QuirkScript& device, const std::string& base, const std::string& control,
                        const std::string& right) {
  std::string setup =
      device.until_setup(sdp_with_control(control), base.empty() ? "" : "Content-Base: " + base + "\r\n");
  for (int i = 0; i < 4 && !device.ended && !setup.starts_with("SETUP " + right + " RTSP/1.0\r\n"); ++i) {
    device.status(404);
    setup = device.take();
  }
  device.ok(kTcpAnswer);
  device.take();
  if (!device.ended) device.ok();
}

struct OddBase {
  Quirk quirk;
  std::string written, right;
};
const OddBase kOddBases[] = {
    {Quirk::A1, "10.0.0.7:554/live/", "rtsp://10.0.0.7:554/live/"},
    {Quirk::A2, "rtsp://rtsp://10.0.0.7/live/", "rtsp://10.0.0.7/live/"},
    {Quirk::A3, "rtsp://::ffff:10.0.0.7:554/live/", "rtsp://[::ffff:10.0.0.7]:554/live/"},
};
TEST(QuirksOfTheBase, ArePlayedOrNamed) {
  for (const OddBase& base : kOddBases) {
    SCOPED_TRACE(base.written);
    QuirkScript device;
    answer_setup_where(device, base.written, "trackID=1", base.right + "trackID=1");
    expect_plays(device, base.quirk);
    QuirkScript strict(base.quirk);
    strict.until_describe();
    strict.ok(kSdpType + ("Content-Base: " + base.written + "\r\n"), kSdp);
    expect_refused(strict, base.quirk, Code::rtsp_malformed);
  }
}

void slash_means_no_path(QuirkScript& device) {
  answer_setup_where(device, "rtsp://10.0.0.7/live/", "/trackID=1", "rtsp://10.0.0.7/live/trackID=1");
}
TEST(QuirkA4, Tolerated) {
  QuirkScript device;
  slash_means_no_path(device);
  expect_plays(device, Quirk::A4);
}
TEST(QuirkA4, Strict) {
  QuirkScript device(Quirk::A4);
  slash_means_no_path(device);
  expect_refused(device, Quirk::A4);
}
TEST(QuirkA4, JoinsWithOneSlash) {
  QuirkScript device;
  answer_setup_where(device, "rtsp://10.0.0.7/live/", "trackID=1", "rtsp://10.0.0.7/live/trackID=1");
  expect_plays(device);
}

void appends_to_query(QuirkScript& device) {
  answer_setup_where(device, "rtsp://10.0.0.7/cam?channel=1", "trackID=1", "rtsp://10.0.0.7/cam?channel=1/trackID=1");
}
TEST(QuirkA5, Tolerated) {
  QuirkScript device;
  appends_to_query(device);
  expect_plays(device, Quirk::A5);
}
TEST(QuirkA5, Strict) {
  QuirkScript device(Quirk::A5);
  appends_to_query(device);
  expect_refused(device, Quirk::A5);
}
TEST(QuirkA5, JoiningByTheRfcIsNone) {
  for (const char* base : {"rtsp://10.0.0.7/cam?channel=1", "rtsp://10.0.0.7/cam"}) {
    QuirkScript device;
    answer_setup_where(device, base, "trackID=1", "rtsp://10.0.0.7/trackID=1");
    expect_plays(device);
  }
}

void control_leads_elsewhere(QuirkScript& device) {
  answer_setup_where(device, "", "rtsp://192.168.0.1/live/trackID=1", "rtsp://10.0.0.7/live/trackID=1");
}
TEST(QuirkA6, Tolerated) {
  QuirkScript device;
  control_leads_elsewhere(device);
  expect_plays(device, Quirk::A6);
}
TEST(QuirkA6, Strict) {
  QuirkScript device(Quirk::A6);
  control_leads_elsewhere(device);
  expect_refused(device, Quirk::A6);
}
TEST(QuirkA6, AUrlThatIsRightIsNone) {
  QuirkScript device;
  answer_setup_where(device, "", "rtsp://10.0.0.7/other/1", "rtsp://10.0.0.7/other/1");
  expect_plays(device);
}

// --- DESCRIBE

void describe_with(QuirkScript& device, const std::string& headers) {
  device.until_describe();
  device.ok(headers, kSdp);
  device.take();
  device.ok(kTcpAnswer);
  device.take();
  device.ok();
}
TEST(QuirkA7, Tolerated) {
  for (const char* headers : {"", "Content-Type: text/plain\r\n"}) {
    QuirkScript device;
    describe_with(device, headers);
    expect_plays(device, Quirk::A7);
  }
}
TEST(QuirkA7, Strict) {
  for (const char* headers : {"", "Content-Type: text/plain\r\n"}) {
    QuirkScript device(Quirk::A7);
    describe_with(device, headers);
    expect_refused(device, Quirk::A7);
  }
}
TEST(QuirkA7, ACharsetIsNone) {
  QuirkScript device;
  describe_with(device, "Content-Type: Application/SDP; charset=utf-8\r\n");
  expect_plays(device);
}

TEST(QuirkB22, TheModeIsToldToTheReceiver) {
  for (const auto& [said, mode] : {std::pair("packetization-mode=0", 0), std::pair("packetization-mode=1", 1),
                                   std::pair("profile-level-id=42001e", 1)}) {
    QuirkScript device;
    std::string sdp(kSdp);
    sdp.replace(sdp.find("packetization-mode=1"), 20, said);
    device.until_setup(sdp);
    ASSERT_TRUE(device.track);
    EXPECT_EQ(device.track->packetization_mode, mode) << said;
  }
}

// --- CSeq

void answer_all(QuirkScript& device, const std::string& cseq, int off_by = 0) {
  device.start();
  const std::string sdp =
      "Content-Type: application/sdp\r\nContent-Length: " + std::to_string(kSdp.size()) + "\r\n\r\n";
  for (const std::string& rest :
       {std::string("\r\n"), sdp + std::string(kSdp), kTcpAnswer + std::string("\r\n"), std::string("\r\n")}) {
    device.take();
    device.cseq -= off_by;
    device.answer("RTSP/1.0 200 OK\r\n" + cseq + rest);
  }
}
TEST(QuirkA11, Tolerated) {
  QuirkScript device;
  answer_all(device, "");
  expect_plays(device, Quirk::A11);
}
TEST(QuirkA11, Strict) {
  QuirkScript device(Quirk::A11);
  answer_all(device, "");
  expect_refused(device, Quirk::A11);
}

TEST(QuirkA12, Tolerated) {
  QuirkScript device;
  answer_all(device, "CSeq: $\r\n", 1);
  expect_plays(device, Quirk::A12);
}
TEST(QuirkA12, Strict) {
  QuirkScript device(Quirk::A12);
  answer_all(device, "CSeq: $\r\n", 1);
  expect_refused(device, Quirk::A12);
  EXPECT_THAT(device.ended->what, HasSubstr("CSeq 0 of an earlier request"));
}
TEST(QuirkA12, TheLateAnswerToASignOfLifeIsNone) {
  QuirkScript device;
  device.play();
  device.advance(30s);
  device.take();
  const int first = device.cseq;
  device.advance(30s);
  device.take();
  device.cseq = first;
  device.ok();
  EXPECT_EQ(device.client->stats().unmatched_responses, 1u);
  device.cseq = first + 1;
  device.ok();
  expect_plays(device, Quirk::D7);
}

TEST(QuirkA12, TheAnswerThatAGoodbyeOvertakesIsNone) {
  QuirkScript device;
  device.play();
  device.advance(30s);
  device.take();
  bool done = false;
  device.client->stop(device.now, [&] { done = true; });
  device.ok();
  EXPECT_FALSE(done);
  device.take();
  device.ok();
  EXPECT_TRUE(done);
  EXPECT_TRUE(device.quirks.seen.empty());
}

// --- requests of the device's own

void ask(QuirkScript& device) {
  device.play();
  device.feed("OPTIONS rtsp://10.0.0.7/live RTSP/1.0\r\nCSeq: 500\r\n\r\n");
}
TEST(QuirkA15, Tolerated) {
  QuirkScript device;
  ask(device);
  EXPECT_THAT(device.take(), ::testing::AllOf(HasSubstr("RTSP/1.0 200 OK\r\n"), HasSubstr("CSeq: 500\r\n")));
  expect_plays(device, Quirk::A15);
}
TEST(QuirkA15, Strict) {
  QuirkScript device(Quirk::A15);
  ask(device);
  EXPECT_EQ(device.take(), "");
  expect_refused(device, Quirk::A15);
}

}  // namespace
}  // namespace vigie::source
