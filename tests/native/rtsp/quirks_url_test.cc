// Known deviations in Content-Base and control attributes: A1, A2, A3, A5, A6.
#include "quirks_support.h"
#include "rtsp/url.h"

namespace vigie::rtsp {
namespace {

constexpr char kRequest[] = "rtsp://172.16.4.9:8554/cam";

TEST(QuirksOfUrls, NoneInLegalOnes) {
  Quirks quirks;
  EXPECT_EQ(*choose_base("", "", kRequest, &quirks), kRequest);
  EXPECT_EQ(*choose_base("rtsp://172.16.4.9:8554/cam/", "", kRequest, &quirks), "rtsp://172.16.4.9:8554/cam/");
  EXPECT_EQ(*choose_base("rtsps://[fd00::9]:322/cam/", "", kRequest, &quirks), "rtsps://[fd00::9]:322/cam/");
  EXPECT_EQ(*choose_base("rtsp://u:p@172.16.4.9/cam/", "", kRequest, &quirks), "rtsp://172.16.4.9/cam/");
  EXPECT_EQ(*choose_base("", "//172.16.4.9/cam/", kRequest, &quirks), "rtsp://172.16.4.9/cam/");
  EXPECT_EQ(*choose_base("", "other/", kRequest, &quirks), "rtsp://172.16.4.9:8554/other/");
  EXPECT_EQ(ids(quirks.seen), "");
}

TEST(QuirkA1, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(*choose_base("172.16.4.9:8554/main/", "", kRequest, &quirks), "rtsp://172.16.4.9:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A1");
  Quirks tls;
  EXPECT_EQ(*choose_base("//yard.example/main/", "", "rtsps://yard.example/cam", &tls), "rtsps://yard.example/main/");
  EXPECT_EQ(ids(tls.seen), "A1");
}

TEST(QuirkA1, Strict) {
  for (const char* base : {"172.16.4.9:8554/main/", "//172.16.4.9/main/"}) {
    Quirks quirks = strict_on(Quirk::A1);
    expect_refused(choose_base(base, "", kRequest, &quirks), Code::rtsp_malformed, "A1");
    EXPECT_EQ(ids(quirks.seen), "A1");
  }
  Quirks relative = strict_on(Quirk::A1);
  EXPECT_EQ(*choose_base("main/", "", kRequest, &relative), "rtsp://172.16.4.9:8554/main/");
  EXPECT_EQ(*choose_base("", "//172.16.4.9/main/", kRequest, &relative), "rtsp://172.16.4.9/main/");
  EXPECT_EQ(ids(relative.seen), "");
}

TEST(QuirkA2, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(*choose_base("rtsp://rtsp://172.16.4.9:8554/main/", "", kRequest, &quirks), "rtsp://172.16.4.9:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A2");
}

TEST(QuirkA2, Strict) {
  Quirks quirks = strict_on(Quirk::A2);
  const auto refused = choose_base("rtsp://rtsp://u:secret@172.16.4.9/main/", "", kRequest, &quirks);
  expect_refused(refused, Code::rtsp_malformed, "A2");
  EXPECT_EQ(refused.error().text().find("secret"), std::string::npos);
  EXPECT_EQ(ids(quirks.seen), "A2");
}

TEST(QuirkA3, Tolerated) {
  Quirks quirks;
  EXPECT_EQ(*choose_base("rtsp://::ffff:172.16.4.9:8554/main/", "", kRequest, &quirks),
            "rtsp://[::ffff:172.16.4.9]:8554/main/");
  EXPECT_EQ(ids(quirks.seen), "A3");
}

TEST(QuirkA3, Strict) {
  Quirks quirks = strict_on(Quirk::A3);
  expect_refused(choose_base("rtsp://::ffff:172.16.4.9:8554/main/", "", kRequest, &quirks), Code::rtsp_malformed, "A3");
  EXPECT_EQ(ids(quirks.seen), "A3");
}

}  // namespace
}  // namespace vigie::rtsp
