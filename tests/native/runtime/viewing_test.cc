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

class ListingTest : public ViewingTest {
 protected:
  void put_town_in_force() {
    auto snapshot = make_ref<policy::PolicySnapshot>();
    snapshot->revision = 9;
    for (const auto access : {policy::Access::digest, policy::Access::open}) {
      policy::ListenerPolicy listener;
      listener.name = access == policy::Access::open ? "open" : "main";
      listener.access = access;
      snapshot->listeners.push_back(listener);
    }
    const auto agent = [&](const char* name, bool all, std::vector<std::string> cameras) {
      policy::AgentPolicy made;
      made.name = name;
      made.password = policy::Secret("word");
      made.all_cameras = all;
      made.cameras = std::move(cameras);
      snapshot->agents.push_back(made);
    };
    agent("chief", true, {});
    agent("post", false, {"hidden", "place"});
    agent("past", true, {});
    snapshot->agents.back().until = WallTime(1s);
    for (const char* name : {"place", "bridge", "hidden", "masked", "station"}) {
      policy::CameraPolicy camera;
      camera.name = name;
      camera.title = std::string("the ") + name;
      camera.number = 5;
      camera.privacy = camera.name == "hidden"   ? policy::Privacy::withheld
                       : camera.name == "masked" ? policy::Privacy::masked
                                                 : policy::Privacy::clear;
      camera.privacy_reason = "nothing private in sight";
      policy::StreamPolicy stream;
      stream.name = "main";
      camera.streams = {stream};
      snapshot->cameras.push_back(camera);
    }
    viewing_.publish(make_directory(std::move(snapshot), {}, nullptr));
  }
  Result<sink::CameraPage> list(const char* agent, const char* listener = "main", std::string_view after = {},
                                size_t limit = 100) {
    return viewing_.list({.listener = listener, .agent = agent, .path = "", .peer = "", .proven_at = 9}, after, limit);
  }
  static std::vector<std::string> names(const Result<sink::CameraPage>& page) {
    std::vector<std::string> out;
    for (const auto& camera : page.value().cameras) out.push_back(camera.name);
    return out;
  }
};

using Names = std::vector<std::string>;

TEST_F(ListingTest, NamesWhatThisViewerMaySeeAndNothingElse) {
  put_town_in_force();
  EXPECT_EQ(names(list("chief")), (Names{"bridge", "masked", "place", "station"}));
  EXPECT_EQ(names(list("post")), (Names{"place"})) << "what is withheld does not exist, right or not";
  EXPECT_EQ(names(list("", "open")), (Names{"bridge", "masked", "place", "station"}));
  const sink::CameraPage page = list("post").value();
  EXPECT_EQ(page.revision, 9u);
  EXPECT_EQ(page.cameras[0].title, "the place");
  EXPECT_EQ(page.cameras[0].number, 5);
  ASSERT_EQ(page.cameras[0].streams.size(), 1u);
  EXPECT_EQ(page.cameras[0].streams[0].name, "main");
  EXPECT_FALSE(page.cameras[0].streams[0].codec);
}

TEST_F(ListingTest, RefusesWhoHasNoRight) {
  put_town_in_force();
  for (const char* agent : {"past", "nobody", ""}) {
    const auto page = list(agent);
    ASSERT_FALSE(page.ok()) << agent;
    EXPECT_EQ(page.error().code, Code::not_authorized);
  }
  EXPECT_FALSE(list("chief", "gone").ok());
  EXPECT_FALSE(viewing_.list({.listener = "main", .agent = "chief", .proven_at = 8}, "", 9).ok())
      << "proved by a password that is the old one";
}

TEST_F(ListingTest, PagesEndWhereTheLimitIs) {
  put_town_in_force();
  EXPECT_EQ(names(list("chief", "main", "", 2)), (Names{"bridge", "masked"}));
  EXPECT_TRUE(list("chief", "main", "", 2).value().more);
  EXPECT_EQ(names(list("chief", "main", "place", 2)), (Names{"station"}));
  EXPECT_FALSE(list("chief", "main", "place", 1).value().more);
  EXPECT_FALSE(list("post", "main", "", 1).value().more) << "what comes behind is not for this agent";
  EXPECT_EQ(names(list("chief", "main", "hidden", 2)), (Names{"masked", "place"})) << "a name that is not there";
}

}  // namespace
}  // namespace vigie::runtime
