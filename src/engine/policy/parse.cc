// JSON -> PolicySnapshot: first the text as such (size, depth, repeated keys), then every field's type and range, then
// the cross checks of validate.cc. Agents and cameras that stood in the snapshot before, word for word, are taken over.
#include <algorithm>
#include <exception>
#include <unordered_map>

#include "policy/json_fields.h"
#include "policy/parse_masks.h"
#include "policy/snapshot.h"
#include "policy/taken_over.h"

namespace vigie::policy {
namespace {

constexpr size_t kMaxDepth = 12;               // the layout needs 10
constexpr size_t kMaxFields = 64;              // of one object; the layout needs 16
constexpr size_t kMaxNodes = size_t{4} << 20;  // values in all
static_assert(kMaxShortened <= 2 * kMaxNodes);
constexpr size_t kMaxListeners = 64;
constexpr size_t kMaxAgents = 65536;
constexpr size_t kMaxRoutes = 65536;
constexpr size_t kMaxCameras = 65536;
constexpr size_t kMaxStreams = 16;
constexpr size_t kMaxVersions = 16;
constexpr size_t kMaxUrl = 2048;
constexpr size_t kMaxPath = 4096;
constexpr size_t kMaxTitle = 256;
constexpr size_t kMaxCredential = 256;

// Looks at the text once without building anything: well-formed, not too deep or too large, no key twice in one object
// (a parser would silently keep the last "privacy").
class TextCheck final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_object(size_t) override { return open(false); }
  bool start_array(size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    auto& keys = levels_.back().keys;
    if (std::find(keys.begin(), keys.end(), name) != keys.end()) {
      keys.push_back(name);
      return fail(Code::policy_field, pointer(), "the field stands twice; right would be once");
    }
    keys.push_back(name);
    if (keys.size() > kMaxFields) {
      return fail(Code::policy_field, pointer(), "more than " + std::to_string(kMaxFields) + " fields in one object");
    }
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& exception) override {
    // The parser's own text quotes what it read last, which may be a password.
    return fail(Code::policy_syntax, "byte " + std::to_string(position),
                exception.id == 406 ? "a number is out of range" : "this is not well-formed JSON in UTF-8");
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  struct Level {
    bool is_array;
    size_t index = 0;
    std::vector<std::string> keys = {};
  };
  bool fail(Code code, std::string where, std::string what) {
    if (!error_) error_ = make_error(code, std::move(where), std::move(what));
    return false;
  }
  bool count() {
    if (!levels_.empty() && levels_.back().is_array) ++levels_.back().index;
    if (++nodes_ <= kMaxNodes) return true;
    return fail(Code::policy_syntax, pointer(), "more than " + std::to_string(kMaxNodes) + " values");
  }
  bool open(bool is_array) {
    if (!count()) return false;
    if (levels_.size() >= kMaxDepth) {
      return fail(Code::policy_syntax, pointer(), "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    levels_.push_back(Level{is_array});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }
  // Of the value just begun.
  std::string pointer() const {
    std::string text;
    for (const auto& level : levels_) {
      if (level.is_array) {
        text = pointer_to(text, level.index == 0 ? 0 : level.index - 1);
      } else if (!level.keys.empty()) {
        text = pointer_to(text, level.keys.back());
      }
    }
    return text;
  }

  std::vector<Level> levels_;
  size_t nodes_ = 0;
  std::optional<Error> error_;
};

ListenerPolicy read_listener(const Json& json, const std::string& at, FirstError& error) {
  static constexpr Word<Access> kAccess[] = {{"digest", Access::digest}, {"open", Access::open}};
  ListenerPolicy listener;
  FieldReader reader(
      json, at, error,
      {"name", "listen", "tls", "tls_certificate", "tls_key", "access", "trusted", "allow_md5", "udp", "dscp"});
  reader.require("name", "a name of its own");
  reader.require("listen", "an address such as 127.0.0.1:8554");
  reader.text("name", listener.name, kMaxName);
  reader.text("listen", listener.listen, kMaxName);
  reader.boolean("tls", listener.tls);
  reader.text("tls_certificate", listener.tls_certificate, kMaxPath);
  reader.text("tls_key", listener.tls_key, kMaxPath);
  reader.word("access", listener.access, kAccess);
  reader.boolean("trusted", listener.trusted);
  reader.boolean("allow_md5", listener.allow_md5);
  listener.udp = !listener.tls;  // UDP delivery is cleartext
  reader.boolean("udp", listener.udp);
  reader.integer_into("dscp", listener.dscp, 0, 63);
  return listener;
}

// Adds the names in "cameras" as rights that end together.
void read_rights(FieldReader& reader, std::optional<WallTime> until, FirstError& error,
                 std::vector<ViewRight>& rights) {
  size_t index = 0;
  for (const auto& name : reader.array("cameras", kMaxCameras)) {
    const std::string here = pointer_to(reader.pointer("cameras"), index++);
    if (!name.is_string()) error.set(here, "found " + describe_type(name) + "; right would be a camera's name");
    if (error.failed()) return;
    rights.push_back({name.get<std::string>(), until});
  }
}

// By name; of a name that stands there twice, the right that ends first.
ViewRights sorted(const ViewRights& rights) {
  const auto order = [](const ViewRight& right) {
    return std::pair<std::string_view, WallTime>(right.name, right.until.value_or(WallTime::max()));
  };
  const auto no_ascent = [](const ViewRight& a, const ViewRight& b) { return a.name >= b.name; };
  if (std::ranges::adjacent_find(rights, no_ascent) == rights.end()) return rights;  // those that were taken over
  std::vector<ViewRight> list(rights.begin(), rights.end());
  std::ranges::sort(list, {}, order);
  const auto repeated = std::ranges::unique(list, {}, &ViewRight::name);
  list.erase(repeated.begin(), repeated.end());
  return list;
}

// Each list once, whoever shares it.
void sort_rights(std::vector<AgentPolicy>& agents) {
  std::unordered_map<const void*, std::pair<ViewRights, ViewRights>> known;  // as they were, so that they live; sorted
  for (AgentPolicy& agent : agents) {
    auto& [was, is] = known[agent.cameras.identity()];
    if (is.empty()) was = agent.cameras, is = sorted(was);
    agent.cameras = is;
  }
}

// `before`: the agents in front of it, of which it may have the rights of one.
AgentPolicy read_agent(const Json& json, const std::string& at, FirstError& error,
                       const std::unordered_map<std::string_view, const AgentPolicy*>& before) {
  AgentPolicy agent;
  FieldReader reader(json, at, error, {"name", "password", "cameras", "ending", "like", "until"});
  reader.require("name", "a name of its own");
  reader.require("password", "the agent's password");
  if (reader.has("like")) {
    std::string like;
    reader.text("like", like, kMaxName);
    const auto other = before.find(like);
    if (reader.has("cameras") || reader.has("ending")) {
      reader.fail("like", "beside rights of its own; right would be either");
    } else if (other == before.end()) {
      reader.fail("like", "no agent of this name stands before it; right would be one that does");
    } else {
      agent.all_cameras = other->second->all_cameras;
      agent.cameras = other->second->cameras;
    }
  } else {
    reader.require("cameras", "a list of camera names, or \"*\" for all");
  }
  reader.text("name", agent.name, kMaxName);
  std::string password;
  reader.secret("password", password, kMaxCredential);
  agent.password = Secret(std::move(password));
  std::vector<ViewRight> rights;
  if (const Json* cameras = reader.find("cameras"); cameras && cameras->is_string()) {
    agent.all_cameras = true;
    if (cameras->get_ref<const std::string&>() != "*") {
      reader.fail("cameras", "found text; right would be a list of camera names, or \"*\" for all");
    }
  } else {
    read_rights(reader, std::nullopt, error, rights);
  }
  const auto& ending = reader.array("ending", kMaxCameras);
  for (size_t i = 0; i < ending.size() && !error.failed(); ++i) {
    FieldReader group(ending[i], pointer_to(reader.pointer("ending"), i), error, {"until", "cameras"});
    group.require("until", "when these rights end");
    group.require("cameras", "a list of camera names");
    std::optional<WallTime> until;
    group.instant("until", until);
    read_rights(group, until, error, rights);
  }
  if (!rights.empty()) agent.cameras = std::move(rights);
  reader.instant("until", agent.until);
  return agent;
}

TicketPolicy read_tickets(const Json& json, const std::string& at, FirstError& error) {
  TicketPolicy tickets;
  FieldReader reader(json, at, error, {"key", "routes"});
  reader.require("key", "what seals tickets");
  std::string key;
  reader.secret("key", key, kMaxCredential);
  tickets.key = Secret(std::move(key));
  const auto& routes = reader.array("routes", kMaxRoutes);
  tickets.routes.reserve(routes.size());
  for (size_t i = 0; i < routes.size() && !error.failed(); ++i) {
    FieldReader route(routes[i], pointer_to(reader.pointer("routes"), i), error, {"id", "until"});
    route.require("id", "the route of a ticket");
    RoutePolicy& made = tickets.routes.emplace_back();
    route.text("id", made.id, kMaxName);
    route.instant("until", made.until);
  }
  return tickets;
}

StreamPolicy read_stream(const Json& json, const std::string& at, FirstError& error) {
  static constexpr Word<SourceKind> kKinds[] = {{"rtsp", SourceKind::rtsp},
                                                {"file", SourceKind::file},
                                                {"push", SourceKind::push},
                                                {"network", SourceKind::network},
                                                {"sdp", SourceKind::sdp}};
  static constexpr Word<Transport> kTransports[] = {{"auto", Transport::automatic},
                                                    {"tcp", Transport::tcp},
                                                    {"udp", Transport::udp},
                                                    {"http", Transport::http},
                                                    {"multicast", Transport::multicast}};
  static constexpr Word<Pull> kPulls[] = {{"always", Pull::always}, {"on_demand", Pull::on_demand}};
  StreamPolicy stream;
  FieldReader reader(
      json, at, error,
      {"name", "kind", "url", "backup_url", "transport", "interface", "pull", "username", "password", "tls_ca_file",
       "tls_verify", "first_picture_deadline_s", "silence_limit_s", "linger_s", "file_loop", "log_bytes", "strict"});
  reader.require("name", "a name such as main");
  reader.text("name", stream.name, kMaxName);
  reader.word("kind", stream.kind, kKinds);
  reader.text("url", stream.url, kMaxUrl);
  if (stream.kind == SourceKind::push && stream.url == "push:") stream.url.clear();  // the same in other words
  reader.text("backup_url", stream.backup_url, kMaxUrl);
  reader.word("transport", stream.transport, kTransports);
  reader.text("interface", stream.interface, kMaxName);
  reader.word("pull", stream.pull, kPulls);
  reader.text("username", stream.username, kMaxCredential);
  std::string password;
  reader.secret("password", password, kMaxCredential);
  stream.password = Secret(std::move(password));
  reader.text("tls_ca_file", stream.tls_ca_file, kMaxPath);
  reader.boolean("tls_verify", stream.tls_verify);
  reader.seconds("first_picture_deadline_s", stream.first_picture_deadline, 0.1, 300);
  reader.seconds("silence_limit_s", stream.silence_limit, 0.1, 3600);
  reader.seconds("linger_s", stream.linger, 0, 86400);
  reader.boolean("file_loop", stream.file_loop);
  reader.integer_into("log_bytes", stream.log_bytes, 64 << 10, int64_t{1} << 30);
  size_t index = 0;
  for (const auto& id : reader.array("strict", kQuirks)) {
    const std::string here = pointer_to(reader.pointer("strict"), index++);
    const auto quirk = id.is_string() ? quirk_from(id.get_ref<const std::string&>()) : std::nullopt;
    if (quirk && quirk_facts(*quirk).kind == QuirkKind::tolerance) {
      stream.strict.insert(*quirk);
      continue;
    }
    const std::string found = id.is_string() ? in_quotes(id.get_ref<const std::string&>()) : describe_type(id);
    error.set(here, "found " + found + "; right would be the id of a tolerance, such as \"A8\" (docs/cameras.md)");
    break;
  }
  return stream;
}

CameraPolicy read_camera(const Json& json, const std::string& at, FirstError& error) {
  static constexpr Word<Privacy> kPrivacy[] = {{"withheld", Privacy::withheld},
                                               {"clear", Privacy::clear},
                                               {"masked", Privacy::masked},
                                               {"masked_at_source", Privacy::masked_at_source}};
  CameraPolicy camera;
  FieldReader reader(json, at, error,
                     {"name", "number", "title", "privacy", "privacy_reason", "masks", "versions", "dome", "streams"});
  reader.require("name", "a name of its own");
  reader.require("streams", "a list of at least one stream");
  reader.text("name", camera.name, kMaxName);
  reader.integer_into("number", camera.number, 0, kMaxWhole);
  reader.text("title", camera.title, kMaxTitle);
  reader.word("privacy", camera.privacy, kPrivacy);
  reader.text("privacy_reason", camera.privacy_reason, kMaxReason);
  if (const Json* masks = reader.find("masks")) camera.masks = read_mask_set(*masks, reader.pointer("masks"), error);
  for (const auto& version : reader.array("versions", kMaxVersions)) {
    if (error.failed()) break;
    camera.versions.push_back(
        read_mask_version(version, pointer_to(reader.pointer("versions"), camera.versions.size()), error));
  }
  if (const Json* dome = reader.find("dome")) camera.dome = read_dome(*dome, reader.pointer("dome"), error);
  for (const auto& stream : reader.array("streams", kMaxStreams)) {
    if (error.failed()) break;
    camera.streams.push_back(read_stream(stream, pointer_to(reader.pointer("streams"), camera.streams.size()), error));
  }
  return camera;
}

LimitsPolicy read_limits(const Json& json, const std::string& at, FirstError& error) {
  constexpr int64_t kMany = 1'000'000;
  LimitsPolicy limits;
  FieldReader reader(
      json, at, error,
      {"sessions", "sessions_per_peer", "sessions_per_stream", "half_open", "half_open_timeout_s", "session_timeout_s",
       "lag_limit_s", "send_buffer_bytes", "packet_bytes", "header_bytes", "allow_masked_at_source"});
  reader.integer_into("sessions", limits.sessions, 1, kMany);
  reader.integer_into("sessions_per_peer", limits.sessions_per_peer, 1, kMany);
  reader.integer_into("sessions_per_stream", limits.sessions_per_stream, 1, kMany);
  reader.integer_into("half_open", limits.half_open, 1, kMany);
  reader.seconds("half_open_timeout_s", limits.half_open_timeout, 0.1, 300);
  reader.seconds("session_timeout_s", limits.session_timeout, 1, 3600);
  reader.seconds("lag_limit_s", limits.lag_limit, 0.05, 60);
  reader.integer_into("send_buffer_bytes", limits.send_buffer_bytes, 16 << 10, 64 << 20);
  reader.integer_into("packet_bytes", limits.packet_bytes, 256, 65000);
  reader.integer_into("header_bytes", limits.header_bytes, 1 << 10, 1 << 20);
  reader.boolean("allow_masked_at_source", limits.allow_masked_at_source);
  return limits;
}

// `shorter`: the text was made shorter, and this is what of it is taken over; else null.
void read_snapshot(const Json& json, const ShortText* shorter, PolicySnapshot& snapshot, FirstError& error) {
  FieldReader reader(json, "", error, {"revision", "listeners", "agents", "cameras", "tickets", "limits"});
  reader.require("revision", "a number that grows with every snapshot");
  reader.integer_into("revision", snapshot.revision, 1, kMaxWhole);
  const auto read_all = [&](std::string_view field, size_t most, auto& target, auto read_one) {
    const auto& list = reader.array(field, most);
    target.reserve(list.size());
    for (size_t i = 0; i < list.size() && !error.failed(); ++i) {
      target.push_back(read_one(list[i], i, pointer_to(reader.pointer(field), i)));
    }
  };
  read_all("listeners", kMaxListeners, snapshot.listeners,
           [&](const Json& one, size_t, const std::string& at) { return read_listener(one, at, error); });
  std::unordered_map<std::string_view, const AgentPolicy*> earlier;
  read_all("agents", kMaxAgents, snapshot.agents, [&](const Json& one, size_t i, const std::string& at) {
    if (i > 0) earlier[snapshot.agents.back().name] = &snapshot.agents.back();  // reserved: it stays
    const AgentPolicy* same = shorter ? shorter->agents[i] : nullptr;
    return same ? *same : read_agent(one, at, error, earlier);
  });
  if (shorter && shorter->same_cameras()) {
    snapshot.cameras = shorter->before->cameras;
  } else {
    read_all("cameras", kMaxCameras, snapshot.cameras.edit(), [&](const Json& one, size_t i, const std::string& at) {
      const CameraPolicy* same = shorter ? shorter->cameras[i] : nullptr;
      return same ? *same : read_camera(one, at, error);
    });
  }
  if (const Json* tickets = reader.find("tickets")) {
    snapshot.tickets = read_tickets(*tickets, reader.pointer("tickets"), error);
  }
  if (const Json* limits = reader.find("limits"))
    snapshot.limits = read_limits(*limits, reader.pointer("limits"), error);
}

// Whether the agents and cameras of a text that was read may be taken over by the next one.
void mark_those_alone(const Json& json, SnapshotText& text) {
  for (TextElement& camera : text.cameras) camera.stands_alone = true;
  for (size_t i = 0; i < text.agents.size(); ++i) text.agents[i].stands_alone = !json["agents"][i].contains("like");
}

// `json`: the text, or the one of `shorter`. `text`: what is kept of it, if anything.
Result<Ref<PolicySnapshot>> read_text(std::string_view json, const ShortText* shorter, SnapshotText* text) {
  TextCheck check;
  if (!Json::sax_parse(json.begin(), json.end(), &check)) {
    return check.error() ? *check.error() : make_error(Code::policy_syntax, "byte 0", "this is not JSON");
  }
  const Json document = Json::parse(json.begin(), json.end());
  auto snapshot = make_ref<PolicySnapshot>();
  FirstError error;
  read_snapshot(document, shorter, *snapshot, error);
  if (error.failed()) return error.error();
  if (Status status = validate(*snapshot, shorter ? shorter->before : nullptr); !status) return status.error();
  sort_rights(snapshot->agents);  // only now: errors name the place in the text
  std::ranges::sort(snapshot->tickets.routes, {}, &RoutePolicy::id);
  if (text) mark_those_alone(document, *text);
  return snapshot;
}

}  // namespace

Result<Ref<const PolicySnapshot>> parse_snapshot(std::string_view json, const PolicySnapshot* before) {
  if (json.size() > kMaxSnapshotBytes) {
    return make_error(
        Code::policy_syntax, "byte " + std::to_string(kMaxSnapshotBytes),
        "found " + std::to_string(json.size()) + " bytes; right would be at most " + std::to_string(kMaxSnapshotBytes));
  }
  try {
    auto shorter = shorten(json, before);
    SnapshotText* const text = shorter ? &shorter->whole : nullptr;
    auto read = shorter ? read_text(shorter->json, &*shorter, text) : read_text(json, nullptr, nullptr);
    // What is wrong is said of the text as it was given.
    if (shorter && !read) read = read_text(json, nullptr, text);
    if (!read) return std::move(read).error();
    Ref<PolicySnapshot> snapshot = std::move(read).value();
    if (text) snapshot->text = std::make_unique<const SnapshotText>(std::move(*text));
    return Ref<const PolicySnapshot>(std::move(snapshot));
  } catch (const std::exception&) {
    // Its text may quote the input; the checks above leave no way here but a lack of memory.
    return make_error(Code::policy_syntax, "byte 0", "the text could not be read");
  }
}

}  // namespace vigie::policy
