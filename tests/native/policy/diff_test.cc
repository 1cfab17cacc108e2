#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

using Kind = Action::Kind;

// The parts of a snapshot that can be copied and compared; names sorted where their order means nothing.
struct State {
  std::vector<ListenerPolicy> listeners;
  std::vector<AgentPolicy> agents;
  std::vector<CameraPolicy> cameras;
  LimitsPolicy limits;
  friend bool operator==(const State&, const State&) = default;

  static State of(const PolicySnapshot& snapshot) {
    State state{
        snapshot.listeners, snapshot.agents, {snapshot.cameras.begin(), snapshot.cameras.end()}, snapshot.limits};
    state.sort();
    return state;
  }
  void sort() {
    const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
    std::sort(listeners.begin(), listeners.end(), by_name);
    std::sort(agents.begin(), agents.end(), by_name);
    std::sort(cameras.begin(), cameras.end(), by_name);
  }
};

template <class List>
auto named(List& list, std::string_view name) {
  const auto it = std::find_if(list.begin(), list.end(), [&](const auto& item) { return item.name == name; });
  return it == list.end() ? nullptr : &*it;
}
template <class T>
void erase_named(std::vector<T>& list, std::string_view name) {
  std::erase_if(list, [&](const T& item) { return item.name == name; });
}

// Does what an action says, taking from `target` no more than the action's kind allows.
void carry_out(const Action& action, const PolicySnapshot& target, State& state) {
  const CameraPolicy* to = named(target.cameras, action.name);
  CameraPolicy* camera = named(state.cameras, action.name);
  StreamPolicy* stream = camera ? named(camera->streams, action.stream) : nullptr;
  const StreamPolicy* to_stream = to ? named(to->streams, action.stream) : nullptr;
  switch (action.kind) {
    case Kind::end_rights:
      erase_named(state.agents, action.name);
      if (const auto* agent = named(target.agents, action.name)) state.agents.push_back(*agent);
      break;
    case Kind::close_listener: erase_named(state.listeners, action.name); break;
    case Kind::open_listener: state.listeners.push_back(*named(target.listeners, action.name)); break;
    case Kind::remove_stream:
      erase_named(camera->streams, action.stream);
      if (camera->streams.empty() && !to) erase_named(state.cameras, action.name);
      break;
    case Kind::change_privacy:
    case Kind::change_masks:
    case Kind::shrink_masks:
      camera->privacy = to->privacy;
      camera->privacy_reason = to->privacy_reason;
      camera->masks = to->masks;
      camera->versions = to->versions;
      camera->dome = to->dome;
      break;
    case Kind::restart_stream: *stream = *to_stream; break;
    case Kind::update_stream:
      stream->pull = to_stream->pull;
      stream->first_picture_deadline = to_stream->first_picture_deadline;
      stream->silence_limit = to_stream->silence_limit;
      stream->linger = to_stream->linger;
      stream->log_bytes = to_stream->log_bytes;
      break;
    case Kind::update_camera: {
      camera->title = to->title;
      camera->number = to->number;
      break;
    }
    case Kind::add_stream:
      if (!camera) {
        state.cameras.push_back(*to);
        state.cameras.back().streams.clear();
        camera = &state.cameras.back();
      }
      camera->streams.push_back(*to_stream);
      break;
    case Kind::change_limits: state.limits = target.limits; break;
  }
}

// How much of it: nothing without masks, less with masks drawn by us than by itself, all when clear.
int shown(const CameraPolicy& camera) {
  if (camera.privacy == Privacy::clear) return 3;
  if (camera.privacy == Privacy::withheld || !camera.masks) return 0;
  return camera.privacy == Privacy::masked ? 1 : 2;
}

