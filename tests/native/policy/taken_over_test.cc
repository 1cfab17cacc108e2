// A snapshot that was read beside the one before is the one that would have been read alone, errors included.
#include "policy/taken_over.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

using Json = nlohmann::ordered_json;
using Snapshot = Ref<const PolicySnapshot>;

// Reads `json` alone and beside `before`, and compares all that comes of it.
Result<Snapshot> read_both(const std::string& json, const PolicySnapshot* before) {
  auto alone = parse_snapshot(json);
  auto beside = parse_snapshot(json, before);
  EXPECT_EQ(alone.ok(), beside.ok()) << json;
  if (alone.ok() && beside.ok()) {
    const PolicySnapshot &a = **alone, &b = **beside;
    EXPECT_EQ(a.revision, b.revision);
    EXPECT_EQ(a.listeners, b.listeners);
    EXPECT_EQ(a.agents, b.agents) << json;
    EXPECT_EQ(a.cameras, b.cameras) << json;
    EXPECT_EQ(a.tickets, b.tickets);
    EXPECT_EQ(a.limits, b.limits);
  } else if (!alone.ok() && !beside.ok()) {
    EXPECT_EQ(alone.error().text(), beside.error().text());
  }
  return beside;
}

Json camera(int number) {
  const std::string name = "c" + std::to_string(number);
  return {{"name", name}, {"title", "Rue \"de\" Metz\\ " + name}, {"streams", {{{"name", "main"}, {"kind", "push"}}}}};
}

// Rights to c0 … of so many cameras, in falling order: they are put in order once they are read.
Json agent(int number, int cameras) {
  Json names = Json::array();
  for (int i = cameras; i > 0; --i) names.push_back("c" + std::to_string(i - 1));
  return {{"name", "a" + std::to_string(number)}, {"password", "like"}, {"cameras", names}};
}

Json town() {
  Json made{{"revision", 1}, {"agents", Json::array()}, {"cameras", Json::array()}};
  for (int i = 0; i < 6; ++i) made["cameras"].push_back(camera(i));
  for (int i = 0; i < 4; ++i) made["agents"].push_back(agent(i, i));
  made["agents"].push_back({{"name", "a9"}, {"password", "x"}, {"like", "a3"}});
  return made;
}

template <class T>
size_t count_taken(const std::vector<const T*>& which) {
  return static_cast<size_t>(std::ranges::count_if(which, [](const T* one) { return one != nullptr; }));
}

TEST(TakenOver, OnlyWhatIsNewIsReadAgain) {
  const auto first = parse_snapshot(town().dump());
  ASSERT_TRUE(first.ok());
  struct Case {
    const char* name;
    std::function<void(Json&)> change;
    size_t agents, cameras;  // taken over
  };
  const Case kCases[] = {
      {"nothing", [](Json&) {}, 4, 6},
      {"one camera", [](Json& next) { next["cameras"][2]["title"] = "x"; }, 4, 5},
      {"the first out", [](Json& next) { next["cameras"].erase(0), next["agents"] = Json::array(); }, 0, 5},
      {"one more between", [](Json& next) { next["cameras"].insert(next["cameras"].begin() + 3, camera(8)); }, 4, 6},
      {"turned round", [](Json& next) { std::ranges::reverse(next["cameras"]); }, 4, 6},
      {"one agent", [](Json& next) { next["agents"][1]["password"] = "y"; }, 3, 6},
      {"lists in another order",
       [](Json& next) { next = {{"cameras", next["cameras"]}, {"agents", next["agents"]}, {"revision", 3}}; }, 4, 6},
  };
  for (const auto& one : kCases) {
    SCOPED_TRACE(one.name);
    Json next = town();
    next["revision"] = 2;
    one.change(next);
    const auto read = read_both(next.dump(), first->get());
    EXPECT_TRUE(read.ok()) << read.error().text();
    const auto made = shorten(next.dump(), first->get());
    ASSERT_TRUE(made);
    EXPECT_EQ(count_taken(made->agents), one.agents);
    EXPECT_EQ(count_taken(made->cameras), one.cameras);
  }
}

TEST(TakenOver, CamerasThatAllStandAsBeforeAreOneListForBoth) {
  const auto first = parse_snapshot(town().dump());
  ASSERT_TRUE(first.ok());
  Json next = town();
  next["agents"][1]["cameras"] = {"c5", "c2"};
  const auto second = read_both(next.dump(), first->get());
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE((*second)->cameras.shares((*first)->cameras));
  EXPECT_TRUE((*second)->agents[2].cameras.shares((*first)->agents[2].cameras));
  for (const char* camera : {"c7", "c2@street"}) {
    next["agents"][1]["cameras"] = {camera};
    EXPECT_EQ(read_both(next.dump(), second->get()).ok(), false) << camera;
  }
  next = town();
  std::swap(next["cameras"][0], next["cameras"][1]);
  const auto third = read_both(next.dump(), second->get());
  ASSERT_TRUE(third.ok());
  EXPECT_FALSE((*third)->cameras.shares((*second)->cameras));
  EXPECT_EQ((*third)->cameras[0].name, "c1");
}

