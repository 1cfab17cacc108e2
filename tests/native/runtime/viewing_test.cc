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
    snapshot->cameras.edit().push_back(camera);
    viewing_.publish(make_directory(std::move(snapshot), {}, 0, viewing_.directory().get(), clock_));
  }
  sink::ViewRequest proven_now() const {
    return {.listener = "main", .agent = "ops", .path = "/cam", .peer = "", .proven_at = viewing_.revision()};
  }
  Status asked(const sink::ViewRequest& request) { return viewing_.still_allowed(request, {"cam", "main"}); }

  ManualClock clock_;
  EventQueue events_{clock_, 16};
  Viewing viewing_{clock_, events_, {}};
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
    const auto agent = [&](const char* name, bool all, std::vector<policy::ViewRight> cameras) {
      policy::AgentPolicy made;
      made.name = name;
      made.password = policy::Secret("word");
      made.all_cameras = all;
      made.cameras = std::move(cameras);
      snapshot->agents.push_back(made);
    };
    agent("chief", true, {});
    agent("post", false, {{"bridge", WallTime(1s)}, {"hidden", {}}, {"place", {}}});
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
      snapshot->cameras.edit().push_back(camera);
    }
    viewing_.publish(make_directory(std::move(snapshot), {}, 0, nullptr, clock_));
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

TEST_F(ListingTest, ARightThatHasEndedIsNone) {
  put_town_in_force();
  const sink::ViewRequest post{.listener = "main", .agent = "post", .path = "", .peer = "", .proven_at = 9};
  EXPECT_TRUE(viewing_.still_allowed(post, {"place", "main"}).ok());
  EXPECT_FALSE(viewing_.still_allowed(post, {"bridge", "main"}).ok());
  EXPECT_EQ(viewing_.right_ends(post, {"bridge", "main"}), WallTime(1s));
  EXPECT_FALSE(viewing_.right_ends(post, {"place", "main"}));
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

// A ticket's right, asked as for a session that plays.
class TicketTest : public ListingTest {
 protected:
  static constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

  void put_in_force(uint64_t revision, std::vector<policy::RoutePolicy> routes, std::string_view key = kKey) {
    auto snapshot = make_ref<policy::PolicySnapshot>();
    snapshot->revision = revision;
    snapshot->tickets = {.key = policy::Secret(std::string(key)), .routes = std::move(routes)};
    for (const auto privacy : {policy::Privacy::masked, policy::Privacy::withheld}) {
      policy::CameraPolicy camera;
      camera.name = privacy == policy::Privacy::masked ? "place" : "hidden";
      camera.privacy = privacy;
      camera.versions = {{.name = "police", .masks = {}}};
      for (const char* name : {"main", "sub"}) {
        policy::StreamPolicy stream;
        stream.name = name;
        camera.streams.push_back(stream);
      }
      snapshot->cameras.edit().push_back(camera);
    }
    viewing_.publish(make_directory(std::move(snapshot), {}, 0, nullptr, clock_));
  }
  rtsp::Ticket ticket() const {
    return {.route = "r1",
            .revision = 7,
            .open_by = clock_.now_wall() + 30s,
            .until = clock_.now_wall() + 100s,
            .agent = "nobody else knows",
            .stream = {"place", "sub", "police"}};
  }
  static sink::ViewRequest request(const rtsp::Ticket& ticket) {
    return {.listener = "gone",
            .agent = ticket.agent,
            .path = "",
            .peer = "",
            .ticket = std::make_shared<const rtsp::Ticket>(ticket)};
  }
  Status stands(const rtsp::Ticket& ticket, const StreamKey& key = {"place", "sub", "police"}) {
    return viewing_.still_allowed(request(ticket), key);
  }
};

TEST_F(TicketTest, StandsByItselfOnlyUnderThePolicyItWasDecidedBy) {
  put_in_force(7, {});
  EXPECT_TRUE(stands(ticket()).ok());
  put_in_force(8, {});
  EXPECT_FALSE(stands(ticket()).ok()) << "nobody decided it again";
  put_in_force(8, {{"r1", {}}});
  EXPECT_TRUE(stands(ticket()).ok());
  put_in_force(8, {{"r0", {}}, {"r2", {}}});
  EXPECT_FALSE(stands(ticket()).ok());
  put_in_force(6, {});
  EXPECT_FALSE(stands(ticket()).ok()) << "of a policy that this engine never had";
  put_in_force(8, {{"r1", {}}}, "");
  EXPECT_FALSE(stands(ticket()).ok()) << "no ticket counts any more";
}

TEST_F(TicketTest, IsForOneFormOfOneStream) {
  put_in_force(7, {});
  for (const StreamKey& other :
       {StreamKey{"place", "main", "police"}, StreamKey{"place", "sub", ""}, StreamKey{"hidden", "sub", "police"}}) {
    EXPECT_FALSE(stands(ticket(), other).ok()) << other.text();
  }
  rtsp::Ticket withheld = ticket();
  withheld.stream.camera = "hidden";
  const Status status = stands(withheld, withheld.stream);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::withheld) << "a ticket is no decision about privacy";
  EXPECT_FALSE(viewing_.list(request(ticket()), "", 9).ok()) << "nor lets anybody list cameras";
}

