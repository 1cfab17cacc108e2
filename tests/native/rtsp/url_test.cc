#include "rtsp/url.h"

#include <gtest/gtest.h>

namespace vigie::rtsp {
namespace {

TEST(Url, Parses) {
  struct Row {
    const char* text;
    bool tls;
    const char *user, *password, *host;
    uint16_t port;
    const char *path, *shown;
  };
  const Row rows[] = {
      {"rtsp://h/cam", false, "", "", "h", 554, "/cam", "rtsp://h/cam"},
      {"RTSPS://Cam.Example/", true, "", "", "Cam.Example", 322, "/", "rtsps://Cam.Example/"},
      {"rtsp://h", false, "", "", "h", 554, "", "rtsp://h"},
      {"rtsp://h?x=1", false, "", "", "h", 554, "?x=1", "rtsp://h?x=1"},
      {"rtsp://h:8554/a/b?c=d&e=f#frag", false, "", "", "h", 8554, "/a/b?c=d&e=f", "rtsp://h:8554/a/b?c=d&e=f"},
      {"rtsp://h:/a", false, "", "", "h", 554, "/a", "rtsp://h/a"},
      {"rtsp://h:554/a", false, "", "", "h", 554, "/a", "rtsp://h:554/a"},
      {"  rtsp://h/a \r\n", false, "", "", "h", 554, "/a", "rtsp://h/a"},
      {"rtsp://ops:secret@10.0.0.1:5554/s", false, "ops", "secret", "10.0.0.1", 5554, "/s", "rtsp://10.0.0.1:5554/s"},
      {"rtsp://ops@h/s", false, "ops", "", "h", 554, "/s", "rtsp://h/s"},
      // C6
      {"rtsp://ops:p%40ss%3aw%25@h/", false, "ops", "p@ss:w%", "h", 554, "/", "rtsp://h/"},
      {"rtsp://ops:p@s:s+w%zz%@h/", false, "ops", "p@s:s+w%zz%", "h", 554, "/", "rtsp://h/"},
      {"rtsp://ops:a/b?c#d@h:554/x", false, "ops", "a/b?c#d", "h", 554, "/x", "rtsp://h:554/x"},
      {"rtsp://h:8554/cam@metz", false, "", "", "h", 8554, "/cam@metz", "rtsp://h:8554/cam@metz"},
      {"rtsp://u:p@h/cam@metz", false, "u", "p", "h", 554, "/cam@metz", "rtsp://h/cam@metz"},
      // IPv6
      {"rtsp://[::1]:8554/a", false, "", "", "::1", 8554, "/a", "rtsp://[::1]:8554/a"},
      {"rtsp://u:p@[2001:db8::7]/a", false, "u", "p", "2001:db8::7", 554, "/a", "rtsp://[2001:db8::7]/a"},
      {"rtsp://[fe80::1%25eth0]/a", false, "", "", "fe80::1%eth0", 554, "/a", "rtsp://[fe80::1]/a"},
      {"rtsp://[fe80::1%eth0]:99/a", false, "", "", "fe80::1%eth0", 99, "/a", "rtsp://[fe80::1]:99/a"},
      // A3
      {"rtsp://::ffff:192.168.1.5:554/a", false, "", "", "::ffff:192.168.1.5", 554, "/a",
       "rtsp://[::ffff:192.168.1.5]:554/a"},
      {"rtsp://::ffff:192.168.1.5/a", false, "", "", "::ffff:192.168.1.5", 554, "/a", "rtsp://[::ffff:192.168.1.5]/a"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto url = Url::parse(row.text);
    ASSERT_TRUE(url.ok()) << url.error().text();
    EXPECT_EQ(url->tls, row.tls);
    EXPECT_EQ(url->user, row.user);
    EXPECT_EQ(url->password, row.password);
    EXPECT_EQ(url->host, row.host);
    EXPECT_EQ(url->port, row.port);
    EXPECT_EQ(url->path, row.path);
    EXPECT_EQ(url->without_credentials(), row.shown);
    EXPECT_EQ(url->request_uri(), row.shown);
  }
}

TEST(Url, RefusesWithoutQuotingTheText) {
  for (const char* text : {"", "http://ops:hunter2@h/", "rtsp:/ops:hunter2@h/", "rtsp://", "rtsp:///hunter2",
                           "rtsp://ops:hunter2@", "rtsp://ops:hunter2@:554/", "rtsp://ops:hunter2@h:0/",
                           "rtsp://ops:hunter2@h:65536/", "rtsp://ops:hunter2@h:5x/", "rtsp://ops:hunter2@[::1/",
                           "rtsp://ops:hunter2@[::g]/", "rtsp://ops:hunter2@[::1]x/", "rtsp://ops:hunter2@a b/",
                           "rtsp://ops:hunter2@h\r\nX: 1/", "rtsp://ops:hunter2@1:2:3:x/", "rtsp://[fe80::1%]/"}) {
    const auto url = Url::parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().code, Code::invalid_argument);
    EXPECT_EQ(url.error().text().find("hunter2"), std::string::npos) << text;
  }
  EXPECT_FALSE(Url::parse("rtsp://h/" + std::string(9000, 'a')).ok());
}

TEST(Url, SameHost) {
  const auto url = [](const char* text) { return *Url::parse(text); };
  EXPECT_TRUE(same_host(url("rtsp://Cam/a"), url("rtsps://cam:8322/b")));
  EXPECT_FALSE(same_host(url("rtsp://cam/a"), url("rtsp://cam2/a")));
  EXPECT_FALSE(same_host(url("rtsp://cam@evil/"), url("rtsp://cam/")));
}

TEST(Url, StripCredentials) {
  EXPECT_EQ(strip_credentials("rtsp://u:p@h/a@b"), "rtsp://h/a@b");
  EXPECT_EQ(strip_credentials("http://u:p@h/a"), "http://h/a");
  EXPECT_EQ(strip_credentials("http://h/a"), "http://h/a");
  EXPECT_EQ(strip_credentials("rtsp://rtsp://u:p@h/a"), "rtsp://h/a");
  EXPECT_EQ(strip_credentials("u:p@192.168.1.1:554/s"), "192.168.1.1:554/s");
  EXPECT_EQ(strip_credentials("trackID=1"), "trackID=1");
  EXPECT_EQ(strip_credentials("a/b@c"), "a/b@c");
}

TEST(Url, ChooseBase) {
  const char* request = "rtsp://10.0.0.5:554/live?ch=1";
  EXPECT_EQ(*choose_base("", "", request), request);
  EXPECT_EQ(*choose_base("", "", "rtsp://u:p@h/a"), "rtsp://h/a");
  EXPECT_EQ(*choose_base(" rtsp://10.0.0.5/live/ ", "rtsp://x/", request), "rtsp://10.0.0.5/live/");
  EXPECT_EQ(*choose_base("", "rtsp://10.0.0.5/loc/", request), "rtsp://10.0.0.5/loc/");
  EXPECT_EQ(*choose_base("192.168.1.10:554/stream0/", "", request), "rtsp://192.168.1.10:554/stream0/");  // A1
  EXPECT_EQ(*choose_base("//192.168.1.10/stream0/", "", request), "rtsp://192.168.1.10/stream0/");
  EXPECT_EQ(*choose_base("rtsp://rtsp://h/stream0/", "", request), "rtsp://h/stream0/");                     // A2
  EXPECT_EQ(*choose_base("rtsp://::ffff:10.0.0.5:554/s/", "", request), "rtsp://[::ffff:10.0.0.5]:554/s/");  // A3
  EXPECT_EQ(*choose_base("/stream0/", "", request), "rtsp://10.0.0.5:554/stream0/");
  EXPECT_EQ(*choose_base("stream0/", "", request), "rtsp://10.0.0.5:554/stream0/");
  EXPECT_EQ(*choose_base("http://h/x", "", request), request);
  EXPECT_EQ(*choose_base("rtsp://", "", request), request);
  EXPECT_EQ(*choose_base("rtsp://h:999999/", "", request), request);
}

TEST(Url, ResolveControl) {
  struct Row {
    const char *base, *control, *uri;
  };
  const Row rows[] = {
      {"rtsp://h/s", "", "rtsp://h/s"},
      {"rtsp://h/s", "*", "rtsp://h/s"},
      {"rtsp://h/s", " * ", "rtsp://h/s"},
      {"rtsp://h/s", "trackID=1", "rtsp://h/s/trackID=1"},
      {"rtsp://h/s/", "trackID=1", "rtsp://h/s/trackID=1"},  // A4
      {"rtsp://h", "trackID=1", "rtsp://h/trackID=1"},
      {"rtsp://h/s", "rtsp://h/s/trackID=1", "rtsp://h/s/trackID=1"},
      {"rtsp://h/s", "rtsp://u:p@h/s/trackID=1", "rtsp://h/s/trackID=1"},
      {"rtsp://h/s?ch=1&t=0", "trackID=1", "rtsp://h/s?ch=1&t=0/trackID=1"},  // A5
      {"rtsp://h/s?ch=1/", "trackID=1", "rtsp://h/s?ch=1/trackID=1"},         // A5
      {"rtsp://h/s/", "/s/trackID=1", "rtsp://h/s/trackID=1"},
      {"rtsp://h:554/s?x=1", "/other", "rtsp://h:554/other"},
      {"rtsp://h/s", "?ctype=video", "rtsp://h/s?ctype=video"},
  };
  for (const Row& row : rows)
    EXPECT_EQ(resolve_control(row.base, row.control), row.uri) << row.base << " " << row.control;
}

TEST(Url, ControlCandidates) {
  using List = std::vector<std::string>;
  EXPECT_EQ(control_candidates("rtsp://h/s", "*"), List{"rtsp://h/s"});
  EXPECT_EQ(control_candidates("rtsp://h/a/s", "t=1"), (List{"rtsp://h/a/s/t=1", "rtsp://h/a/t=1"}));
  EXPECT_EQ(control_candidates("rtsp://h/a/", "t=1"), List{"rtsp://h/a/t=1"});
  EXPECT_EQ(control_candidates("rtsp://h/a/", "/t=1"), (List{"rtsp://h/t=1", "rtsp://h/a/t=1"}));
  EXPECT_EQ(control_candidates("rtsp://h/a/b/c", "../t=1"), (List{"rtsp://h/a/b/c/../t=1", "rtsp://h/a/t=1"}));
  EXPECT_EQ(control_candidates("rtsp://h/a?x=1", "t=1"), (List{"rtsp://h/a?x=1/t=1", "rtsp://h/t=1"}));
  EXPECT_EQ(control_candidates("rtsp://h/a", "rtsp://0.0.0.0/a/t=1"),  // A6
            (List{"rtsp://0.0.0.0/a/t=1", "rtsp://h/a/t=1", "rtsp://h/a"}));
}

}  // namespace
}  // namespace vigie::rtsp