TEST(TakenOver, ALimitThatForbidsACameraIsHeldAgainstThoseThatStandAsBefore) {
  Json next = town();
  next["cameras"][4]["privacy"] = "masked_at_source";
  const Json square = {{0.1, 0.1}, {0.3, 0.1}, {0.3, 0.3}};
  next["cameras"][4]["masks"] = {
      {"revision", 1}, {"reason", "flats"}, {"regions", {{{"name", "r"}, {"reason", "flats"}, {"points", square}}}}};
  const auto first = parse_snapshot(next.dump());
  ASSERT_TRUE(first.ok()) << first.error().text();
  next["limits"] = {{"allow_masked_at_source", false}};
  const auto read = read_both(next.dump(), first->get());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().where, "/cameras/4/privacy");
}

TEST(TakenOver, WhoHasTheRightsOfAnotherGetsThoseOfNow) {
  for (const bool escaped : {false, true}) {  // however the field is written
    const auto written = [&](Json json) {
      std::string text = json.dump();
      if (escaped) text.replace(text.find("\"like\":"), 6, R"("\u006cik\u0065")");
      return text;
    };
    const auto first = parse_snapshot(written(town()));
    ASSERT_TRUE(first.ok()) << first.error().text();
    Json next = town();
    next["agents"][3]["cameras"] = {"c5"};
    const auto second = read_both(written(next), first->get());
    ASSERT_TRUE(second.ok());
    EXPECT_EQ((*second)->agents.back().cameras, (std::vector<ViewRight>{{"c5", std::nullopt}}));
    const auto third = read_both(written(town()), second->get());
    ASSERT_TRUE(third.ok());
    EXPECT_EQ((*third)->agents.back().cameras.size(), 3u);
  }
}

TEST(TakenOver, RightsToACameraThatIsGoneAreRefusedAsEver) {
  const auto first = parse_snapshot(town().dump());
  ASSERT_TRUE(first.ok());
  Json next = town();
  next["cameras"].erase(1);
  const auto read = read_both(next.dump(), first->get());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().where, "/agents/2/cameras/0");
}

TEST(TakenOver, EveryCaseOfTheTableIsJudgedAlikeBesideTheBase) {
  std::ifstream in(VIGIE_POLICY_CASES);
  const auto table = Json::parse(in);
  const auto base = parse_snapshot(table["base"].dump());
  ASSERT_TRUE(base.ok());
  for (const auto& test_case : table["cases"]) {
    SCOPED_TRACE(test_case["name"].get<std::string>());
    Json document = table["base"];
    if (test_case.contains("set")) {
      for (const auto& [pointer, value] : test_case["set"].items()) document[Json::json_pointer(pointer)] = value;
    }
    (void)read_both(document.dump(), base->get());
    (void)read_both(document.dump(2), base->get());
  }
}

TEST(TakenOver, RandomChangesAndDamageMakeNoDifference) {
  std::mt19937 random(20261127);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  Snapshot before;
  size_t accepted = 0, refused = 0;
  Json next = town();
  for (int round = 0; round < 3000; ++round) {
    Json candidate = next;
    candidate["revision"] = round + 1;
    for (size_t edits = below(3); edits > 0; --edits) {
      auto& list = candidate[below(2) ? "cameras" : "agents"];
      const size_t at = below(list.size() + 1);
      const auto place = list.begin() + static_cast<std::ptrdiff_t>(at);
      switch (below(5)) {
        case 0:
          list.insert(place, below(2) ? camera(static_cast<int>(below(12))) : agent(static_cast<int>(below(12)), 2));
          break;
        case 1:
          if (at < list.size()) list.erase(place);
          break;
        case 2:
          if (at < list.size()) std::swap(list[at], list[below(list.size())]);
          break;
        case 3:
          if (at < list.size()) list[at]["title"] = "t" + std::to_string(below(3));
          break;
        default:
          if (at < list.size()) list[at]["password"] = "p" + std::to_string(below(3));
      }
    }
    std::string text = candidate.dump(below(4) ? -1 : 1);
    for (size_t damage = below(4) ? 0 : below(3) + 1; damage > 0 && !text.empty(); --damage) {
      static constexpr std::string_view kBytes = "{}[]\",:\\ 0x";
      const size_t at = below(text.size());
      switch (below(3)) {
        case 0: text[at] = kBytes[below(kBytes.size())]; break;
        case 1: text.erase(at, below(20)); break;
        default: text.insert(at, text.substr(below(text.size()), below(40)));
      }
    }
    const auto read = read_both(text, before.get());
    ++(read.ok() ? accepted : refused);
    if (read.ok()) {
      before = *read;
      next = Json::parse(text);
    }
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(accepted, 300u);
  EXPECT_GT(refused, 300u);
}

}  // namespace
}  // namespace vigie::policy
