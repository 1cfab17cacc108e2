// The core's side of tests/contract/policy_cases.json; tests/python/policy/test_schema.py feeds the schema the same.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

using Json = nlohmann::json;

Json read_table() {
  std::ifstream in(VIGIE_POLICY_CASES);
  return Json::parse(in);
}

Json case_document(const Json& base, const Json& test_case) {
  Json document = base;
  if (test_case.contains("set")) {
    for (const auto& [pointer, value] : test_case["set"].items()) document[Json::json_pointer(pointer)] = value;
  }
  if (test_case.contains("remove")) {
    for (const auto& pointer_text : test_case["remove"]) {
      const Json::json_pointer pointer(pointer_text.get<std::string>());
      document[pointer.parent_pointer()].erase(pointer.back());
    }
  }
  return document;
}

TEST(PolicyCases, EveryCaseIsJudgedAsTheTableSays) {
  const Json table = read_table();
  ASSERT_GE(table["cases"].size(), 100u);
  for (const auto& test_case : table["cases"]) {
    SCOPED_TRACE(test_case["name"].get<std::string>());
    const auto result = parse_snapshot(case_document(table["base"], test_case).dump());
    if (test_case["ok"].get<bool>()) {
      EXPECT_TRUE(result.ok()) << result.error().text();
      continue;
    }
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::policy_field);
    EXPECT_EQ(result.error().where, test_case["where"].get<std::string>());
    EXPECT_NE(result.error().what.find(test_case["says"].get<std::string>()), std::string::npos) << result.error().what;
  }
}

TEST(PolicyCases, NoErrorShowsACredential) {
  const Json table = read_table();
  for (const auto& test_case : table["cases"]) {
    const auto result = parse_snapshot(case_document(table["base"], test_case).dump());
    if (result.ok()) continue;
    for (const std::string_view secret : {"s3cret-w0rd", "correct horse", "battery staple", "73571357"}) {
      EXPECT_EQ(result.error().text().find(secret), std::string::npos) << test_case["name"] << result.error().text();
    }
  }
}

TEST(PolicyCases, TheBaseIsReadWhole) {
  const auto result = parse_snapshot(read_table()["base"].dump());
  ASSERT_TRUE(result.ok()) << result.error().text();
  const PolicySnapshot& snapshot = **result;
  EXPECT_EQ(snapshot.revision, 1u);
  ASSERT_EQ(snapshot.listeners.size(), 2u);
  EXPECT_EQ(snapshot.listeners[0],
            (ListenerPolicy{.name = "local", .listen = "127.0.0.1:8554", .access = Access::open}));
  EXPECT_EQ(snapshot.listeners[1], (ListenerPolicy{.name = "town",
                                                   .listen = "192.0.2.1:322",
                                                   .tls = true,
                                                   .tls_certificate = "/etc/vigie/cert.pem",
                                                   .tls_key = "/etc/vigie/key.pem",
                                                   .udp = false}));
  ASSERT_EQ(snapshot.agents.size(), 2u);
  EXPECT_EQ(snapshot.agents[0], (AgentPolicy{.name = "post-1",
                                             .password = Secret("correct horse"),
                                             .cameras = {{"place", {}}},
                                             .until = WallTime{1'798'761'599s}}));
  EXPECT_TRUE(snapshot.agents[1].all_cameras);
  ASSERT_EQ(snapshot.cameras.size(), 3u);
  const CameraPolicy& place = snapshot.cameras[0];
  EXPECT_EQ(place.number, 101);
  EXPECT_EQ(place.title, "Place d’Armes");
  EXPECT_EQ(place.privacy, Privacy::clear);
  EXPECT_EQ(place.privacy_reason, "no dwelling in view");
  ASSERT_EQ(place.streams.size(), 2u);
  EXPECT_EQ(place.streams[0], (StreamPolicy{.name = "main",
                                            .url = "rtsp://10.1.0.7/main",
                                            .backup_url = "rtsp://10.1.0.8:8554/main",
                                            .transport = Transport::tcp,
                                            .username = "ops",
                                            .password = Secret("s3cret-w0rd")}));
  EXPECT_EQ(place.streams[1], (StreamPolicy{.name = "sub",
                                            .url = "rtsps://[2001:db8::7]:322/sub?x=1",
                                            .pull = Pull::on_demand,
                                            .tls_ca_file = "/etc/vigie/ca.pem",
                                            .linger = 2500ms}));
  EXPECT_EQ(snapshot.cameras[1].privacy, Privacy::withheld);
  EXPECT_EQ(snapshot.cameras[1].streams[0].kind, SourceKind::file);
  EXPECT_EQ(snapshot.cameras[2].privacy, Privacy::masked);
  EXPECT_EQ(snapshot.cameras[2].streams[0].kind, SourceKind::push);
  EXPECT_EQ(snapshot.limits, (LimitsPolicy{.sessions = 100, .lag_limit = 500ms}));
}

TEST(PolicyCases, MasksAreReadWhole) {
  const auto result = parse_snapshot(R"({"revision": 1, "limits": {"allow_masked_at_source": false}, "cameras": [{
    "name": "dome", "privacy": "masked", "streams": [{"name": "main", "kind": "push"}],
    "masks": {"revision": 7, "reason": "dwellings", "removal_reason": "the owner agreed", "regions": [
      {"name": "flat", "reason": "a window", "space": "world", "points": [[-10, 5], [10.5, 5], [0, -20]],
       "fill": "#0aFF10", "from": "1970-01-01T00:00:01Z", "until": "1970-01-01T00:00:02.5Z"},
      {"name": "pole", "points": [[0, 0], [1, 0], [1, 1]]}]},
    "versions": [{"name": "police", "masks": {"revision": 2, "regions": [
      {"name": "door", "points": [[0, 0], [1, 0], [0, 1]]}]}}],
    "dome": {"calibration_error": 0.25, "zoom_error": 0.01, "max_speed": 45, "max_age_moving_s": 0.2,
             "max_age_idle_s": 1.5, "mount_roll": -3, "mount_tilt": 1.5}}]})");
  ASSERT_TRUE(result.ok()) << result.error().text();
  const CameraPolicy& camera = (*result)->cameras[0];
  EXPECT_EQ(camera.masks, (MaskSetPolicy{.revision = 7,
                                         .reason = "dwellings",
                                         .removal_reason = "the owner agreed",
                                         .regions = {{.name = "flat",
                                                      .reason = "a window",
                                                      .space = MaskSpace::world,
                                                      .points = {{-10, 5}, {10.5, 5}, {0, -20}},
                                                      .fill_rgb = 0x0aff10,
                                                      .from = WallTime{1s},
                                                      .until = WallTime{2500ms}},
                                                     {.name = "pole", .points = {{0, 0}, {1, 0}, {1, 1}}}}}));
  ASSERT_EQ(camera.versions.size(), 1u);
  EXPECT_EQ(camera.versions[0].name, "police");
  EXPECT_EQ(camera.versions[0].masks.revision, 2u);
  EXPECT_EQ(camera.dome, (DomePolicy{.calibration_error = 0.25,
                                     .zoom_error = 0.01,
                                     .max_speed = 45,
                                     .max_age_moving = 200ms,
                                     .max_age_idle = 1500ms,
                                     .mount_roll = -3,
                                     .mount_tilt = 1.5}));
  EXPECT_FALSE((*result)->limits.allow_masked_at_source);
}

}  // namespace
}  // namespace vigie::policy
