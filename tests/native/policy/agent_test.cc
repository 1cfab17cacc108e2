#include <gtest/gtest.h>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

TEST(AgentPolicy, ACameraAndItsVersionAreTwoRights) {
  const AgentPolicy one{.name = "a", .cameras = {"bridge@police", "place"}};
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
    EXPECT_EQ(test_case.agent.may_see(test_case.camera, test_case.version), test_case.may)
        << test_case.camera << " @ " << test_case.version;
  }
}

}  // namespace
}  // namespace vigie::policy
