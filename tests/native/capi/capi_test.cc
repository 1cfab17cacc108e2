// The C interface as a host uses it, and as one misuses it.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "vigie/vigie.h"

extern "C" uint32_t abi_version_seen_from_c(void);

namespace {

const std::string kPolicy = R"({"revision": 3, "cameras": [{"name": "cam", "privacy": "clear", "privacy_reason": "test",
  "streams": [{"name": "main", "kind": "push"}]}, {"name": "hidden", "streams": [{"name": "main", "kind": "push"}]}]})";

// SPS (128x96), PPS, IDR.
const std::vector<uint8_t> kPicture = {0,    0,    0, 1, 0x67, 0x42, 0xc0, 0x0a, 0xda, 0x08,
                                       0x36, 0x40, 0, 0, 0,    1,    0x68, 0xcb, 0x83, 0xcb,
                                       0x20, 0,    0, 0, 1,    0x65, 0x88, 0x84, 0x11, 0x80};

vigie_error fresh_error() {
  vigie_error error{};
  error.struct_size = sizeof error;
  return error;
}

class CapiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(vigie_engine_create(VIGIE_ABI_VERSION, nullptr, &engine_, &error_), VIGIE_OK) << error_.text;
    uint64_t revision = 0;
    ASSERT_EQ(vigie_engine_apply(engine_, kPolicy.data(), kPolicy.size(), VIGIE_ANY_REVISION, &revision, &error_),
              VIGIE_OK)
        << error_.text << error_.where;
    ASSERT_EQ(revision, 3U);
  }
  void TearDown() override { vigie_engine_free(engine_); }

  uint32_t push(const char* camera = "cam") {
    vigie_push push;
    vigie_push_init(&push);
    push.codec = VIGIE_CODEC_H264;
    push.camera = camera;
    push.data = kPicture.data();
    push.size = kPicture.size();
    return vigie_engine_push(engine_, &push, &error_);
  }
  vigie_subscription* subscribe() {
    vigie_subscribe_options options;
    vigie_subscribe_options_init(&options);
    options.camera = "cam";
    vigie_subscription* out = nullptr;
    EXPECT_EQ(vigie_engine_subscribe(engine_, &options, &out, &error_), VIGIE_OK) << error_.text;
    return out;
  }

  vigie_engine* engine_ = nullptr;
  char* json_ = nullptr;
  vigie_error error_ = fresh_error();
};

