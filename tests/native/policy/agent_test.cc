#include <gtest/gtest.h>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

using namespace std::chrono_literals;

TEST(AgentPolicy, ACameraAndItsVersionAreTwoRights) {
  const AgentPolicy one{.name = "a", .cameras = {{"bridge@police", {}}, {"place", {}}}};
  const AgentPolicy every{.name = "b", .all_cameras = true};
  const struct {
    const AgentPolicy& agent;
    const char *camera, *version;
    bool may;
  } kCases[] = {
      {one, "place", "", true},          {one, "place", "police", false}, {one, "bridge", "police", true},
      {one, "bridge", "", false},        {one, "bridge", "pol", false},   {one, "bridge@police", "", true},
      {one, "station", "police", false}, {every, "station", "", true},    {every, "station", "police", true},
  };
  for (const auto& test_case : kCases) {
    EXPECT_EQ(test_case.agent.may_see(test_case.camera, test_case.version, WallTime(5s)), test_case.may)
        << test_case.camera << " @ " << test_case.version;
  }
}

TEST(AgentPolicy, TheSmallerEndCounts) {
  const AgentPolicy agent{.name = "a",
                          .cameras = {{"bridge", WallTime(10s)}, {"place", {}}, {"station", WallTime(30s)}},
                          .until = WallTime(20s)};
  const AgentPolicy endless{.name = "b", .cameras = {{"bridge", WallTime(10s)}, {"place", {}}}};
  const AgentPolicy every{.name = "c", .all_cameras = true, .until = WallTime(20s)};
  const struct {
    const AgentPolicy& agent;
    const char* camera;
    std::optional<WallTime> ends;
  } kCases[] = {
      {agent, "bridge", WallTime(10s)},   {agent, "place", WallTime(20s)}, {agent, "station", WallTime(20s)},
      {endless, "bridge", WallTime(10s)}, {endless, "place", {}},          {every, "place", WallTime(20s)},
  };
  for (const auto& test_case : kCases) {
    EXPECT_EQ(test_case.agent.right_ends(test_case.camera, ""), test_case.ends) << test_case.camera;
    const WallTime last = test_case.ends.value_or(WallTime(100s)) - Nanos(1);
    EXPECT_TRUE(test_case.agent.may_see(test_case.camera, "", last)) << test_case.camera;
    if (!test_case.ends) continue;
    EXPECT_FALSE(test_case.agent.may_see(test_case.camera, "", *test_case.ends)) << test_case.camera;
  }
}

TEST(AgentPolicy, OneLikeAnotherHasItsRightsAndAnEndOfItsOwn) {
  const auto snapshot = parse_snapshot(R"({"revision": 1,
    "cameras": [{"name": "place", "streams": [{"name": "main", "kind": "push"}]}],
    "agents": [{"name": "a", "password": "word", "until": "1970-01-01T00:00:30Z", "cameras": [],
                "ending": [{"until": "1970-01-01T00:00:20Z", "cameras": ["place"]}]},
               {"name": "b", "password": "word", "like": "a"},
               {"name": "c", "password": "word", "like": "b", "until": "1970-01-01T00:00:10Z"},
               {"name": "d", "password": "word", "cameras": "*"},
               {"name": "e", "password": "word", "like": "d"}]})");
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().text();
  const std::vector<AgentPolicy>& agents = (*snapshot)->agents;
  EXPECT_EQ(agents[1].right_ends("place", ""), WallTime(20s));
  EXPECT_EQ(agents[2].right_ends("place", ""), WallTime(10s));
  EXPECT_TRUE(agents[2].may_see("place", "", WallTime(9s)));
  EXPECT_TRUE(agents[4].all_cameras);
}

TEST(AgentPolicy, OfANameThatStandsTwiceTheRightThatEndsFirstIsRead) {
  const auto snapshot = parse_snapshot(R"({"revision": 1,
    "cameras": [{"name": "place", "streams": [{"name": "main", "kind": "push"}]},
                {"name": "bridge", "streams": [{"name": "main", "kind": "push"}]}],
    "agents": [{"name": "a", "password": "word", "cameras": ["place", "bridge"], "ending": [
      {"until": "1970-01-01T00:00:30Z", "cameras": ["place"]},
      {"until": "1970-01-01T00:00:10Z", "cameras": ["place"]}]}]})");
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().text();
  EXPECT_EQ((*snapshot)->agents[0].cameras, (std::vector<ViewRight>{{"bridge", {}}, {"place", WallTime(10s)}}));
}

}  // namespace
}  // namespace vigie::policy
