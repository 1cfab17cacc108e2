#include "rtsp/sdp_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigie::rtsp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `session` stands before the media, `media` behind its m= line.
Result<MediaAddress> address(const std::string& session, const std::string& media,
                             const std::string& line = "m=video 5004 RTP/AVP 96") {
  const auto parsed = parse_sdp("v=0\r\ns=x\r\n" + session + line + "\r\n" + media);
  EXPECT_TRUE(parsed.ok() && parsed->medias.size() == 1);
  return media_address(*parsed, parsed->medias.front());
}

TEST(SdpAddress, ReadsWhereAMediaGoes) {
  struct Row {
    const char* name;
    const char* session;
    const char* media;
    MediaAddress expected;
  };
  const Row rows[] = {
      {"nothing", "", "", {"", 0, 5004, 5005, false, {}}},
      {"unicast", "c=IN IP4 10.0.0.7\r\n", "", {"10.0.0.7", 0, 5004, 5005, false, {}}},
      {"group with ttl", "c=IN IP4 239.1.2.3/16\r\n", "", {"239.1.2.3", 16, 5004, 5005, false, {}}},
      {"several groups", "c=IN IP4 239.1.2.3/16/3\r\n", "", {"239.1.2.3", 16, 5004, 5005, false, {}}},
      {"IPv6 has no ttl", "c=IN IP6 ff15::101/3\r\n", "", {"ff15::101", 0, 5004, 5005, false, {}}},
      {"the media's own", "c=IN IP4 10.0.0.7\r\n", "c=IN IP4 239.9.9.9/1\r\n", {"239.9.9.9", 1, 5004, 5005, false, {}}},
      {"the first of the media",
       "",
       "c=IN IP4 239.9.9.9\r\nc=IN IP4 239.9.9.8\r\n",
       {"239.9.9.9", 0, 5004, 5005, false, {}}},
      {"RTCP elsewhere", "", "a=rtcp:6001 IN IP4 10.0.0.7\r\n", {"", 0, 5004, 6001, false, {}}},
      {"RTCP on one port", "", "a=rtcp-mux\r\n", {"", 0, 5004, 5005, true, {}}},
      {"filter of the session",
       "c=IN IP4 232.1.2.3/16\r\na=source-filter: incl IN IP4 * 10.0.0.7 10.0.0.8\r\n",
       "",
       {"232.1.2.3", 16, 5004, 5005, false, {{"*", {"10.0.0.7", "10.0.0.8"}}}}},
      {"filter of the media first",
       "a=source-filter:incl IN IP4 232.1.2.3 10.0.0.7\r\n",
       "a=source-filter:incl IN IP4 232.1.2.4 10.0.0.8\r\n",
       {"", 0, 5004, 5005, false, {{"232.1.2.4", {"10.0.0.8"}}, {"232.1.2.3", {"10.0.0.7"}}}}},
  };
  for (const Row& row : rows) {
    const auto found = address(row.session, row.media);
    ASSERT_TRUE(found.ok()) << row.name;
    EXPECT_EQ(*found, row.expected) << row.name;
  }
}

TEST(SdpAddress, HasNoPortBehindTheLast) {
  EXPECT_EQ(address("", "", "m=video 65535 RTP/AVP 96")->rtcp_port, 0);
  EXPECT_EQ(address("", "", "m=video 0 RTP/AVP 96")->rtp_port, 0);
}

TEST(SdpAddress, SaysWhatCannotBeRead) {
  const std::pair<const char*, const char*> rows[] = {
      {"c=IN IP4\r\n", "c= line without address"},
      {"c=IN IP4 /16\r\n", "c= line without address"},
      {"a=rtcp:0\r\n", "a=rtcp without a port"},
      {"a=rtcp:\r\n", "a=rtcp without a port"},
      {"a=source-filter:excl IN IP4 * 10.0.0.7\r\n", "excludes"},
      {"a=source-filter:incl IN IP4 *\r\n", "cannot be read"},
      {"a=source-filter:10.0.0.7\r\n", "cannot be read"},
  };
  for (const auto& [line, says] : rows) {
    const auto found = address("", line);
    ASSERT_FALSE(found.ok()) << line;
    EXPECT_EQ(found.error().code, Code::sdp_malformed) << line;
    EXPECT_THAT(found.error().what, HasSubstr(says)) << line;
  }
}

TEST(SdpAddress, KeepsAtMostEight) {
  std::string many;
  for (int i = 0; i < 20; ++i) many += "a=source-filter:incl IN IP4 * 1.1.1.1 1 2 3 4 5 6 7 8 9\r\n";
  const auto found = address("", many);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->filters.size(), 8u);
  EXPECT_EQ(found->filters.front().sources.size(), 8u);
}

TEST(SdpAddress, SurvivesBeingWritten) {
  const auto once =
      parse_sdp("v=0\r\ns=x\r\nc=IN IP4 239.1.2.3/16\r\nm=video 5004 RTP/AVP 96\r\nc=IN IP4 239.9.9.9\r\n");
  const auto twice = parse_sdp(format_sdp(*once));
  EXPECT_EQ(twice->connection, "IN IP4 239.1.2.3/16");
  EXPECT_EQ(twice->medias.front().connection, "IN IP4 239.9.9.9");
}

}  // namespace
}  // namespace vigie::rtsp
