// How a policy snapshot comes into force: rights and pictures are taken away first, given last.
#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "mask/scene_watch.h"
#include "runtime/engine_impl.h"

namespace vigie::runtime {
namespace {

using Kind = policy::Action::Kind;

const policy::StreamPolicy* find_stream(const policy::CameraPolicy& camera, const std::string& name) {
  const auto found = std::find_if(camera.streams.begin(), camera.streams.end(),
                                  [&](const policy::StreamPolicy& stream) { return stream.name == name; });
  return found == camera.streams.end() ? nullptr : &*found;
}

const policy::ListenerPolicy* find_listener(const policy::PolicySnapshot& snapshot, const std::string& name) {
  const auto found = std::find_if(snapshot.listeners.begin(), snapshot.listeners.end(),
                                  [&](const policy::ListenerPolicy& listener) { return listener.name == name; });
  return found == snapshot.listeners.end() ? nullptr : &*found;
}

// A still is looked into where it is new: that takes a millisecond or two.
Status check_scene_references(const policy::PolicySnapshot* before, const policy::PolicySnapshot& next) {
  const auto bytes = [](const policy::MaskSetPolicy& set) {
    const auto& still = set.scene_reference;
    return std::string_view(reinterpret_cast<const char*>(still.data()), still.size());
  };
  if (before && before->cameras.shares(next.cameras)) return {};
  std::unordered_set<std::string_view> known{""};  // that there is none
  const auto each = [](const policy::PolicySnapshot& snapshot, const auto& step) -> Status {
    for (size_t i = 0; i < snapshot.cameras.size(); ++i) {
      const policy::CameraPolicy& camera = snapshot.cameras[i];
      const std::string where = "/cameras/" + std::to_string(i);
      if (camera.masks) {
        if (Status status = step(*camera.masks, where + "/masks"); !status.ok()) return status;
      }
      for (size_t k = 0; k < camera.versions.size(); ++k) {
        Status status = step(camera.versions[k].masks, where + "/versions/" + std::to_string(k) + "/masks");
        if (!status.ok()) return status;
      }
    }
    return {};
  };
  if (before) {
    (void)each(*before, [&](const policy::MaskSetPolicy& set, const std::string&) -> Status {
      known.insert(bytes(set));
      return {};
    });
  }
  return each(next, [&](const policy::MaskSetPolicy& set, const std::string& where) -> Status {
    if (!known.insert(bytes(set)).second) return {};
    const auto read = mask::SceneReference::from_bytes(set.scene_reference);
    if (read.ok()) return {};
    return make_error(
        Code::policy_field, where + "/scene_reference",
        read.error().text() + "; right would be what the engine gave for this camera, or to leave it out");
  });
}

}  // namespace

Result<uint64_t> Engine::Impl::apply(std::string_view json, std::optional<uint64_t> expect_revision) {
  const Ref<const Directory> in_force = viewing_->directory();  // only read beside: another apply may come between
  auto parsed = policy::parse_snapshot(json, in_force->snapshot.get());
  if (!parsed.ok()) return std::move(parsed).error();
  const Ref<const policy::PolicySnapshot> next = std::move(parsed).value();

  const std::lock_guard lock(control_mutex_);
  if (closed_) return make_error(Code::closed, "engine", "the engine was closed");
  const uint64_t current = snapshot_ ? snapshot_->revision : 0;
  if (expect_revision && *expect_revision != current) {
    return make_error(Code::policy_revision, "/revision",
                      "revision " + std::to_string(*expect_revision) + " was expected in force, and it is " +
                          std::to_string(current) + "; read the present state and apply again");
  }
  if (next->revision <= current) {
    return make_error(Code::policy_revision, "/revision",
                      std::to_string(next->revision) + " was given, and " + std::to_string(current) +
                          " is in force; a new snapshot needs a greater number");
  }

  if (Status status = policy::check_succession(snapshot_.get(), *next); !status.ok()) return std::move(status).error();
  if (Status status = check_scene_references(snapshot_.get(), *next); !status.ok()) return std::move(status).error();
  const std::vector<policy::Action> actions = policy::diff(snapshot_.get(), *next);
  // What can fail comes before anything changes.
  if (Status opened = open_new_listeners(actions, *next); !opened.ok()) return std::move(opened).error();
  // From here on the new rights count for whoever asks; then those who already watch are asked again.
  put_in_force(next);
  server_->recheck_rights_blocking();
  const Ref<const Directory> directory = viewing_->directory();
  for (const policy::Action& action : actions) run_action(action, *directory);
  server_->renew_certificates();  // whose files may be new under the old names
  if (directory->cameras->generation != generation_) put_in_force(next);
  // Masks and withdrawals may have come with the actions: ask once more, so that nobody is left over.
  server_->recheck_rights_blocking();
  snapshot_ = next;
  events_.push(
      {.seq = 0,
       .at = {},
       .kind = EventKind::policy_applied,
       .object = "policy",
       .state = "applied",
       .code = 0,
       .text = "revision " + std::to_string(next->revision) + ", " + std::to_string(actions.size()) + " changes",
       .merged = 0});
  return next->revision;
}

Status Engine::Impl::open_new_listeners(const std::vector<policy::Action>& actions,
                                        const policy::PolicySnapshot& next) {
  std::vector<std::string> opened;
  for (const policy::Action& action : actions) {
    if (action.kind != Kind::open_listener) continue;
    const policy::ListenerPolicy& listener = *find_listener(next, action.name);
    // One that changed still stands under its old policy, which its own action closes later: here it is only tried,
    // beside it (addresses are shared), so that a mistake is found while nothing has changed yet.
    const bool trial = server_->listener_address(action.name).ok();
    const Status status = trial ? server_->try_listener_blocking(listener) : server_->open_listener_blocking(listener);
    if (!status.ok()) {
      for (const std::string& name : opened) server_->close_listener_blocking(name);
      return status;
    }
    if (!trial) opened.push_back(action.name);
  }
  return {};
}

void Engine::Impl::run_action(const policy::Action& action, const Directory& directory) {
  const policy::PolicySnapshot& next = *directory.snapshot;
  const StreamKey key{action.name, action.stream};
  const Directory::Camera* entry = directory.camera(action.name);
  const policy::CameraPolicy* camera = entry ? entry->policy : nullptr;
  const policy::StreamPolicy* stream = camera ? find_stream(*camera, action.stream) : nullptr;
  switch (action.kind) {
    case Kind::end_rights:
    case Kind::update_camera: break;  // rights and names are read from the snapshot in force
    case Kind::close_listener: server_->close_listener_blocking(action.name); break;
    case Kind::remove_stream: remove_stream(key, make_error(Code::not_found, key.text(), "removed by policy")); break;
    case Kind::change_privacy:
    case Kind::change_masks:
    case Kind::shrink_masks: set_privacy(*camera, next.revision); break;
    case Kind::restart_stream:
      remove_stream(key, make_error(Code::connection_lost, key.text(), "the way to this stream was changed by policy"));
      add_stream(*camera, *stream, next);
      break;
    case Kind::update_stream:
      if (const auto found = pipelines_.find(key); found != pipelines_.end()) {
        on_home_blocking(*found->second, [&] { found->second->update(*stream); });
      }
      break;
    case Kind::add_stream: add_stream(*camera, *stream, next); break;
    case Kind::open_listener: {
      if (server_->listener_address(action.name).ok()) break;  // new ones were opened before anything changed
      const Status status = server_->open_listener_blocking(*find_listener(next, action.name));
      if (status.ok()) break;
      // It could be opened a moment ago, in its trial: somebody else took the address since.
      events_.push({.seq = 0,
                    .at = {},
                    .kind = EventKind::listener_state,
                    .object = "listener " + action.name,
                    .state = "failed",
                    .code = static_cast<uint16_t>(status.error().code),
                    .text = status.error().text(),
                    .merged = 0});
      break;
    }
    case Kind::change_limits: server_->set_limits_blocking(next.limits); break;
  }
}

void Engine::Impl::add_stream(const policy::CameraPolicy& camera, const policy::StreamPolicy& stream,
                              const policy::PolicySnapshot& next) {
  const size_t home = shards_->pick();
  std::vector<fanout::ShardRef> shards;
  for (size_t i = 0; i < shards_->size(); ++i) shards.push_back({&shards_->shard(i), &shards_->shard(i).pool()});
  const StreamKey key{camera.name, stream.name};
  shards_->shard(home).run_blocking([&] {
    auto pipeline = std::make_shared<StreamPipeline>(StreamPipeline::Home{.shard_index = home,
                                                                          .loop = shards_->shard(home),
                                                                          .sources = *source_shards_[home],
                                                                          .events = events_,
                                                                          .workers = *workers_,
                                                                          .frames = frames_,
                                                                          .budget = *budget_,
                                                                          .mask_encoder = options_.mask_encoder,
                                                                          .shards = shards,
                                                                          .packet_bytes = next.limits.packet_bytes},
                                                     key, stream);
    // Decided before it starts: the very first unit meets the decision.
    pipeline->decide(camera, next.revision, {});
    tell_doubt(*pipeline);
    pipeline->start();
    pipelines_[key] = std::move(pipeline);
    ++generation_;
  });
}

void Engine::Impl::remove_stream(const StreamKey& key, const Error& reason) {
  const auto found = pipelines_.find(key);
  if (found == pipelines_.end()) return;
  const std::shared_ptr<StreamPipeline> pipeline = std::move(found->second);
  pipelines_.erase(found);
  ++generation_;
  shards_->unpick(pipeline->home_shard());
  stopping_.add();
  on_home_blocking(*pipeline, [&] { pipeline->stop(reason, [this] { stopping_.done(); }); });
}

void Engine::Impl::set_privacy(const policy::CameraPolicy& camera, uint64_t revision) {
  Countdown emptied;
  for (const policy::StreamPolicy& stream : camera.streams) {
    const auto found = pipelines_.find({camera.name, stream.name});
    if (found == pipelines_.end()) continue;
    emptied.add();
    on_home_blocking(*found->second, [&] { found->second->decide(camera, revision, [&] { emptied.done(); }); });
  }
  if (camera.privacy == policy::Privacy::withheld) {
    for_each_subscription([&](const std::string& name, UnitQueue& queue) {
      if (name == camera.name) queue.end(make_error(Code::withheld, name, "the policy no longer lets it be shown"));
    });
  }
  // Acknowledged only once no log holds a unit of the former decision.
  emptied.wait_blocking();
}

void Engine::Impl::put_in_force(const Ref<const policy::PolicySnapshot>& snapshot) {
  viewing_->publish(make_directory(snapshot, pipelines_, generation_, viewing_->directory().get(), clock_));
}

}  // namespace vigie::runtime
