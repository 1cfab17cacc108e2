// Known deviations in Content-Base and control attributes: A1, A2, A3, A5, A6.
#include "quirks_support.h"
#include "rtsp/url.h"

namespace vigie::rtsp {
namespace {

using List = std::vector<std::string>;
constexpr char kRequest[] = "rtsp://172.16.4.9:8554/cam";

TEST(QuirksOfUrls, NoneInLegalOnes) {
  Quirks quirks;
  EXPECT_EQ(choose_base("", "", kRequest, &quirks), kRequest);
  EXPECT_EQ(choose_base("rtsp://172.16.4.9:8554/cam/", "", kRequest, &quirks), "rtsp://172.16.4.9:8554/cam/");
  EXPECT_EQ(choose_base("rtsps://[fd00::9]:322/cam/", "", kRequest, &quirks), "rtsps://[fd00::9]:322/cam/");
  EXPECT_EQ(choose_base("rtsp://u:p@172.16.4.9/cam/", "", kRequest, &quirks), "rtsp://172.16.4.9/cam/");
  EXPECT_EQ(choose_base("", "//172.16.4.9/cam/", kRequest, &quirks), "rtsp://172.16.4.9/cam/");
  EXPECT_EQ(choose_base("", "other/", kRequest, &quirks), "rtsp://172.16.4.9:8554/other/");
  for (const char* control : {"", "*", "track1", "/cam/track1", "rtsp://172.16.4.9:8554/cam/track1", "?track=1"}) {
    control_candidates("rtsp://172.16.4.9:8554/cam/", control, &quirks);
  }
  control_candidates("rtsp://172.16.4.9/cam?a=1", "/cam/track1", &quirks);
  control_candidates("rtsp://172.16.4.9/cam?a=1", "*", &quirks);
  control_candidates("rtsp://yard.example/cam", "rtsp://172.16.4.9/cam/track1", &quirks);  // may be its address
  EXPECT_EQ(ids(quirks.seen), "");
}

TEST(QuirkA1, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(choose_base("172.16.4.9:8554/main/", "", kRequest, &quirks), "rtsp://172.16.4.9:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A1");
  Quirks tls;
  EXPECT_EQ(choose_base("//yard.example/main/", "", "rtsps://yard.example/cam", &tls), "rtsps://yard.example/main/");
  EXPECT_EQ(ids(tls.seen), "A1");
}

TEST(QuirkA1, Strict) {
  Quirks quirks = strict_on(Quirk::A1);
  // Read as RFC 3986 has it: a relative path.
  EXPECT_EQ(choose_base("172.16.4.9:8554/main/", "", kRequest, &quirks),
            "rtsp://172.16.4.9:8554/172.16.4.9:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A1");
}

TEST(QuirkA2, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(choose_base("rtsp://rtsp://172.16.4.9:8554/main/", "", kRequest, &quirks), "rtsp://172.16.4.9:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A2");
}

TEST(QuirkA2, Strict) {
  Quirks quirks = strict_on(Quirk::A2);
  EXPECT_EQ(choose_base("rtsp://rtsp://172.16.4.9:8554/main/", "", kRequest, &quirks),
            "rtsp://rtsp://172.16.4.9:8554/main/");
  EXPECT_EQ(choose_base("rtsp://rtsp://u:secret@172.16.4.9/main/", "", kRequest, &quirks).find("secret"),
            std::string::npos);
  EXPECT_EQ(ids(quirks.seen), "A2");
}

TEST(QuirkA3, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(choose_base("rtsp://::ffff:172.16.4.9:8554/main/", "", kRequest, &quirks),
            "rtsp://[::ffff:172.16.4.9]:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A3");
}

TEST(QuirkA3, Strict) {
  Quirks quirks = strict_on(Quirk::A3);
  EXPECT_EQ(choose_base("rtsp://::ffff:172.16.4.9:8554/main/", "", kRequest, &quirks),
            "rtsp://::ffff:172.16.4.9:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A3");
}

TEST(QuirkA5, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(control_candidates("rtsp://172.16.4.9/live?ch=2&sub=0/", "track1", &quirks),
            (List{"rtsp://172.16.4.9/live?ch=2&sub=0/track1", "rtsp://172.16.4.9/track1"}));
  EXPECT_EQ(ids(quirks.seen), "A5");
  Quirks aggregate;
  EXPECT_EQ(resolve_control("rtsp://172.16.4.9/live?ch=2", "all", &aggregate), "rtsp://172.16.4.9/live?ch=2/all");
  EXPECT_EQ(ids(aggregate.seen), "A5");
}

TEST(QuirkA5, Strict) {
  Quirks quirks = strict_on(Quirk::A5);
  EXPECT_EQ(control_candidates("rtsp://172.16.4.9/live?ch=2&sub=0/", "track1", &quirks),
            List{"rtsp://172.16.4.9/track1"});
  EXPECT_EQ(ids(quirks.seen), "A5");
  EXPECT_EQ(control_candidates("rtsp://172.16.4.9/live", "track1", &quirks).front(), "rtsp://172.16.4.9/live/track1");
}

TEST(QuirkA6, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(control_candidates("rtsp://172.16.4.9:8554/cam", "rtsp://192.168.0.2/cam/track1", &quirks),
            (List{"rtsp://192.168.0.2/cam/track1", "rtsp://172.16.4.9:8554/cam/track1", "rtsp://172.16.4.9:8554/cam"}));
  EXPECT_EQ(ids(quirks.seen), "A6");
}

TEST(QuirkA6, Strict) {
  Quirks quirks = strict_on(Quirk::A6);
  EXPECT_EQ(control_candidates("rtsp://172.16.4.9:8554/cam", "rtsp://192.168.0.2/cam/track1", &quirks),
            List{"rtsp://192.168.0.2/cam/track1"});
  EXPECT_EQ(ids(quirks.seen), "A6");
}

}  // namespace
}  // namespace vigie::rtsp