TEST_F(TicketTest, EndsAsItWasDecidedLast) {
  const WallTime now = clock_.now_wall();
  const StreamKey key = ticket().stream;
  put_in_force(8, {{"r1", now + 50s}});
  EXPECT_EQ(viewing_.right_ends(request(ticket()), key), now + 50s);
  put_in_force(8, {{"r1", now + 500s}});
  EXPECT_EQ(viewing_.right_ends(request(ticket()), key), now + 500s);
  put_in_force(8, {{"r1", {}}});
  EXPECT_FALSE(viewing_.right_ends(request(ticket()), key));
  put_in_force(8, {{"r1", now}});
  EXPECT_FALSE(stands(ticket()).ok());
  put_in_force(7, {});
  EXPECT_EQ(viewing_.right_ends(request(ticket()), key), now + 100s);
  rtsp::Ticket over = ticket();
  over.until = now;
  EXPECT_FALSE(stands(over).ok());
  put_in_force(8, {{"r1", now + 1s}});
  EXPECT_TRUE(stands(over).ok()) << "it was given a longer end";
}

TEST_F(TicketTest, AClockThatIsSetBackLetsNoRightGrow) {
  put_in_force(7, {});
  const rtsp::Ticket given = ticket();
  clock_.advance(99s);
  EXPECT_TRUE(stands(given).ok());
  clock_.step_wall(-3600s);
  EXPECT_TRUE(stands(given).ok());
  clock_.advance(1s);
  EXPECT_FALSE(stands(given).ok()) << "so much time has passed";
  clock_.step_wall(7200s);
  EXPECT_EQ(viewing_.rights_now(clock_), clock_.now_wall()) << "set forward, it is believed: rights end earlier";
}

TEST_F(TicketTest, BeginsInTimeOrNotAtAll) {
  put_in_force(7, {});
  const auto opened = viewing_.ticket(rtsp::seal_ticket(ticket(), as_bytes(kKey)));
  ASSERT_TRUE(opened.ok()) << opened.error().text();
  EXPECT_EQ(**opened, ticket());
  rtsp::Ticket late = ticket();
  late.open_by = clock_.now_wall();
  EXPECT_FALSE(viewing_.ticket(rtsp::seal_ticket(late, as_bytes(kKey))).ok());
  EXPECT_TRUE(stands(late).ok()) << "what began in time goes on";
  EXPECT_FALSE(viewing_.ticket(rtsp::seal_ticket(ticket(), as_bytes("another key of at least 32 chars"))).ok());
  put_in_force(8, {}, "");
  EXPECT_FALSE(viewing_.ticket(rtsp::seal_ticket(ticket(), ByteSpan())).ok()) << "no key is not a key";
}

}  // namespace
}  // namespace vigie::runtime
