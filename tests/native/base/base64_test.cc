#include "base/base64.h"

#include <gtest/gtest.h>

namespace vigie {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Base64, Rfc4648Vectors) {
  const struct {
    const char *plain, *encoded;
  } rows[] = {{"", ""},
              {"f", "Zg=="},
              {"fo", "Zm8="},
              {"foo", "Zm9v"},
              {"foob", "Zm9vYg=="},
              {"fooba", "Zm9vYmE="},
              {"foobar", "Zm9vYmFy"}};
  for (const auto& row : rows) {
    EXPECT_EQ(base64_encode(as_bytes(row.plain)), row.encoded);
    EXPECT_EQ(base64_decode_strict(row.encoded), bytes_of(row.plain));
    EXPECT_EQ(base64_decode_tolerant(row.encoded), bytes_of(row.plain));
  }
}

TEST(Base64, EveryByteRoundTrips) {
  Bytes all;
  for (int i = 0; i < 256; ++i) {
    all.push_back(static_cast<uint8_t>(i));
    EXPECT_EQ(base64_decode_strict(base64_encode(all)), all);
  }
}

TEST(Base64, TolerantFormsAreRefusedByTheStrictOne) {
  const struct {
    const char* text;
    Bytes bytes;
  } rows[] = {{"Zg", {'f'}},
              {"Zg=", {'f'}},
              {"Zg===", {'f'}},
              {"Z g\r\n==", {'f'}},
              {"Zm9v====", bytes_of("foo")},
              {"-_-_", {0xfb, 0xff, 0xbf}},
              {"Zh==", {'f'}}};
  for (const auto& row : rows) {
    EXPECT_EQ(base64_decode_tolerant(row.text), row.bytes) << row.text;
    EXPECT_FALSE(base64_decode_strict(row.text).has_value()) << row.text;
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Z", "Zm9vZ", "Zg==Zg==", "Z*==", "Zm9\x80", "a=b="}) {
    EXPECT_FALSE(base64_decode_tolerant(text).has_value()) << text;
    EXPECT_FALSE(base64_decode_strict(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace vigie