TEST_F(CapiTest, PushAndTakeAUnit) {
  vigie_subscription* units = subscribe();
  ASSERT_EQ(push(), VIGIE_OK) << error_.text;
  vigie_unit* unit = nullptr;
  ASSERT_EQ(vigie_subscription_next(units, 5000, &unit, &error_), VIGIE_OK) << error_.text;
  vigie_unit_info info;
  vigie_unit_info_init(&info);
  ASSERT_EQ(vigie_unit_get_info(unit, &info, &error_), VIGIE_OK);
  EXPECT_EQ(std::vector<uint8_t>(info.data, info.data + info.size), kPicture);
  EXPECT_EQ(info.codec, static_cast<uint32_t>(VIGIE_CODEC_H264));
  EXPECT_EQ(info.keyframe, 1);
  EXPECT_EQ(info.width, 128U);
  EXPECT_EQ(info.height, 96U);
  EXPECT_EQ(info.nal_count, 3U);
  EXPECT_EQ(info.privacy, static_cast<uint32_t>(VIGIE_PRIVACY_CLEAR));
  EXPECT_EQ(info.policy_revision, 3U);
  size_t offset = 0;
  size_t size = 0;
  ASSERT_EQ(vigie_unit_get_nal(unit, 2, &offset, &size, &error_), VIGIE_OK);
  EXPECT_EQ(info.data[offset], 0x65);
  EXPECT_EQ(offset + size, info.size);
  EXPECT_EQ(vigie_unit_get_nal(unit, 3, &offset, &size, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  // The lease outlives subscription and engine.
  vigie_subscription_free(units);
  EXPECT_EQ(vigie_engine_close(engine_, &error_), VIGIE_OK);
  EXPECT_EQ(std::memcmp(info.data, kPicture.data(), kPicture.size()), 0);
  vigie_unit_release(unit);
}

TEST_F(CapiTest, AnOlderCallersStructsAreServed) {
  ASSERT_EQ(push(), VIGIE_OK);
  vigie_subscription* units = subscribe();
  vigie_unit* unit = nullptr;
  ASSERT_EQ(vigie_subscription_next(units, 5000, &unit, &error_), VIGIE_OK);
  // As if `width` and all behind it did not exist yet: they are left alone.
  vigie_unit_info info;
  std::memset(&info, 0x5a, sizeof info);
  info.struct_size = offsetof(vigie_unit_info, width);
  ASSERT_EQ(vigie_unit_get_info(unit, &info, &error_), VIGIE_OK);
  EXPECT_EQ(info.size, kPicture.size());
  EXPECT_EQ(info.struct_size, offsetof(vigie_unit_info, width));
  EXPECT_EQ(info.width, 0x5a5a5a5aU);
  vigie_unit_release(unit);
  vigie_subscription_free(units);

  // Options that end before `event_capacity`: its default counts, whatever lies behind.
  vigie_engine_options options;
  vigie_engine_options_init(&options);
  options.event_capacity = 0;
  options.struct_size = offsetof(vigie_engine_options, event_capacity);
  vigie_engine* engine = nullptr;
  ASSERT_EQ(vigie_engine_create(VIGIE_ABI_VERSION, &options, &engine, &error_), VIGIE_OK) << error_.text;
  vigie_engine_free(engine);
}

TEST_F(CapiTest, MisuseHasACodeAndWords) {
  vigie_subscribe_options options;
  vigie_subscribe_options_init(&options);
  vigie_subscription* units = nullptr;
  EXPECT_EQ(vigie_engine_subscribe(engine_, &options, &units, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  options.camera = "nobody";
  EXPECT_EQ(vigie_engine_subscribe(engine_, &options, &units, &error_), VIGIE_ERROR_NOT_FOUND);
  EXPECT_STREQ(error_.where, "nobody");
  options.camera = "hidden";
  EXPECT_EQ(vigie_engine_subscribe(engine_, &options, &units, &error_), VIGIE_ERROR_WITHHELD);
  EXPECT_EQ(error_.code, static_cast<uint32_t>(VIGIE_ERROR_WITHHELD));
  EXPECT_STRNE(error_.text, "");
  EXPECT_EQ(units, nullptr) << "nothing is written on failure";

  EXPECT_EQ(push("nobody"), VIGIE_ERROR_NOT_FOUND);
  EXPECT_EQ(vigie_engine_push(engine_, nullptr, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(vigie_engine_push(nullptr, nullptr, nullptr), VIGIE_ERROR_INVALID_ARGUMENT) << "no error struct is fine";
  vigie_push wrong;
  vigie_push_init(&wrong);
  wrong.camera = "cam";
  wrong.codec = 9;
  EXPECT_EQ(vigie_engine_push(engine_, &wrong, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.where, "push.codec");

  EXPECT_EQ(vigie_engine_apply(engine_, "{}", 2, VIGIE_ANY_REVISION, nullptr, &error_), VIGIE_ERROR_POLICY_FIELD);
  EXPECT_EQ(vigie_engine_apply(engine_, "{", 1, VIGIE_ANY_REVISION, nullptr, &error_), VIGIE_ERROR_POLICY_SYNTAX);
  EXPECT_EQ(vigie_engine_apply(engine_, kPolicy.data(), kPolicy.size(), 99, nullptr, &error_),
            VIGIE_ERROR_POLICY_REVISION);
  vigie_engine* other = nullptr;
  EXPECT_EQ(vigie_engine_create(VIGIE_ABI_VERSION + 1, nullptr, &other, &error_), VIGIE_ERROR_ABI_MISMATCH);
  EXPECT_EQ(other, nullptr);

  vigie_engine_free(nullptr);
  vigie_subscription_free(nullptr);
  vigie_unit_release(nullptr);
  vigie_event_release(nullptr);
}

TEST_F(CapiTest, AnErrorStructTooSmallIsLeftAlone) {
  vigie_error small{};
  small.struct_size = 8;
  small.where[0] = 'x';
  EXPECT_EQ(vigie_engine_push(engine_, nullptr, &small), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(small.where[0], 'x');
}

TEST_F(CapiTest, StatsAndEvents) {
  char* json = nullptr;
  size_t length = 0;
  ASSERT_EQ(vigie_engine_stats(engine_, &json, &length, &error_), VIGIE_OK);
  EXPECT_EQ(std::strlen(json), length);
  EXPECT_NE(std::strstr(json, "\"revision\":3"), nullptr);
  vigie_text_free(json);

  ASSERT_EQ(push(), VIGIE_OK);
  bool playing = false;
  while (!playing) {
    vigie_event* event = nullptr;
    ASSERT_EQ(vigie_engine_next_event(engine_, 5000, &event, &error_), VIGIE_OK) << error_.text;
    vigie_event_info info;
    vigie_event_info_init(&info);
    ASSERT_EQ(vigie_event_get_info(event, &info, &error_), VIGIE_OK);
    playing = std::strcmp(info.kind, "stream_state") == 0 && std::strcmp(info.state, "playing") == 0 &&
              std::strcmp(info.object, "cam/main") == 0;
    vigie_event_release(event);
  }
}

TEST_F(CapiTest, TheReportOfAStreamsDevice) {
  vigie_subscription* units = subscribe();
  ASSERT_EQ(push(), VIGIE_OK);
  vigie_unit* unit = nullptr;
  ASSERT_EQ(vigie_subscription_next(units, 5000, &unit, &error_), VIGIE_OK) << error_.text;
  vigie_unit_release(unit);
  vigie_subscription_free(units);
  for (const char* stream : {static_cast<const char*>(nullptr), "main"}) {
    char* json = nullptr;
    size_t length = 0;
    ASSERT_EQ(vigie_engine_source_report(engine_, "cam", stream, &json, &length, &error_), VIGIE_OK) << error_.text;
    EXPECT_EQ(std::strlen(json), length);
    for (const char* part : {"\"camera\":\"cam\"", "\"stream\":\"main\"", "\"codec\":\"H264\"", "\"width\":128",
                             "\"sps\":[\"6742c00ada0836", "\"quirks\":[]", "\"dialogue\":[]"}) {
      EXPECT_NE(std::strstr(json, part), nullptr) << part << " is not in " << json;
    }
    EXPECT_EQ(std::strstr(json, "\"packets\""), nullptr);
    vigie_text_free(json);
  }
  // Whoever looks after a camera may know what it says before anybody may see it.
  ASSERT_EQ(vigie_engine_source_report(engine_, "hidden", nullptr, &json_, nullptr, &error_), VIGIE_OK);
  EXPECT_EQ(std::strstr(json_, "\"packets\""), nullptr);
  vigie_text_free(json_);
}

TEST_F(CapiTest, AReportThatCannotBeGivenSaysWhy) {
  EXPECT_EQ(vigie_engine_source_report(engine_, "nobody", nullptr, &json_, nullptr, &error_), VIGIE_ERROR_NOT_FOUND);
  EXPECT_NE(std::string(error_.where).find("nobody"), std::string::npos);
  EXPECT_EQ(vigie_engine_source_report(engine_, "cam", "sub", &json_, nullptr, &error_), VIGIE_ERROR_NOT_FOUND);
  EXPECT_EQ(vigie_engine_source_report(nullptr, "cam", nullptr, &json_, nullptr, &error_),
            VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(vigie_engine_source_report(engine_, nullptr, nullptr, &json_, nullptr, &error_),
            VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(vigie_engine_source_report(engine_, "cam", nullptr, nullptr, nullptr, &error_),
            VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(vigie_engine_record_source(engine_, "cam", nullptr, 1 << 20, &error_), VIGIE_OK) << error_.text;
  EXPECT_EQ(vigie_engine_record_source(engine_, "nobody", nullptr, 1 << 20, &error_), VIGIE_ERROR_NOT_FOUND);
  EXPECT_EQ(vigie_engine_record_source(engine_, "hidden", nullptr, 1 << 20, &error_), VIGIE_ERROR_WITHHELD);
  EXPECT_EQ(vigie_engine_record_source(engine_, nullptr, nullptr, 1 << 20, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(json_, nullptr) << "nothing is written to the outputs on failure";
  EXPECT_EQ(vigie_engine_close(engine_, &error_), VIGIE_OK);
  EXPECT_EQ(vigie_engine_source_report(engine_, "cam", nullptr, &json_, nullptr, &error_), VIGIE_ERROR_CLOSED);
}

TEST_F(CapiTest, AStillThatIsNotThereSaysWhy) {
  std::vector<uint8_t> still(VIGIE_SCENE_REFERENCE_BYTES);
  EXPECT_EQ(vigie_engine_scene_reference(engine_, "cam", nullptr, still.data(), &error_), VIGIE_ERROR_NOT_FOUND);
  EXPECT_NE(std::string(error_.text).find("not watched"), std::string::npos) << error_.text;
  EXPECT_EQ(vigie_engine_scene_reference(engine_, "nobody", nullptr, still.data(), &error_), VIGIE_ERROR_NOT_FOUND);
  EXPECT_EQ(vigie_engine_scene_reference(engine_, "hidden", nullptr, still.data(), &error_), VIGIE_ERROR_WITHHELD);
  EXPECT_EQ(vigie_engine_scene_reference(engine_, "cam", nullptr, nullptr, &error_), VIGIE_ERROR_INVALID_ARGUMENT);
}

TEST_F(CapiTest, CloseWakesWhoeverWaits) {
  vigie_subscription* units = subscribe();
  uint32_t code = 0;
  std::thread waiter([&] {
    vigie_unit* unit = nullptr;
    code = vigie_subscription_next(units, -1, &unit, nullptr);
  });
  EXPECT_EQ(vigie_engine_close(engine_, &error_), VIGIE_OK);
  waiter.join();
  EXPECT_EQ(code, static_cast<uint32_t>(VIGIE_ERROR_CLOSED));
  EXPECT_EQ(vigie_engine_close(engine_, &error_), VIGIE_OK);
  EXPECT_EQ(push(), VIGIE_ERROR_CLOSED);
  vigie_subscription_free(units);
}

TEST(Capi, VersionsAndNames) {
  EXPECT_EQ(vigie_abi_version(), abi_version_seen_from_c());
  EXPECT_STRNE(vigie_version(), "");
  EXPECT_STREQ(vigie_code_name(VIGIE_ERROR_POLICY_FIELD), "policy_field");
  EXPECT_STREQ(vigie_code_name(VIGIE_OK), "ok");
  EXPECT_STREQ(vigie_code_name(12345), "unknown");
}

}  // namespace