// A camera may only be shown while its streams are those of a snapshot that shows it.
bool shows_only_what_was_decided(const State& state, const PolicySnapshot& before, const PolicySnapshot& after) {
  return std::all_of(state.cameras.begin(), state.cameras.end(), [&](const CameraPolicy& camera) {
    if (shown(camera) == 0) return true;
    const auto decided = [&](const PolicySnapshot& snapshot, const StreamPolicy& stream) {
      const CameraPolicy* of = named(snapshot.cameras, camera.name);
      if (!of || shown(*of) == 0) return false;
      const StreamPolicy* other = named(of->streams, stream.name);
      return other && other->url == stream.url;
    };
    return std::all_of(camera.streams.begin(), camera.streams.end(),
                       [&](const StreamPolicy& stream) { return decided(before, stream) || decided(after, stream); });
  });
}

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Ref<PolicySnapshot> make() {
    auto snapshot = make_ref<PolicySnapshot>();
    for (const char* name : {"l0", "l1"}) {
      if (!chance(70)) continue;
      snapshot->listeners.push_back(ListenerPolicy{.name = name, .listen = "127.0.0.1:" + digit()});
    }
    for (const char* name : {"a0", "a1", "a2"}) {
      if (!chance(70)) continue;
      AgentPolicy agent{.name = name, .password = Secret("p" + digit()), .all_cameras = chance(50)};
      if (chance(30)) agent.until = WallTime{Nanos{pick(2)}};
      snapshot->agents.push_back(std::move(agent));
    }
    for (const char* name : {"c0", "c1", "c2", "c3"}) {
      if (chance(80)) snapshot->cameras.edit().push_back(make_camera(name));
    }
    if (chance(30)) snapshot->limits.sessions = 7 + pick(2);
    std::shuffle(snapshot->cameras.edit().begin(), snapshot->cameras.edit().end(), random_);
    std::shuffle(snapshot->agents.begin(), snapshot->agents.end(), random_);
    return snapshot;
  }

 private:
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  unsigned pick(unsigned count) { return static_cast<unsigned>(random_() % count); }
  std::string digit() { return std::to_string(pick(2)); }

  MaskSetPolicy make_masks() {
    MaskSetPolicy masks{.revision = 1 + pick(2)};
    for (const char* name : {"r0", "r1"}) {
      if (!chance(70)) continue;
      const double size = 0.1 * (1 + pick(3));
      masks.regions.push_back({.name = name, .points = {{0, 0}, {size, 0}, {size, size}}});
    }
    return masks;
  }

  CameraPolicy make_camera(const char* name) {
    CameraPolicy camera{.name = name, .number = pick(2), .privacy = static_cast<Privacy>(pick(4))};
    camera.title = "t" + digit();
    if (camera.privacy == Privacy::clear) camera.privacy_reason = "r" + digit();
    if (camera.privacy != Privacy::clear && chance(60)) camera.masks = make_masks();
    if (chance(30)) camera.versions.push_back({.name = "v" + digit(), .masks = make_masks()});
    if (chance(30)) camera.dome = DomePolicy{.max_speed = 20.0 + pick(3)};
    for (const char* stream_name : {"main", "sub"}) {
      if (!camera.streams.empty() && chance(40)) continue;
      StreamPolicy stream{.name = stream_name, .url = "rtsp://h/" + digit()};
      if (chance(20)) stream.silence_limit = 1s;
      if (chance(20)) stream.linger = 1s;
      if (chance(20)) stream.pull = Pull::on_demand;
      if (chance(20)) stream.password = Secret("s");
      camera.streams.push_back(std::move(stream));
    }
    return camera;
  }

  std::mt19937 random_;
};

