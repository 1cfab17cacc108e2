#include "runtime/viewing.h"

#include <gtest/gtest.h>

namespace vigie::runtime {
namespace {

class ViewingTest : public ::testing::Test {
 protected:
  // One digest listener, one agent, one camera without streams.
  void put_in_force(uint64_t revision, const std::string& password, policy::Access access = policy::Access::digest) {
    auto snapshot = make_ref<policy::PolicySnapshot>();
    snapshot->revision = revision;
    policy::ListenerPolicy listener;
    listener.name = "main";
    listener.access = access;
    snapshot->listeners.push_back(listener);
    policy::AgentPolicy agent;
    agent.name = "ops";
    agent.password = policy::Secret(password);
    agent.all_cameras = true;
    snapshot->agents.push_back(agent);
    policy::CameraPolicy camera;
    camera.name = "cam";
    camera.privacy = policy::Privacy::clear;
    camera.privacy_reason = "nothing private in sight";
    snapshot->cameras.push_back(camera);
    viewing_.publish(make_directory(std::move(snapshot), {}, viewing_.directory().get()));
  }
  sink::ViewRequest proven_now() const {
    return {.listener = "main", .agent = "ops", .path = "/cam", .peer = "", .proven_at = viewing_.revision()};
  }
  Status asked(const sink::ViewRequest& request) { return viewing_.still_allowed(request, {"cam", "main"}); }

  EventQueue events_{system_clock(), 16};
  Viewing viewing_{system_clock(), events_, {}};
};

TEST_F(ViewingTest, AChangedPasswordEndsTheRightOfWhoCameWithTheOldOne) {
  put_in_force(3, "first");
  const sink::ViewRequest early = proven_now();
  EXPECT_TRUE(asked(early).ok());
  put_in_force(3, "first");  // an apply publishes twice
  put_in_force(4, "first");
  EXPECT_TRUE(asked(early).ok()) << "another change of policy is none of this agent's business";
  put_in_force(5, "second");
  const Status status = asked(early);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::not_authorized);
  EXPECT_EQ(status.error().text().find("second"), std::string::npos);
  EXPECT_TRUE(asked(proven_now()).ok());
  put_in_force(6, "first");
  EXPECT_FALSE(asked(early).ok()) << "the old password again is a new one";
}

TEST_F(ViewingTest, AnOpenListenerThatAsksForProofKnowsNobody) {
  put_in_force(1, "first", policy::Access::open);
  sink::ViewRequest stranger = proven_now();
  stranger.agent.clear();
  EXPECT_TRUE(asked(stranger).ok());
  put_in_force(2, "first");
  EXPECT_FALSE(asked(stranger).ok());
}

}  // namespace
}  // namespace vigie::runtime
