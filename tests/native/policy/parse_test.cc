// What goes wrong before any field is looked at.
#include <gtest/gtest.h>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

struct BadText {
  const char* name;
  std::string text;
  Code code;
  std::string where;
};

std::string nested(size_t depth) {
  return "{\"revision\":1,\"x\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

TEST(ParseSnapshot, RefusesTextThatIsNotOneDocument) {
  std::string many_fields = "{\"revision\":1";
  for (int i = 0; i < 100; ++i) many_fields += ",\"f" + std::to_string(i) + "\":1";
  const BadText kCases[] = {
      {"empty", "", Code::policy_syntax, "byte 1"},
      {"cut", "{\"revision\": 1", Code::policy_syntax, "byte 15"},
      {"two documents", "{\"revision\":1}{}", Code::policy_syntax, "byte 15"},
      {"comment", "{\"revision\":1 /* x */}", Code::policy_syntax, "byte 15"},
      {"single quotes", "{'revision':1}", Code::policy_syntax, "byte 2"},
      {"not UTF-8", "{\"revision\":1,\"\xff\":1}", Code::policy_syntax, "byte 16"},
      {"NaN", "{\"revision\":NaN}", Code::policy_syntax, "byte 13"},
      {"number out of range", "{\"revision\":1e999}", Code::policy_syntax, "byte 17"},
      {"too deep", nested(100000), Code::policy_syntax, "/x/0/0/0/0/0/0/0/0/0/0/0"},
      {"twice at the top", "{\"revision\":1,\"revision\":2}", Code::policy_field, "/revision"},
      {"twice inside", R"({"revision":1,"cameras":[{},{"privacy":"withheld","privacy":"clear"}]})", Code::policy_field,
       "/cameras/1/privacy"},
      {"twice, once escaped", R"({"revision":1,"cameras":[{"privacy":"withheld","priv\u0061cy":"clear"}]})",
       Code::policy_field, "/cameras/0/privacy"},
      {"too many fields", many_fields + "}", Code::policy_field, "/f63"},
  };
  for (const auto& test_case : kCases) {
    SCOPED_TRACE(test_case.name);
    const auto result = parse_snapshot(test_case.text);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, test_case.code);
    EXPECT_EQ(result.error().where, test_case.where) << result.error().what;
  }
}

TEST(ParseSnapshot, RefusesWhatIsTooLarge) {
  const std::string spaces(kMaxSnapshotBytes, ' ');
  const auto result = parse_snapshot(spaces + "{\"revision\":1}");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::policy_syntax);

  std::string values = "{\"revision\":1,\"cameras\":[0";
  for (size_t i = 0; i < (size_t{4} << 20); ++i) values += ",0";
  const auto too_many = parse_snapshot(values + "]}");
  ASSERT_FALSE(too_many.ok());
  EXPECT_NE(too_many.error().what.find("values"), std::string::npos) << too_many.error().what;
}

TEST(ParseSnapshot, SyntaxErrorsQuoteNothing) {
  const auto result = parse_snapshot(R"({"revision":1,"agents":[{"name":"a","password":"hunter2)");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().text().find("hunter2"), std::string::npos) << result.error().text();
}

TEST(ParseSnapshot, AMetropolisIsReadWhole) {
  std::string text = R"({"revision":7,"cameras":[)";
  constexpr int kCameras = 5000;
  for (int i = 0; i < kCameras; ++i) {
    text += (i ? "," : "") + std::string(R"({"name":"c)") + std::to_string(i) +
            R"(","streams":[{"name":"main","url":"rtsp://10.0.0.1/)" + std::to_string(i) + R"("}]})";
  }
  const auto result = parse_snapshot(text + "]}");
  ASSERT_TRUE(result.ok()) << result.error().text();
  ASSERT_EQ((*result)->cameras.size(), size_t{kCameras});
  EXPECT_EQ((*result)->cameras.back().streams[0].url, "rtsp://10.0.0.1/4999");
}

}  // namespace
}  // namespace vigie::policy