// New agents need no action; a camera's streams keep their order here, so that states can be compared.
State after_all(const std::vector<Action>& actions, const PolicySnapshot& before, const PolicySnapshot& after,
                size_t leave_out, const std::function<void(const State&)>& check = {}) {
  State state = State::of(before);
  for (size_t i = 0; i < actions.size(); ++i) {
    if (i == leave_out) continue;
    carry_out(actions[i], after, state);
    if (check) check(state);
  }
  for (const auto& agent : after.agents) {
    if (!named(before.agents, agent.name)) state.agents.push_back(agent);
  }
  for (auto& camera : state.cameras) {
    std::sort(camera.streams.begin(), camera.streams.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
  }
  state.sort();
  return state;
}

TEST(Diff, CoversEveryDifferenceAndNothingElse) {
  Generator generator(20260101);
  size_t total = 0;
  for (int round = 0; round < 1000; ++round) {
    const auto before = generator.make(), after = generator.make();
    const auto actions = diff(before.get(), *after);
    total += actions.size();
    const State reached = after_all(actions, *before, *after, actions.size(), [&](const State& state) {
      ASSERT_TRUE(shows_only_what_was_decided(state, *before, *after)) << "round " << round;
    });
    ASSERT_EQ(reached, State::of(*after)) << "round " << round;
    for (size_t i = 0; i < actions.size(); ++i) {
      ASSERT_NE(after_all(actions, *before, *after, i), State::of(*after))
          << "round " << round << ": action " << i << " was not needed";
    }
    EXPECT_TRUE(diff(after.get(), *after).empty());
  }
  EXPECT_GT(total, 2000u);
}

TEST(Diff, ASharedListOfCamerasIsAsOneThatSaysTheSame) {
  Generator generator(11);
  size_t total = 0;
  for (int round = 0; round < 500; ++round) {
    const auto before = generator.make(), shared = generator.make(), alike = generator.make();
    alike->agents = shared->agents, alike->listeners = shared->listeners, alike->limits = shared->limits;
    shared->cameras = before->cameras;
    alike->cameras = std::vector<CameraPolicy>(before->cameras.begin(), before->cameras.end());
    ASSERT_TRUE(shared->cameras.shares(before->cameras) && !alike->cameras.shares(before->cameras));
    const auto actions = diff(before.get(), *shared);
    total += actions.size();
    EXPECT_EQ(actions, diff(before.get(), *alike)) << "round " << round;
    EXPECT_TRUE(check_succession(before.get(), *shared).ok() && check_succession(before.get(), *alike).ok());
  }
  EXPECT_GT(total, 500u);
}

TEST(Diff, TakesAwayFirstAndGivesLast) {
  Generator generator(7);
  for (int round = 0; round < 500; ++round) {
    const auto before = generator.make(), after = generator.make();
    int last = -1;
    for (const auto& action : diff(before.get(), *after)) {
      const bool decision = action.kind >= Kind::change_privacy && action.kind <= Kind::shrink_masks;
      const int opened =
          decision ? shown(*named(after->cameras, action.name)) - shown(*named(before->cameras, action.name)) : 0;
      const bool late = opened > 0 || (opened == 0 && action.kind == Kind::shrink_masks);
      const int place = late ? 2 * static_cast<int>(Kind::add_stream) + 1 : 2 * static_cast<int>(action.kind);
      ASSERT_LE(last, place);
      last = place;
    }
  }
}

Ref<PolicySnapshot> town() {
  auto snapshot = make_ref<PolicySnapshot>();
  snapshot->listeners = {ListenerPolicy{.name = "l", .listen = "127.0.0.1:1"}};
  snapshot->agents = {AgentPolicy{.name = "a", .password = Secret("p"), .all_cameras = true}};
  for (const char* name : {"c0", "c1"}) {
    snapshot->cameras.edit().push_back(CameraPolicy{.name = name,
                                                    .privacy = Privacy::clear,
                                                    .privacy_reason = "r",
                                                    .streams = {StreamPolicy{.name = "main", .url = "rtsp://h/main"},
                                                                StreamPolicy{.name = "sub", .url = "rtsp://h/sub"}}});
  }
  return snapshot;
}

TEST(Diff, EachFieldLeadsToItsAction) {
  const struct {
    const char* name;
    std::function<void(PolicySnapshot&)> change;
    std::vector<Action> actions;
  } kCases[] = {
      {"nothing", [](PolicySnapshot&) {}, {}},
      {"the revision alone", [](PolicySnapshot& s) { s.revision = 9; }, {}},
      {"order of cameras", [](PolicySnapshot& s) { std::swap(s.cameras.edit()[0], s.cameras.edit()[1]); }, {}},
      {"url",
       [](PolicySnapshot& s) { s.cameras.edit()[1].streams[0].url += "2"; },
       {{Kind::restart_stream, "c1", "main"}}},
      {"password",
       [](PolicySnapshot& s) { s.cameras.edit()[1].streams[0].password = Secret("x"); },
       {{Kind::restart_stream, "c1", "main"}}},
      {"transport",
       [](PolicySnapshot& s) { s.cameras.edit()[1].streams[1].transport = Transport::udp; },
       {{Kind::restart_stream, "c1", "sub"}}},
      {"silence",
       [](PolicySnapshot& s) { s.cameras.edit()[1].streams[1].silence_limit = 1s; },
       {{Kind::update_stream, "c1", "sub"}}},
      {"pull",
       [](PolicySnapshot& s) { s.cameras.edit()[1].streams[1].pull = Pull::on_demand; },
       {{Kind::update_stream, "c1", "sub"}}},
      {"title", [](PolicySnapshot& s) { s.cameras.edit()[0].title = "x"; }, {{Kind::update_camera, "c0", ""}}},
      {"number", [](PolicySnapshot& s) { s.cameras.edit()[0].number = 5; }, {{Kind::update_camera, "c0", ""}}},
      {"order of streams",
       [](PolicySnapshot& s) { std::swap(s.cameras.edit()[0].streams[0], s.cameras.edit()[0].streams[1]); },
       {{Kind::update_camera, "c0", ""}}},
      {"reason",
       [](PolicySnapshot& s) { s.cameras.edit()[0].privacy_reason = "x"; },
       {{Kind::change_privacy, "c0", ""}}},
      {"withheld, and another url",
       [](PolicySnapshot& s) {
         s.cameras.edit()[0].privacy = Privacy::withheld;
         s.cameras.edit()[0].streams[0].url += "2";
       },
       {{Kind::change_privacy, "c0", ""}, {Kind::restart_stream, "c0", "main"}}},
      {"stream gone",
       [](PolicySnapshot& s) { s.cameras.edit()[0].streams.pop_back(); },
       {{Kind::remove_stream, "c0", "sub"}}},
      {"camera gone",
       [](PolicySnapshot& s) { s.cameras.edit().pop_back(); },
       {{Kind::remove_stream, "c1", "main"}, {Kind::remove_stream, "c1", "sub"}}},
      {"agent gone", [](PolicySnapshot& s) { s.agents.clear(); }, {{Kind::end_rights, "a", ""}}},
      {"agent's end", [](PolicySnapshot& s) { s.agents[0].until = WallTime{}; }, {{Kind::end_rights, "a", ""}}},
      {"agent added", [](PolicySnapshot& s) { s.agents.push_back(AgentPolicy{.name = "b"}); }, {}},
      {"listener's access",
       [](PolicySnapshot& s) { s.listeners[0].access = Access::open; },
       {{Kind::close_listener, "l", ""}, {Kind::open_listener, "l", ""}}},
      {"limits", [](PolicySnapshot& s) { s.limits.packet_bytes = 1200; }, {{Kind::change_limits, "", ""}}},
  };
  for (const auto& test_case : kCases) {
    SCOPED_TRACE(test_case.name);
    const auto before = town(), after = town();
    test_case.change(*after);
    EXPECT_EQ(diff(before.get(), *after), test_case.actions);
  }
}

TEST(Diff, ADecisionIsOneActionThatSaysWhetherItHidesLess) {
  using enum Privacy;
  const auto set = [](uint64_t revision, double size) {
    return MaskSetPolicy{.revision = revision,
                         .regions = {{.name = "r", .points = {{0, 0}, {size, 0}, {size, size}, {0, size}}}}};
  };
  const auto in_world = [&](uint64_t revision, double size) {
    MaskSetPolicy masks = set(revision, size);
    masks.regions[0].space = MaskSpace::world;
    return masks;
  };
  const auto camera = [](Privacy privacy, std::optional<MaskSetPolicy> masks, std::vector<MaskVersionPolicy> versions,
                         std::optional<DomePolicy> dome) {
    return CameraPolicy{.name = "c0",
                        .privacy = privacy,
                        .masks = std::move(masks),
                        .versions = std::move(versions),
                        .dome = dome,
                        .streams = {{.name = "main", .url = "rtsp://h/main"}}};
  };
  const auto changed = [](MaskSetPolicy masks, auto change) {
    change(masks);
    return masks;
  };
  const DomePolicy dome, trusted{.calibration_error = 0.4}, leaning{.mount_tilt = 1};
  const struct {
    const char* name;
    CameraPolicy before, after;
    std::optional<Kind> kind;
    bool late;
  } kCases[] = {
      {"the same", camera(masked, set(1, 0.5), {}, {}), camera(masked, set(1, 0.5), {}, {}), {}, false},
      {"larger", camera(masked, set(1, 0.5), {}, {}), camera(masked, set(2, 0.6), {}, {}), Kind::change_masks, false},
      {"smaller", camera(masked, set(1, 0.5), {}, {}), camera(masked, set(2, 0.4), {}, {}), Kind::shrink_masks, true},
      {"another number", camera(masked, set(1, 0.5), {}, {}), camera(masked, set(2, 0.5), {}, {}), Kind::change_masks,
       false},
      {"another colour", camera(masked, set(1, 0.5), {}, {}),
       camera(masked, changed(set(2, 0.5), [](auto& m) { m.regions[0].fill_rgb = 0; }), {}, {}), Kind::change_masks,
       false},
      {"the first set", camera(masked, {}, {}, {}), camera(masked, set(1, 0.5), {}, {}), Kind::change_masks, true},
      {"covered again", camera(masked, set(1, 0.5), {}, {}), camera(masked, {}, {}, {}), Kind::change_masks, false},
      {"masked, was withheld", camera(withheld, set(1, 0.5), {}, {}), camera(masked, set(1, 0.5), {}, {}),
       Kind::change_privacy, true},
      {"less, was withheld", camera(withheld, set(1, 0.5), {}, {}), camera(masked, set(2, 0.4), {}, {}),
       Kind::shrink_masks, true},
      {"masked, was clear", camera(clear, {}, {}, {}), camera(masked, set(1, 0.5), {}, {}), Kind::change_privacy,
       false},
      {"clear, was masked", camera(masked, set(1, 0.5), {}, {}), camera(clear, {}, {}, {}), Kind::shrink_masks, true},
      {"clear, was covered", camera(masked, {}, {}, {}), camera(clear, {}, {}, {}), Kind::shrink_masks, true},
      {"clear, was withheld", camera(withheld, {}, {}, {}), camera(clear, {}, {}, {}), Kind::change_privacy, true},
      {"by the camera itself", camera(masked, set(1, 0.5), {}, {}), camera(masked_at_source, set(1, 0.5), {}, {}),
       Kind::change_privacy, true},
      {"no longer by the camera itself", camera(masked_at_source, set(1, 0.5), {}, {}),
       camera(masked, set(1, 0.5), {}, {}), Kind::change_privacy, false},
      {"masked, was clear, and a version smaller", camera(clear, {}, {{"v", set(1, 0.5)}}, {}),
       camera(masked, set(1, 0.5), {{"v", set(2, 0.4)}}, {}), Kind::shrink_masks, false},
      {"withheld, and the set smaller", camera(masked, set(1, 0.5), {}, {}), camera(withheld, set(2, 0.4), {}, {}),
       Kind::change_privacy, false},
      {"a version more", camera(clear, {}, {}, {}), camera(clear, {}, {{"v", set(1, 0.5)}}, {}), Kind::change_masks,
       false},
      {"a version less", camera(clear, {}, {{"v", set(1, 0.5)}}, {}), camera(clear, {}, {}, {}), Kind::change_masks,
       false},
      {"a version smaller", camera(clear, {}, {{"v", set(1, 0.5)}}, {}), camera(clear, {}, {{"v", set(2, 0.4)}}, {}),
       Kind::shrink_masks, true},
      {"a dome trusted more", camera(masked, in_world(1, 10), {}, dome), camera(masked, in_world(1, 10), {}, trusted),
       Kind::shrink_masks, true},
      {"a dome trusted less", camera(masked, in_world(1, 10), {}, trusted), camera(masked, in_world(1, 10), {}, dome),
       Kind::change_masks, false},
      {"a dome mounted otherwise", camera(masked, in_world(1, 10), {}, dome),
       camera(masked, in_world(1, 10), {}, leaning), Kind::shrink_masks, true},
      {"a dome without world regions", camera(masked, set(1, 0.5), {}, dome), camera(masked, set(1, 0.5), {}, trusted),
       Kind::change_masks, false},
      {"a dome trusted more by a version", camera(clear, {}, {{"v", in_world(1, 10)}}, dome),
       camera(clear, {}, {{"v", in_world(1, 10)}}, trusted), Kind::shrink_masks, true},
  };
  for (const auto& test_case : kCases) {
    SCOPED_TRACE(test_case.name);
    const auto before = make_ref<PolicySnapshot>(), after = make_ref<PolicySnapshot>();
    before->cameras = {test_case.before};
    after->cameras = {test_case.after};
    after->cameras.edit()[0].streams[0].url += "2";  // so that the place in the order shows
    std::vector<Action> expected = {{Kind::restart_stream, "c0", "main"}};
    if (test_case.kind)
      expected.insert(test_case.late ? expected.end() : expected.begin(), {*test_case.kind, "c0", ""});
    EXPECT_EQ(diff(before.get(), *after), expected);
  }
}

TEST(Diff, ShowsACameraOnlyAfterItsStreamsAreTheNewOnes) {
  const auto before = town(), after = town();
  before->cameras.edit()[0].privacy = Privacy::withheld;
  after->cameras.edit()[0].streams[0].url += "2";
  after->cameras.edit()[0].streams.push_back(StreamPolicy{.name = "third", .url = "rtsp://h/3"});
  after->listeners.push_back(ListenerPolicy{.name = "m", .listen = "127.0.0.1:2"});
  const std::vector<Action> expected = {{Kind::restart_stream, "c0", "main"},
                                        {Kind::add_stream, "c0", "third"},
                                        {Kind::change_privacy, "c0", ""},
                                        {Kind::open_listener, "m", ""}};
  EXPECT_EQ(diff(before.get(), *after), expected);
}

TEST(Diff, FromNothingGivesEverything) {
  const auto after = town();
  const auto actions = diff(nullptr, *after);
  EXPECT_EQ(actions.size(), 5u);  // four streams and a listener; the limits are the defaults
  EXPECT_EQ(actions.back().kind, Kind::open_listener);
}

}  // namespace
}  // namespace vigie::policy
