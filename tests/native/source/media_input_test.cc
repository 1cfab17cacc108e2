// What libavformat may open, and that no text shows a credential.
#include "source/media_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigie::source {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string option(const MediaInput& input, std::string_view name) {
  for (const auto& [key, value] : input.options) {
    if (key == name) return value;
  }
  return "";
}

TEST(MediaInput, AFileIsNothingButAFile) {
  const MediaInput input = file_input("http://host/x.mp4", true);
  EXPECT_EQ(input.url, "file:http://host/x.mp4");
  EXPECT_EQ(input.protocols, "file");
  EXPECT_FALSE(input.network);
  EXPECT_TRUE(input.loop);
}

TEST(MediaInput, NothingOfTheNetworkMayReadAFile) {
  for (const char* url : {"http://h/a.m3u8", "https://h/a", "rtmp://h/a", "rtmps://h/a", "srt://h:1", "udp://h:1"}) {
    const auto input = network_input({.url = url});
    ASSERT_TRUE(input.ok()) << url;
    EXPECT_THAT(input->protocols, Not(HasSubstr("file"))) << url;
    EXPECT_THAT(input->formats, Not(HasSubstr("concat"))) << url;
    EXPECT_TRUE(input->network);
    EXPECT_FALSE(input->loop);
  }
}

TEST(MediaInput, CredentialsGoWhereTheProtocolHasThemAndIntoNoText) {
  const auto http =
      network_input({.url = "http://host:8080/live?token=abc", .username = "ops", .password = "p@ss/word"});
  ASSERT_TRUE(http.ok());
  EXPECT_EQ(http->url, "http://ops:p%40ss%2Fword@host:8080/live?token=abc");
  EXPECT_EQ(http->name, "http://host:8080/live");
  const auto srt = network_input({.url = "SRT://host:9000", .password = "a passphrase"});
  ASSERT_TRUE(srt.ok());
  EXPECT_EQ(srt->url, "SRT://host:9000");
  EXPECT_EQ(option(*srt, "passphrase"), "a passphrase");
  EXPECT_EQ(shown_media_url("rtmp://u:p@h/live@2?key=1"), "rtmp://h/live@2");
}

TEST(MediaInput, CertificatesAreVerifiedUnlessThePolicySaysOtherwise) {
  EXPECT_EQ(option(*network_input({.url = "https://h/"}), "tls_verify"), "1");
  EXPECT_EQ(option(*network_input({.url = "https://h/", .tls_verify = false}), "tls_verify"), "0");
  EXPECT_EQ(option(*network_input({.url = "rtmps://h/", .tls_ca_file = "ca.pem"}), "ca_file"), "ca.pem");
}

TEST(MediaInput, AnotherSchemeIsRefusedByName) {
  const auto input = network_input({.url = "gopher://u:secret@h/"});
  ASSERT_FALSE(input.ok());
  EXPECT_EQ(input.error().code, Code::invalid_argument);
  EXPECT_THAT(input.error().text(), HasSubstr("srt"));
  EXPECT_THAT(input.error().text(), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace vigie::source
